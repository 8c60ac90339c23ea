import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { timedSealer } from '../../src/client/timed.js'
import type { Sealer } from '../../src/message/sealer.js'
import { addEncryption, aesKeyring, rotateKey } from '../../src/index.js'
import type { BodyEvent, DecisionEvent, EncryptionEvent, EncryptionOptions } from '../../src/index.js'
import { kmsKeyring } from '../../src/kms.js'
import { kmsWorld } from '../attacks/support.js'
import { code } from '../support/errors.js'
import { Bucket, keyring, pattern, put, read, world } from '../support/world.js'

const w = await world()
const { kms, client: kmsClient } = await kmsWorld({ keys: ['alias/one', 'alias/two'] })

interface Listening {
  readonly client: S3Client
  readonly events: EncryptionEvent[]
  readonly lines: string[]
}

function listening(options: Partial<EncryptionOptions> = {}): Listening {
  const events: EncryptionEvent[] = []
  const lines: string[] = []
  const line =
    (level: string) =>
    (...content: unknown[]): void => {
      const text = String(content[0])
      if (text.startsWith('s3-cse: ')) lines.push(`${level} ${text}`)
    }
  const logger = {
    trace: () => undefined,
    debug: line('debug'),
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
  }
  const client = w.client({ onEvent: (event) => events.push(event), ...options }, { logger })
  return { client, events, lines }
}

/** What stands in a line but for the time. */
const withoutTime = (lines: readonly string[]): string[] => lines.map((line) => line.replace(/, \d+\.\d ms$/, ''))

const steps = (events: readonly EncryptionEvent[]): string[] =>
  events.map((event) =>
    event.type === 'decision'
      ? `${event.command} ${event.outcome}`
      : event.type === 'dataKey'
        ? `${event.operation} ${event.outcome}`
        : `${event.type} ${event.outcome} ${event.bytes}`,
  )

const SUITE = 's3ec V3, ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY, wrap AES/GCM'

