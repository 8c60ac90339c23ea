// Parts of one object are sent by several clients (workers), whose receipts the owner of the upload takes over.
import { AbortMultipartUploadCommand, CompleteMultipartUploadCommand } from '@aws-sdk/client-s3'
import type { CompletedPart, S3Client, UploadPartCommandOutput } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { PassThrough } from 'node:stream'
import { beforeEach, describe, it } from 'node:test'

import { fromStateKey, textWriter } from '../../src/client/upload-text.js'
import { exportUpload, importReceipts, importUpload, s3ec, uploadReceipt } from '../../src/index.js'
import { code } from '../support/errors.js'
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
import type { Name } from '../support/resume.js'
import { Bucket, keyring, put, read, world } from '../support/world.js'

const w = await world({ recordBodyBytes: 0, verifyPayload: false, etag: 'random' })
const parts = source(PART, PART, PART, 1000)
const refused = code('ERR_S3CSE_UPLOAD_STATE')

beforeEach(() => {
  w.s3.requests.length = 0
  w.s3.faults.length = 0
})

/** An upload with its owner, and workers for it. */
async function shared(Key: string, options: object = {}, more: object = {}) {
  const owner = w.client()
  const name = await create(owner, Key, { partSize: PART, ...options }, more)
  const state = await exportUpload(owner, name, { worker: true })
  const worker = async (): Promise<S3Client> => {
    const client = w.client()
    const { Parts, partSize } = await importUpload(client, { Bucket, Key }, state)
    assert.deepEqual([Parts, partSize], [[], PART])
    return client
  }
  return { owner, name, worker }
}

/** A part, and its receipt. */
async function receiptOf(worker: S3Client, name: Name, number: number, bytes = parts[number - 1]): Promise<string> {
  return uploadReceipt(await send(worker, name, number, bytes))
}

const numbersOf = (all: readonly CompletedPart[]) => all.map(({ PartNumber }) => PartNumber)

async function assertStored(owner: S3Client, name: Name, Parts: readonly CompletedPart[], whole: readonly Buffer[]) {
  await complete(owner, name, Parts)
  assert.ok((await read(owner, name.Key)).equals(Buffer.concat(whole)), 'another object was stored')
}

