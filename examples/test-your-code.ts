/**
 * How to test a program that uses an encrypting client: `s3-cse/testing` has an S3 and a KMS that run inside the test,
 * are strict where the real ones are, and can be made to misbehave. Works with every test runner.
 */
/* eslint-disable @typescript-eslint/no-floating-promises -- node:test waits for its tests itself */
import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { KMSClient } from '@aws-sdk/client-kms'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { addEncryption, DecryptionError, KmsError } from 's3-cse'
import { kmsKeyring } from 's3-cse/kms'
import { startKms, startS3 } from 's3-cse/testing'

/** The code under test. */
class Notes {
  readonly #s3: S3Client

  constructor(s3: S3Client) {
    this.#s3 = s3
  }

  async save(name: string, note: string): Promise<void> {
    await this.#s3.send(new PutObjectCommand({ Bucket: 'notes', Key: name, Body: note }))
  }

  async load(name: string): Promise<string> {
    const { Body } = await this.#s3.send(new GetObjectCommand({ Bucket: 'notes', Key: name }))
    return (await Body?.transformToString()) ?? ''
  }
}

const s3Server = await startS3({ buckets: ['notes'] })
const kmsServer = await startKms()
const keyId = kmsServer.createKey().arn
const keyring = kmsKeyring({ client: new KMSClient(kmsServer.clientConfig), keyId })
const s3 = addEncryption(new S3Client(s3Server.clientConfig), { keyring })
const notes = new Notes(s3)

beforeEach(() => {
  s3Server.requests.length = 0
  kmsServer.requests.length = 0
})
after(async () => {
  s3.destroy()
  await Promise.all([s3Server.close(), kmsServer.close()])
})

test('a note comes back, and is not stored in clear', async () => {
  await notes.save('monday', 'buy milk')
  assert.equal(await notes.load('monday'), 'buy milk')

  const stored = await s3Server.object('notes', 'monday')
  assert.ok(stored !== undefined && !Buffer.from(stored.body).includes('milk'))
  assert.deepEqual(
    kmsServer.requests.map(({ operation }) => operation),
    ['GenerateDataKey', 'Decrypt'],
  )
})

test('a note that somebody changed is not shown', async () => {
  await notes.save('tuesday', 'pay 10')
  await s3Server.tamper('notes', 'tuesday', ({ body }) => {
    body[4] = (body[4] ?? 0) ^ 1
    return undefined
  })
  await assert.rejects(notes.load('tuesday'), DecryptionError)
})

test('a busy S3 is asked again, with the same ciphertext', async () => {
  s3Server.fail({ status: 503 })
  await notes.save('wednesday', 'rest')
  const [first, second] = s3Server.requests
  assert.deepEqual([first?.status, second?.status], [503, 200])
  assert.deepEqual(first?.body, second?.body)
  assert.equal(await notes.load('wednesday'), 'rest')
})

test('without permission for the key nothing is stored', async () => {
  kmsServer.fail({ operation: 'GenerateDataKey', code: 'AccessDeniedException' })
  await assert.rejects(notes.save('thursday', 'secret'), KmsError)
  assert.equal(await s3Server.object('notes', 'thursday'), undefined)
})
