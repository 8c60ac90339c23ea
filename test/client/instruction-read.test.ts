// Reading objects whose envelope is in a file: what is asked for, what fails, and writers between the two requests.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3'

import { encryptionInfo, requestOptions } from '../../src/index.js'
import type { RequestOptions } from '../../src/index.js'
import { code } from '../support/errors.js'
import { Bucket, get, pattern, put, read } from '../support/world.js'
import { folder, PART } from './download-support.js'
import {
  bytesOf,
  file,
  instructionWorld,
  names,
  narrowClient,
  v2,
  versions,
  write,
  written as stored,
} from './instruction-support.js'

const w = await instructionWorld(undefined)
const to = folder(w)
const bounded = { timeout: 30_000 }
const small = pattern(5000)
const large = pattern(3 * PART + 100)
const sizes = { small, large }
const everything = { passthrough: () => true }
const refused = code('ERR_S3CSE_DECRYPTION_FAILED')

const name = names()

const written = (bytes: Uint8Array, options = {}) => stored(w, name(), bytes, options)

const narrow = (options = {}, maxAttempts = 1) => narrowClient(w, options, maxAttempts)

describe('the request for the file', bounded, () => {
  it('has nothing of what is about the object', async () => {
    const key = await written(small)
    const { etag } = await w.stored(key)
    await bytesOf(w.client({ rangeReads: 'unauthenticated' }), key, {
      Range: 'bytes=0-9',
      IfMatch: etag,
      IfNoneMatch: '"another"',
      IfModifiedSince: new Date(1e12),
      IfUnmodifiedSince: new Date(4e12),
      ResponseContentType: 'text/plain',
      ResponseCacheControl: 'no-cache',
    })
    const [request] = w.sent('GetObject', file(key))
    assert.ok(request !== undefined)
    const conditions = Object.keys(request.headers).filter((one) => one.startsWith('if-') || one === 'range')
    assert.deepEqual(conditions, [])
    assert.deepEqual(Object.keys(request.query), ['x-id'])
    assert.equal(w.sent('GetObject', file(key)).length, 1)
  })

  it('has what the bucket wants', async () => {
    const key = await written(small)
    const carried = { RequestPayer: 'requester', ExpectedBucketOwner: '123456789012' } as const
    await bytesOf(w.client(), key, carried)
    await w.client().send(new HeadObjectCommand({ Bucket, Key: key, ...carried }))
    assert.equal(w.s3.requests.length, 4)
    for (const { headers } of w.s3.requests) {
      assert.equal(headers['x-amz-request-payer'], 'requester')
      assert.equal(headers['x-amz-expected-bucket-owner'], '123456789012')
    }
  })

  it('is not sent where the metadata has the envelope, or files are not read', async () => {
    const key = name()
    await put(w.client(), key, small)
    const [other, second] = [await written(small), await written(small, v2)]
    await read(w.client(), key)
    const none = { instructionFile: { read: false } }
    await assert.rejects(read(w.client(none), other), code('ERR_S3CSE_ENVELOPE_INVALID', /instruction file/))
    const head = await w.client(none).send(new HeadObjectCommand({ Bucket, Key: other }))
    assert.equal(encryptionInfo(head)?.status, 'unknown')
    await assert.rejects(
      read(w.client({ ...none, ...v2 }), second),
      code('ERR_S3CSE_NOT_ENCRYPTED', /are not read here/),
    )
    assert.notDeepEqual(await read(w.client({ ...none, ...v2, ...everything }), second), small)
    assert.equal(w.sent('GetObject').filter((r) => r.key?.endsWith('.instruction')).length, 0)
  })
})

