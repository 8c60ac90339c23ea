import assert from 'node:assert/strict'
import { createCipheriv } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { counterAfter, ctr } from '../../src/gcm/ctr.js'
import { pattern, RUNTIMES, toHex } from '../crypto/helpers.js'

const key = pattern(32)

test('counters are one number of 128 bits', () => {
  const after = (counter: string, blocks: number): string =>
    toHex(counterAfter(Uint8Array.from(Buffer.from(counter, 'hex')), blocks))
  assert.equal(after('00'.repeat(16), 0), '00'.repeat(16))
  assert.equal(after('00'.repeat(12) + 'ffffffff', 1), '00'.repeat(11) + '0100000000')
  assert.equal(after('00'.repeat(8) + 'ff'.repeat(8), 2), '00'.repeat(7) + '01' + '00'.repeat(7) + '01')
  assert.equal(after('ff'.repeat(16), 1), '00'.repeat(16))
  assert.equal(after('ff'.repeat(16), 2 ** 48), '00'.repeat(10) + 'ffffffffffff')
  // A view that does not begin where its memory does.
  assert.equal(toHex(counterAfter(new Uint8Array(20).fill(255, 4).subarray(4), 1)), '00'.repeat(16))
})

for (const [name, { aes }] of RUNTIMES) {
  test(`CTR at any place on ${name}, also where 32, 64 and 128 bits of the counter are used up`, async () => {
    const cipher = await aes(key)
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(0, 3, 4, 7, 8, 12, 15),
        fc.integer({ min: 0, max: 20 }),
        fc.integer({ min: 0, max: 300 }),
        fc.integer({ min: 0, max: 300 }),
        async (ones, left, start, length) => {
          const counter = new Uint8Array(16).fill(0xff, ones)
          counter[15] = 255 - left
          const data = pattern(start + length)
          // OpenSSL counts with 128 bits.
          const expected = Uint8Array.from(createCipheriv('aes-256-ctr', key, counter).update(data))
          assert.deepEqual(
            Uint8Array.from(await ctr(cipher, counter, start, data.subarray(start))),
            expected.slice(start),
          )
        },
      ),
      { numRuns: 100 },
    )
    // Keystream of bytes before the piece is not left behind it.
    const piece = await ctr(cipher, new Uint8Array(16), 5, pattern(8))
    assert.deepEqual(new Uint8Array(piece.buffer, 0, piece.byteOffset), new Uint8Array(piece.byteOffset))
  })
}
