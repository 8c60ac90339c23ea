import { KMSClient } from '@aws-sdk/client-kms'
import { S3Client } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { after, beforeEach, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import type { CseErrorCode, EncryptionOptions } from '../../src/index.js'
import { aesKeyring } from '../../src/index.js'
import { kmsKeyring } from '../../src/kms.js'
import { startKms } from '../../src/testing/index.js'
import { code } from '../support/errors.js'
import { Bucket, bodyOf, get, pattern, put, read, world } from '../support/world.js'

const w = await world()
const kms = await startKms({ keys: ['alias/key'] })
const kmsClient = new KMSClient({ ...kms.clientConfig, maxAttempts: 1 })
after(async () => {
  kmsClient.destroy()
  await kms.close()
})
const throughKms = kmsKeyring({ client: kmsClient, keyId: 'alias/key' })

/** Two sockets for all requests. A request that gets none waits: a test that leaks them runs into its limit. */
const twoSockets = { requestHandler: { httpAgent: { maxSockets: 2 }, socketAcquisitionWarningTimeout: 60_000 } }
const limited = (options: Partial<EncryptionOptions> = {}) => w.client(options, twoSockets)
const bounded = { timeout: 30_000 }
/** More than what fits into the buffers of a connection that nobody reads. */
const large = pattern(4 * 1024 * 1024)
const small = pattern(100)

beforeEach(() => {
  w.s3.faults.length = 0
  kms.faults.length = 0
})

/** Many reads that fail, in a row and all at once, and then one that does not. */
async function failing(client: S3Client, key: string, expected: CseErrorCode, before = () => {}): Promise<void> {
  for (let i = 0; i < 20; i++) {
    before()
    await assert.rejects(get(client, key), code(expected))
  }
  for (let i = 0; i < 10; i++) before()
  await Promise.all(Array.from({ length: 10 }, () => assert.rejects(get(client, key), code(expected))))
}

describe('a read that fails after the response began gives its socket back', bounded, () => {
  for (const [size, bytes] of [
    ['large', large],
    ['small', small],
  ] as const) {
    const good = async (client: S3Client, key = 'good') => assert.equal((await read(client, key)).length, bytes.length)

    it(`${size} object: the commitment policy`, async () => {
      const client = limited()
      await put(w.client({ commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' }), 'v2', bytes)
      await put(w.client(), 'good', bytes)
      await failing(client, 'v2', 'ERR_S3CSE_POLICY')
      await good(client)
    })

    it(`${size} object: not encrypted, an envelope that is damaged, too large`, async () => {
      const client = limited({ maxObjectBytes: bytes.length + 16 })
      await put(w.plain, 'plain', bytes)
      await put(w.client(), 'good', bytes)
      await put(w.client(), 'larger', Buffer.concat([bytes, bytes]))
      const { metadata, body } = await w.stored('good')
      await w.s3.put(Bucket, 'damaged', { body, metadata: { ...metadata, 'x-amz-iv': '' } })
      await failing(client, 'plain', 'ERR_S3CSE_NOT_ENCRYPTED')
      await failing(client, 'damaged', 'ERR_S3CSE_ENVELOPE_INVALID')
      await failing(client, 'larger', 'ERR_S3CSE_POLICY')
      await good(client)
    })

    it(`${size} object: another key, and KMS that refuses`, async () => {
      await put(w.client({ keyring: throughKms }), 'kms', bytes)
      const client = limited({ keyring: throughKms })
      const denied = () => kms.fail({ operation: 'Decrypt', code: 'AccessDeniedException' })
      await failing(client, 'kms', 'ERR_S3CSE_KMS', denied)
      await good(client, 'kms')

      await put(w.client(), 'other', bytes)
      const wrong = limited({ keyring: aesKeyring({ wrappingKey: new Uint8Array(32).fill(9) }) })
      await failing(wrong, 'other', 'ERR_S3CSE_DECRYPTION_FAILED')
      await put(w.client({ keyring: aesKeyring({ wrappingKey: new Uint8Array(32).fill(9) }) }), 'mine', bytes)
      await good(wrong, 'mine')
    })

    it(`${size} object: a range that was not asked for`, async () => {
      await put(w.client(), 'good', bytes)
      const client = limited()
      const range = () => w.s3.fail({ status: 206, headers: { 'content-range': 'bytes 0-9/10' } })
      await failing(client, 'good', 'ERR_S3CSE_RESPONSE_UNEXPECTED', range)
      await good(client)
    })
  }

  it('large object: bytes that were changed, in every mode', async () => {
    await put(w.client(), 'changed', large)
    await put(w.client(), 'good', large)
    await w.s3.tamper(Bucket, 'changed', (object) => void (object.body[5]! ^= 1))
    for (const [options, expected] of [
      [{}, 'ERR_S3CSE_DECRYPTION_FAILED'],
      [{ maxBufferedBytes: 0 }, 'ERR_S3CSE_DECRYPTION_FAILED'],
      [{ maxBufferedBytes: 0, spool: false }, 'ERR_S3CSE_DECRYPTION_FAILED'],
      [{ delayedAuthentication: true }, 'ERR_S3CSE_DECRYPTION_FAILED'],
      [{ maxBufferedBytes: 0, spool: { directory: 'no/such/directory' } }, 'ERR_S3CSE_SPOOL'],
      [{ maxBufferedBytes: 0, spool: { maxBytes: large.length } }, 'ERR_S3CSE_SPOOL'],
    ] as [Partial<EncryptionOptions>, CseErrorCode][]) {
      const client = limited(options)
      for (let i = 0; i < 5; i++) await assert.rejects(read(client, 'changed'), code(expected))
      if (expected !== 'ERR_S3CSE_SPOOL') assert.equal((await read(client, 'good')).length, large.length)
      await put(client, 'after', 'still there')
    }
  })
})

describe('a Body that is not read holds its socket, as in the plain SDK', bounded, () => {
  const plain = () => new S3Client({ ...w.s3.clientConfig, ...twoSockets })
  for (const [name, make] of [
    ['plain', plain],
    ['encrypting', () => limited()],
  ] as const) {
    it(`${name} client`, async () => {
      const client = make()
      try {
        await put(client, 'unread', large)
        w.s3.requests.length = 0
        const [first, second] = [await get(client, 'unread'), await get(client, 'unread')]
        let answered = false
        const third = get(client, 'unread').then((output) => {
          answered = true
          return output
        })
        await sleep(100)
        assert.equal(answered, false)
        assert.equal(w.s3.requests.length, 2)
        bodyOf(first).destroy()
        bodyOf(await third).destroy()
        bodyOf(second).destroy()
        assert.equal((await read(client, 'unread')).length, large.length)
      } finally {
        client.destroy()
      }
    })
  }
})
