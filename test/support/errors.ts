import assert from 'node:assert/strict'

import type { CseErrorCode } from '../../src/errors.js'

/** For assert.throws and assert.rejects: the code, and what the message must say. */
export function code(expected: CseErrorCode, message?: RegExp): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof Error, `not an Error: ${String(error)}`)
    assert.equal((error as { code?: unknown }).code, expected, error.stack ?? error.message)
    if (message !== undefined) assert.match(error.message, message)
    return true
  }
}