for (const [size, bytes] of Object.entries(sizes)) {
  describe(`${size} objects`, bounded, () => {
    it('that are plain, with and without a file', async () => {
      const key = name()
      await w.s3.put(Bucket, key, { body: bytes })
      const client = narrow(everything)
      await assert.rejects(read(narrow(), key), code('ERR_S3CSE_NOT_ENCRYPTED', /no instruction file/))
      assert.deepEqual(await read(client, key), bytes)
      const ranges = narrow({ ...everything, rangeReads: 'unauthenticated' })
      assert.deepEqual(await bytesOf(ranges, key, { Range: 'bytes=5-9' }), bytes.subarray(5, 10))
      const output = await get(client, key)
      assert.equal(encryptionInfo(output)?.status, 'plain')
      assert.equal(output.ContentLength, bytes.length)
      assert.deepEqual(Buffer.from(await output.Body!.transformToByteArray()), bytes)
      await to.get(client, key)
      assert.deepEqual(await to.content(), bytes)
      // With a file it is no plain object any more, whatever the caller takes.
      const other = await written(small, v2)
      const { body } = await w.stored(file(other))
      await w.s3.put(Bucket, file(key), { body })
      await assert.rejects(read(w.client({ ...everything, ...v2 }), key), refused)
    })

    for (const [version, policy] of Object.entries(versions)) {
      it(`${version}: HEAD shows the plaintext’s length and the caller’s metadata`, async () => {
        const key = name()
        await put(w.client({ ...write, ...policy }), key, bytes, { Metadata: { mine: 'too' } })
        const output = await w.client(policy).send(new HeadObjectCommand({ Bucket, Key: key }))
        assert.equal(output.ContentLength, bytes.length)
        assert.deepEqual(output.Metadata, { mine: 'too' })
        assert.equal(encryptionInfo(output)?.envelope?.instructionFile, file(key))
      })

      it(`${version}: ranges`, async () => {
        const key = await written(bytes, policy)
        for (const rangeReads of ['unauthenticated', 'whole-object'] as const) {
          const client = narrow({ rangeReads, ...policy })
          for (const [Range, from, until] of [
            ['bytes=0-0', 0, 1],
            ['bytes=100-4000', 100, 4001],
            [`bytes=${bytes.length - 30}-`, bytes.length - 30, bytes.length],
            ['bytes=-40', bytes.length - 40, bytes.length],
          ] as const) {
            const output = await get(client, key, { Range })
            assert.equal(output.ContentRange, `bytes ${from}-${until - 1}/${bytes.length}`)
            const found = Buffer.from(await output.Body!.transformToByteArray())
            assert.deepEqual(found, bytes.subarray(from, until))
          }
          const beyond = get(client, key, { Range: `bytes=${bytes.length + 100}-` })
          await assert.rejects(beyond, { name: 'InvalidRange' })
          assert.deepEqual(await read(client, key), bytes)
        }
        await assert.rejects(get(narrow(policy), key, { Range: 'bytes=0-0' }), code('ERR_S3CSE_RANGE_REFUSED'))
      })

      it(`${version}: downloads, and one that is resumed`, async () => {
        const key = await written(bytes, policy)
        const client = narrow(policy)
        const result = await to.get(client, key)
        assert.deepEqual(await to.content(), bytes)
        assert.equal(encryptionInfo(result)?.envelope?.instructionFile, file(key))
        if (bytes === small) return
        const failing = { status: 403, code: 'Special', times: 9 }
        w.fail('GetObject', key, failing, (r) => r.headers.range?.startsWith(`bytes=${2 * PART}-`) === true)
        await assert.rejects(to.get(client, key, { resume: true, concurrency: 1 }), { name: 'Special' })
        w.s3.faults.length = 0
        const resumed = await to.get(client, key, { resume: true })
        assert.ok(resumed.resumedBytes > 0)
        assert.deepEqual(await to.content(), bytes)
      })
    }

    it('an abort while the file is on its way', async () => {
      const key = await written(bytes)
      const client = narrow()
      const faults = [{ delayMs: 600_000 }, { chunkBytes: 10, pauseMs: 600_000 }] as const
      for (const fault of faults) {
        const ending = new AbortController()
        w.fail('GetObject', file(key), fault)
        const unhook = w.s3.onRequest((r) => {
          if (r.key === file(key)) setTimeout(() => ending.abort(), 50)
        })
        const command = new GetObjectCommand({ Bucket, Key: key })
        await assert.rejects(client.send(command, { abortSignal: ending.signal }), { name: 'AbortError' })
        unhook()
        assert.deepEqual(await read(client, key), bytes)
      }
    })

    it('as many reads at once as one socket serves', async () => {
      const key = await written(bytes)
      const client = narrow()
      const all = await Promise.all(Array.from({ length: 5 }, () => read(client, key)))
      for (const found of all) assert.deepEqual(found, bytes)
    })
  })
}

it('a request’s suffix holds for downloads too', bounded, async () => {
  const key = name()
  const own: RequestOptions = { instructionFileSuffix: '.own' }
  await put(w.client(write), key, '', requestOptions({ Bucket, Key: key, Body: large }, own))
  await to.get(w.client(), key, {}, requestOptions({ Bucket, Key: key }, own))
  assert.deepEqual(await to.content(), large)
  assert.equal(w.sent('GetObject', `${key}.own`).length, 1)
})