describe('lines for the logger', () => {
  it('one for each decision', async () => {
    const { client, lines } = listening({ onEvent: undefined })
    await put(client, 'log a', 'hello')
    await read(client, 'log a')
    await client.send(new ListObjectsV2Command({ Bucket }))
    await client.send(new CopyObjectCommand({ Bucket, Key: 'log b', CopySource: `${Bucket}/log%20a` }))
    await put(w.plain, 'log plain', 'hello')
    await assert.rejects(read(client, 'log plain'), code('ERR_S3CSE_NOT_ENCRYPTED'))
    await assert.rejects(read(client, 'log none'), { name: 'NoSuchKey' })
    assert.deepEqual(withoutTime(lines), [
      `info s3-cse: PutObject "bucket/log a": encrypted, ${SUITE}`,
      `info s3-cse: GetObject "bucket/log a": decrypted, ${SUITE}`,
      'info s3-cse: ListObjectsV2 bucket: passed',
      `info s3-cse: CopyObject "bucket/log b": copied, ${SUITE}`,
      'warn s3-cse: GetObject "bucket/log plain": refused (ERR_S3CSE_NOT_ENCRYPTED)',
      'warn s3-cse: GetObject "bucket/log none": failed',
    ])
  })

  it('what the policy refuses is told with what it is', async () => {
    const older = w.client({ commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' })
    await put(older, 'log v2', 'hello')
    const { client, lines } = listening()
    await assert.rejects(read(client, 'log v2'), code('ERR_S3CSE_POLICY'))
    assert.match(lines[0]!, /refused \(ERR_S3CSE_POLICY\), s3ec V2, ALG_AES_256_GCM_IV12_TAG16_NO_KDF/)
  })

  it('nothing secret is in lines and events', async () => {
    const wrappingKey = new Uint8Array(32).fill(0x6b)
    const secret = 'canary-of-a-context-value'
    const one = listening({ keyring: aesKeyring({ wrappingKey, materialsDescription: { name: secret } }) })
    const keyId = kms.createKey().arn
    const two = listening({ keyring: kmsKeyring({ client: kmsClient, keyId }), encryptionContext: { name: secret } })
    for (const { client } of [one, two]) {
      await put(client, 'log canary', 'canary-of-plaintext', { Metadata: { m: 'canary-of-metadata' } })
      await read(client, 'log canary')
    }
    for (const { events, lines } of [one, two]) {
      assert.equal(lines.length, 2)
      assert.ok(events.length >= 6)
      const text = JSON.stringify([events, lines])
      assert.match(text, /"name"/)
      for (const canary of ['canary-of', 'kkkkkkkk', Buffer.from(wrappingKey).toString('base64')]) {
        assert.ok(!text.includes(canary), canary)
      }
    }
  })

  it('a logger that throws, or has no methods, disturbs nothing', async () => {
    const fail = (): never => {
      throw new Error('full disk')
    }
    const broken = { trace: fail, debug: () => undefined, info: fail, warn: fail, error: () => undefined }
    const client = addEncryption(new S3Client(w.s3.clientConfig), { keyring })
    // (The SDK's own line would fail the request, so its middleware is taken off.)
    client.middlewareStack.remove('loggerMiddleware')
    client.config.logger = broken
    await put(client, 'log broken', 'hello')
    assert.equal(String(await read(client, 'log broken')), 'hello')
    client.config.logger = Object.create(null) as never
    assert.equal(String(await read(client, 'log broken')), 'hello')
    client.destroy()
  })
})

describe('events', () => {
  it('of a put and a get, in order, with bytes', async () => {
    const { client, events } = listening()
    await put(client, 'event', 'hello')
    assert.deepEqual(steps(events), ['wrap done', 'seal done 5', 'PutObject encrypted'])
    events.length = 0
    await read(client, 'event')
    assert.deepEqual(steps(events), ['unwrap done', 'GetObject decrypted', 'verify done 21'])
    for (const event of events) {
      assert.deepEqual([event.bucket, event.key], [Bucket, 'event'])
      assert.ok(Number.isFinite(event.milliseconds) && event.milliseconds >= 0)
      assert.ok(Object.isFrozen(event))
    }
    const { facts } = events[1] as DecisionEvent
    assert.equal(facts?.version, 'V3')
    assert.ok(!('context' in facts))
  })

  it('of a stream, and of parts: sealing is told once', async () => {
    const { client, events } = listening()
    const body = pattern(11 * 1024 * 1024)
    await new Upload({ client, params: { Bucket, Key: 'event parts', Body: body } }).done()
    const seals = events.filter(({ type }) => type === 'seal') as BodyEvent[]
    assert.deepEqual(steps(seals), [`seal done ${body.length}`])
    assert.equal(steps(events).filter((step) => step === 'UploadPart encrypted').length, 3)
    assert.deepEqual(steps(events).slice(-2), [`seal done ${body.length}`, 'CompleteMultipartUpload encrypted'])
  })

  it('of the spool, of a read in two passes, and of one in slices', async () => {
    const body = pattern(3 * 1024 * 1024)
    const stored = body.length + 16
    await put(w.client(), 'event large', body)
    const spooled = listening({ maxBufferedBytes: 1024 })
    assert.deepEqual(await read(spooled.client, 'event large'), body)
    assert.deepEqual(steps(spooled.events), [
      'unwrap done',
      'GetObject decrypted',
      `verify done ${stored}`,
      `spool done ${body.length}`,
    ])
    const twice = listening({ maxBufferedBytes: 1024, spool: false })
    assert.deepEqual(await read(twice.client, 'event large'), body)
    assert.deepEqual(steps(twice.events), ['unwrap done', 'GetObject decrypted', `verify done ${stored}`])
    const sliced = listening()
    assert.deepEqual(await read(sliced.client, 'event large'), body)
    assert.deepEqual(steps(sliced.events), ['unwrap done', 'GetObject decrypted', `verify done ${stored}`])
  })

  it('of what fails', async () => {
    const { client, events } = listening()
    await put(client, 'event bad', pattern(3 * 1024 * 1024))
    await w.s3.tamper(Bucket, 'event bad', ({ body }) => void (body[9]! ^= 1))
    events.length = 0
    await assert.rejects(read(client, 'event bad'), code('ERR_S3CSE_DECRYPTION_FAILED'))
    assert.deepEqual(steps(events), ['unwrap done', 'GetObject decrypted', `verify failed ${3 * 1024 * 1024 + 16}`])
    const other = listening({ keyring: aesKeyring({ wrappingKey: new Uint8Array(32) }) })
    await assert.rejects(read(other.client, 'event bad'), code('ERR_S3CSE_DECRYPTION_FAILED'))
    assert.deepEqual(steps(other.events), ['unwrap failed', 'GetObject refused'])
    assert.equal((other.events[1] as DecisionEvent).code, 'ERR_S3CSE_DECRYPTION_FAILED')
    w.s3.fail({ match: ({ operation }) => operation === 'PutObject', status: 403, code: 'AccessDenied' })
    events.length = 0
    await assert.rejects(put(client, 'event denied', 'x'), { name: 'AccessDenied' })
    assert.deepEqual(steps(events), ['wrap done', 'seal done 1', 'PutObject failed'])
  })

  it('of a rotation inside KMS', async () => {
    const [one, two] = ['alias/one', 'alias/two'].map((keyId) => kmsKeyring({ client: kmsClient, keyId }))
    const { client, events } = listening({ keyring: one! })
    await put(client, 'event rotated', 'x')
    events.length = 0
    const { reEncrypted } = await rotateKey(client, { Bucket, Key: 'event rotated', to: two! })
    assert.equal(reEncrypted, true)
    assert.deepEqual(steps(events), ['rewrap done', 'rotateKey rotated'])
  })

  it('of a rotation with a keyring of its own', async () => {
    const [from, to] = [4, 5].map((byte) => aesKeyring({ wrappingKey: new Uint8Array(32).fill(byte) }))
    await put(w.client({ keyring: from! }), 'event from', 'x')
    const { client, events } = listening()
    await rotateKey(client, { Bucket, Key: 'event from', to: to!, from: { keyring: from! } })
    // (The last one: the old key does not open the new wrap.)
    assert.deepEqual(steps(events), ['unwrap done', 'wrap done', 'unwrap failed', 'rotateKey rotated'])
  })

  it('a hook that throws or rejects disturbs nothing', async () => {
    const hooks: readonly (() => unknown)[] = [
      () => {
        throw new Error('no metrics')
      },
      () => Promise.reject(new Error('no metrics')),
    ]
    for (const hook of hooks) {
      const client = w.client({ onEvent: hook })
      await put(client, 'event hook', 'hello')
      assert.equal(String(await read(client, 'event hook')), 'hello')
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: 'event hook' }))
      ;(Body as unknown as { destroy(): void }).destroy()
    }
    await new Promise((resolve) => setImmediate(resolve))
  })

  it('a URL that is presigned as it is, is passed', async () => {
    const { client, events } = listening()
    await getSignedUrl(client as never, new DeleteObjectCommand({ Bucket, Key: 'event signed' }) as never)
    assert.deepEqual(steps(events), ['DeleteObject passed'])
  })

  it('a sealer that is destroyed twice is told of once', () => {
    const told: unknown[] = []
    const sealer = { header: new Uint8Array(0), destroy: () => undefined } as unknown as Sealer
    const timed = timedSealer(sealer, (event) => told.push(event))
    timed.destroy()
    timed.destroy()
    assert.equal(told.length, 1)
  })

  it('onEvent must be a function', () => {
    assert.throws(() => w.client({ onEvent: true as never }), code('ERR_S3CSE_CONFIG'))
  })
})
