// The short chunks that S3 refuses, in parts that are streams: their chunks have 64 KiB and more, whatever the source does, and the trailer never stands alone behind others.
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { it } from 'node:test'

import { begin, PART, plaintext } from '../client/multipart-support.js'
import { Bucket, read, world } from '../support/world.js'

const w = await world({ etag: 'random', verifyPayload: false })
const client = w.client()
const PIECE = 65_536

function* cut(bytes: Buffer, lengths: readonly number[]) {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const length = lengths[i % lengths.length] ?? 1
    yield bytes.subarray(at, at + length)
    at += length
  }
}

const cases: readonly [length: number, chunking: readonly number[], partSize: number | undefined][] = [
  [PART, [1000], undefined],
  [PART + 1, [PIECE - 1], 2 * PART],
  [PART + 15, [1, PIECE, 3], 2 * PART],
  [PART + 8191, [1_000_000], undefined],
  [PART + 8191, [8191], 2 * PART],
  [PART + PIECE + 1, [700_000, 1], 2 * PART],
]
for (const [length, chunking, partSize] of cases) {
  it(`${length} bytes in ${chunking.join()}${partSize === undefined ? '' : ', with the trailer'}`, async () => {
    const body = plaintext(length)
    const upload = await begin(client, 'chunks', {}, { partSize })
    w.s3.requests.length = 0
    await upload.part(1, Readable.from(cut(body, chunking)), { ContentLength: length })
    const sizes = w.s3.requests[0]?.chunkSizes ?? []
    assert.equal(sizes.at(-1), 0)
    const data = sizes.slice(0, -1)
    assert.ok(
      data.slice(0, -1).every((size) => size >= PIECE),
      data.join(),
    )
    assert.equal(
      data.reduce((sum, size) => sum + size, 0),
      length + (partSize === undefined ? 0 : 16),
    )
    if (partSize !== undefined) assert.ok((data.at(-1) ?? 0) > 16)
    await upload.complete()
    assert.ok((await read(client, 'chunks')).equals(body))
    assert.ok((await w.s3.object(Bucket, 'chunks')) !== undefined)
  })
}
