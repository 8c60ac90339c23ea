import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'

import { paddedBlock, paddingLength } from '../../src/crypto/pkcs7.js'

/** RFC 5652 section 6.3, as it reads. */
function expected(block: Uint8Array): number {
  const count = block[15]!
  return count >= 1 && count <= 16 && block.subarray(16 - count).every((byte) => byte === count) ? count : 0
}

describe('the padding of PKCS #7', () => {
  it('fills up a block, whatever is left over', () => {
    for (let length = 0; length < 16; length++) {
      const rest = Uint8Array.from({ length }, (_, i) => 200 + i)
      const block = paddedBlock(rest)
      assert.deepEqual(Buffer.from(block), Buffer.concat([rest, Buffer.alloc(16 - length, 16 - length)]))
      assert.equal(paddingLength(block), 16 - length)
    }
  })

  it('is none with any other last byte, and none with any byte of it changed', () => {
    for (let count = 0; count < 256; count++) {
      assert.equal(paddingLength(new Uint8Array(16).fill(count)), count >= 1 && count <= 16 ? count : 0)
    }
    for (let count = 1; count <= 16; count++) {
      for (let at = 0; at < 16; at++) {
        for (const other of [0, 1, 2, 15, 16, 17, 0x7f, 0x80, 0xff]) {
          const block = paddedBlock(new Uint8Array(16 - count).fill(7))
          block[at] = other
          assert.equal(paddingLength(block), expected(block), `${count} at ${at}: ${other}`)
        }
      }
    }
  })

  it('is found as the standard says, in any block', () => {
    const byte = fc.oneof(fc.integer({ min: 0, max: 17 }), fc.integer({ min: 0, max: 255 }))
    fc.assert(
      fc.property(fc.array(byte, { minLength: 16, maxLength: 16 }), (bytes) => {
        const block = Uint8Array.from(bytes)
        assert.equal(paddingLength(block), expected(block))
      }),
      { numRuns: 2000 },
    )
  })
})
