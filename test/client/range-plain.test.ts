import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'

import { encryptionInfo } from '../../src/index.js'
import type { EncryptionOptions } from '../../src/index.js'
import { code } from '../support/errors.js'
import { Bucket, get, pattern, put, world } from '../support/world.js'

const w = await world()
const plaintext = pattern(500_000)
const twoSockets = { requestHandler: { httpAgent: { maxSockets: 2 }, socketAcquisitionWarningTimeout: 60_000 } }
const client = (options: Partial<EncryptionOptions> = {}) =>
  w.client({ passthrough: ({ Metadata }) => Metadata.open === 'yes', ...options }, twoSockets)
const bounded = { timeout: 60_000 }

beforeEach(async () => {
  w.s3.faults.length = 0
  await put(w.plain, 'plain', plaintext, { Metadata: { open: 'yes' } })
  w.s3.requests.length = 0
})

describe('ranges of plain objects that passthrough takes', bounded, () => {
  for (const rangeReads of ['unauthenticated', 'whole-object'] as const) {
    it(`${rangeReads}: are what a plain client gives`, async () => {
      const reader = client({ rangeReads })
      for (const Range of [
        'bytes=5-20',
        'bytes=16-20',
        'bytes=480000-600000',
        'bytes=77-',
        'bytes=0-',
        'bytes=-40',
        'bytes=-1000000',
        'bytes=9-5',
        'garbage',
      ]) {
        const expected = await get(w.plain, 'plain', { Range })
        const output = await get(reader, 'plain', { Range })
        const bytes = await output.Body!.transformToByteArray()
        assert.deepEqual(bytes, await expected.Body!.transformToByteArray(), Range)
        assert.equal(output.ContentRange, expected.ContentRange)
        assert.equal(output.ContentLength, expected.ContentLength)
        assert.equal(output.$metadata.httpStatusCode, expected.$metadata.httpStatusCode)
        assert.equal(encryptionInfo(output)?.status, 'plain')
        assert.equal(encryptionInfo(output)?.authentication, 'none')
      }
      for (const Range of ['bytes=500000-', 'bytes=500005-500007', 'bytes=900000-', 'bytes=-0']) {
        const unsatisfiable = { name: 'InvalidRange', ActualObjectSize: '500000', RangeRequested: Range }
        for (let i = 0; i < 5; i++) await assert.rejects(get(reader, 'plain', { Range }), unsatisfiable)
      }
    })
  }

  it('are asked for twice only where the first request was for another range', async () => {
    const reader = client({ rangeReads: 'unauthenticated', instructionFile: { read: false } })
    await (await get(reader, 'plain', { Range: 'bytes=16-20' })).Body?.transformToByteArray()
    assert.deepEqual(
      w.s3.requests.map(({ headers }) => headers.range),
      ['bytes=16-20'],
    )
    await (await get(reader, 'plain', { Range: 'bytes=20-30' })).Body?.transformToByteArray()
    assert.deepEqual(
      w.s3.requests.map(({ headers }) => headers.range),
      ['bytes=16-20', 'bytes=16-30', 'bytes=20-30'],
    )
    assert.ok(w.s3.requests[2]?.headers['if-match'])
  })

  it('are decided over with the length of the whole object', async () => {
    for (const rangeReads of ['unauthenticated', 'whole-object'] as const) {
      const seen: unknown[] = []
      const reader = client({ rangeReads, passthrough: ({ ContentLength }) => seen.push(ContentLength) > 0 })
      for (const Range of ['bytes=16-20', 'bytes=5-20', 'bytes=9-5']) {
        await (await get(reader, 'plain', { Range })).Body?.transformToByteArray()
      }
      assert.ok(seen.length >= 4)
      assert.ok(seen.every((length) => length === plaintext.length))
    }
  })

  it('need a passthrough that takes them, and an object that stays', async () => {
    const Range = 'bytes=5-20'
    await put(w.plain, 'closed', plaintext)
    for (const rangeReads of ['unauthenticated', 'whole-object'] as const) {
      const reader = client({ rangeReads, instructionFile: { read: false } })
      for (let i = 0; i < 5; i++) {
        await assert.rejects(get(reader, 'closed', { Range }), code('ERR_S3CSE_NOT_ENCRYPTED'))
      }
      for (const metadata of [{}, (await envelope()) ?? {}]) {
        let gets = 0
        const stop = w.s3.onRequest(async () => {
          // The same bytes, and so the same ETag, under other metadata.
          if (++gets === 2) await w.s3.tamper(Bucket, 'plain', () => ({ metadata }))
        })
        await assert.rejects(get(reader, 'plain', { Range }), code('ERR_S3CSE_RESPONSE_UNEXPECTED', /replaced/))
        stop()
        assert.equal(gets, 2)
        await put(w.plain, 'plain', plaintext, { Metadata: { open: 'yes' } })
      }
      assert.equal((await (await get(reader, 'plain', { Range })).Body?.transformToByteArray())?.length, 16)
    }
  })
})

async function envelope(): Promise<Readonly<Record<string, string>> | undefined> {
  await put(w.client(), 'encrypted', 'x')
  return (await w.s3.object(Bucket, 'encrypted'))?.metadata
}

describe("S3's own 416", bounded, () => {
  const Range = 'bytes=9000-9999'
  it('tells the length of the plaintext, or none', async () => {
    const reader = w.client({ rangeReads: 'unauthenticated' }, twoSockets)
    await put(reader, 'short', pattern(100))
    w.s3.requests.length = 0
    for (let i = 0; i < 5; i++) {
      await assert.rejects(get(reader, 'short', { Range }), { RangeRequested: Range, ActualObjectSize: '100' })
    }
    assert.deepEqual(
      w.s3.requests.slice(0, 2).map(({ headers }) => headers.range),
      ['bytes=8992-9999', 'bytes=0-0'],
    )
    const probe = {
      match: ({ headers }: { headers: Readonly<Record<string, string>> }) => headers.range === 'bytes=0-0',
    }
    for (const fault of [
      { status: 403, code: 'AccessDenied' },
      { status: 200 },
      { headers: { 'content-range': 'bytes 0-0/3' } },
      { headers: { 'x-amz-meta-x-amz-d': undefined } },
    ]) {
      for (let i = 0; i < 5; i++) {
        w.s3.fail({ ...probe, ...fault })
        await assert.rejects(get(reader, 'short', { Range }), (error: object) => {
          assert.equal((error as Error).name, 'InvalidRange')
          assert.equal((error as { RangeRequested?: string }).RangeRequested, Range)
          assert.equal('ActualObjectSize' in error, false)
          return true
        })
        assert.equal(w.s3.faults.length, 0)
      }
    }
  })
})
