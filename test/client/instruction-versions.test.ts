// Instruction files in a bucket with versions: overwriting, old versions of objects and their files, crashes in between.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { HeadObjectCommand } from '@aws-sdk/client-s3'

import { code } from '../support/errors.js'
import { Bucket, pattern, put, read } from '../support/world.js'
import {
  crash,
  file,
  instructionWorld,
  judge,
  names,
  readVersion,
  snapshot,
  versionIds,
  versions,
  write,
} from './instruction-support.js'
import { begin, PART } from './multipart-support.js'

const w = await instructionWorld('Enabled')
const bounded = { timeout: 60_000 }
const refused = code('ERR_S3CSE_DECRYPTION_FAILED')

const name = names()
const body = (i: number) => pattern(1000 + i).subarray(i)

/** The versions of the file that were asked for, in this order. */
const asked = (key: string) => w.sent('GetObject', file(key)).map(({ query }) => query.versionId)

for (const [version, policy] of Object.entries(versions)) {
  describe(version, bounded, () => {
    for (const seconds of [0, 10]) {
      it(`every version of an object is readable, ${seconds} s between them`, async () => {
        const key = name()
        const client = w.client({ ...write, ...policy })
        const written = []
        for (let i = 0; i < 6; i++) {
          w.clock += seconds
          written.push(await put(client, key, body(i)))
          assert.deepEqual(await judge(w, key), body(i))
        }
        for (const [i, { VersionId }] of written.entries()) {
          assert.deepEqual(await readVersion(client, key, VersionId), body(i))
          const head = await client.send(new HeadObjectCommand({ Bucket, Key: key, VersionId }))
          assert.equal(head.ContentLength, body(i).length)
        }
        assert.deepEqual(await read(client, key), body(5))
      })
    }

    it('the file has many versions after that of the object', async () => {
      const key = name()
      const client = w.client({ ...write, ...policy })
      const { VersionId } = await put(client, key, body(0))
      for (let i = 0; i < 3; i++) {
        w.clock += 10
        await crash(w, key, policy)
      }
      w.s3.requests.length = 0
      assert.deepEqual(await readVersion(client, key, VersionId), body(0))
      assert.deepEqual(asked(key), [(await versionIds(w, file(key))).at(-1)])
    })

    it('of a multipart upload, whose time is that of its beginning', async () => {
      const key = name()
      const client = w.client({ ...write, ...policy })
      const versionsOf = []
      for (let i = 0; i < 3; i++) {
        const upload = await begin(client, key)
        w.clock += 100
        await upload.part(1, pattern(PART))
        await upload.part(2, body(i))
        versionsOf.push((await upload.complete()).VersionId)
        w.clock += 100
      }
      for (const [i, VersionId] of versionsOf.entries()) {
        const found = await readVersion(client, key, VersionId)
        assert.deepEqual(found.subarray(PART), body(i))
      }
    })

    it('a failure leaves the object that was there, and no version of the file', async () => {
      const key = name()
      await put(w.client({ ...write, ...policy }), key, body(0))
      const [before, ids] = [await snapshot(w, key, file(key)), await versionIds(w, file(key))]
      for (const fault of [{ status: 403 }, { status: 500 }, { reset: 'before' }] as const) {
        w.clock += 10
        w.fail('PutObject', key, fault)
        await assert.rejects(put(w.once({ ...write, ...policy }), key, body(1)))
        assert.deepEqual(await snapshot(w, key, file(key)), before)
        assert.deepEqual(await versionIds(w, file(key)), ids)
        assert.deepEqual(await read(w.client(policy), key), body(0))
      }
      w.fail('PutObject', key, { reset: { afterResponseBytes: 0 } })
      await assert.rejects(put(w.once({ ...write, ...policy }), key, body(2)), { code: 'ECONNRESET' })
      assert.deepEqual(await judge(w, key), body(2))
    })

    it('a failure in the same second as all before', async () => {
      const key = name()
      await put(w.client({ ...write, ...policy }), key, body(0))
      w.fail('PutObject', key, { status: 403 })
      await assert.rejects(put(w.client({ ...write, ...policy }), key, body(1)))
      assert.deepEqual(await judge(w, key), body(0))
    })

    it('the answer for the new file is lost', async () => {
      const key = name()
      await put(w.client({ ...write, ...policy }), key, body(0))
      const before = await snapshot(w, key, file(key))
      const lost = { reset: { afterResponseBytes: 0 } } as const
      const second = (r: { headers: Readonly<Record<string, string>> }) => r.headers['if-none-match'] === undefined
      w.fail('PutObject', file(key), lost, second)
      await put(w.client({ ...write, ...policy }), key, body(1))
      assert.deepEqual(await judge(w, key), body(1))
      const after = await snapshot(w, key, file(key))
      assert.notDeepEqual(after, before)
      w.fail('PutObject', file(key), lost, second)
      await assert.rejects(put(w.once({ ...write, ...policy }), key, body(2)), { code: 'ECONNRESET' })
      assert.deepEqual(await snapshot(w, key, file(key)), after)
    })

    it('the process dies between the two: the object is readable by its version', async () => {
      const key = name()
      const { VersionId } = await put(w.client({ ...write, ...policy }), key, body(0))
      const client = w.once({ ...write, ...policy })
      const ending = new AbortController()
      // Whoever would take the file back does not get through any more.
      const unhook = w.s3.onRequest((r) => {
        if (r.operation === 'PutObject' && r.key === key) ending.abort()
        if (ending.signal.aborted) w.s3.fail({ match: (one) => one === r, reset: 'before' })
      })
      await assert.rejects(put(client, key, body(1)))
      client.destroy()
      unhook()
      assert.ok(ending.signal.aborted)
      assert.equal((await versionIds(w, file(key))).length, 2)
      assert.deepEqual(await readVersion(w.client(policy), key, VersionId), body(0))
      if (version === 'V3') assert.deepEqual(await read(w.client(policy), key), body(0))
      // The next writer goes on.
      await put(w.client({ ...write, ...policy }), key, body(3))
      assert.deepEqual(await judge(w, key), body(3))
    })

    it('versions cannot be listed: the current file is taken', async () => {
      const key = name()
      const client = w.client({ ...write, ...policy })
      const first = await put(client, key, body(0))
      for (const status of [400, 403, 405, 501]) {
        w.s3.fail({ match: (r) => r.operation === 'ListObjectVersions', status })
        assert.deepEqual(await readVersion(client, key, first.VersionId), body(0))
      }
      await put(client, key, body(1))
      w.s3.fail({ match: (r) => r.operation === 'ListObjectVersions', status: 403, times: 9 })
      await assert.rejects(readVersion(client, key, first.VersionId), refused)
    })
  })
}
