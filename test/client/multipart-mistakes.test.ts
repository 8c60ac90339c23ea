// What callers get wrong in multipart uploads: an error that says so, nothing lost, and nothing of the plaintext sent.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { PassThrough } from 'node:stream'
import { beforeEach, describe, it } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { CompleteMultipartUploadCommand, CreateMultipartUploadCommand, UploadPartCommand } from '@aws-sdk/client-s3'
import type { CompletedPart, UploadPartCommandInput } from '@aws-sdk/client-s3'

import { exportUpload, importReceipts, importUpload, requestOptions } from '../../src/index.js'
import { code } from '../support/errors.js'
import { Bucket, world } from '../support/world.js'
import { assertStored, begin, PART, plaintext, recordingKeyring } from './multipart-support.js'

const w = await world({ etag: 'random', verifyPayload: false })
const recording = recordingKeyring()
const client = w.client({ keyring: recording }, { maxAttempts: 1 })
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('base64')
const total = plaintext(PART + 100)
const bodies = [total.subarray(0, PART), total.subarray(PART)] as const
const ChecksumAlgorithm = 'SHA256'
/** Long enough for a request to get somewhere. */
const tick = (): Promise<void> => setTimeout(50)

beforeEach(() => {
  w.s3.requests.length = 0
  w.s3.faults.length = 0
  recording.dataKeys.length = 0
})

function bodiesSent(): string {
  return w.s3.requests
    .map(({ body, headers }) => `${Buffer.from(body ?? []).toString('latin1')}${JSON.stringify(headers)}`)
    .join()
}

function sentNothing(): void {
  assert.ok(!w.s3.requests.some(({ operation }) => operation === 'CompleteMultipartUpload'))
}

describe('parts that are named by digests of the plaintext', () => {
  const named = (parts: readonly CompletedPart[]): CompletedPart[] =>
    parts.map((part, i) => ({ ...part, ChecksumSHA256: sha256(bodies[i]!) }))

  it('which came with them, are named by what S3 has', async () => {
    const upload = await begin(client, 'digests', { ChecksumAlgorithm })
    for (const i of [0, 1]) await upload.part(i + 1, bodies[i], { ChecksumSHA256: sha256(bodies[i]!) })
    const parts = named(upload.parts())
    await upload.complete(parts)
    // And again, as after an answer that was lost.
    await upload.complete(parts)
    for (const body of bodies) assert.ok(!bodiesSent().includes(sha256(body)))
    await assertStored(w, 'digests', recording.dataKeys[0], total)
  })

  it('which nobody has checked, are refused, and nothing is sent', async () => {
    const upload = await begin(client, 'unchecked', { ChecksumAlgorithm })
    for (const i of [0, 1]) await upload.part(i + 1, bodies[i])
    await assert.rejects(
      upload.complete(named(upload.parts())),
      code('ERR_S3CSE_CHECKSUM', /part 1 by a ChecksumSHA256/),
    )
    const other = upload.parts().map((part) => ({ ...part, ChecksumCRC32: 'AAAAAA==' }))
    await assert.rejects(upload.complete(other), code('ERR_S3CSE_CHECKSUM', /ChecksumCRC32/))
    sentNothing()
    await upload.complete()
    w.s3.requests.length = 0
    await assert.rejects(upload.complete(named(upload.parts())), code('ERR_S3CSE_CHECKSUM'))
    sentNothing()
  })

  it('which are those of other parts, are refused', async () => {
    const upload = await begin(client, 'mixed', { ChecksumAlgorithm })
    for (const i of [0, 1]) await upload.part(i + 1, bodies[i], { ChecksumSHA256: sha256(bodies[i]!) })
    const [one, two] = named(upload.parts())
    const mixed = [{ ...one, ChecksumSHA256: two!.ChecksumSHA256 }, two!]
    await assert.rejects(upload.complete(mixed), code('ERR_S3CSE_CHECKSUM'))
    sentNothing()
    await upload.complete()
  })
})

