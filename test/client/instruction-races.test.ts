// Writers between the requests for an object and for its file, and files that never fit.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { code } from '../support/errors.js'
import { Bucket, get, pattern, put, read } from '../support/world.js'
import { folder, PART } from './download-support.js'
import {
  bytesOf,
  file,
  instructionWorld,
  names,
  narrowClient,
  overwrite,
  v2,
  written as stored,
} from './instruction-support.js'

const w = await instructionWorld(undefined)
const to = folder(w)
const bounded = { timeout: 30_000 }
const small = pattern(5000)
const large = pattern(3 * PART + 100)
const sizes = { small, large }
const refused = code('ERR_S3CSE_DECRYPTION_FAILED')

const name = names()

const written = (bytes: Uint8Array, options = {}) => stored(w, name(), bytes, options)

const narrow = (options = {}, maxAttempts = 1) => narrowClient(w, options, maxAttempts)

/** Puts another object and its file in the place of `key`, just before the first request for the file is answered. */
function replaceMeanwhile(key: string, bytes: Uint8Array, options = {}): void {
  const unhook = w.s3.onRequest(async (r) => {
    if (r.operation !== 'GetObject' || r.key !== file(key)) return
    unhook()
    await put(w.client({ ...overwrite, ...options }), key, bytes)
    w.s3.requests.length = 0
    w.s3.requests.push(r)
  })
}

for (const [size, bytes] of Object.entries(sizes)) {
  describe(`${size} objects`, bounded, () => {
    it('V3: a writer between the two requests: both are read once more', async () => {
      const key = await written(bytes)
      const other = Buffer.from(bytes).reverse()
      replaceMeanwhile(key, other)
      assert.deepEqual(await read(w.client(), key), other)
      assert.equal(w.sent('GetObject', file(key)).length, 2)

      replaceMeanwhile(key, bytes)
      assert.deepEqual(
        await bytesOf(w.client({ rangeReads: 'unauthenticated' }), key, { Range: 'bytes=5-9' }),
        bytes.subarray(5, 10),
      )

      replaceMeanwhile(key, other)
      await to.get(w.client(), key)
      assert.deepEqual(await to.content(), other)
    })

    it('a writer of another version between the two requests', async () => {
      const key = await written(bytes)
      const other = Buffer.from(bytes).reverse()
      replaceMeanwhile(key, other, v2)
      assert.deepEqual(await read(w.client(v2), key), other)
      replaceMeanwhile(key, bytes)
      const found = await read(w.client(v2), key).catch((error: unknown) => error)
      // The body of V2 cannot tell before its end.
      if (!Buffer.isBuffer(found)) assert.ok(code('ERR_S3CSE_ENVELOPE_INVALID')(found))
      else assert.deepEqual(found, bytes)
    })

    it('V2: a writer between the two requests gives the new object or an error', async () => {
      const key = await written(bytes, v2)
      const other = Buffer.from(bytes).reverse()
      replaceMeanwhile(key, other, v2)
      const found = await read(w.client(v2), key).catch((error: unknown) => error)
      if (Buffer.isBuffer(found)) assert.deepEqual(found, other)
      else refused(found)
      assert.deepEqual(await read(w.client(v2), key), other)
    })

    it('a file that never fits: exactly one more read of both', async () => {
      const [key, another] = [await written(bytes), await written(bytes)]
      const { body, metadata } = await w.stored(file(another))
      await w.s3.put(Bucket, file(key), { body, metadata })
      w.s3.requests.length = 0
      const client = narrow()
      await assert.rejects(get(client, key), refused)
      assert.equal(w.sent('GetObject', file(key)).length, 2)
      assert.equal(w.sent('ListObjectVersions').length, 0)
      assert.equal(w.sent('GetObject', key).length, 2)
      await assert.rejects(to.get(client, key), refused)
      assert.equal(w.sent('GetObject', file(key)).length, 4)
      assert.deepEqual(await read(client, another), bytes)
    })
  })
}

it('a resumed download whose file does not fit any more', bounded, async () => {
  const key = await written(large)
  const another = await written(large)
  const client = w.client()
  const failing = { status: 403, code: 'Special', times: 9 }
  w.fail('GetObject', key, failing, (r) => r.headers.range?.startsWith(`bytes=${2 * PART}-`) === true)
  await assert.rejects(to.get(client, key, { resume: true, concurrency: 1 }), { name: 'Special' })
  w.s3.faults.length = 0
  const right = await w.stored(file(key))
  await w.s3.put(Bucket, file(key), await w.stored(file(another)))
  await assert.rejects(to.get(client, key, { resume: true }), refused)
  await w.s3.put(Bucket, file(key), right)
  await to.get(client, key, { resume: true })
  assert.deepEqual(await to.content(), large)
})