describe('workers', () => {
  it('send parts in any order, whose receipts come in any order', async () => {
    const { owner, name, worker } = await shared('order')
    const [a, b] = [await worker(), await worker()]
    const receipts = [
      await receiptOf(a, name, 4),
      await receiptOf(b, name, 3),
      await receiptOf(a, name, 1),
      await receiptOf(b, name, 2),
    ]
    assert.deepEqual(numbersOf(await importReceipts(owner, name, receipts.slice(2))), [1, 2])
    const Parts = await importReceipts(owner, name, receipts.slice(0, 2))
    assert.deepEqual(numbersOf(Parts), [1, 2, 3, 4])
    w.s3.requests.length = 0
    await assertStored(owner, name, Parts, parts)
    // The short last part is sent again, with the trailer.
    assert.deepEqual(partsSent(w.s3), [4])
    assert.equal(bytesSent(w.s3), 1000 + 16)
  })

  const lasts: readonly [what: string, last: readonly number[], partSize: number, sent: readonly number[]][] = [
    ['exactly full', [], PART, [3]],
    ['empty', [0], PART, [3]],
    ['one byte', [1], PART, [3]],
    ['one byte short of full', [PART - 1], PART, [3]],
    ['over 5 MiB and not full', [PART + 5], PART + 16, [4]],
    ['just 5 MiB and not full', [PART], PART + 16, [4]],
  ]
  for (const [what, last, partSize, sent] of lasts) {
    it(`send a last part that is ${what}, first`, async () => {
      const owner = w.client()
      const name = await create(owner, what, { partSize })
      const full = source(partSize, partSize, ...last)
      const client = w.client()
      await importUpload(client, { Bucket, Key: what }, await exportUpload(owner, name, { worker: true }))
      const receipts = []
      for (let number = full.length; number > 0; number--) {
        const by = number % 2 === 0 ? client : owner
        const output = await send(by, name, number, full[number - 1])
        if (by === client) receipts.push(await uploadReceipt(output))
      }
      const Parts = await importReceipts(owner, name, receipts)
      assert.equal(Parts.length, full.length)
      w.s3.requests.length = 0
      await assertStored(owner, name, Parts, full)
      assert.deepEqual(partsSent(w.s3), sent)
    })
  }

  it('keep to the announced checksums, also of the part that is sent again', async () => {
    for (const ChecksumAlgorithm of ['CRC32', 'SHA256'] as const) {
      const { owner, name, worker } = await shared(ChecksumAlgorithm, {}, { ChecksumAlgorithm })
      const client = await worker()
      const receipts = [await receiptOf(client, name, 2, parts[3]), await receiptOf(client, name, 1)]
      const Parts = await importReceipts(owner, name, receipts)
      assert.ok(Parts.every((part) => part[`Checksum${ChecksumAlgorithm}`] !== undefined))
      await assertStored(owner, name, Parts, [parts[0]!, parts[3]!])
    }
  })

  it('can neither complete nor make a trailer', async () => {
    const { owner, name, worker } = await shared('worker')
    const client = await worker()
    const Parts = []
    const receipts = []
    for (const number of [1, 2]) {
      const output = await send(client, name, number, parts[number === 1 ? 0 : 3])
      Parts.push(completed(number, output))
      receipts.push(await uploadReceipt(output))
    }
    // Though it knows all of the parts: the last one is stored as long as its plaintext is.
    assert.equal(bytesSent(w.s3), PART + 1000)
    w.s3.requests.length = 0
    await assert.rejects(complete(client, name, Parts), code('ERR_S3CSE_UPLOAD_STATE', /alone completes/))
    await assert.rejects(exportUpload(client, name), code('ERR_S3CSE_UPLOAD_STATE', /worker/))
    assert.deepEqual(w.s3.requests, [])
    // It can have workers of its own.
    const state = await exportUpload(client, name, { worker: true })
    const third = w.client()
    await importUpload(third, { Bucket, Key: 'worker' }, state)
    await assert.rejects(complete(third, name, Parts), refused)
    await assertStored(owner, name, await importReceipts(owner, name, receipts), [parts[0]!, parts[3]!])
  })

  it('go on from what they have saved, as workers', async () => {
    const { owner, name } = await shared('saved')
    const state = await exportUpload(owner, name, { worker: true })
    const saved = log()
    const first = w.client()
    await importUpload(first, { Bucket, Key: 'saved' }, state, { saveUpload: saved.save })
    await send(first, name, 2, parts[3])
    w.s3.fail({ status: 403, match: ({ operation }) => operation === 'UploadPart' })
    await assert.rejects(send(first, name, 1, parts[0]))

    const second = w.client()
    const imported = await importUpload(second, { Bucket, Key: 'saved' }, saved.text)
    assert.deepEqual(numbersOf(imported.Parts), [2])
    w.s3.requests.length = 0
    await assert.rejects(send(second, name, 1, parts[1]), refused)
    await assert.rejects(complete(second, name, imported.Parts), refused)
    assert.deepEqual(w.s3.requests, [])
    const receipts = [await receiptOf(second, name, 1), await receiptOf(second, name, 2, parts[3])]
    await assertStored(owner, name, await importReceipts(owner, name, receipts), [parts[0]!, parts[3]!])
  })

  it('need a partSize', async () => {
    const client = w.client()
    const name = await create(client, 'no-size')
    await assert.rejects(exportUpload(client, name, { worker: true }), code('ERR_S3CSE_UPLOAD_STATE', /partSize/))
  })

  it('may have a stateKey', async () => {
    const stateKey = new Uint8Array(randomBytes(32))
    const owner = w.client()
    const name = await create(owner, 'state-key', { partSize: PART })
    const state = await exportUpload(owner, name, { worker: true, stateKey })
    const client = w.client()
    await assert.rejects(
      importUpload(client, { Bucket, Key: 'state-key' }, state),
      code('ERR_S3CSE_UPLOAD_STATE', /stateKey/),
    )
    await importUpload(client, { Bucket, Key: 'state-key' }, state, { stateKey })
    const Parts = await importReceipts(owner, name, [await receiptOf(client, name, 1, parts[3])])
    await assertStored(owner, name, Parts, [parts[3]!])
  })

  it('cannot send part 10,000 where no part could follow it', async () => {
    const { owner, name, worker } = await shared('10000')
    const client = await worker()
    w.s3.requests.length = 0
    await assert.rejects(send(client, name, 10_000, parts[0]), code('ERR_S3CSE_UPLOAD_STATE', /completes the upload/))
    assert.deepEqual(w.s3.requests, [])
    await importReceipts(owner, name, [await receiptOf(client, name, 10_000, parts[3])])
  })
})

