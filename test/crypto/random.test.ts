import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomNonZeroBytes } from '../../src/crypto/random.js'
import { pattern } from './helpers.js'

test('bytes that are all zero are drawn again', () => {
  const draws = [new Uint8Array(28), new Uint8Array(28), pattern(28)]
  assert.deepEqual(
    randomNonZeroBytes(28, (length) => {
      assert.equal(length, 28)
      return draws.shift()!
    }),
    pattern(28),
  )
  assert.equal(draws.length, 0)
})

test('from the runtime: the length that was asked for, different each time', () => {
  const [a, b] = [randomNonZeroBytes(12), randomNonZeroBytes(12)]
  assert.equal(a.length, 12)
  assert.notDeepEqual(a, b)
})