describe('mistakes in multipart uploads', () => {
  it('no Body: the part can still be sent', async () => {
    const upload = await begin(client, 'no-body')
    const input = { Bucket, Key: 'no-body', UploadId: upload.id, PartNumber: 1 }
    await assert.rejects(client.send(new UploadPartCommand(input)), code('ERR_S3CSE_CONFIG', /no Body/))
    for (const i of [0, 1]) await upload.part(i + 1, bodies[i])
    await upload.complete()
    await assertStored(w, 'no-body', recording.dataKeys[0], total)
  })

  it('saveUpload for a part of an upload that was created without', async () => {
    const upload = await begin(client, 'unsaved')
    const input: UploadPartCommandInput = {
      Bucket,
      Key: 'unsaved',
      UploadId: upload.id,
      PartNumber: 1,
      Body: bodies[0],
    }
    const saving = requestOptions(input, { saveUpload: () => assert.fail('called') })
    await assert.rejects(
      client.send(new UploadPartCommand(saving)),
      code('ERR_S3CSE_CONFIG', /saveUpload.*CreateMultipart/),
    )
    assert.ok(!w.s3.requests.some(({ operation }) => operation === 'UploadPart'))
  })

  it('Parts that are none, or only the part that was added', async () => {
    const upload = await begin(client, 'parts')
    await upload.part(1, bodies[0])
    for (const Parts of [[undefined], [null], ['1'], 'all', [undefined, ...upload.parts()]]) {
      const input = { Bucket, Key: 'parts', UploadId: upload.id, MultipartUpload: { Parts: Parts as CompletedPart[] } }
      await assert.rejects(client.send(new CompleteMultipartUploadCommand(input)), code('ERR_S3CSE_CONFIG', /Parts/))
    }
    w.s3.fail({ match: ({ operation }) => operation === 'CompleteMultipartUpload', status: 500 })
    await assert.rejects(upload.complete())
    const all = await upload.list()
    assert.equal(all.length, 2)
    await assert.rejects(
      upload.complete([all[1]!]),
      code('ERR_S3CSE_UPLOAD_STATE', /without gaps: at place 1 it names part 2/),
    )
    await upload.complete(all)
  })

  it('Complete while a part is on its way', async () => {
    const upload = await begin(client, 'early')
    let go: () => void = () => undefined
    const arrived = new Promise<void>((resolve) => {
      const end = w.s3.onRequest(async ({ operation }) => {
        if (operation !== 'UploadPart') return
        end()
        resolve()
        await new Promise<void>((released) => (go = released))
      })
    })
    // Its source gives nothing yet, so that it was begun and not sealed.
    const source = new PassThrough()
    const sending = upload.part(1, source, { ContentLength: PART })
    source.write(bodies[0].subarray(0, 1000))
    await arrived
    const complete = upload.complete([{ PartNumber: 1, ETag: '"1"' }])
    await assert.rejects(complete, code('ERR_S3CSE_UPLOAD_STATE', /Part 1 is being sent: wait/))
    go()
    source.end(bodies[0].subarray(1000))
    await sending
    await upload.part(2, bodies[1])
    await upload.complete()
    await assertStored(w, 'early', recording.dataKeys[0], total)
  })

  it('no input at all', async () => {
    const nothing = null as unknown as { Bucket: string; Key: string; UploadId: string }
    await assert.rejects(exportUpload(client, nothing), code('ERR_S3CSE_CONFIG', /Bucket and Key/))
    await assert.rejects(importUpload(client, nothing, ''), code('ERR_S3CSE_CONFIG', /Bucket and Key/))
    await assert.rejects(importReceipts(client, nothing, []), code('ERR_S3CSE_CONFIG', /Bucket and Key/))
  })
})

describe('an abort while the state is being saved', () => {
  interface Stuck {
    readonly saveUpload: () => Promise<void>
    readonly signal: AbortSignal
    readonly saves: { calls: number; go: () => void }
  }
  /** Aborts at the call with this number, which saves nothing before it is told to. */
  function stuck(at: number): Stuck {
    const controller = new AbortController()
    const saves = { calls: 0, go: (): void => undefined }
    return {
      signal: controller.signal,
      saves,
      async saveUpload() {
        if (++saves.calls !== at) return
        setImmediate(() => controller.abort())
        await new Promise<void>((resolve) => (saves.go = resolve))
      },
    }
  }
  const aborted = { name: 'AbortError' }

  it('ends CreateMultipartUpload, and the upload', async () => {
    const { saveUpload, signal } = stuck(1)
    const input = requestOptions({ Bucket, Key: 'saving' }, { saveUpload })
    await assert.rejects(client.send(new CreateMultipartUploadCommand(input), { abortSignal: signal }), aborted)
    assert.ok(w.s3.requests.some(({ operation }) => operation === 'AbortMultipartUpload'))
  })

  it('ends UploadPart, before anything is sent', async () => {
    const { saveUpload, signal, saves } = stuck(2)
    const upload = await begin(client, 'saving', {}, { saveUpload })
    await assert.rejects(upload.part(1, bodies[0], {}, { abortSignal: signal }), aborted)
    assert.ok(!w.s3.requests.some(({ operation }) => operation === 'UploadPart'))
    // It is still being saved: whoever comes next waits, and can be aborted as well.
    const again = upload.part(1, bodies[0], {}, { abortSignal: AbortSignal.timeout(100) })
    await assert.rejects(again, { name: /AbortError|TimeoutError/ })
    assert.equal(saves.calls, 2)
    saves.go()
    for (const i of [0, 1]) await upload.part(i + 1, bodies[i])
    await upload.complete()
    await assertStored(w, 'saving', recording.dataKeys[0], total)
  })

  it('ends Complete', async () => {
    // The header, two lines for each part, and what is saved before the trailer is sent.
    for (const from of [6, 7]) {
      const { saveUpload, signal } = stuck(from)
      const upload = await begin(client, `saving-${from}`, {}, { saveUpload })
      await upload.part(1, plaintext(PART))
      await upload.part(2, plaintext(PART))
      await assert.rejects(upload.complete(undefined, {}, { abortSignal: signal }), aborted)
      assert.ok(!w.s3.requests.some(({ operation }) => operation === 'CompleteMultipartUpload'))
    }
  })

  it('lets a stream be sent again as soon as the state is saved', async () => {
    let save: () => void = () => undefined
    let held = false
    const saveUpload = async (): Promise<void> => {
      if (held) await new Promise<void>((resolve) => (save = resolve))
    }
    const upload = await begin(client, 'stream', {}, { saveUpload })
    held = true
    const controller = new AbortController()
    const source = new PassThrough()
    source.end(bodies[0])
    const first = upload.part(1, source, { ContentLength: PART }, { abortSignal: controller.signal })
    const failed = assert.rejects(first, aborted)
    while (save.length === 0 && !w.s3.requests.some(({ operation }) => operation === 'UploadPart')) await tick()
    await tick()
    controller.abort()
    await failed
    held = false
    const again = upload.part(1, bodies[0])
    save()
    await again
    await upload.part(2, bodies[1])
    await upload.complete()
    await assertStored(w, 'stream', recording.dataKeys[0], total)
  })
})
