// Multipart uploads whose envelope is in a file, which is written when they are completed.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { type S3Client } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'

import { encryptionInfo } from '../../src/index.js'
import { Bucket, put, read } from '../support/world.js'
import {
  LOST,
  file,
  instructionWorld,
  judge,
  names,
  overwrite,
  parts as uploaded,
  snapshot,
  versions,
  wrappings,
  write,
} from './instruction-support.js'
import { begin, existing, MIB, PART, plaintext } from './multipart-support.js'

const w = await instructionWorld(undefined)
const { all, kms } = await wrappings()
const bounded = { timeout: 60_000 }
const bytes = plaintext(PART + MIB)

const name = names()

const parts = (client: S3Client, key: string, more = {}) => uploaded(client, key, bytes, more)

describe('Upload and its commands', bounded, () => {
  for (const [version, policy] of Object.entries(versions)) {
    for (const { name: kind, ...wrapping } of all) {
      it(`${version}, ${kind}: by Upload, small and in parts, and by hand`, async () => {
        const client = w.client({ ...write, ...policy, ...wrapping })
        for (const [what, length] of [
          ['small', 1000],
          ['parts', bytes.length],
        ] as const) {
          const key = `${version} ${kind} ${what}`
          await new Upload({ client, params: { Bucket, Key: key, Body: bytes.subarray(0, length) } }).done()
          assert.deepEqual(await judge(w, key, undefined, kms), bytes.subarray(0, length))
        }
        const key = name()
        const upload = await parts(client, key, { Metadata: { mine: 'too' } })
        assert.deepEqual(
          w.s3.keys(Bucket).filter((one) => one.startsWith(key)),
          [],
        )
        w.s3.requests.length = 0
        const output = await upload.complete()
        assert.equal(encryptionInfo(output)?.envelope?.instructionFile, file(key))
        const writes = w.log().filter((line) => !line.startsWith('UploadPart'))
        assert.deepEqual(writes, [
          `PutObject ${file(key)}`,
          `CompleteMultipartUpload ${key}`,
          `HeadObject ${file(key)}`,
        ])
        assert.equal(w.sent('PutObject')[0]?.headers['if-none-match'], '*')
        assert.deepEqual(await judge(w, key, undefined, kms), bytes)
        const { metadata } = await w.stored(key)
        const own = version === 'V3' ? ['mine', 'x-amz-c', 'x-amz-d', 'x-amz-i'] : ['mine']
        assert.deepEqual(Object.keys(metadata).sort(), own)
        assert.deepEqual(await read(w.client({ ...policy, ...wrapping }), key), bytes)
      })
    }
  }

  it('the suffix of the request, and what the file is stored with, are those of Create', async () => {
    const key = name()
    const client = w.client(write)
    const members = { Tagging: 'a=b', ACL: 'private', StorageClass: 'STANDARD_IA', ContentType: 'text/special' }
    const upload = await begin(client, key, members, { instructionFileSuffix: '.own' })
    await upload.part(1, bytes)
    await upload.complete(undefined, { RequestPayer: 'requester', IfNoneMatch: '*' })
    const [sent] = w.sent('PutObject')
    assert.equal(sent?.key, `${key}.own`)
    assert.equal(sent.headers['x-amz-tagging'], 'a=b')
    assert.equal(sent.headers['x-amz-acl'], 'private')
    assert.equal(sent.headers['x-amz-storage-class'], 'STANDARD_IA')
    assert.equal(sent.headers['x-amz-request-payer'], 'requester')
    assert.notEqual(sent.headers['content-type'], 'text/special')
    assert.deepEqual(await judge(w, key, '.own'), bytes)
  })
})

