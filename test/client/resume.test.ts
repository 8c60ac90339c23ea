// An upload whose state was saved or exported is continued by another client.
import { AbortMultipartUploadCommand, UploadPartCommand } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { PassThrough, Readable } from 'node:stream'
import { beforeEach, describe, it } from 'node:test'

import { encryptionInfo, exportUpload, importUpload, requestOptions, uploadReceipt } from '../../src/index.js'
import type { RequestOptions } from '../../src/index.js'
import { code } from '../support/errors.js'
import { alignedFormat } from '../support/aligned-format.js'
import {
  bytesSent,
  changed,
  complete,
  completed,
  create,
  finish,
  log,
  MiB,
  partsSent,
  PART,
  send,
  source,
  until,
} from '../support/resume.js'
import type { Log } from '../support/resume.js'
import { Bucket, get, read, world } from '../support/world.js'

const w = await world({ recordBodyBytes: 0, verifyPayload: false, etag: 'random' })
const parts = source(PART, PART, 1000)

beforeEach(() => {
  w.s3.requests.length = 0
})

/** Begins an upload, sends these of `parts`, and forgets it, as a process does that ends here. */
async function begin(Key: string, numbers: readonly number[], options: RequestOptions = {}, more: object = {}) {
  const client = w.client()
  const saved = log()
  const name = await create(client, Key, { saveUpload: saved.save, ...options }, more)
  const outputs = []
  for (const number of numbers) outputs.push(await send(client, name, number, parts[number - 1]))
  w.s3.requests.length = 0
  return { client, name, saved, outputs }
}

const resume = (Key: string, saved: Log, more: object = {}) =>
  importUpload(w.client(), { Bucket, Key }, saved.text, { saveUpload: saved.save, ...more })

