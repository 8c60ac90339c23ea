// Part 10,000, which no other can follow: the trailer goes with it.
import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'

import type { PositionalSealer } from '../../src/message/sealer.js'
import { framedFormat } from '../message/framed-format.js'
import { framedSealer } from '../message/framed.js'
import { numbersTo, partsOf, put, split, v3 } from '../message/multipart-support.js'
import { code } from '../support/errors.js'
import { world } from '../support/world.js'
import { begin, PART, plaintext } from './multipart-support.js'
import { summaryOfTests } from '../support/summary.js'

const w = await world({ etag: 'random', verifyPayload: false, recordBodyBytes: 0 })
const bounded = { timeout: 120_000 }

beforeEach(() => {
  w.s3.requests.length = 0
})

describe('part 10,000', bounded, () => {
  it('is refused before all others are sent, and nothing leaves; it may come when they are there', async () => {
    const client = w.client()
    const upload = await begin(client, 'first', {}, { partSize: PART })
    w.s3.requests.length = 0
    const full = plaintext(PART)
    const early = code('ERR_S3CSE_UPLOAD_STATE', /Part 10000 must be sent after all others/)
    await assert.rejects(upload.part(10_000, full), early)
    await upload.part(1, full)
    await assert.rejects(upload.part(10_000, full), early)
    assert.deepEqual(
      w.s3.requests.map(({ query }) => query.partNumber),
      ['1'],
    )
    await upload.complete()
    assert.equal((await w.stored('first')).size, PART + 16)
  })

  it('has the trailer with it, and none follows', async () => {
    // What is asked here is what is sent, and not how it is encrypted: 50 GiB would take a while.
    const trailers: number[] = []
    const sealPiece: PositionalSealer['sealPiece'] = async (_offset, bytes, _last, into) => ({
      sealed: into!.subarray(0, bytes.length),
      state: new Uint8Array(16),
    })
    const sealer: PositionalSealer = {
      ...framedSealer(),
      header: new Uint8Array(0),
      alignment: 1,
      sealedOffset: (offset) => offset,
      sealedLength: (length) => length + 28,
      sealPiece,
      trailer: (length) => new Uint8Array(28).fill(trailers.push(length)),
    }
    const format = framedFormat({
      seal: async () => ({ sealer, metadata: { 'x-framed': '1' }, summary: summaryOfTests('x') }),
    })
    interface Stored {
      readonly PartNumber?: number
      readonly ContentLength?: number
      readonly Body?: Uint8Array
      readonly MultipartUpload?: { readonly Parts: readonly unknown[] }
    }
    const lengths = new Map<number, number>()
    let named = 0
    let end: Uint8Array = new Uint8Array(0)
    const client = w.client({ format })
    // In place of all that the SDK does behind the encryption, ten thousand times.
    const answer = () => async (args: { input: Stored }) => {
      const { PartNumber, ContentLength = 0, Body, MultipartUpload } = args.input
      if (PartNumber !== undefined) {
        assert.equal(Body?.length, ContentLength)
        lengths.set(PartNumber, ContentLength)
        if (PartNumber === 10_000) end = Uint8Array.from(Body.subarray(-28))
      }
      named += MultipartUpload?.Parts.length ?? 0
      return { output: { UploadId: 'id', ETag: '"e"', $metadata: {} }, response: {} }
    }
    client.middlewareStack.add(answer as never, { step: 'initialize', priority: 'low' })
    const upload = await begin(client, 'many', {}, { partSize: PART })
    const full = plaintext(PART)
    for (let number = 9999; number > 0; number--) await upload.part(number, full)
    await upload.part(10_000, full)
    await upload.complete()
    assert.equal(lengths.size, 10_000)
    assert.equal(lengths.get(10_000), PART + 28)
    lengths.delete(10_000)
    assert.deepEqual([...new Set(lengths.values())], [PART])
    assert.deepEqual(trailers, [10_000 * PART])
    assert.deepEqual(end, new Uint8Array(28).fill(1))
    assert.equal(named, 10_000)
    assert.equal(w.s3.requests.length, 0)
  })
})

describe('a short part 10,000', bounded, () => {
  it('may come first: it is sent again with the trailer, and once only', async () => {
    const bodies = split(
      plaintext(9999 * 16 + 10),
      Array.from({ length: 10_000 }, (_, index) => (index === 9999 ? 10 : 16)),
    )
    const parts = await partsOf(v3, { partSize: 16, minPartBytes: 16 })
    await parts.send(10_000, bodies[9999]!)
    assert.equal(parts.stored.get(10_000)?.length, 10)
    for (let number = 9999; number > 0; number--) await parts.send(number, bodies[number - 1]!)
    const ending = await parts.m.finish(numbersTo(10_000))
    assert.equal(ending.send?.number, 10_000)
    assert.equal(ending.send.replaces, true)
    const again = await parts.m.finish(numbersTo(10_000))
    assert.deepEqual(again.send?.body, ending.send.body)
    assert.ok(put(parts.stored, ending.send).equals(v3.whole(plaintext(9999 * 16 + 10))))
  })
})
