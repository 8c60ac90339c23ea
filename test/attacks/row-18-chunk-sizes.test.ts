// S3 refuses aws-chunks under 8 KiB but for the last, and the SDK makes one of every chunk of a stream. Ours has chunks of 64 KiB and more, whatever the source does.
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { beforeEach, describe, it } from 'node:test'

import fc from 'fast-check'

import { Bucket, pattern, put, read, world } from '../support/world.js'
import { versions } from './support.js'

const w = await world()
const MINIMUM = 8192
const PIECE = 65_536

/** The body in chunks of these lengths, over and over. Zero ends nothing: an empty chunk is left out. */
function* cut(bytes: Buffer, lengths: readonly number[]) {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const length = lengths[i % lengths.length] ?? 1
    if (length === 0) continue
    yield bytes.subarray(at, at + length)
    at += length
  }
}

/** Chunks of data as they were sent; the empty chunk that ends them is taken off. */
function sizes(): readonly number[] {
  const all = w.s3.requests.findLast(({ operation }) => operation === 'PutObject')?.chunkSizes ?? []
  assert.equal(all.at(-1), 0)
  return all.slice(0, -1)
}

beforeEach(() => {
  w.s3.requests.length = 0
})

it('the server refuses such chunks, as S3 does: the plain SDK sends one for each chunk of its source', async () => {
  const bytes = pattern(20_000)
  for (const length of [1000, MINIMUM - 1]) {
    const sending = put(w.plain, 'plain', Readable.from(cut(bytes, [length])), { ContentLength: bytes.length })
    await assert.rejects(sending, { name: 'InvalidChunkSizeError' })
  }
  await put(w.plain, 'plain', Readable.from(cut(bytes, [MINIMUM])), { ContentLength: bytes.length })
})

const lengths = [0, 1, 15, 16, 17, MINIMUM - 17, MINIMUM - 16, MINIMUM, PIECE - 17, PIECE - 16, PIECE - 15, PIECE - 1]
lengths.push(PIECE, PIECE + 1, PIECE + 16, PIECE + MINIMUM, 2 * PIECE - 1, 2 * PIECE, 2 * PIECE + 1, 300_000)
const chunkings = [[1000], [MINIMUM - 1], [PIECE - 1], [PIECE], [1_000_000], [1, PIECE, 3]]

for (const [version, commitmentPolicy] of versions) {
  const client = w.client({ commitmentPolicy })

  async function check(length: number, chunking: readonly number[], more: object = {}): Promise<void> {
    const bytes = pattern(length)
    await put(client, 'stream', Readable.from(cut(bytes, chunking)), { ContentLength: length, ...more })
    const sent = sizes()
    const what = `${length} bytes in ${chunking.join()}: ${sent.join()}`
    assert.ok(
      sent.slice(0, -1).every((size) => size >= PIECE),
      what,
    )
    // The tag goes with the tail, so that it never stands alone behind a small one.
    assert.ok(length === 0 ? sent.at(-1) === 16 : (sent.at(-1) ?? 0) > 16, what)
    assert.equal(
      sent.reduce((sum, size) => sum + size, 0),
      length + 16,
    )
  }

  describe(version, () => {
    it('lengths near a boundary, in every chunking', async () => {
      for (const length of version === 'V3' ? lengths : lengths.slice(-1))
        for (const chunking of chunkings) await check(length, chunking)
      assert.deepEqual(await read(client, 'stream'), pattern(300_000))
    })

    it('any length, in any chunking', async () => {
      const chunk = fc.oneof(
        { weight: 3, arbitrary: fc.integer({ min: 1, max: 100_000 }) },
        fc.constantFrom(...lengths),
      )
      const chunking = fc.array(chunk, { minLength: 1, maxLength: 8 }).filter((all) => all.some((one) => one >= 500))
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 0, max: 400_000 }), chunking, (length, lengths) => check(length, lengths)),
        { numRuns: version === 'V3' ? 40 : 10 },
      )
    })

    it('with every checksum that is asked for', async () => {
      for (const ChecksumAlgorithm of ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256']) {
        await check(150_000, [777], { ChecksumAlgorithm })
        const [request] = w.s3.requests.splice(0)
        assert.ok(request?.trailers[`x-amz-checksum-${ChecksumAlgorithm.toLowerCase()}`], ChecksumAlgorithm)
      }
    })

    it('in bytes and in a Blob that are beyond maxBufferedBytes', async () => {
      const small = w.client({ commitmentPolicy, maxBufferedBytes: 1000 })
      for (const body of [pattern(1_200_000), new Blob([pattern(600_000), pattern(600_000)])]) {
        await put(small, 'large', body)
        const sent = sizes()
        assert.ok(sent.length > 1 && sent.every((size) => size >= PIECE), sent.join())
      }
    })

    it('without checksums there are no aws-chunks, and the object is as good', async () => {
      const without = w.client({ commitmentPolicy }, { requestChecksumCalculation: 'WHEN_REQUIRED' })
      for (const length of [0, 17, PIECE, 200_000]) {
        const bytes = pattern(length)
        await put(without, 'unchecked', Readable.from(cut(bytes, [999])), { ContentLength: length })
        assert.deepEqual(w.s3.requests.at(-1)?.chunkSizes, [])
        assert.deepEqual(await read(without, 'unchecked'), bytes)
      }
    })

    it('where the client joins small chunks itself', async () => {
      const joining = w.client({ commitmentPolicy }, { requestStreamBufferSize: 32 * 1024 })
      const bytes = pattern(200_000)
      await put(joining, 'joined', Readable.from(cut(bytes, [999])), { ContentLength: bytes.length })
      assert.ok(
        sizes()
          .slice(0, -1)
          .every((size) => size >= MINIMUM),
      )
      assert.deepEqual(await read(joining, 'joined'), bytes)
    })
  })
}

it('nothing was refused on the way', async () => {
  assert.ok((await w.s3.object(Bucket, 'stream')) !== undefined)
  assert.ok(w.s3.requests.every(({ errorCode }) => errorCode === undefined))
})