describe('one owner a part', () => {
  it('what the owner has sealed is refused in a worker with other bytes', async () => {
    const owner = w.client()
    const name = await create(owner, 'sealed', { partSize: PART })
    await send(owner, name, 2, parts[1])
    const state = await exportUpload(owner, name, { worker: true })
    const client = w.client()
    const imported = await importUpload(client, { Bucket, Key: 'sealed' }, state)
    assert.deepEqual(numbersOf(imported.Parts), [2])
    w.s3.requests.length = 0
    for (const at of [0, 1 * MiB, PART - 1]) {
      await assert.rejects(send(client, name, 2, changed(parts[1]!, at)), code('ERR_S3CSE_UPLOAD_STATE', /other bytes/))
    }
    assert.deepEqual(w.s3.requests, [])
    await send(client, name, 2, parts[1])
  })

  it('what the owner has begun is finished by a worker', async () => {
    const owner = w.client()
    const name = await create(owner, 'begun', { partSize: PART })
    const body = new PassThrough()
    body.write(parts[0]!.subarray(0, 3 * MiB))
    const sending = send(owner, name, 1, body, { ContentLength: PART })
    const failed = assert.rejects(sending, /broken/)
    await until(() => bytesSent(w.s3) >= 2 * MiB)
    const early = await exportUpload(owner, name, { worker: true })
    body.destroy(new Error('broken'))
    await failed
    const client = w.client()
    await importUpload(client, { Bucket, Key: 'begun' }, await exportUpload(owner, name, { worker: true }))
    w.s3.requests.length = 0
    await assert.rejects(send(client, name, 1, changed(parts[0]!, 0)), refused)
    assert.deepEqual(w.s3.requests, [])
    const Parts = await importReceipts(owner, name, [await receiptOf(client, name, 1)])
    assert.deepEqual(numbersOf(Parts), [1])
    assert.match(early, /^\n\{/)
    await assertStored(owner, name, Parts, [parts[0]!])
  })

  it('what two workers have sealed with other bytes is a contradiction, whichever receipt comes first', async () => {
    const { owner, name, worker } = await shared('twice')
    const [a, b] = [await worker(), await worker()]
    const receipts = [await receiptOf(a, name, 1), await receiptOf(b, name, 1, changed(parts[0]!))]
    const contradiction = code('ERR_S3CSE_UPLOAD_STATE', /does not agree: it was encrypted twice/)
    await assert.rejects(importReceipts(owner, name, receipts), contradiction)
    await assert.rejects(importReceipts(owner, name, receipts.toReversed()), contradiction)
    // Also what the owner itself has sealed.
    await send(owner, name, 2, parts[1])
    await assert.rejects(importReceipts(owner, name, [await receiptOf(a, name, 2, parts[2])]), contradiction)
    // And of another length.
    const third = [await receiptOf(a, name, 4, parts[3]), await receiptOf(b, name, 4, parts[3]!.subarray(1))]
    await importReceipts(owner, name, third.slice(0, 1))
    await assert.rejects(importReceipts(owner, name, third.slice(1)), refused)
    const late = await receiptOf(b, name, 3)
    await importReceipts(owner, name, [late])
  })

  it('two last parts are a contradiction', async () => {
    const { owner, name, worker } = await shared('lasts')
    const [a, b] = [await worker(), await worker()]
    await importReceipts(owner, name, [await receiptOf(a, name, 2, parts[3])])
    await assert.rejects(importReceipts(owner, name, [await receiptOf(b, name, 3)]), refused)
    await assert.rejects(importReceipts(owner, name, [await receiptOf(await worker(), name, 1, parts[3])]), refused)
    await importReceipts(owner, name, [await receiptOf(await worker(), name, 1)])
  })

  it('what is being sent by the owner is not taken from a receipt', async () => {
    const { owner, name, worker } = await shared('busy')
    const receipt = await receiptOf(await worker(), name, 1)
    const body = new PassThrough()
    body.write(parts[0]!.subarray(0, 2 * MiB))
    w.s3.requests.length = 0
    const sending = send(owner, name, 1, body, { ContentLength: PART })
    await until(() => bytesSent(w.s3) >= MiB)
    await assert.rejects(importReceipts(owner, name, [receipt]), code('ERR_S3CSE_UPLOAD_STATE', /being sent/))
    body.end(parts[0]!.subarray(2 * MiB))
    const Parts = [completed(1, await sending)]
    assert.equal((await importReceipts(owner, name, [receipt])).length, 1)
    await assertStored(owner, name, Parts, [parts[0]!])
  })

  it('a last part that owner and worker have sent, with the trailer and without, is sent once more', async () => {
    for (const first of ['owner', 'worker']) {
      const { owner, name, worker } = await shared(first)
      const client = await worker()
      await send(owner, name, 1, parts[0])
      let receipt = first === 'worker' ? await receiptOf(client, name, 2, parts[3]) : ''
      await send(owner, name, 2, parts[3])
      if (first === 'owner') receipt = await receiptOf(client, name, 2, parts[3])
      await assertStored(owner, name, await importReceipts(owner, name, [receipt]), [parts[0]!, parts[3]!])
    }
  })

  it('a part that is new comes too late once the trailer is made', async () => {
    const { owner, name, worker } = await shared('late')
    const client = await worker()
    const receipts = [await receiptOf(client, name, 1), await receiptOf(client, name, 2)]
    const Parts = await importReceipts(owner, name, receipts.slice(0, 1))
    w.s3.fail({ status: 403, match: ({ operation }) => operation === 'CompleteMultipartUpload' })
    await assert.rejects(complete(owner, name, Parts))
    await assert.rejects(importReceipts(owner, name, receipts), code('ERR_S3CSE_UPLOAD_STATE', /being completed/))
    await assertStored(owner, name, await importReceipts(owner, name, receipts.slice(0, 1)), [parts[0]!])
  })
})

describe('receipts', () => {
  it('may be given again, together and at the same time', async () => {
    const { owner, name, worker } = await shared('again')
    const client = await worker()
    const receipts = [await receiptOf(client, name, 2, parts[3]), await receiptOf(client, name, 1)]
    const all = await Promise.all([
      importReceipts(owner, name, [...receipts, ...receipts]),
      importReceipts(owner, name, receipts),
      importReceipts(owner, name, receipts.toReversed()),
    ])
    for (const Parts of all) assert.deepEqual(numbersOf(Parts), [1, 2])
    await assertStored(owner, name, await importReceipts(owner, name, []), [parts[0]!, parts[3]!])
  })

  it('are of one upload, one object and one role', async () => {
    const { owner, name, worker } = await shared('mine')
    const other = await shared('mine')
    const elsewhere = await shared('elsewhere')
    const receipt = await receiptOf(await other.worker(), other.name, 1)
    const wrong = code('ERR_S3CSE_UPLOAD_STATE', /no receipt for the upload/)
    await assert.rejects(importReceipts(owner, name, [receipt]), wrong)
    await assert.rejects(importReceipts(elsewhere.owner, elsewhere.name, [receipt]), wrong)
    await assert.rejects(importReceipts(owner, name, [await exportUpload(owner, name, { worker: true })]), wrong)
    // Though it says so.
    const claims = receipt.replace(other.name.UploadId, name.UploadId)
    assert.notEqual(claims, receipt)
    await assert.rejects(importReceipts(owner, name, [claims]), code('ERR_S3CSE_DECRYPTION_FAILED'))
    const mine = await receiptOf(await worker(), name, 1)
    await assert.rejects(
      importUpload(w.client(), { Bucket, Key: 'mine' }, mine),
      code('ERR_S3CSE_CONFIG', /importReceipts/),
    )
    for (const at of [-2, -30, -100]) {
      const changedReceipt = `${mine.slice(0, at - 1)}${mine.at(at - 1) === 'A' ? 'B' : 'A'}${mine.slice(at)}`
      await assert.rejects(importReceipts(owner, name, [changedReceipt]), hasCode)
    }
    assert.deepEqual(await importReceipts(owner, name, []), [])
  })

  it('are of outputs of UploadPart, of an upload that is there', async () => {
    const { owner, name, worker } = await shared('outputs')
    const client = await worker()
    const output: UploadPartCommandOutput = await send(client, name, 1, parts[3])
    const none = code('ERR_S3CSE_CONFIG', /uploadReceipt takes an output/)
    const others = [{ ...output }, {}, await put(client, 'x', 'x'), await put(w.plain, 'x', 'x')]
    for (const other of others) await assert.rejects(uploadReceipt(other), none)
    const Parts = await importReceipts(owner, name, [await uploadReceipt(output)])
    const own: UploadPartCommandOutput = await send(owner, name, 1, parts[3])
    await complete(owner, name, [completed(1, own)])
    assert.equal(Parts.length, 1)
    await assert.rejects(uploadReceipt(own), refused)
    // The worker's client does not know that it is over.
    await uploadReceipt(output)
    await client.send(new AbortMultipartUploadCommand(name)).catch(() => undefined)
    await assert.rejects(uploadReceipt(output), refused)
  })

  it('are written or refused when the upload ends meanwhile, and never written wrong', async () => {
    const { owner, name, worker } = await shared('race')
    const client = await worker()
    const output = await send(client, name, 1, parts[0])
    const writing = uploadReceipt(output)
    await client.send(new AbortMultipartUploadCommand({ ...name, Key: 'race' })).catch(() => undefined)
    const receipt = await writing.catch((error: unknown) => error)
    assert.equal(typeof receipt, 'string')
    // (S3's upload is gone; what the receipt says of the part is right.)
    await importReceipts(owner, name, [receipt as string])
    await assert.rejects(send(owner, name, 1, changed(parts[0]!)), code('ERR_S3CSE_UPLOAD_STATE', /other bytes/))
  })

  /** Writes receipts as somebody could who has the object's key. */
  async function forger(owner: S3Client, { Key: key, UploadId: uploadId, ...name }: Name) {
    const state = await exportUpload(owner, { ...name, Key: key, UploadId: uploadId }, { worker: true })
    const { metadata } = JSON.parse(state.split('\n')[1]!) as { metadata: Record<string, string> }
    const object = { bucket: Bucket, key }
    const commitmentPolicy = 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT'
    const envelope = s3ec().recognise(metadata, object)
    const sealer = await envelope!.resume!({ keyring, commitmentPolicy, encryptionContext: {}, object })
    const header = {
      ...object,
      uploadId,
      metadata,
      role: 'receipt',
      partSize: PART,
      instructionFile: undefined,
      checksumAlgorithm: undefined,
      fullObjectChecksum: false,
      stateKey: false,
    } as const
    const give = async (record: object, change = {}) => {
      const writer = await textWriter({ ...header, ...change }, fromStateKey(sealer.exportKey()))
      return importReceipts(owner, { ...name, Key: key, UploadId: uploadId }, [await writer.line(record)])
    }
    return { sealer, give }
  }

  it('say of parts only what a part is', async () => {
    const { owner, name } = await shared('content')
    const { give } = await forger(owner, name)
    const part = { number: 1, offset: 0, length: 5, from: 0, states: Buffer.alloc(16, 1).toString('base64') }
    const wrong: readonly object[] = [
      { records: [{ frozen: 5 }] },
      { records: [{ part }, { frozen: 5 }] },
      { records: [{ part }, { frozen: 5 }, { own: { number: 2, replaces: false, stored: {} } }] },
      { records: [{ part }, { own: { number: 2, replaces: false, stored: {} } }] },
      { records: [{ part: { ...part, length: PART } }, { stored: { number: 1, stored: {}, withTrailer: false } }] },
      { records: [{ part }, { stored: { number: 1, stored: {}, withTrailer: false, kept: 'AAAA' } }] },
      { records: null },
      {},
    ]
    for (const record of wrong) await assert.rejects(give(record), refused, JSON.stringify(record))
    await assert.rejects(give({ records: [{ part }] }, { stateKey: true }), refused)
    await assert.rejects(give({ records: [{ part }] }, { role: 'owner' }), refused)
    assert.deepEqual(await give({ records: [] }), [])
  })

  it('that contradict each other about the trailer have the last part sent once more', async () => {
    const { owner, name } = await shared('trailer')
    const { give, sealer } = await forger(owner, name)
    await send(owner, name, 2, parts[3])
    const { state } = await sealer.sealPiece(PART, parts[3]!, true)
    const states = Buffer.from(state).toString('base64')
    const part = { number: 2, offset: PART, length: 1000, from: 0, states }
    await give({ records: [{ part }, { stored: { number: 2, stored: { ETag: '"other"' }, withTrailer: true } }] })
    await send(owner, name, 1, parts[0])
    w.s3.requests.length = 0
    await assertStored(owner, name, await importReceipts(owner, name, []), [parts[0]!, parts[3]!])
    assert.deepEqual(partsSent(w.s3), [2])
  })

  it('are saved by an owner that saves, before they count', async () => {
    const saved = log()
    let fails = false
    const owner = w.client()
    const saveUpload = (text: string) => (fails ? Promise.reject(new Error('disk full')) : saved.save(text))
    const name = await create(owner, 'saved-receipts', { partSize: PART, saveUpload })
    const state = await exportUpload(owner, name, { worker: true })
    const client = w.client()
    await importUpload(client, { Bucket, Key: 'saved-receipts' }, state)
    const receipts = [await receiptOf(client, name, 3, parts[3]), await receiptOf(client, name, 1)]
    fails = true
    await assert.rejects(importReceipts(owner, name, receipts), { message: 'disk full' })
    fails = false
    await importReceipts(owner, name, receipts)

    // The owner is gone; the next one knows what it knew, and gets the rest.
    const next = w.client()
    const imported = await importUpload(next, { Bucket, Key: 'saved-receipts' }, saved.text, { saveUpload: saved.save })
    assert.deepEqual(numbersOf(imported.Parts), [1, 3])
    w.s3.requests.length = 0
    await assert.rejects(send(next, name, 1, changed(parts[0]!)), refused)
    assert.deepEqual(w.s3.requests, [])
    const Parts = await importReceipts(next, name, [await receiptOf(client, name, 2)])
    w.s3.requests.length = 0
    await assertStored(next, name, Parts, [parts[0]!, parts[1]!, parts[3]!])
    assert.deepEqual(partsSent(w.s3), [3])
    // And one that comes after Complete sends nothing more.
    const last = w.client()
    w.s3.requests.length = 0
    const again = await importUpload(last, { Bucket, Key: 'saved-receipts' }, saved.text)
    const { ETag } = await complete(last, name, again.Parts)
    assert.match(ETag!, /-3"$/)
    assert.deepEqual(partsSent(w.s3), [])
  })

  it('that are missing at Complete are named', async () => {
    const { owner, name, worker } = await shared('missing')
    const client = await worker()
    const outputs = [await send(client, name, 1, parts[0]), await send(client, name, 2, parts[3])]
    const Parts = outputs.map((output, index) => completed(index + 1, output))
    w.s3.requests.length = 0
    await assert.rejects(complete(owner, name, Parts), code('ERR_S3CSE_UPLOAD_STATE', /import its receipt first/))
    assert.deepEqual(w.s3.requests, [])
    await importReceipts(owner, name, await Promise.all(outputs.map(uploadReceipt)))
    await assertStored(owner, name, Parts, [parts[0]!, parts[3]!])
  })

  it('are asked for as they are meant', async () => {
    const { owner, name } = await shared('mistakes')
    for (const texts of ['a receipt', undefined, null, {}]) {
      await assert.rejects(importReceipts(owner, name, texts as never), code('ERR_S3CSE_CONFIG', /array/))
    }
    for (const text of [undefined, 5, '', 'x', '{}']) {
      await assert.rejects(
        importReceipts(owner, name, [text as string]),
        code('ERR_S3CSE_UPLOAD_STATE', /cannot be read/),
      )
    }
    await assert.rejects(importReceipts(w.plain, name, []), code('ERR_S3CSE_CONFIG', /importReceipts takes a client/))
    await assert.rejects(importReceipts(owner, { ...name, UploadId: 'other' }, []), refused)
    await assert.rejects(importReceipts(owner, { ...name, Key: 'other' }, []), refused)
  })
})

describe('SSE-C', () => {
  it('is named by each of the processes', async () => {
    const ssec = { SSECustomerAlgorithm: 'AES256', SSECustomerKey: 'k'.repeat(32) }
    const { owner, name, worker } = await shared('ssec', {}, ssec)
    const client = await worker()
    const receipts = []
    for (const [index, part] of [parts[0], parts[3]].entries()) {
      receipts.push(await uploadReceipt(await send(client, name, index + 1, part, ssec)))
    }
    const Parts = await importReceipts(owner, name, receipts)
    await assert.rejects(complete(owner, name, Parts), { name: /Invalid/ })
    const MultipartUpload = { Parts }
    await owner.send(new CompleteMultipartUploadCommand({ ...name, ...ssec, MultipartUpload }))
  })
})

describe('an owner that is gone', () => {
  it('is followed by one that takes the receipts', async () => {
    const saved = log()
    const owner = w.client()
    const name = await create(owner, 'owner-gone', { partSize: PART, saveUpload: saved.save })
    const client = w.client()
    await importUpload(client, { Bucket, Key: 'owner-gone' }, await exportUpload(owner, name, { worker: true }))
    const receipts = [await receiptOf(client, name, 3, parts[3]), await receiptOf(client, name, 2)]
    const next = w.client()
    const imported = await importUpload(next, { Bucket, Key: 'owner-gone' }, saved.text, { saveUpload: saved.save })
    const Parts = await importReceipts(next, imported, receipts)
    await finish(next, { ...imported, Parts }, [parts[0]!, parts[1]!, parts[3]!])
  })
})

function hasCode(error: unknown): true {
  const found = (error as { code?: string }).code
  assert.ok(found === 'ERR_S3CSE_DECRYPTION_FAILED' || found === 'ERR_S3CSE_UPLOAD_STATE', String(error))
  return true
}
