import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'

import type { Opener } from '../../src/message/opener.js'
import { planReads } from '../../src/message/parallel-read-plan.js'
import { plainOpener } from '../../src/message/plain-opener.js'
import { FRAME, framedOpener } from './framed.js'
import { gcm } from './parallel-read-support.js'

const sealedFrames = (length: number): number => 8 + length + Math.ceil(length / FRAME) * 16 + 28

describe('the ranges of a message', async () => {
  const formats: readonly (readonly [string, Opener, (length: number) => number])[] = [
    ['GCM', await gcm(), (length) => length + 16],
    ['frames', framedOpener(), sealedFrames],
    ['plain', plainOpener(), (length) => length],
  ]
  for (const [name, opener, sealedLength] of formats) {
    it(`cover all of it once, in whole segments, of at most the size of a part (${name})`, () => {
      fc.assert(
        fc.property(fc.nat(100_000), fc.integer({ min: 3000, max: 110_000 }), (length, partSize) => {
          const sealed = sealedLength(length)
          const plan = planReads(opener, sealed, partSize)
          assert.ok(plan !== undefined)
          assert.equal(plan.plaintextLength, length)
          let [plaintext, stored, body] = [0, 0, opener.headerLength]
          for (let index = 0; index < plan.count; index++) {
            const range = plan.range(index)
            assert.equal(range.start, plaintext)
            assert.equal(range.from, stored)
            assert.equal(range.bodyStart, body)
            assert.equal((range.bodyStart - opener.headerLength) % opener.alignment, 0)
            assert.equal(range.last, index === plan.count - 1)
            assert.ok(range.bodyEnd - range.from <= partSize)
            assert.ok(range.end > range.start || length === 0)
            plaintext = range.end
            stored = range.to
            body = range.bodyEnd
          }
          assert.equal(plaintext, length)
          assert.equal(stored, sealed)
          assert.equal(body, sealed - opener.trailerLength)
          const { trailer } = plan
          assert.deepEqual([trailer.from, trailer.to, trailer.start], [body, sealed, length])
        }),
      )
    })
  }

  it('are none where a segment is longer than a part, or the length is not known', async () => {
    assert.equal(planReads(framedOpener(), sealedFrames(5000), FRAME), undefined)
    assert.equal(planReads({ ...(await gcm()), plaintextLength: () => undefined }, 1000, 100), undefined)
  })

  it('are an error for a length that no message has', async () => {
    const opener = await gcm()
    assert.throws(() => planReads(opener, 15, 100), { code: 'ERR_S3CSE_ENVELOPE_INVALID' })
  })
})
