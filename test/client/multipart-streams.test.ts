// A part as a stream: it is piped and counted, never collected, and its failures are the request's.
import assert from 'node:assert/strict'
import { mkdtempSync, createReadStream, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, beforeEach, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { code } from '../support/errors.js'
import { Bucket, world } from '../support/world.js'
import { assertStored, begin, MIB, PART, plaintext, recordingKeyring } from './multipart-support.js'

const w = await world({ etag: 'random', verifyPayload: false, recordBodyBytes: 8 * MIB })
const recording = recordingKeyring()
/** One socket: what leaks it, hangs. */
const oneSocket = {
  maxAttempts: 1,
  requestHandler: { httpAgent: { maxSockets: 1 }, socketAcquisitionWarningTimeout: 60_000 },
}
const client = w.client({ keyring: recording }, oneSocket)
const bounded = { timeout: 60_000 }
const length = PART + 1_234_567
const body = plaintext(length)

beforeEach(() => {
  w.s3.requests.length = 0
  w.s3.faults.length = 0
  recording.dataKeys.length = 0
})

async function* chunks(bytes: Uint8Array, size = 100_000, end?: Error) {
  for (let at = 0; at < bytes.length; at += size) {
    yield bytes.subarray(at, at + size)
    await Promise.resolve()
  }
  if (end !== undefined) throw end
}
const stored = (id: string) => w.s3.uploads(Bucket).find(({ uploadId }) => uploadId === id)?.parts.length
const partBodies = (): Buffer[] =>
  w.s3.requests.flatMap((one) => (one.operation === 'UploadPart' ? [Buffer.from(one.body ?? '')] : []))

describe('a stream of a declared length', bounded, () => {
  it('of every kind is stored as it should be', async () => {
    const directory = mkdtempSync(join(tmpdir(), 's3-cse-parts-'))
    after(() => rmSync(directory, { recursive: true }))
    const file = join(directory, 'file')
    writeFileSync(file, body)
    const kinds: readonly [unknown, object][] = [
      [Readable.from(chunks(body)), { ContentLength: length }],
      [Readable.toWeb(Readable.from(chunks(body))), { ContentLength: length }],
      [chunks(body), { ContentLength: length }],
      [createReadStream(file), {}],
    ]
    for (const [Body, more] of kinds) {
      recording.dataKeys.length = 0
      const upload = await begin(client, 'stream')
      await upload.part(1, Body, more)
      await upload.part(2, createReadStream(file, { start: 10, end: 29 }))
      await upload.complete()
      await assertStored(w, 'stream', recording.dataKeys[0], Buffer.concat([body, body.subarray(10, 30)]))
    }
    const sizes = w.s3.requests.flatMap(({ chunkSizes }) => chunkSizes.slice(0, -2))
    assert.ok(sizes.length > 0 && sizes.every((size) => size >= 65_536))
  })

  it('with the trailer in it, where it is known to be the last', async () => {
    const upload = await begin(client, 'stream', {}, { partSize: 2 * PART })
    await upload.part(1, plaintext(2 * PART))
    await upload.part(2, Readable.from(chunks(body)), { ContentLength: length })
    await upload.complete()
    assert.deepEqual((await w.stored('stream')).partSizes, [2 * PART, length + 16])
    await assertStored(w, 'stream', recording.dataKeys[0], Buffer.concat([plaintext(2 * PART), body]))
  })

  it('is not read further ahead than S3 reads, give or take what sockets hold', async () => {
    const declared = 512 * MIB
    const upload = await begin(w.client({}, { maxAttempts: 1, expectContinueHeader: false }), 'ahead')
    let pulled = 0
    const piece = plaintext(65_536)
    const generated = async function* () {
      for (; pulled < declared; pulled += piece.length) yield piece
    }
    let go = (): void => undefined
    const off = w.s3.onRequest(({ operation }) =>
      operation === 'UploadPart' ? new Promise((resolve) => (go = resolve)) : undefined,
    )
    const controller = new AbortController()
    const source = Readable.from(generated())
    const sending = upload.part(1, source, { ContentLength: declared }, { abortSignal: controller.signal })
    const failed = assert.rejects(sending, { name: 'AbortError' })
    let before = -1
    const over = new AbortController()
    void failed.finally(() => over.abort())
    while (!over.signal.aborted && (before !== pulled || pulled === 0)) {
      before = pulled
      await sleep(100)
    }
    assert.ok(pulled <= 32 * MIB, `${pulled} bytes were pulled and none read`)
    controller.abort()
    await failed
    go()
    off()
    assert.ok(source.destroyed)
    await upload.abort()
  })
})

describe('a stream that fails', bounded, () => {
  it('in the middle fails the request with its own error, and the part can be sent again', async () => {
    for (const maxAttempts of [1, 3]) {
      recording.dataKeys.length = 0
      const client = w.client({ keyring: recording }, { ...oneSocket, maxAttempts })
      const upload = await begin(client, 'broken')
      w.s3.requests.length = 0
      for (const sent of [100_000, 2_000_000, length]) {
        const end = new Error(`gone after ${sent}`)
        const source = Readable.from(chunks(body.subarray(0, sent), 100_000, end))
        await assert.rejects(upload.part(1, source, { ContentLength: length }), end)
        assert.ok(source.destroyed)
      }
      assert.equal(stored(upload.id), 0)
      await upload.part(1, Readable.from(chunks(body, 77_777)), { ContentLength: length })
      // Each attempt was the beginning of one ciphertext.
      const all = partBodies()
      const whole = all.at(-1)!
      for (const one of all) assert.ok(whole.subarray(0, one.length).equals(one))
      await upload.part(2, 'end')
      await upload.complete()
      await assertStored(w, 'broken', recording.dataKeys[0], Buffer.concat([body, Buffer.from('end')]))
    }
  })

  it('and is sent again with another beginning: refused, nothing is sent', async () => {
    const upload = await begin(client, 'changed')
    const source = Readable.from(chunks(body.subarray(0, 3_000_000), 100_000, new Error('gone')))
    await assert.rejects(upload.part(1, source, { ContentLength: length }), /gone/)
    const changed = Buffer.from(body)
    changed[12] = 255
    w.s3.requests.length = 0
    const other = code('ERR_S3CSE_UPLOAD_STATE', /other bytes/)
    await assert.rejects(upload.part(1, changed), other)
    await assert.rejects(upload.part(1, Readable.from(chunks(changed)), { ContentLength: length }), other)
    await assert.rejects(upload.part(1, Readable.from(chunks(body)), { ContentLength: length - 1 }), other)
    assert.ok(w.s3.requests.every((one) => one.bodyLength === 0 && one.status === undefined))
    await upload.part(1, body)
    await upload.complete()
    await assertStored(w, 'changed', recording.dataKeys[0], body)
  })

  it('is too short or too long: the part is not stored, and can be sent again', async () => {
    const upload = await begin(client, 'length')
    for (const [given, message] of [
      [length - 1, /is shorter than/],
      [length + 1, /is longer than/],
      [100, /is shorter than/],
    ] as const) {
      const source = Readable.from(chunks(plaintext(given)))
      const sending = upload.part(1, source, { ContentLength: length })
      await assert.rejects(sending, code('ERR_S3CSE_BODY_LENGTH', message))
      assert.equal(stored(upload.id), 0)
    }
    await upload.part(1, Readable.from(chunks(body)), { ContentLength: length })
    await upload.complete()
    await assertStored(w, 'length', recording.dataKeys[0], body)
  })

  it('before anything is sent: an empty placeholder, no length, a short part of another length', async () => {
    const upload = await begin(client, 'before')
    w.s3.requests.length = 0
    const cases: readonly [() => unknown, object, RegExp][] = [
      [() => Readable.from([]), { ContentLength: PART }, /is empty, not 5242880 bytes/],
      [() => Readable.from([]), { ContentLength: 100 }, /has 0 bytes, not 100/],
      [() => Readable.from(chunks(body)), {}, /stream of unknown length/],
      [() => Readable.from([body.subarray(0, 99)]), { ContentLength: 100 }, /has 99 bytes, not 100/],
      [() => Readable.from([body.subarray(0, 101)]), { ContentLength: 100 }, /longer than its declared length of 100/],
    ]
    for (const [make, more, message] of cases) {
      const source = make() as Readable
      await assert.rejects(upload.part(1, source, more), code('ERR_S3CSE_BODY_LENGTH', message))
      assert.ok(source.destroyed)
    }
    const broken = Readable.from(chunks(body.subarray(0, 50), 10, new Error('gone early')))
    await assert.rejects(upload.part(1, broken, { ContentLength: 100 }), /gone early/)
    const destroyed = Readable.from([body])
    destroyed.destroy(new Error('was destroyed'))
    await assert.rejects(upload.part(1, destroyed, { ContentLength: length }))
    assert.equal(w.s3.requests.length, 0)
    // Nothing of the part is encrypted: it may have any length.
    await upload.part(1, 'other')
    await upload.complete()
    await assertStored(w, 'before', recording.dataKeys[0], Buffer.from('other'))
  })

  it('is refused by S3 in the middle: the error is S3’s, and the source is given back', async () => {
    const upload = await begin(client, 'refused')
    for (const fault of [{ status: 403 }, { reset: 'before' }, { reset: { afterRequestBytes: 300_000 } }] as const) {
      w.s3.fail({ match: ({ operation }) => operation === 'UploadPart', ...fault })
      const source = Readable.from(chunks(body))
      await assert.rejects(
        upload.part(1, source, { ContentLength: length }),
        (error: Error) => error.name !== 'CseError',
      )
      assert.ok(source.destroyed)
    }
    await upload.part(1, Readable.from(chunks(body)), { ContentLength: length })
    await upload.complete()
    await assertStored(w, 'refused', recording.dataKeys[0], body)
  })
})

describe('an abort', bounded, () => {
  it('while the stream has given nothing, while it waits, and before it begins', async () => {
    const upload = await begin(client, 'abort')
    w.s3.requests.length = 0
    const waits = async function* (first: Uint8Array[]) {
      yield* first
      await sleep(60_000, undefined, { ref: false })
    }
    for (const [first, early] of [
      [[], false],
      [[body.subarray(0, 2_000_000)], false],
      [[body], true],
    ] as const) {
      const controller = new AbortController()
      if (early) controller.abort()
      const source = Readable.from(waits([...first]))
      const options = { abortSignal: controller.signal }
      const sending = assert.rejects(upload.part(1, source, { ContentLength: length }, options), { name: 'AbortError' })
      await sleep(30)
      controller.abort()
      await sending
      assert.ok(source.destroyed)
    }
    await upload.part(1, Readable.from(chunks(body)), { ContentLength: length })
    await upload.complete()
    await assertStored(w, 'abort', recording.dataKeys[0], body)
  })

  it('of the upload, while a stream is under way', async () => {
    const upload = await begin(w.client({}, { maxAttempts: 1 }), 'gone')
    const source = Readable.from(chunks(body, 65_536))
    let parts = 0
    const off = w.s3.onRequest(async ({ operation }) => {
      if (operation === 'UploadPart' && parts++ === 0) await upload.abort()
    })
    await assert.rejects(upload.part(1, source, { ContentLength: length }), (error: Error & { code?: string }) => {
      assert.ok(error.name === 'NoSuchUpload' || error.code === 'ERR_S3CSE_UPLOAD_STATE', error.stack)
      return true
    })
    off()
    assert.ok(source.destroyed)
    await assert.rejects(upload.part(1, body), code('ERR_S3CSE_UPLOAD_STATE'))
  })
})
