// Keystream is used again through a crash, a retry or two processes. What was encrypted is on record before it is sent, and other bytes in its place are refused before one of them leaves.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { after, afterEach, describe, it } from 'node:test'

import type { S3Client } from '@aws-sdk/client-s3'

import { exportUpload, importReceipts, importUpload, uploadReceipt } from '../../src/index.js'
import { code } from '../support/errors.js'
import { runProcess } from '../support/processes.js'
import type { Job } from '../support/resume-child.js'
import { bytesSent, changed, create, finish, isPart, log, MiB, PART, send, source, until } from '../support/resume.js'
import type { Name } from '../support/resume.js'
import type { ShareJob } from '../support/share-child.js'
import { Bucket, world } from '../support/world.js'

const w = await world({ recordBodyBytes: PART })
const directory = mkdtempSync(path.join(tmpdir(), 's3-cse-row-24-'))
after(() => rmSync(directory, { recursive: true }))

/** The SDK says on the console that it does not try a stream again. */
const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error() {} }
const quietClient = () => w.client({}, { logger: quiet })

const lengths = [PART, PART, 1000]
const parts = source(...lengths)
const otherBytes = code('ERR_S3CSE_UPLOAD_STATE', /other bytes/)

// Whatever happened: of all that arrived for one place, one is the beginning of the other.
afterEach(() => {
  const sent = new Map<string, Buffer>()
  for (const request of w.s3.requests.filter(isPart)) {
    const place = `${request.key} ${request.query.partNumber}`
    const body = Buffer.from(request.body ?? '')
    const before = sent.get(place) ?? Buffer.alloc(0)
    const length = Math.min(body.length, before.length)
    assert.ok(body.subarray(0, length).equals(before.subarray(0, length)), `${place}: two ciphertexts were sent`)
    if (body.length > before.length) sent.set(place, body)
  }
  w.s3.requests.length = 0
  w.s3.faults.length = 0
})

/** Every way to send a part with other bytes is refused, and nothing of it arrives. */
async function assertKept(client: S3Client, name: Name, number: number, at = PART - 1): Promise<void> {
  const before = bytesSent(w.s3)
  const part = parts[number - 1]!
  const other = changed(part, Math.min(at, part.length - 1))
  await assert.rejects(send(client, name, number, other), otherBytes)
  await assert.rejects(send(client, name, number, part.subarray(1)), { name: 'CseError' })
  if (at === 0) {
    const stream = Readable.from([other])
    await assert.rejects(send(client, name, number, stream, { ContentLength: part.length }), otherBytes)
  }
  assert.equal(bytesSent(w.s3), before)
}

/** As far as a process came with part 2. */
type Stage = 'recorded' | 'partly sent' | 'failed' | 'stored'
const stages: readonly Stage[] = ['recorded', 'partly sent', 'failed', 'stored']

async function sendUntil(client: S3Client, name: Name, stage: Stage, saving: { fails: boolean }): Promise<void> {
  if (stage === 'stored') {
    await send(client, name, 2, parts[1])
    return
  }
  if (stage === 'partly sent') {
    const body = new PassThrough()
    body.write(parts[1]!.subarray(0, 3 * MiB))
    const before = bytesSent(w.s3)
    const failed = assert.rejects(send(client, name, 2, body, { ContentLength: PART }), /broken/)
    await until(() => bytesSent(w.s3) - before === 3 * MiB)
    body.destroy(new Error('broken'))
    return failed
  }
  if (stage === 'failed') w.s3.fail({ status: 403, match: isPart })
  else saving.fails = true
  await assert.rejects(send(client, name, 2, parts[1]))
  saving.fails = false
}

