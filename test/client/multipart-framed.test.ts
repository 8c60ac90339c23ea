// Formats with a header, segments and a trailer of their own go through the same uploads and reads as S3EC does.
import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { Upload } from '@aws-sdk/lib-storage'

import type { Sealer } from '../../src/message/sealer.js'
import { code } from '../support/errors.js'
import { FRAME, framedSealer, HEADER } from '../message/framed.js'
import { Bucket, get, read, world } from '../support/world.js'
import { begin, PART, plaintext, writingFramed } from './multipart-support.js'

const w = await world({ etag: 'random', verifyPayload: false, recordBodyBytes: 0 })
const format = writingFramed()
const client = w.client({ format }, { maxAttempts: 1 })
const state = (message?: RegExp) => code('ERR_S3CSE_UPLOAD_STATE', message)
/** Frames and header of this many bytes of plaintext. */
const stored = (length: number, header = HEADER.length) => header + length + (length / FRAME) * 16

beforeEach(() => {
  w.s3.requests.length = 0
  w.s3.faults.length = 0
  format.sealers.length = 0
})

async function assertFramed(key: string, expected: Uint8Array): Promise<void> {
  const { body } = await w.stored(key)
  assert.ok(Buffer.from(body).equals(framedSealer().sealWhole(expected) as Buffer))
  // One trailer, and no frame sealed twice.
  const sealer = format.sealers[0]!
  assert.deepEqual(sealer.trailers, [expected.length])
  const pieces = [...sealer.pieces].sort((a, b) => a.offset - b.offset || a.length - b.length)
  let end = 0
  for (const { offset, length } of pieces) {
    assert.equal(offset, end)
    end += length
  }
  assert.equal(end, expected.length)
  assert.ok(sealer.destroyed())
}

describe('Upload of a framed format', () => {
  const cases: readonly [what: string, length: number, partSize: number][] = [
    ['part sizes that fill no frame, short last part', 2 * PART + 5000, PART],
    ['full last part: the rest goes with the trailer', 2 * PART, PART],
    ['a last part of one byte, inside a frame', PART + 1, PART],
  ]
  for (const [what, length, partSize] of cases) {
    it(what, async () => {
      const body = plaintext(Math.ceil(length))
      await new Upload({ client, params: { Bucket, Key: 'framed', Body: body }, partSize, queueSize: 4 }).done()
      await assertFramed('framed', body)
      const sizes = (await w.stored('framed')).partSizes ?? []
      assert.ok(sizes.slice(0, -1).every((size) => size >= PART))
      assert.ok((await read(client, 'framed')).equals(body))
      for (const [start, end] of [
        [0, 9],
        [PART - 10, Math.min(PART + 10, body.length - 1)],
        [body.length - 5, body.length - 1],
      ] as const) {
        const output = await get(client, 'framed', { Range: `bytes=${start}-${end}` })
        assert.equal(output.ContentRange, `bytes ${start}-${end}/${body.length}`)
        assert.deepEqual(
          Buffer.from(await output.Body!.transformToByteArray()),
          Buffer.from(body.subarray(start, end + 1)),
        )
      }
    })
  }
})

describe('parts of a framed format', () => {
  const total = plaintext(2 * PART + 777)
  const parts = [total.subarray(0, PART), total.subarray(PART, 2 * PART), total.subarray(2 * PART)]

  it('at once, in any order: each needs only the end of the one before', async () => {
    const upload = await begin(client, 'parts')
    await Promise.all([3, 1, 2].map((number) => upload.part(number, parts[number - 1])))
    await upload.complete()
    await assertFramed('parts', total)
    const whole = Math.floor(PART / FRAME) * FRAME
    assert.equal((await w.stored('parts')).partSizes?.[0], stored(whole))
  })

  it('with a partSize: in any order, the short last part first, as bytes and as a stream', async () => {
    const partSize = 5_300_000
    const upload = await begin(client, 'parts', {}, { partSize })
    await upload.part(3, total.subarray(2 * partSize - 200_000, 2 * partSize - 150_001))
    await upload.part(2, total.subarray(0, partSize))
    await upload.part(1, new Blob([Buffer.from(total.subarray(0, partSize))]).stream(), { ContentLength: partSize })
    await upload.complete()
    const first = total.subarray(0, partSize)
    await assertFramed(
      'parts',
      Buffer.concat([first, first, total.subarray(2 * partSize - 200_000, 2 * partSize - 150_001)]),
    )
    assert.deepEqual((await w.stored('parts')).partSizes?.slice(0, 2), [stored(partSize), stored(partSize, 0)])
  })

  it('a partSize that fits no frame is refused with one that does, and nothing is created', async () => {
    await assert.rejects(
      begin(client, 'parts', {}, { partSize: PART }),
      code('ERR_S3CSE_CONFIG', /1000 .* 5243000 fits/),
    )
    assert.equal(w.s3.requests.length, 0)
    assert.deepEqual(
      format.sealers.map((sealer) => sealer.destroyed()),
      [true],
    )
  })

  it('again: identical after a failure; other bytes refused, also those that lead the next part', async () => {
    const upload = await begin(client, 'parts')
    const changed = Buffer.from(parts[0]!)
    changed[PART - 1]! ^= 1
    await upload.part(1, parts[0])
    await assert.rejects(upload.part(1, changed), state(/other bytes/))
    w.s3.fail({ match: ({ operation }) => operation === 'UploadPart', status: 500 })
    await assert.rejects(upload.part(2, parts[1]), { name: 'InternalError' })
    await upload.part(2, parts[1])
    await assert.rejects(upload.part(1, changed), state(/other bytes/))
    // Its beginning was let go when it was stored.
    await assert.rejects(upload.part(2, parts[1]), state(/multiple of 1000, such as 5243000/))
    await upload.part(3, parts[2])
    await upload.complete()
    await assertFramed('parts', total)
  })

  it('Complete again after a failure, where the last frames went with the trailer', async () => {
    const upload = await begin(client, 'parts')
    await upload.part(1, parts[0])
    w.s3.fail({ match: ({ operation }) => operation === 'UploadPart', status: 500 })
    await assert.rejects(upload.complete(), { name: 'InternalError' })
    await assert.rejects(upload.part(2, parts[2]), state(/is new/))
    w.s3.fail({ match: ({ operation }) => operation === 'CompleteMultipartUpload', status: 500 })
    await assert.rejects(upload.complete(), { name: 'InternalError' })
    await upload.complete(await upload.list())
    await assertFramed('parts', parts[0]!)
    const rest = PART % FRAME
    assert.equal((await w.stored('parts')).partSizes?.[1], rest + 16 + 28)
  })

  it('a format that can only encrypt in order has no multipart uploads', async () => {
    const ordered = w.client({
      format: {
        ...format,
        async seal(request) {
          const sealed = await format.seal(request)
          const sealer = Object.entries(framedSealer()).filter(([name]) => name !== 'sealPiece')
          return { ...sealed, sealer: Object.fromEntries(sealer) as unknown as Sealer }
        },
      },
    })
    await assert.rejects(begin(ordered, 'parts'), code('ERR_S3CSE_UNSUPPORTED_COMMAND', /only encrypt in order/))
    assert.equal(w.s3.requests.length, 0)
  })
})
