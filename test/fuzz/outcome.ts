import assert from 'node:assert/strict'

import { CseError } from '../../src/errors.js'
import type { CseErrorCode } from '../../src/errors.js'

/** Longer than the name of any object, quoted, and what is said about it. */
const MAX_MESSAGE = 4000

/** Typed, with one of these codes, and a message that is fit to be logged. Everything else is thrown again. */
export function expected(error: unknown, codes: readonly CseErrorCode[]): CseError {
  if (!(error instanceof CseError) || !codes.includes(error.code)) throw error
  assert.ok(error.message.length <= MAX_MESSAGE, `a message of ${error.message.length} characters`)
  assert.match(error.message, /^[ -~…]+$/)
  return error
}

/** The same value or the same error, asked twice. */
export function twice<T>(
  call: () => T,
  codes: readonly CseErrorCode[],
): { readonly value: T } | { readonly error: CseError } {
  const once = (): { readonly value: T } | { readonly error: CseError } => {
    try {
      return { value: call() }
    } catch (error) {
      return { error: expected(error, codes) }
    }
  }
  const [first, second] = [once(), once()]
  const plain = (one: typeof first): unknown => ('error' in one ? one.error.message : { ...(one.value as object) })
  assert.equal(JSON.stringify(plain(first)), JSON.stringify(plain(second)))
  return first
}

/** Nothing that was read has changed what all objects have. */
export function checkPrototypes(): void {
  assert.equal(Object.keys(Object.prototype).length, 0)
  assert.equal(Object.getPrototypeOf(Object.prototype), null)
  assert.equal(Object.getOwnPropertyNames(Object.prototype).length, prototypeNames)
}

const prototypeNames = Object.getOwnPropertyNames(Object.prototype).length
