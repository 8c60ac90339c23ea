import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { runs } from '../../src/crypto/runs.js'

const joinedText = () => runs<string>((left, right) => left.value + right.value)

describe('runs', () => {
  test('any order of arrival ends in one run, joined in order of position', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 20 }).chain((lengths) => {
          const starts = lengths.map((_, i) => lengths.slice(0, i).reduce((a, b) => a + b, 0))
          const pieces = lengths.map((length, i) => ({ start: starts[i]!, end: starts[i]! + length }))
          return fc.tuple(fc.constant(pieces), fc.shuffledSubarray(pieces, { minLength: pieces.length }))
        }),
        ([inOrder, shuffled]) => {
          const all = joinedText()
          for (const { start, end } of shuffled) {
            assert.equal(all.overlaps(start, end), false)
            assert.ok(all.add(start, end, `${start};`))
            assert.ok(all.overlaps(start, end))
          }
          const value = inOrder.map(({ start }) => `${start};`).join('')
          assert.deepEqual(all.list, [{ start: 0, end: inOrder.at(-1)!.end, value }])
        },
      ),
    )
  })

  test('whatever is added, no byte is there twice, and the list is sorted with gaps between', () => {
    const interval = fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 12 }))
    fc.assert(
      fc.property(fc.array(interval, { maxLength: 40 }), (intervals) => {
        const taken = new Set<number>()
        const all = runs<undefined>(() => undefined)
        for (const [start, length] of intervals) {
          const bytes = Array.from({ length }, (_, i) => start + i)
          const free = bytes.every((byte) => !taken.has(byte))
          assert.equal(all.overlaps(start, start + length), !free)
          assert.equal(all.add(start, start + length, undefined), free)
          if (free) for (const byte of bytes) taken.add(byte)
        }
        assert.deepEqual(
          all.list.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => start + i)),
          [...taken].sort((a, b) => a - b),
        )
        for (const [i, run] of all.list.entries()) assert.ok(i === 0 || all.list[i - 1]!.end < run.start)
      }),
    )
  })

  test('pieces in order never hold more than one run', () => {
    const all = joinedText()
    for (let i = 0; i < 1000; i++) {
      assert.ok(all.add(i * 3, i * 3 + 3, ''))
      assert.equal(all.list.length, 1)
    }
  })
})
