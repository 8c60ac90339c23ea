import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import { cachingKeyring, requestOptions } from '../../src/index.js'
import type { CachingKeyring, CachingKeyringOptions } from '../../src/index.js'
import { kmsKeyring } from '../../src/kms.js'
import { kmsWorld } from '../attacks/support.js'
import { code } from '../support/errors.js'
import { Bucket, pattern, put, read, world } from '../support/world.js'

// (What the server does not verify here saves half of the time of the many objects.)
const w = await world({ recordRequests: 1, recordBodyBytes: 0, verifyPayload: false, etag: 'random' })
const { kms, client } = await kmsWorld({ keys: ['alias/orders'] })
const inner = kmsKeyring({ client, keyId: 'alias/orders' })
const body = pattern(1024)

const caching = (options: Partial<CachingKeyringOptions> = {}): CachingKeyring =>
  cachingKeyring(inner, { maxAge: 600_000, ...options })

/** How often KMS was asked since `requests` was emptied. */
const asked = (operation: string): number => kms.requests.filter((request) => request.operation === operation).length

beforeEach(() => {
  kms.requests.length = 0
})

/** Puts of 1 KiB, so many at a time, under a hundred keys. */
async function putMany(s3: S3Client, count: number, concurrency: number): Promise<void> {
  let next = 0
  const work = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++) await put(s3, `many/${i % 100}`, body)
  }
  await Promise.all(Array.from({ length: concurrency }, work))
}

describe('exactly as many requests to KMS as the limits make of the objects', () => {
  for (const concurrency of [1, 64]) {
    test(`10,000 objects, 1,000 to a data key, ${concurrency} at a time: 10`, async () => {
      const wrapped = new Map<string | undefined, number>()
      const stop = w.s3.onRequest(({ headers }) => {
        const key = headers['x-amz-meta-x-amz-3']
        wrapped.set(key, (wrapped.get(key) ?? 0) + 1)
      })
      const encryptionContext = { tenant: 'a' }
      const keyring = caching({ maxMessages: 1000 })
      await putMany(w.client({ keyring, encryptionContext }), 10_000, concurrency)
      stop()
      assert.equal(asked('GenerateDataKey'), 10)
      assert.equal(kms.requests.length, 10)
      assert.deepEqual([...wrapped.values()], Array<number>(10).fill(1000))
      // Read by somebody else, without a cache.
      const other = w.client({ keyring: inner, encryptionContext })
      for (const key of ['many/0', 'many/99']) assert.deepEqual(await read(other, key), body)
    })
  }
})