describe('a saved upload', () => {
  it('is finished by another client, which sends what is missing only', async () => {
    const { name, saved, outputs } = await begin('a', [1, 2])
    const client = w.client()
    const imported = await importUpload(client, { Bucket, Key: 'a' }, saved.text)
    assert.deepEqual(imported, {
      ...name,
      Parts: outputs.map((output, index) => completed(index + 1, output)),
      partSize: undefined,
    })
    await finish(client, imported, parts)
    assert.deepEqual(partsSent(w.s3), [3])
  })

  it('has metadata, checksums and info as its creator gave them', async () => {
    const { saved } = await begin('b', [1], {}, { Metadata: { color: 'red' }, ContentType: 'text/x' })
    const client = w.client()
    const imported = await importUpload(client, { Bucket, Key: 'b' }, saved.text)
    const output = await send(client, imported, 2, parts[1])
    assert.equal(encryptionInfo(output)?.envelope?.version, 'V3')
    await finish(client, { ...imported, Parts: [...imported.Parts, completed(2, output)] }, parts)
    const { Metadata, ContentType, ContentLength } = await get(client, 'b')
    assert.deepEqual([Metadata, ContentType, ContentLength], [{ color: 'red' }, 'text/x', 2 * PART + 1000])
  })

  const checksums = [
    ['CRC32C', {}],
    ['SHA256', {}],
    ['CRC64NVME', { ChecksumType: 'FULL_OBJECT' }],
  ] as const
  for (const [ChecksumAlgorithm, more] of checksums) {
    it(`keeps to the announced ${ChecksumAlgorithm}`, async () => {
      const { saved } = await begin(ChecksumAlgorithm, [1], {}, { ChecksumAlgorithm, ...more })
      const client = w.client()
      const imported = await importUpload(client, { Bucket, Key: ChecksumAlgorithm }, saved.text)
      assert.ok(imported.Parts[0]?.[`Checksum${ChecksumAlgorithm}`] !== undefined)
      const rest = []
      for (const number of [2, 3]) {
        rest.push({ PartNumber: number, ...(await send(client, imported, number, parts[number - 1])) })
      }
      await complete(client, imported, [...imported.Parts, ...rest])
      assert.ok((await read(client, ChecksumAlgorithm)).equals(Buffer.concat(parts)))
    })
  }

  it('knows how long the object is, and not the digest of what others have sent', async () => {
    const { saved } = await begin('whole', [1, 2], {}, { ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' })
    const client = w.client()
    const imported = await importUpload(client, { Bucket, Key: 'whole' }, saved.text)
    const { ETag, ChecksumCRC32 } = await send(client, imported, 3, parts[2])
    const Parts = [...imported.Parts, { PartNumber: 3, ETag, ChecksumCRC32 }]
    const length = 2 * PART + 1000
    const digest = { ChecksumCRC32: Buffer.alloc(4).toString('base64'), ChecksumType: 'FULL_OBJECT' }
    await assert.rejects(complete(client, imported, Parts, digest), code('ERR_S3CSE_CHECKSUM', /another process/))
    await assert.rejects(
      complete(client, imported, Parts, { MpuObjectSize: length + 1 }),
      code('ERR_S3CSE_BODY_LENGTH'),
    )
    await complete(client, imported, Parts, { MpuObjectSize: length })
    assert.ok((await read(client, 'whole')).equals(Buffer.concat(parts)))
  })

  it('is finished where an Upload of lib-storage has failed', async () => {
    const saved = log()
    const client = w.client()
    const whole = source(3 * PART + 1000)[0]!
    const upload = new Upload({
      client,
      params: requestOptions({ Bucket, Key: 'lib-storage', Body: whole }, { saveUpload: saved.save }),
      partSize: PART,
      queueSize: 2,
      leavePartsOnError: true,
    })
    const isThird = ({ query }: { query: Readonly<Record<string, string>> }) => query.partNumber === '3'
    w.s3.fail({ status: 403, code: 'AccessDenied', match: isThird })
    await assert.rejects(upload.done(), { name: 'AccessDenied' })

    const other = w.client()
    const imported = await importUpload(other, { Bucket, Key: 'lib-storage' }, saved.text)
    const stored = new Map(imported.Parts.map((part) => [part.PartNumber, part]))
    assert.ok(stored.size >= 1 && !stored.has(3))
    for (let PartNumber = 1; PartNumber <= 4; PartNumber++) {
      if (stored.has(PartNumber)) continue
      const body = whole.subarray((PartNumber - 1) * PART, PartNumber * PART)
      const { ETag, ChecksumCRC32 } = await send(other, imported, PartNumber, body)
      stored.set(PartNumber, { PartNumber, ETag, ChecksumCRC32 })
    }
    const Parts = [...stored.values()].sort((a, b) => a.PartNumber! - b.PartNumber!)
    // (Upload announces CRC32, and so it must be named.)
    assert.ok(Parts.every(({ ChecksumCRC32 }) => ChecksumCRC32 !== undefined))
    await complete(other, imported, Parts)
    assert.ok((await read(other, 'lib-storage')).equals(whole))
  })

  it('goes on being saved in the same place, for any number of processes', async () => {
    let { saved } = await begin('generations', [])
    for (const number of [1, 2, 3]) {
      saved = log(saved.saves)
      const client = w.client()
      const imported = await importUpload(client, { Bucket, Key: 'generations' }, saved.text, {
        saveUpload: saved.save,
      })
      assert.equal(imported.Parts.length, number - 1)
      // The first of two attempts stays on record though its answer is lost.
      w.s3.fail({ status: 500, match: ({ operation }) => operation === 'UploadPart', times: 3 })
      await assert.rejects(send(client, imported, number, parts[number - 1]), { name: 'InternalError' })
      await assert.rejects(send(client, imported, number, changed(parts[number - 1]!)), code('ERR_S3CSE_UPLOAD_STATE'))
      await send(client, imported, number, parts[number - 1])
    }
    const client = w.client()
    const imported = await importUpload(client, { Bucket, Key: 'generations' }, saved.text)
    w.s3.requests.length = 0
    await finish(client, imported, parts)
    assert.deepEqual(partsSent(w.s3), [])
  })

  it('takes saveUpload and stateKey from requestOptions as well', async () => {
    const stateKey = randomBytes(32)
    const { saved } = await begin('options', [1], { stateKey })
    const again = log(saved.saves)
    const client = w.client()
    const input = requestOptions({ Bucket, Key: 'options' }, { stateKey, saveUpload: again.save })
    const imported = await importUpload(client, input, saved.text)
    await send(client, imported, 2, parts[1])
    const { Parts } = await importUpload(w.client(), { Bucket, Key: 'options' }, again.text, { stateKey })
    assert.deepEqual(
      Parts.map(({ PartNumber }) => PartNumber),
      [1, 2],
    )
  })

  it('is continued where parts above were encrypted before those below', async () => {
    const client = w.client()
    const saved = log()
    const name = await create(client, 'above', { saveUpload: saved.save })
    let open = (): void => undefined
    const gate = new Promise<void>((resolve) => (open = resolve))
    async function* slow() {
      yield parts[0]!.subarray(0, 1000)
      await gate
      yield parts[0]!.subarray(1000)
    }
    // It is known how long part 1 is, and so where part 2 begins; nothing of part 1 was encrypted.
    const first = send(client, name, 1, Readable.from(slow()), { ContentLength: PART })
    first.catch(() => undefined)
    await send(client, name, 2, parts[1])
    const text = saved.text
    open()
    await first

    for (const [key, other] of [
      ['shorter', source(PART - 1)],
      ['longer', source(PART + 1)],
    ] as const) {
      const second = w.client()
      const imported = await importUpload(second, { Bucket, Key: 'above' }, text)
      await assert.rejects(send(second, imported, 1, other[0]), code('ERR_S3CSE_UPLOAD_STATE', /Part 1/), key)
    }
    const third = w.client()
    await finish(third, await importUpload(third, { Bucket, Key: 'above' }, text), parts)
  })

  it('is continued in the middle of a part', async () => {
    const client = w.client()
    const saved = log()
    const name = await create(client, 'middle', { saveUpload: saved.save })
    async function* broken() {
      yield parts[0]!.subarray(0, 3 * MiB)
      throw new Error('broken')
    }
    await assert.rejects(send(client, name, 1, Readable.from(broken()), { ContentLength: PART }), /broken/)

    for (const at of [0, 2 * MiB, 3 * MiB - 1]) {
      w.s3.requests.length = 0
      const other = w.client()
      const imported = await importUpload(other, { Bucket, Key: 'middle' }, saved.text)
      assert.deepEqual(imported.Parts, [])
      await assert.rejects(
        send(other, imported, 1, changed(parts[0]!, at)),
        code('ERR_S3CSE_UPLOAD_STATE', /other bytes/),
      )
      assert.equal(w.s3.requests.length, 0)
    }
    // What was never encrypted may still be anything.
    const other = w.client()
    const imported = await importUpload(other, { Bucket, Key: 'middle' }, saved.text)
    await finish(other, imported, [changed(parts[0]!, 3 * MiB), parts[1]!])
  })

  it('is empty at first', async () => {
    const { saved } = await begin('empty', [])
    const client = w.client()
    const imported = await importUpload(client, { Bucket, Key: 'empty' }, saved.text)
    assert.deepEqual(imported.Parts, [])
    await finish(client, imported, [Buffer.alloc(0)])
  })

  it('of format V2 is continued under its policy', async () => {
    const commitmentPolicy = 'FORBID_ENCRYPT_ALLOW_DECRYPT'
    const client = w.client({ commitmentPolicy })
    const saved = log()
    const name = await create(client, 'v2', { saveUpload: saved.save })
    await send(client, name, 1, parts[0])
    const v3 = await begin('v3', [1])
    for (const policy of ['REQUIRE_ENCRYPT_REQUIRE_DECRYPT', 'REQUIRE_ENCRYPT_ALLOW_DECRYPT'] as const) {
      const other = w.client({ commitmentPolicy: policy })
      await assert.rejects(importUpload(other, { Bucket, Key: 'v2' }, saved.text), code('ERR_S3CSE_POLICY'))
    }
    const other = w.client({ commitmentPolicy })
    await assert.rejects(importUpload(other, { Bucket, Key: 'v3' }, v3.saved.text), code('ERR_S3CSE_POLICY', /V3/))
    await finish(other, await importUpload(other, { Bucket, Key: 'v2' }, saved.text), parts)
  })
})

describe('a state', () => {
  it('is of one object only', async () => {
    const { saved } = await begin('mine', [1])
    await assert.rejects(resume('other', saved), code('ERR_S3CSE_UPLOAD_STATE', /bucket\/mine, not of bucket\/other/))
    await assert.rejects(
      importUpload(w.client(), { Bucket: 'other', Key: 'mine' }, saved.text),
      code('ERR_S3CSE_UPLOAD_STATE'),
    )
    await assert.rejects(importUpload(w.client(), { Bucket } as never, saved.text), code('ERR_S3CSE_CONFIG'))
    assert.equal(w.s3.requests.length, 0)
  })

  it('is taken once by a client, also at the same time', async () => {
    const { client, saved } = await begin('twice', [1])
    const again = code('ERR_S3CSE_UPLOAD_STATE', /under way in this client/)
    await assert.rejects(importUpload(client, { Bucket, Key: 'twice' }, saved.text), again)
    const other = w.client()
    const both = await Promise.allSettled([
      importUpload(other, { Bucket, Key: 'twice' }, saved.text),
      importUpload(other, { Bucket, Key: 'twice' }, saved.text),
    ])
    assert.deepEqual(
      both.map(({ status }) => status),
      ['fulfilled', 'rejected'],
    )
    again((both[1] as PromiseRejectedResult).reason)
    await assert.rejects(importUpload(other, { Bucket, Key: 'twice' }, saved.text), again)
    // One that failed leaves nothing behind.
    const third = w.client()
    const changedText = `${saved.text.slice(0, -4)}A${saved.text.slice(-3)}`
    await assert.rejects(
      importUpload(third, { Bucket, Key: 'twice' }, changedText),
      code('ERR_S3CSE_DECRYPTION_FAILED'),
    )
    await importUpload(third, { Bucket, Key: 'twice' }, saved.text)
  })

  it('of an upload that was completed gives the object that is there', async () => {
    const { client, name, saved, outputs } = await begin('done', [1, 2, 3])
    const Parts = outputs.map((output, index) => completed(index + 1, output))
    const { ETag } = await complete(client, name, Parts)
    w.s3.requests.length = 0
    const other = w.client()
    const imported = await importUpload(other, { Bucket, Key: 'done' }, saved.text)
    assert.deepEqual(imported.Parts, Parts)
    assert.equal((await complete(other, imported, imported.Parts)).ETag, ETag)
    assert.deepEqual(partsSent(w.s3), [])
    // Other bytes are refused as ever.
    const third = w.client()
    const late = await importUpload(third, { Bucket, Key: 'done' }, saved.text)
    await assert.rejects(send(third, late, 1, changed(parts[0]!)), code('ERR_S3CSE_UPLOAD_STATE'))
    await assert.rejects(send(third, late, 4, parts[0]), code('ERR_S3CSE_UPLOAD_STATE'))
    await assert.rejects(complete(third, late, late.Parts.slice(0, 2)), code('ERR_S3CSE_UPLOAD_STATE'))
    assert.deepEqual(partsSent(w.s3), [])
  })

  it('of an upload whose trailer has a part of its own is completed again without sending that', async () => {
    const client = w.client()
    const saved = log()
    const name = await create(client, 'own', { saveUpload: saved.save })
    const Parts = [
      completed(1, await send(client, name, 1, parts[0])),
      completed(2, await send(client, name, 2, parts[1])),
    ]
    const { ETag } = await complete(client, name, Parts)
    w.s3.requests.length = 0
    const other = w.client()
    const imported = await importUpload(other, { Bucket, Key: 'own' }, saved.text)
    assert.equal((await complete(other, imported, imported.Parts)).ETag, ETag)
    assert.deepEqual(partsSent(w.s3), [])
    assert.ok((await read(other, 'own')).equals(Buffer.concat(parts.slice(0, 2))))
  })

  it('of an upload that was aborted gets what S3 says', async () => {
    const { client, name, saved } = await begin('aborted', [1])
    await client.send(new AbortMultipartUploadCommand(name))
    const other = w.client()
    const imported = await importUpload(other, { Bucket, Key: 'aborted' }, saved.text)
    await assert.rejects(send(other, imported, 2, parts[1]), { name: 'NoSuchUpload' })
    await other.send(new AbortMultipartUploadCommand(name)).catch((error: unknown) => {
      assert.equal((error as Error).name, 'NoSuchUpload')
    })
    await assert.rejects(send(other, imported, 2, parts[1]), code('ERR_S3CSE_UPLOAD_STATE'))
  })

  it('is of an upload with the partSize that it was created with', async () => {
    const { saved } = await begin('size', [2], { partSize: PART })
    const options = (partSize: number) => requestOptions({ Bucket, Key: 'size' }, { partSize })
    await assert.rejects(importUpload(w.client(), options(PART + 16), saved.text), code('ERR_S3CSE_CONFIG', /partSize/))
    const client = w.client()
    const imported = await importUpload(client, options(PART), saved.text)
    assert.equal(imported.partSize, PART)
    await assert.rejects(send(client, imported, 1, source(PART + 1)[0]), code('ERR_S3CSE_BODY_LENGTH'))
    await finish(client, imported, parts)
    assert.deepEqual(partsSent(w.s3), [1, 3])
  })

  it('is needed: without one nothing is known of an upload', async () => {
    const { name } = await begin('unknown', [1])
    const client = w.client()
    const unknown = code('ERR_S3CSE_UPLOAD_STATE', /importUpload/)
    await assert.rejects(send(client, name, 2, parts[1]), unknown)
    await assert.rejects(exportUpload(client, name), unknown)
    await assert.rejects(exportUpload(client, { ...name, UploadId: undefined } as never), unknown)
    assert.equal(w.s3.requests.length, 0)
  })
})

describe('the customer key of SSE-C', () => {
  it('is not in the state, and is named again by who goes on', async () => {
    const SSECustomerKey = 'k'.repeat(32)
    const ssec = { SSECustomerAlgorithm: 'AES256', SSECustomerKey }
    const client = w.client()
    const saved = log()
    const name = await create(client, 'ssec', { saveUpload: saved.save }, ssec)
    const Parts = [completed(1, await send(client, name, 1, parts[0], ssec))]
    assert.equal(Parts.length, 1)
    assert.ok(!saved.text.includes(SSECustomerKey))
    assert.ok(!saved.text.includes(Buffer.from(SSECustomerKey).toString('base64')))

    const other = w.client()
    const imported = await importUpload(other, { Bucket, Key: 'ssec' }, saved.text)
    // The trailer has a part of its own, which needs the key.
    await assert.rejects(complete(other, imported, imported.Parts), { name: /Invalid/ })
    await complete(other, imported, imported.Parts, ssec)
    const { Body } = await get(other, 'ssec', ssec)
    assert.ok(Buffer.from(await Body!.transformToByteArray()).equals(parts[0]!))
  })
})

describe('exportUpload', () => {
  it('hands the upload over', async () => {
    const { client, name, outputs } = await begin('export', [1, 2])
    const text = await exportUpload(client, name)
    const gone = code('ERR_S3CSE_UPLOAD_STATE', /exported/)
    await assert.rejects(send(client, name, 3, parts[2]), gone)
    await assert.rejects(complete(client, name, []), gone)
    await assert.rejects(exportUpload(client, name), gone)
    await assert.rejects(uploadReceipt(outputs[0]!), gone)
    assert.equal(w.s3.requests.length, 0)
    const other = w.client()
    await finish(other, await importUpload(other, { Bucket, Key: 'export' }, text), parts)
    assert.deepEqual(partsSent(w.s3), [3])
    // It may come back.
    const back = await begin('back', [1])
    const state = await exportUpload(back.client, back.name)
    await finish(back.client, await importUpload(back.client, { Bucket, Key: 'back' }, state), parts)
  })

  it('is refused while requests are under way, and changes nothing then', async () => {
    const client = w.client()
    const name = await create(client, 'in-flight')
    const sending = send(client, name, 1, parts[0])
    await assert.rejects(exportUpload(client, name), code('ERR_S3CSE_UPLOAD_STATE', /under way/))
    const first = completed(1, await sending)
    const second = completed(2, await send(client, name, 2, parts[2]))
    await complete(client, name, [first, second])
    assert.ok((await read(client, 'in-flight')).equals(Buffer.concat([parts[0]!, parts[2]!])))
  })

  it('of a part that failed in the middle has what had left', async () => {
    const client = w.client()
    const name = await create(client, 'aborted-part')
    const aborter = new AbortController()
    const body = new PassThrough()
    body.write(parts[0]!.subarray(0, 2 * MiB))
    const input = { ...name, PartNumber: 1, Body: body, ContentLength: PART }
    const sending = client.send(new UploadPartCommand(input), { abortSignal: aborter.signal })
    const failed = assert.rejects(sending, { name: 'AbortError' })
    await until(() => bytesSent(w.s3) >= MiB)
    aborter.abort()
    await failed
    const text = await exportUpload(client, name)
    const other = w.client()
    const imported = await importUpload(other, { Bucket, Key: 'aborted-part' }, text)
    w.s3.requests.length = 0
    await assert.rejects(send(other, imported, 1, changed(parts[0]!, 0)), code('ERR_S3CSE_UPLOAD_STATE'))
    assert.equal(bytesSent(w.s3), 0)
    await finish(other, imported, parts)
  })

  it('needs a partSize where a format has segments', async () => {
    const format = alignedFormat(16)
    const client = w.client({ format })
    const name = await create(client, 'aligned')
    await assert.rejects(exportUpload(client, name), code('ERR_S3CSE_UPLOAD_STATE', /partSize/))
    w.s3.requests.length = 0
    const saving = create(client, 'aligned', { saveUpload: log().save })
    await assert.rejects(saving, code('ERR_S3CSE_UPLOAD_STATE', /partSize/))
    assert.equal(w.s3.requests.length, 0)
    const saved = log()
    const sized = await create(client, 'aligned', { saveUpload: saved.save, partSize: PART })
    await send(client, sized, 2, parts[1])
    const other = w.client({ format })
    await finish(other, await importUpload(other, { Bucket, Key: 'aligned' }, saved.text), parts)
  })

  it('needs a format that can go on', async () => {
    const format = alignedFormat(1, false)
    const client = w.client({ format })
    const name = await create(client, 'never')
    const options = { stateKey: randomBytes(32) }
    for (const given of [{}, options]) {
      await assert.rejects(exportUpload(client, name, given), code('ERR_S3CSE_UPLOAD_STATE', /format/))
    }
    const { saved } = await begin('never', [1])
    await assert.rejects(
      importUpload(client, { Bucket, Key: 'never' }, saved.text),
      code('ERR_S3CSE_UPLOAD_STATE', /format/),
    )
  })

  it('takes its options only', async () => {
    const { client, name } = await begin('mistakes', [])
    const wrong: readonly [options: unknown, message: RegExp][] = [
      [{ worker: 'yes' }, /worker/],
      [{ stateKey: 'secret' }, /stateKey/],
      [{ stateKey: new Uint8Array(31) }, /32 bytes/],
      [{ workers: true }, /unknown option/],
      [true, /object/],
    ]
    for (const [options, message] of wrong) {
      await assert.rejects(exportUpload(client, name, options as object), code('ERR_S3CSE_CONFIG', message))
    }
    await assert.rejects(exportUpload(w.plain, name), code('ERR_S3CSE_CONFIG', /exportUpload takes a client/))
    await assert.rejects(importUpload(w.plain, name, ''), code('ERR_S3CSE_CONFIG', /importUpload takes a client/))
    for (const state of [undefined, null, 5, {}, new Uint8Array(5), '', '\n', 'x', '{}', '{}\n{}']) {
      const importing = importUpload(client, { Bucket, Key: 'mistakes' }, state as string)
      await assert.rejects(importing, code('ERR_S3CSE_UPLOAD_STATE', /cannot be read/))
    }
    const saveUpload = 'file' as never
    await assert.rejects(
      importUpload(client, { Bucket, Key: 'mistakes' }, '', { saveUpload }),
      code('ERR_S3CSE_CONFIG', /saveUpload/),
    )
  })
})
