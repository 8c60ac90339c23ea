// A mistake of the caller's, or an end at the last moment, costs nothing that was downloaded before.
import assert from 'node:assert/strict'
import { mkdir, rmdir, stat } from 'node:fs/promises'
import { describe, it } from 'node:test'

import { aesKeyring, DecryptionError } from '../../src/index.js'
import type { DownloadOptions } from '../../src/index.js'
import { code } from '../support/errors.js'
import { pattern, put, world } from '../support/world.js'
import { folder, PART, part, partsOf } from './download-support.js'

const w = await world()
const f = folder(w)
const plaintext = pattern(5 * PART + 777)
const stored = plaintext.length + 16
const client = w.client({}, { maxAttempts: 1 })
await put(client, 'object', plaintext)
await put(client, 'other', plaintext.subarray(0, 3 * PART))

const resume: DownloadOptions = { resume: true, concurrency: 1, maxAttempts: 1 }

async function broken(): Promise<void> {
  w.s3.fail({ match: part(3), truncateBody: 100 })
  await assert.rejects(f.get(client, 'object', resume), { message: 'aborted' })
  assert.equal((await f.partial()).length, 1)
}

async function goesOn(from: number): Promise<void> {
  w.s3.requests.length = 0
  await f.get(client, 'object', resume)
  assert.deepEqual(f.ranges(), partsOf(stored, from))
  assert.ok((await f.content()).equals(plaintext))
  assert.deepEqual(await f.names(), ['file'])
}

describe('a partial file survives', () => {
  it('the wrong keyring', async () => {
    await broken()
    const wrong = w.client({ keyring: aesKeyring({ wrappingKey: new Uint8Array(32) }) }, { maxAttempts: 1 })
    await assert.rejects(f.get(wrong, 'object', resume), DecryptionError)
    await goesOn(3)
  })

  it('the name of an object that does not exist', async () => {
    await broken()
    await assert.rejects(f.get(client, 'objekt', resume), { name: 'NoSuchKey' })
    await goesOn(3)
  })

  it('but not another download to the same place that has its object', async () => {
    await broken()
    w.s3.fail({ match: part(1), truncateBody: 100 })
    await assert.rejects(f.get(client, 'other', resume), { message: 'aborted' })
    assert.equal((await f.partial()).length, 1)
    await f.get(client, 'other', resume)
    assert.ok((await f.content()).equals(plaintext.subarray(0, 3 * PART)))
    assert.deepEqual(await f.names(), ['file'])
  })

  it('a place that is taken at the end', async () => {
    const end = w.s3.onRequest(async (request) => {
      if (part(5)(request)) await mkdir(f.path)
    })
    await assert.rejects(f.get(client, 'object', resume), code('ERR_S3CSE_FILE', /could not be replaced \(EISDIR\)/))
    end()
    const [file = ''] = await f.partial()
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    await rmdir(f.path)
    // The tag is there for certain in no file.
    w.s3.requests.length = 0
    const { resumedBytes } = await f.get(client, 'object', resume)
    assert.equal(resumedBytes, plaintext.length)
    assert.ok((await f.content()).equals(plaintext))
    assert.deepEqual(await f.names(), ['file'])
  })
})

/** What the rule no-misused-promises would not let pass. */
const without = (options: object): DownloadOptions => options

describe('onProgress that is async', () => {
  it('ends the download when it rejects', async () => {
    let calls = 0
    const onProgress = async (): Promise<void> => {
      calls++
      await new Promise((resolve) => setImmediate(resolve))
      throw new Error('no progress')
    }
    const slow = w.s3.onRequest(async (request) => {
      if (part(2)(request)) await new Promise((resolve) => setTimeout(resolve, 300))
    })
    await assert.rejects(f.get(client, 'object', without({ concurrency: 1, onProgress })), { message: 'no progress' })
    slow()
    assert.ok(calls > 0)
    assert.deepEqual(await f.names(), [])
  })

  it('may reject when all is over', async () => {
    let late: ((error: Error) => void) | undefined
    const onProgress = (): Promise<void> => new Promise((_, reject) => (late = reject))
    await f.get(client, 'object', without({ onProgress }))
    late?.(new Error('too late'))
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(await f.names(), ['file'])
  })
})
