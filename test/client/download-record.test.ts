import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'

import { encodeRecord, readRecord, recorder, type DownloadRecord } from '../../src/client/download-record.js'
import { plainOpener } from '../../src/message/plain-opener.js'
import { planReads } from '../../src/message/parallel-read-plan.js'
import type { OpenFile } from '../../src/runtime/runtime.js'

/** A file in memory that keeps a list of what was done to it. */
function memory(
  bytes: Uint8Array = new Uint8Array(0),
): OpenFile & { readonly done: string[]; readonly all: () => Buffer } {
  let all = Buffer.from(bytes)
  const done: string[] = []
  return {
    done,
    all: () => all,
    async write(offset, data) {
      done.push(`write ${offset}`)
      if (all.length < offset + data.length) all = Buffer.concat([all], offset + data.length)
      all.set(data, offset)
    },
    async read(offset, into) {
      if (offset + into.length > all.length) throw new Error('beyond the end')
      into.set(all.subarray(offset, offset + into.length))
    },
    size: async () => all.length,
    truncate: async (length) => void (all = all.subarray(0, length)),
    async sync() {
      await Promise.resolve()
      done.push('sync')
    },
  }
}

const text = fc.string({ minLength: 1, maxLength: 300, unit: 'binary' })
const token = fc.stringMatching(/^[!-~]{1,300}$/)
const records: fc.Arbitrary<DownloadRecord> = fc.record({
  bucket: text,
  key: text,
  etag: token,
  versionId: fc.option(token, { nil: undefined }),
  sealedLength: fc.maxSafeNat(),
  partSize: fc.integer({ min: 65_536, max: 2 ** 30 }),
  finished: fc.uint8Array({ maxLength: 2000 }),
})

describe('the record of a partial file', () => {
  it('is read as it was written, behind whatever stands before it', async () => {
    await fc.assert(
      fc.asyncProperty(records, fc.uint8Array({ maxLength: 100 }), async (record, before) => {
        const found = await readRecord(memory(Buffer.concat([before, encodeRecord(record)])))
        assert.equal(found?.offset, before.length)
        assert.deepEqual(
          { ...found.record, finished: [...found.record.finished] },
          { ...record, finished: [...record.finished] },
        )
      }),
    )
  })

  it('that was damaged is none, and any bytes are a file without one', async () => {
    await fc.assert(
      fc.asyncProperty(records, fc.nat(), fc.integer({ min: 1, max: 255 }), async (record, at, by) => {
        const bytes = encodeRecord(record)
        bytes[at % bytes.length]! ^= by
        assert.equal(await readRecord(memory(bytes)), undefined)
        assert.equal(await readRecord(memory(encodeRecord(record).subarray(0, at % bytes.length))), undefined)
      }),
    )
    const any = fc.uint8Array({ maxLength: 300 })
    await fc.assert(fc.asyncProperty(any, async (bytes) => assert.equal(await readRecord(memory(bytes)), undefined)))
  })

  it('that is longer than any is not read', async () => {
    const record = { bucket: 'b', key: 'k', etag: '"e"', versionId: undefined, sealedLength: 1, partSize: 65_536 }
    const file = memory(encodeRecord({ ...record, finished: new Uint8Array(300_000) }))
    let most = 0
    const watched: OpenFile = {
      ...file,
      read(offset, into) {
        most = Math.max(most, into.length)
        return file.read(offset, into)
      },
    }
    assert.equal(await readRecord(watched), undefined)
    assert.ok(most < 100)
  })

  it('says only what is on the disk before it; what comes together is written together', async () => {
    const plan = planReads(plainOpener(), 1000, 100)!
    const file = memory()
    const object = { bucket: 'b', key: 'k', etag: '"e"', versionId: undefined, sealedLength: 1000, partSize: 65_536 }
    const record = recorder(file, plan, object, undefined)
    assert.ok(!record.any && !record.isFinished(0))
    const first = record.finish(9)
    assert.ok(!record.isFinished(9))
    await first
    assert.deepEqual(file.done, ['sync', 'write 1000'])
    await Promise.all([record.finish(0), record.finish(1), record.finish(2)])
    assert.deepEqual(file.done, ['sync', 'write 1000', 'sync', 'write 1000'])
    const found = await readRecord(file)
    assert.deepEqual([...(found?.record.finished ?? [])], [7, 2])
    const again = recorder(file, plan, object, found?.record)
    assert.ok(again.any && again.isFinished(2) && again.isFinished(9) && !again.isFinished(3))
  })

  it('that cannot be written is an error for all that wait for it', async () => {
    const plan = planReads(plainOpener(), 1000, 100)!
    const full = new Error('full')
    const file: OpenFile = { ...memory(), write: () => Promise.reject(full) }
    const object = { bucket: 'b', key: 'k', etag: '"e"', versionId: undefined, sealedLength: 1000, partSize: 65_536 }
    const record = recorder(file, plan, object, undefined)
    const all = await Promise.allSettled([record.finish(0), record.finish(1), record.finish(2)])
    assert.deepEqual(
      all.map(({ status }) => status),
      ['rejected', 'rejected', 'rejected'],
    )
    assert.equal(record.any, false)
  })
})
