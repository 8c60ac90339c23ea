import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { edited, namedLength } from '../../src/formats/crypt4gh/edit-list.js'

/** As the specification says it, byte by byte. */
function model(lengths: readonly number[], stored: number): number[] | undefined {
  const kept: number[] = []
  let at = 0
  for (const [index, length] of lengths.entries()) {
    for (let i = 0; i < length; i++, at++) {
      if (at >= stored) return undefined
      if (index % 2 === 1) kept.push(at)
    }
  }
  if (lengths.length % 2 === 1) for (; at < stored; at++) kept.push(at)
  return kept
}

describe('an edit list', () => {
  test('keeps what the specification says, at every place, in pieces of any length', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(9), { minLength: 1, maxLength: 8 }),
        fc.nat(50),
        fc.integer({ min: 1, max: 12 }),
        (lengths, stored, step) => {
          const expected = model(lengths, stored)
          const found = edited(lengths.map(BigInt), stored)
          if (expected === undefined) {
            assert.equal(found, undefined)
            return
          }
          assert.ok(found !== undefined, 'the list fits')
          assert.equal(found.length, expected.length)
          for (const [index, at] of expected.entries()) assert.equal(found.storedAt(index), at)
          assert.throws(() => found.storedAt(expected.length), RangeError)
          for (let at = 0; at <= stored; at++) {
            assert.equal(found.keptBefore(at), expected.filter((one) => one < at).length)
          }
          const kept: number[] = []
          for (let at = 0; at < stored; at += step) {
            const piece = Uint8Array.from({ length: Math.min(step, stored - at) }, (_, i) => at + i)
            kept.push(...found.keep(at, piece))
          }
          assert.deepEqual(kept, expected)
        },
      ),
      { numRuns: 400 },
    )
  })

  test('of a plaintext whose length is not known goes on to its end', () => {
    const found = edited([5n, 10n, 5n], Infinity)!
    assert.equal(found.length, Infinity)
    assert.deepEqual(
      [
        ...found.keep(
          0,
          Uint8Array.from({ length: 25 }, (_, i) => i),
        ),
      ],
      [...Array.from({ length: 10 }, (_, i) => i + 5), ...Array.from({ length: 5 }, (_, i) => i + 20)],
    )
  })

  test('with numbers that no file has is refused', () => {
    const big = 2n ** 63n
    assert.equal(edited([big, big], 100), undefined)
    assert.equal(edited([0n, 2n ** 64n - 1n], Infinity), undefined)
    assert.equal(edited([101n], 100), undefined)
    assert.equal(edited([100n], 100)?.length, 0)
    assert.equal(namedLength([big, big]), 2n ** 64n)
  })
})