describe('writes and reads', () => {
  test('objects that share a data key differ in message id, commitment and body', async () => {
    const s3 = w.client({ keyring: caching() })
    for (const key of ['one', 'two']) await put(s3, key, body)
    const [one, two] = [await w.stored('one'), await w.stored('two')]
    assert.equal(one.metadata['x-amz-3'], two.metadata['x-amz-3'])
    for (const name of ['x-amz-i', 'x-amz-d']) assert.notEqual(one.metadata[name], two.metadata[name])
    assert.notDeepEqual(one.body, two.body)
    assert.equal(asked('GenerateDataKey'), 1)
  })

  test('Upload, in one part and in several, is one message each', async () => {
    const keyring = caching({ maxMessages: 3 })
    const s3 = w.client({ keyring })
    const large = pattern(11 * 1024 * 1024)
    for (const [Key, Body] of [
      ['parts-1', large],
      ['whole', body],
      ['parts-2', large],
      ['parts-3', large],
    ] as const) {
      await new Upload({ client: s3, params: { Bucket, Key, Body } }).done()
    }
    assert.equal(asked('GenerateDataKey'), 2)
    const stored = await Promise.all(['parts-1', 'whole', 'parts-2', 'parts-3'].map((key) => w.stored(key)))
    const [first, ...others] = stored.map(({ metadata }) => metadata['x-amz-3'])
    assert.deepEqual(
      others.map((wrapped) => wrapped === first),
      [true, true, false],
    )
    for (const key of ['parts-1', 'parts-2', 'parts-3']) assert.deepEqual(await read(s3, key), large)
  })

  test('with maxBytes an Upload in parts has a data key of its own', async () => {
    const s3 = w.client({ keyring: caching({ maxBytes: 3000 }) })
    const large = pattern(6 * 1024 * 1024)
    for (const Key of ['a', 'b', 'c']) await put(s3, Key, body)
    assert.equal(asked('GenerateDataKey'), 2)
    await new Upload({ client: s3, params: { Bucket, Key: 'parts', Body: large } }).done()
    assert.equal(asked('GenerateDataKey'), 3)
    await put(s3, 'd', body)
    assert.equal(asked('GenerateDataKey'), 3)
    assert.deepEqual(await read(s3, 'parts'), large)
  })

  test('what others wrote is asked for once an object, what shares a data key once', async () => {
    const plain = w.client({ keyring: inner, encryptionContext: { tenant: 'b' } })
    const sharing = w.client({ keyring: caching(), encryptionContext: { tenant: 'b' } })
    for (const key of ['others/1', 'others/2']) await put(plain, key, body)
    for (const key of ['shared/1', 'shared/2']) await put(sharing, key, body)
    const reader = w.client({ keyring: caching(), encryptionContext: { tenant: 'b' } })
    kms.requests.length = 0
    for (let round = 0; round < 2; round++) {
      for (const key of ['others/1', 'others/2', 'shared/1', 'shared/2']) {
        assert.deepEqual(await read(reader, key), body)
      }
    }
    assert.equal(asked('Decrypt'), 3)
    await Promise.all(Array.from({ length: 20 }, () => read(reader, 'shared/1')))
    assert.equal(asked('Decrypt'), 3)
  })

  test('many readers of one object at the same time ask once', async () => {
    await put(w.client({ keyring: inner }), 'popular', body)
    const reader = w.client({ keyring: caching() })
    kms.requests.length = 0
    const all = await Promise.all(Array.from({ length: 20 }, () => read(reader, 'popular')))
    for (const one of all) assert.deepEqual(one, body)
    assert.equal(asked('Decrypt'), 1)
  })

  test('a context of its own for every object never hits', async () => {
    const s3 = w.client({ keyring: caching(), encryptionContext: ({ Key }) => ({ Key }) })
    for (const key of ['x', 'y', 'z']) await put(s3, key, body)
    assert.equal(asked('GenerateDataKey'), 3)
  })

  test('objects of V2 are read, each with a request of its own', async () => {
    const old = w.client({ keyring: inner, commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' })
    await put(old, 'v2', body)
    const s3 = w.client({ keyring: caching(), commitmentPolicy: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT' })
    for (let i = 0; i < 3; i++) assert.deepEqual(await read(s3, 'v2'), body)
    assert.equal(asked('Decrypt'), 3)
  })

  test('one client over two caching keyrings has two caches', async () => {
    const s3 = w.client({ keyring: caching() })
    const other = caching()
    for (let i = 0; i < 2; i++) {
      await put(s3, 'first', body)
      const input = requestOptions({ Bucket, Key: 'second', Body: body }, { keyring: other })
      await put(s3, 'second', body, input)
    }
    assert.equal(asked('GenerateDataKey'), 2)
  })
})

describe('failures', () => {
  test('KMS refuses: all that wait fail alike, nothing is stored, and the next asks again', async () => {
    const s3 = w.client({ keyring: caching() })
    kms.fail({ operation: 'GenerateDataKey', code: 'AccessDeniedException', delayMs: 50 })
    const all = await Promise.allSettled(Array.from({ length: 5 }, (_, i) => put(s3, `refused/${i}`, body)))
    for (const one of all) {
      assert.equal(one.status, 'rejected')
      code('ERR_S3CSE_KMS')(one.reason)
    }
    assert.equal(asked('GenerateDataKey'), 1)
    assert.equal(await w.s3.object(Bucket, 'refused/0'), undefined)
    await put(s3, 'refused/0', body)
    assert.deepEqual(await read(s3, 'refused/0'), body)
  })

  test('a tampered object is refused each time, and each time KMS decides', async () => {
    const s3 = w.client({ keyring: caching() })
    await put(s3, 'good', body)
    const { metadata, body: sealed } = await w.stored('good')
    const wrapped = Buffer.from(metadata['x-amz-3']!, 'base64')
    wrapped[wrapped.length - 1]! ^= 1
    await w.s3.put(Bucket, 'bad', {
      body: sealed,
      metadata: { ...metadata, 'x-amz-3': wrapped.toString('base64') },
    })
    kms.requests.length = 0
    assert.deepEqual(await read(s3, 'good'), body)
    for (let i = 0; i < 2; i++) await assert.rejects(read(s3, 'bad'), code('ERR_S3CSE_DECRYPTION_FAILED'))
    assert.equal(asked('Decrypt'), 3)
    // With a kept data key: what was changed in the object itself is still seen.
    const flipped = Buffer.from(sealed)
    flipped[5]! ^= 1
    await w.s3.put(Bucket, 'flipped', { body: flipped, metadata })
    await assert.rejects(read(s3, 'flipped'), code('ERR_S3CSE_DECRYPTION_FAILED'))
    assert.equal(asked('Decrypt'), 3)
  })

  test('one request is aborted while KMS is asked: the others are served by that one answer', async () => {
    const s3 = w.client({ keyring: caching() })
    kms.fail({ operation: 'GenerateDataKey', delayMs: 200 })
    const controller = new AbortController()
    const aborted = s3.send(new PutObjectCommand({ Bucket, Key: 'aborted', Body: body }), {
      abortSignal: controller.signal,
    })
    const others = ['stays/1', 'stays/2'].map((key) => put(s3, key, body))
    while (asked('GenerateDataKey') === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    controller.abort()
    await assert.rejects(aborted, { name: 'AbortError' })
    await Promise.all(others)
    assert.equal(asked('GenerateDataKey'), 1)
    assert.equal(await w.s3.object(Bucket, 'aborted'), undefined)
    for (const key of ['stays/1', 'stays/2']) assert.deepEqual(await read(s3, key), body)
  })

  test('a key that was disabled works until clear, for writing and reading', async () => {
    const key = kms.createKey()
    const keyring = cachingKeyring(kmsKeyring({ client, keyId: key.arn }), { maxAge: 600_000 })
    const s3 = w.client({ keyring })
    await put(s3, 'before', body)
    await read(s3, 'before')
    kms.setKeyState(key.arn, 'Disabled')
    await put(s3, 'after', body)
    assert.deepEqual(await read(s3, 'after'), body)
    keyring.clear()
    await assert.rejects(put(s3, 'never', body), code('ERR_S3CSE_KMS'))
    await assert.rejects(read(s3, 'before'), code('ERR_S3CSE_KMS'))
  })
})
