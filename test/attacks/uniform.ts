import assert from 'node:assert/strict'

import { DecryptionError } from '../../src/index.js'

export interface Visible {
  readonly prototypes: readonly unknown[]
  readonly text: string
  readonly firstLine: string | undefined
  readonly json: string
  readonly own: readonly (readonly [string | symbol, PropertyDescriptor | undefined])[]
  readonly cause: boolean
}

/** All that can be seen of an error but for its stack, which says where in the code it was made. */
export function visible(error: unknown): Visible {
  assert.ok(error instanceof Error)
  const own = Reflect.ownKeys(error).filter((key) => key !== 'stack')
  return {
    prototypes: [error.constructor, Object.getPrototypeOf(error.constructor)],
    text: String(error),
    firstLine: error.stack?.split('\n', 1)[0],
    json: JSON.stringify(error),
    own: own.map((key) => [key, Object.getOwnPropertyDescriptor(error, key)]),
    cause: 'cause' in error,
  }
}
/** What every failure after a key was used looks like. */
export const expected: Visible = visible(new DecryptionError())