for (const [version, policy] of Object.entries(versions)) {
  describe(`${version}: Complete fails`, bounded, () => {
    const failures = {
      403: { status: 403, code: 'Special' },
      500: { status: 500, code: 'Special' },
      'late, after a 200': { status: 200, code: 'InternalError' },
      reset: { reset: 'before' },
    } as const
    for (const [what, fault] of Object.entries(failures)) {
      // Without an answer S3 may yet complete it, and then the file is needed.
      const stays = 'reset' in fault
      it(`${what}: there is ${stays ? 'a' : 'no'} file, and Complete can be sent again`, async () => {
        const key = name()
        const upload = await parts(w.once({ ...write, ...policy }), key)
        for (let i = 0; i < 2; i++) {
          w.fail('CompleteMultipartUpload', key, fault)
          await assert.rejects(
            upload.complete(),
            (error: Error & { code?: string }) =>
              ['Special', 'InternalError'].includes(error.name) || error.code === 'ECONNRESET',
          )
          assert.deepEqual(
            w.s3.keys(Bucket).filter((one) => one.startsWith(key)),
            stays ? [file(key)] : [],
          )
        }
        await upload.complete()
        assert.deepEqual(await judge(w, key), bytes)
      })

      it(`${what}: and nothing is left when it is aborted`, async () => {
        const key = name()
        const upload = await parts(w.once({ ...write, ...policy }), key)
        w.fail('CompleteMultipartUpload', key, fault)
        await assert.rejects(upload.complete())
        await upload.abort()
        assert.deepEqual(
          w.s3.keys(Bucket).filter((one) => one.startsWith(key)),
          [],
        )
      })

      it(`${what}, overwriting: what was there is there`, async () => {
        const key = name()
        await put(w.client({ ...write, ...policy }), key, 'old')
        const before = await snapshot(w, key, file(key))
        const upload = await parts(w.once({ ...overwrite, ...policy }), key)
        w.fail('CompleteMultipartUpload', key, fault)
        await assert.rejects(upload.complete())
        if (!stays) assert.deepEqual(await snapshot(w, key, file(key)), before)
        else {
          const other = await parts(w.once({ ...overwrite, ...policy }), key)
          await upload.abort()
          assert.deepEqual(await snapshot(w, key, file(key)), before)
          await other.complete()
          assert.deepEqual(await judge(w, key), bytes)
          return
        }
        await upload.complete()
        assert.deepEqual(await judge(w, key), bytes)
      })
    }

    it('the file cannot be written: Complete is not sent, and can be sent again', async () => {
      const key = name()
      const upload = await parts(w.once({ ...write, ...policy }), key)
      w.fail('PutObject', file(key), { status: 403, code: 'Special' })
      await assert.rejects(upload.complete(), { name: 'Special' })
      assert.equal(w.sent('CompleteMultipartUpload').length, 0)
      await upload.complete()
      assert.deepEqual(await judge(w, key), bytes)
    })

    it('its answer is lost: the object is readable, and a repeated Complete succeeds', async () => {
      for (const options of [write, overwrite]) {
        const key = name()
        if (options === overwrite) await put(w.client({ ...write, ...policy }), key, 'old')
        const upload = await parts(w.once({ ...options, ...policy }), key)
        w.fail('CompleteMultipartUpload', key, LOST)
        await assert.rejects(upload.complete(), { code: 'ECONNRESET' })
        assert.deepEqual(await judge(w, key), bytes)
        await upload.complete()
        await upload.complete()
        assert.deepEqual(await judge(w, key), bytes)
      }
    })

    it('over an object without a file, in the same second: that is as it was', async () => {
      const key = name()
      await put(w.client(policy), key, 'old')
      const before = await snapshot(w, key, file(key))
      const upload = await parts(w.client({ ...write, ...policy }), key)
      w.fail('CompleteMultipartUpload', key, { status: 403 })
      await assert.rejects(upload.complete())
      assert.deepEqual(await snapshot(w, key, file(key)), before)
      await upload.complete()
      assert.deepEqual(await judge(w, key), bytes)
    })

    it('the answer for the file is lost', async () => {
      const key = name()
      const upload = await parts(w.client({ ...write, ...policy }), key)
      w.fail('PutObject', file(key), LOST)
      await upload.complete()
      assert.deepEqual(await judge(w, key), bytes)
    })

    it('aborted: what was there is there when the upload is aborted', async () => {
      const key = name()
      await put(w.client({ ...write, ...policy }), key, 'old')
      const before = await snapshot(w, key, file(key))
      const upload = await parts(w.client({ ...overwrite, ...policy }), key)
      const ending = new AbortController()
      w.fail('CompleteMultipartUpload', key, { reset: 'before', delayMs: 50 })
      const unhook = w.s3.onRequest((r) => {
        if (r.operation === 'CompleteMultipartUpload') ending.abort()
      })
      const aborted = upload.complete(undefined, {}, { abortSignal: ending.signal })
      await assert.rejects(aborted, { name: 'AbortError' })
      unhook()
      await upload.abort()
      assert.deepEqual(await snapshot(w, key, file(key)), before)
    })

    it('the upload is not there any more: what was there is there', async () => {
      const key = name()
      await put(w.client({ ...write, ...policy }), key, 'old')
      const before = await snapshot(w, key, file(key))
      const upload = await parts(w.client({ ...overwrite, ...policy }), key)
      await existing(w.plain, key, upload.id).abort()
      await assert.rejects(upload.complete(), { name: 'NoSuchUpload' })
      assert.deepEqual(await snapshot(w, key, file(key)), before)
    })
  })
}