describe('a changed source', () => {
  for (const stage of stages) {
    it(`is refused in the same process, on resume and in a worker, after the part was ${stage}`, async () => {
      const saved = log()
      const saving = { fails: false }
      const saveUpload = (text: string) => {
        saved.save(text) as undefined
        // Written, and not known to be.
        if (saving.fails) throw new Error('not durable')
      }
      const client = quietClient()
      const name = await create(client, stage, { partSize: PART, saveUpload })
      await send(client, name, 1, parts[0])
      await sendUntil(client, name, stage, saving)
      await assertKept(client, name, 1)
      await assertKept(client, name, 2, 0)

      const resumed = quietClient()
      await importUpload(resumed, { Bucket, Key: stage }, saved.text)
      await assertKept(resumed, name, 1)
      await assertKept(resumed, name, 2, 0)

      const worker = quietClient()
      const state = await exportUpload(resumed, name, { worker: true })
      await importUpload(worker, { Bucket, Key: stage }, state)
      await assertKept(worker, name, 1)
      await assertKept(worker, name, 2, 0)

      const last = quietClient()
      await finish(last, await importUpload(last, { Bucket, Key: stage }, await exportUpload(resumed, name)), parts)
    })
  }

  const kills: readonly [name: string, kill: Job['kill'], sealed: readonly number[]][] = [
    ['between record and send', { at: 'after', save: 3 }, [1, 2]],
    ['between send and record', { at: 'before', save: 4 }, [1, 2]],
    ['after the trailer was recorded', { at: 'after', save: 6 }, [1, 2, 3]],
  ]
  for (const [key, kill, sealed] of kills) {
    it(`is refused after a kill ${key}, and the same source gives the same ciphertext`, async () => {
      const state = path.join(directory, key.replaceAll(' ', '-'))
      const job: Job = { config: w.s3.clientConfig, key, state, lengths, kill }
      const { signal, errors } = await runProcess('resume-child', job)
      assert.equal(signal, 'SIGKILL', errors)
      const client = quietClient()
      const upload = await importUpload(client, { Bucket, Key: key }, readFileSync(state, 'utf8'))
      for (const number of sealed) await assertKept(client, upload, number, 0)
      await finish(client, upload, parts)
    })
  }
})

describe('two processes', () => {
  it('that send one part are found out by their receipts before the object is made', async () => {
    const owner = quietClient()
    const name = await create(owner, 'receipts', { partSize: PART })
    const state = await exportUpload(owner, name, { worker: true })
    const job: ShareJob = { config: w.s3.clientConfig, key: 'receipts', state, lengths, numbers: [2] }
    const { status, output, errors } = await runProcess('share-child', job)
    assert.equal(status, 0, errors)
    // The same part of the same source is no harm, and another source is one that only the owner can see.
    const worker = quietClient()
    await importUpload(worker, { Bucket, Key: 'receipts' }, state)
    const same = await uploadReceipt(await send(worker, name, 2, parts[1]))
    await importReceipts(owner, name, [...(JSON.parse(output) as string[]), same])
    await assertKept(owner, name, 2, 0)

    const second = quietClient()
    await importUpload(second, { Bucket, Key: 'receipts' }, state)
    const contradiction = await uploadReceipt(await send(second, name, 1, changed(parts[0]!)))
    await send(owner, name, 1, changed(parts[0]!))
    await importReceipts(owner, name, [contradiction])
    await assertKept(owner, name, 1, 0)
  })

  it('do not both go on from an exported state', async () => {
    const first = quietClient()
    const name = await create(first, 'exported')
    await send(first, name, 1, parts[0])
    const state = await exportUpload(first, name)
    const before = bytesSent(w.s3)
    await assert.rejects(send(first, name, 2, changed(parts[1]!)), code('ERR_S3CSE_UPLOAD_STATE', /exported/))
    assert.equal(bytesSent(w.s3), before)
    const second = quietClient()
    await finish(second, await importUpload(second, { Bucket, Key: 'exported' }, state), parts)
  })

  it('do not both go on in one client', async () => {
    const first = quietClient()
    const saved = log()
    const name = await create(first, 'one-client', { saveUpload: saved.save })
    await send(first, name, 1, parts[0])
    const second = quietClient()
    const both = [1, 2].map(() => importUpload(second, { Bucket, Key: 'one-client' }, saved.text))
    const [imported] = await Promise.allSettled(both)
    assert.equal(imported?.status, 'fulfilled')
    await send(second, name, 2, parts[1])
    await assert.rejects(
      importUpload(second, { Bucket, Key: 'one-client' }, saved.text),
      code('ERR_S3CSE_UPLOAD_STATE'),
    )
    await assertKept(second, name, 2, 0)
  })
})
