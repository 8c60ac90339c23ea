/** What the SDK makes of its commands: waiters, paginators, the aggregated client, cached middleware. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  paginateListObjectsV2,
  paginateListParts,
  S3,
  UploadPartCommand,
  waitUntilBucketExists,
  waitUntilObjectExists,
  waitUntilObjectNotExists,
} from '@aws-sdk/client-s3'

import { addEncryption, encryptedView } from '../../src/index.js'
import { code } from '../support/errors.js'
import { Bucket, get, keyring, pattern, put, read, world } from '../support/world.js'

const w = await world()
const secret = 'a secret of some length'

async function storedPlain(key: string): Promise<boolean> {
  return Buffer.from((await w.stored(key)).body).includes(secret)
}

/** Resolves with the second HeadObject, before it is answered: the first one was in vain. */
function askedTwice(key: string): Promise<void> {
  let count = 0
  return new Promise((resolve) => {
    const stop = w.s3.onRequest((request) => {
      if (request.operation !== 'HeadObject' || request.key !== key || ++count < 2) return
      stop()
      resolve()
    })
  })
}

describe('waiters', () => {
  const client = w.client()
  const waiting = { client, maxWaitTime: 20, minDelay: 0.01, maxDelay: 0.02 }

  it('wait for an object that is written while they wait', async () => {
    const asked = askedTwice('late')
    const waited = waitUntilObjectExists(waiting, { Bucket, Key: 'late' })
    await asked
    await put(client, 'late', secret)
    assert.equal((await waited).state, 'SUCCESS')
    assert.equal((await read(client, 'late')).toString(), secret)
  })

  it('wait until an object is gone', async () => {
    await put(client, 'goes', secret)
    const asked = askedTwice('goes')
    const waited = waitUntilObjectNotExists(waiting, { Bucket, Key: 'goes' })
    await asked
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'goes' }))
    assert.equal((await waited).state, 'SUCCESS')
  })

  it('give up in time, and wait for buckets', async () => {
    await assert.rejects(
      waitUntilObjectExists({ ...waiting, maxWaitTime: 1 }, { Bucket, Key: 'never' }),
      (error: Error) => error.name === 'TimeoutError',
    )
    assert.equal((await waitUntilBucketExists(waiting, { Bucket })).state, 'SUCCESS')
  })

  it('the objects of others exist as well, but are not what this client reads', async () => {
    await put(w.plain, 'others', 'plain')
    assert.equal((await waitUntilObjectExists(waiting, { Bucket, Key: 'others' })).state, 'SUCCESS')
    await assert.rejects(get(client, 'others'), code('ERR_S3CSE_NOT_ENCRYPTED'))
  })
})

describe('paginators', () => {
  it('paginateListObjectsV2 finds every object', async () => {
    const client = w.client()
    const keys = Array.from({ length: 7 }, (_, i) => `pages/${i}`)
    for (const key of keys) await put(client, key, secret)
    const found: (string | undefined)[][] = []
    for await (const { Contents } of paginateListObjectsV2({ client, pageSize: 3 }, { Bucket, Prefix: 'pages/' })) {
      found.push((Contents ?? []).map(({ Key }) => Key))
    }
    assert.deepEqual(found, [keys.slice(0, 3), keys.slice(3, 6), keys.slice(6)])
  })

  it('paginateListParts finds every part of an encrypted upload', async () => {
    const client = w.client()
    const upload = { Bucket, Key: 'parts' }
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(upload))
    for (let PartNumber = 1; PartNumber <= 3; PartNumber++) {
      const Body = pattern(5 * 1024 * 1024)
      await client.send(new UploadPartCommand({ ...upload, UploadId, PartNumber, Body }))
    }
    const pages: (number | undefined)[][] = []
    for await (const { Parts } of paginateListParts({ client, pageSize: 2 }, { ...upload, UploadId })) {
      pages.push((Parts ?? []).map(({ PartNumber }) => PartNumber))
    }
    // (S3 names a next marker on the last page as well.)
    assert.deepEqual(pages.slice(0, 2), [[1, 2], [3]])
    assert.deepEqual(pages.slice(2).flat(), [])
    await client.send(new AbortMultipartUploadCommand({ ...upload, UploadId }))
  })
})

