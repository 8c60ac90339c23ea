// One object, its parts sent by four processes at the same time.
import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'

import { exportUpload, importReceipts } from '../../src/index.js'
import { code } from '../support/errors.js'
import { runProcess } from '../support/processes.js'
import { bytesSent, changed, complete, create, partsSent, PART, send, source } from '../support/resume.js'
import type { ShareJob } from '../support/share-child.js'
import { Bucket, read, world } from '../support/world.js'

const w = await world({ recordBodyBytes: 0, verifyPayload: false, etag: 'random' })

beforeEach(() => {
  w.s3.requests.length = 0
})

async function work(job: Omit<ShareJob, 'config'>): Promise<string[]> {
  const { status, output, errors } = await runProcess('share-child', { ...job, config: w.s3.clientConfig })
  assert.equal(status, 0, errors)
  return JSON.parse(output) as string[]
}

describe('four processes', () => {
  it('send the parts of one object, the short last part among them', async () => {
    const lengths = [PART, PART, PART, PART, PART, 70_000]
    const owner = w.client()
    const name = await create(owner, 'four', { partSize: PART })
    const state = await exportUpload(owner, name, { worker: true })
    const shares = [[6], [2, 5], [1], [4]]
    const all = await Promise.all([
      ...shares.map((numbers) => work({ key: 'four', state, lengths, numbers })),
      // The owner sends parts as well.
      send(owner, name, 3, source(...lengths)[2]).then(() => []),
    ])
    assert.deepEqual(partsSent(w.s3).sort(), [1, 2, 3, 4, 5, 6])
    const Parts = await importReceipts(owner, name, all.flat().toReversed())
    assert.equal(Parts.length, 6)
    w.s3.requests.length = 0
    await complete(owner, name, Parts)
    assert.deepEqual([partsSent(w.s3), bytesSent(w.s3)], [[6], 70_000 + 16])
    assert.ok((await read(owner, 'four')).equals(Buffer.concat(source(...lengths))))
    assert.equal((await w.stored('four')).size, 5 * PART + 70_000 + 16)
    assert.equal(w.s3.uploads(Bucket).length, 0)
  })

  it('of which two have sent one part from other sources do not make an object', async () => {
    const lengths = [PART, 1000]
    const owner = w.client()
    const name = await create(owner, 'two', { partSize: PART })
    await send(owner, name, 2, source(...lengths)[1])
    const state = await exportUpload(owner, name, { worker: true })
    w.s3.requests.length = 0
    // What the owner had sent is refused in the process itself…
    const failed = await runProcess('share-child', {
      config: w.s3.clientConfig,
      key: 'two',
      state,
      lengths,
      numbers: [2],
      other: [2],
    } satisfies ShareJob)
    assert.match(failed.errors, /ERR_S3CSE_UPLOAD_STATE/)
    assert.notEqual(failed.status, 0)
    assert.deepEqual(w.s3.requests, [])
    // …and what two of them have sent is found by the owner.
    const job = { key: 'two', state, lengths, numbers: [1] }
    const receipts = await Promise.all([work(job), work({ ...job, other: [1] })])
    const contradiction = code('ERR_S3CSE_UPLOAD_STATE', /encrypted twice/)
    await assert.rejects(importReceipts(owner, name, receipts.flat()), contradiction)
    w.s3.requests.length = 0
    const sends = [source(...lengths)[0]!, changed(source(...lengths)[0]!)].map((part) => send(owner, name, 1, part))
    await assert.rejects(Promise.all(sends), code('ERR_S3CSE_UPLOAD_STATE', /other bytes/))
  })
})
