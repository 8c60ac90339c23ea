// Replacing object and file in a bucket without versions.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { PutObjectCommand } from '@aws-sdk/client-s3'

import { code } from '../support/errors.js'
import { Bucket, pattern, put, read } from '../support/world.js'
import {
  LOST,
  file,
  instructionWorld,
  judge,
  names,
  overwrite,
  snapshot,
  stream,
  v2,
  write,
} from './instruction-support.js'

const w = await instructionWorld(undefined)
const old = pattern(50_000)
const fresh = pattern(600_000).subarray(1)
const bounded = { timeout: 30_000 }

const name = names()

describe('overwriting', bounded, () => {
  it('is refused without the option, and changes nothing', async () => {
    const key = name()
    await put(w.client(write), key, old)
    const before = await snapshot(w, key, file(key))
    w.s3.requests.length = 0
    const body = stream(fresh)
    const refused = put(w.client(write), key, body, { ContentLength: fresh.length })
    await assert.rejects(refused, code('ERR_S3CSE_INSTRUCTION_FILE', /versioning/))
    assert.ok(body.destroyed)
    assert.equal(w.sent('PutObject', key).length, 0)
    assert.deepEqual(await snapshot(w, key, file(key)), before)
    assert.deepEqual(await read(w.client(), key), old)
  })

  it('is refused where versioning cannot be seen', async () => {
    const key = name()
    await put(w.client(write), key, old)
    w.s3.fail({ match: (r) => r.operation === 'GetBucketVersioning', status: 403 })
    await assert.rejects(put(w.client(write), key, fresh), code('ERR_S3CSE_INSTRUCTION_FILE', /s3:GetBucketVersioning/))
    assert.deepEqual(await read(w.client(), key), old)
  })

  it('works with the option', async () => {
    const key = name()
    for (const policy of [{}, v2, {}]) {
      await put(w.client({ ...overwrite, ...policy }), key, fresh)
      assert.deepEqual(await judge(w, key), fresh)
      assert.deepEqual(await read(w.client(policy), key), fresh)
    }
  })

  it('replaces only the file that was seen', async () => {
    const key = name()
    await put(w.client(write), key, old)
    const unhook = w.s3.onRequest(async (r) => {
      if (r.key === file(key) && r.headers['if-match'] !== undefined) {
        unhook()
        await w.s3.put(Bucket, file(key), { body: 'somebody else’s' })
      }
    })
    await assert.rejects(put(w.client(overwrite), key, fresh), code('ERR_S3CSE_INSTRUCTION_FILE', /another writer/))
    assert.equal(Buffer.from((await w.stored(file(key))).body).toString(), 'somebody else’s')
    assert.equal(w.sent('PutObject', key).length, 1)
  })

  it('takes back only what it wrote', async () => {
    const key = name()
    const unhook = w.s3.onRequest(async (r) => {
      if (r.operation === 'PutObject' && r.key === key) {
        unhook()
        await w.s3.put(Bucket, file(key), { body: 'somebody else’s' })
      }
    })
    w.fail('PutObject', key, { status: 403, code: 'Special' })
    await assert.rejects(put(w.client(write), key, fresh), { name: 'Special' })
    assert.equal(Buffer.from((await w.stored(file(key))).body).toString(), 'somebody else’s')
  })

  const replacing = (r: { headers: Readonly<Record<string, string>> }) => r.headers['if-match'] !== undefined

  it('goes on where the answer for the new file is lost', async () => {
    const key = name()
    await put(w.client(write), key, old)
    w.fail('PutObject', file(key), LOST, replacing)
    await put(w.client(overwrite), key, fresh)
    assert.deepEqual(await judge(w, key), fresh)

    const before = await snapshot(w, key, file(key))
    w.fail('PutObject', file(key), LOST, replacing)
    w.fail('PutObject', key, { status: 403 })
    await assert.rejects(put(w.client(overwrite), key, old))
    assert.deepEqual(await snapshot(w, key, file(key)), before)
  })

  it('has the old file back where that answer is lost for good, or the request aborted', async () => {
    const key = name()
    await put(w.client(write), key, old)
    const before = await snapshot(w, key, file(key))
    w.fail('PutObject', file(key), LOST, replacing)
    await assert.rejects(put(w.once(overwrite), key, fresh), { code: 'ECONNRESET' })
    assert.deepEqual(await snapshot(w, key, file(key)), before)

    const ending = new AbortController()
    const command = new PutObjectCommand({ Bucket, Key: key, Body: fresh })
    const client = w.client(overwrite)
    const unhook = w.s3.onRequest((r) => {
      if (r.operation === 'PutObject' && r.headers['if-match'] !== undefined) ending.abort()
    })
    await assert.rejects(client.send(command, { abortSignal: ending.signal }), { name: 'AbortError' })
    unhook()
    assert.deepEqual(await read(w.client(), key), old)
  })
})