describe('the aggregated client', () => {
  for (const cacheMiddleware of [false, true]) {
    it(`with promises and callbacks, cacheMiddleware: ${cacheMiddleware}`, async () => {
      const client = addEncryption(new S3({ ...w.s3.clientConfig, cacheMiddleware }), { keyring })
      for (const Key of ['one', 'two']) {
        await client.putObject({ Bucket, Key, Body: secret })
        assert.ok(!(await storedPlain(Key)))
        assert.equal(await (await client.getObject({ Bucket, Key })).Body?.transformToString(), secret)
      }
      const { ContentLength } = await client.headObject({ Bucket, Key: 'one' })
      assert.equal(ContentLength, secret.length)
      await new Promise<void>((resolve, reject) => {
        client.putObject({ Bucket, Key: 'callback', Body: secret }, (error: unknown) => {
          if (error) reject(new Error('failed', { cause: error }))
          else resolve()
        })
      })
      assert.ok(!(await storedPlain('callback')))
      const text = await new Promise<string | undefined>((resolve, reject) => {
        client.getObject({ Bucket, Key: 'callback' }, (error: unknown, output) => {
          if (error) reject(new Error('failed', { cause: error }))
          else resolve(output?.Body?.transformToString())
        })
      })
      assert.equal(text, secret)
      client.destroy()
    })
  }

  it('gives errors to callbacks, and writes nothing', async () => {
    const client = addEncryption(new S3(w.s3.clientConfig), { keyring })
    const failed = (start: (done: (error: unknown) => void) => void) =>
      new Promise<unknown>((resolve) => start(resolve))
    const missing = await failed((done) => client.getObject({ Bucket, Key: 'nothing' }, done))
    assert.equal((missing as Error).name, 'NoSuchKey')
    const refused = await failed((done) => {
      const Metadata = { 'x-amz-c': '115' }
      client.putObject({ Bucket, Key: 'refused', Body: secret, Metadata }, done)
    })
    assert.match((refused as { code: string }).code, /^ERR_S3CSE_/)
    assert.equal(await w.s3.object(Bucket, 'refused'), undefined)
    const select = await failed((done) => client.selectObjectContent({ Bucket, Key: 'one' } as never, done))
    assert.equal((select as { code: string }).code, 'ERR_S3CSE_UNSUPPORTED_COMMAND')
    client.destroy()
  })

  it('has paginators and waiters of its own', async () => {
    const client = addEncryption(new S3(w.s3.clientConfig), { keyring })
    await client.putObject({ Bucket, Key: 'own/1', Body: secret })
    await client.waitUntilObjectExists({ Bucket, Key: 'own/1' }, 10)
    const keys: unknown[] = []
    for await (const { Contents } of client.paginateListObjectsV2({ Bucket, Prefix: 'own/' })) {
      keys.push(...(Contents ?? []).map(({ Key }) => Key))
    }
    assert.deepEqual(keys, ['own/1'])
    client.destroy()
  })
})

describe('a view beside its plain client', () => {
  it('in parallel, each sees the object as its kind', async () => {
    const plain = new S3({ ...w.s3.clientConfig, cacheMiddleware: true })
    const view = encryptedView(plain, { keyring })
    const keys = Array.from({ length: 20 }, (_, i) => `side/${i}`)
    await Promise.all(keys.map((Key, i) => (i % 2 === 0 ? plain : view).putObject({ Bucket, Key, Body: secret })))
    for (const [i, Key] of keys.entries()) assert.equal(await storedPlain(Key), i % 2 === 0, Key)
    const lengths = await Promise.all(
      [view, plain].map(async (client) => (await client.headObject({ Bucket, Key: 'side/1' })).ContentLength),
    )
    assert.deepEqual(lengths, [secret.length, secret.length + 16])
    await assert.rejects(view.getObject({ Bucket, Key: 'side/0' }), code('ERR_S3CSE_NOT_ENCRYPTED'))
    await waitUntilObjectExists({ client: view, maxWaitTime: 10 }, { Bucket, Key: 'side/1' })
    plain.destroy()
  })
})
