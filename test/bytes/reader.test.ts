import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'

import { exactReader } from '../../src/bytes/reader.js'
import type { ByteSource } from '../../src/runtime/runtime.js'
import { code } from '../support/errors.js'

function chunked(chunks: Uint8Array[]): ByteSource {
  const rest = [...chunks]
  return { next: async () => rest.shift(), cancel: () => undefined }
}

const chunkLists = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 12 })

describe('exactReader', () => {
  it('reads any lengths from any chunks', async () => {
    await fc.assert(
      fc.asyncProperty(chunkLists, fc.array(fc.nat(50)), fc.boolean(), async (chunks, lengths, into) => {
        const all = Buffer.concat(chunks)
        const reader = exactReader(chunked(chunks))
        let offset = 0
        for (const length of lengths) {
          if (offset + length > all.length) break
          const read = await reader.read(length, into ? new Uint8Array(64) : undefined)
          assert.deepEqual(Buffer.from(read), all.subarray(offset, offset + length))
          offset += length
        }
        await reader.read(all.length - offset)
        await reader.end()
      }),
    )
  })

  it('gives some bytes, in multiples of the minimum until the maximum', async () => {
    await fc.assert(
      fc.asyncProperty(chunkLists, fc.integer({ min: 1, max: 16 }), async (chunks, minimum) => {
        const all = Buffer.concat(chunks)
        const reader = exactReader(chunked(chunks))
        const read: Uint8Array[] = []
        for (let offset = 0; offset < all.length;) {
          const maximum = Math.min(32 * minimum, all.length - offset)
          const part = await reader.some(minimum, maximum)
          assert.ok(part.length > 0 && part.length <= maximum)
          assert.ok(part.length % minimum === 0 || part.length === maximum)
          read.push(part.slice())
          offset += part.length
        }
        await reader.end()
        assert.deepEqual(Buffer.concat(read), all)
      }),
    )
  })

  it('joins some bytes in memory that is given, and copies none that lie together', async () => {
    const chunks = [Uint8Array.of(1, 2, 3), Uint8Array.of(4), Uint8Array.of(5, 6, 7, 8)]
    const [, , long] = chunks
    const reader = exactReader(chunked(chunks))
    const into = new Uint8Array(9)
    const joined = await reader.some(4, 8, into)
    assert.deepEqual([...joined], [1, 2, 3, 4])
    assert.equal(joined.buffer, into.buffer)
    const together = await reader.some(4, 8, into)
    assert.deepEqual([...together], [5, 6, 7, 8])
    assert.equal(together.buffer, long?.buffer)
  })

  it('refuses a source that is shorter or longer than it should be', async () => {
    const short = exactReader(chunked([Uint8Array.of(1, 2)]))
    await assert.rejects(short.read(3), code('ERR_S3CSE_RESPONSE_UNEXPECTED', /shorter/))
    const empty = exactReader(chunked([]))
    await assert.rejects(empty.some(1, 2), code('ERR_S3CSE_RESPONSE_UNEXPECTED', /shorter/))
    const long = exactReader(chunked([Uint8Array.of(1, 2)]))
    await long.read(1)
    await assert.rejects(long.end(), code('ERR_S3CSE_RESPONSE_UNEXPECTED', /longer/))
    const longer = exactReader(chunked([Uint8Array.of(1), Uint8Array.of(2)]))
    await longer.read(1)
    await assert.rejects(longer.end(), code('ERR_S3CSE_RESPONSE_UNEXPECTED', /longer/))
  })
})
