import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { S3Client } from '@aws-sdk/client-s3'

import { esdk } from '../../src/esdk.js'
import type { EsdkOptions } from '../../src/esdk.js'
import { aesKeyring, requestOptions } from '../../src/index.js'
import type { Context, EncryptionOptions, Keyring } from '../../src/index.js'
import { code } from '../support/errors.js'
import { Bucket, get, pattern, put, world } from '../support/world.js'

const w = await world()
const { s3 } = w
const raw = (keyName: string): Keyring =>
  aesKeyring({ wrappingKey: new Uint8Array(32).fill(keyName.length), keyNamespace: 'test', keyName })
const keyring = raw('one')
const F = 1024

function esdkClient(options: EsdkOptions = {}, more: Partial<EncryptionOptions> = {}): S3Client {
  return w.client({ keyring, format: esdk({ frameLength: F, ...options }), ...more })
}

async function part(from: S3Client, Key: string, encryptionContext: Context = {}): Promise<Buffer> {
  const input = requestOptions({ Bucket, Key }, { encryptionContext })
  const { Body } = await get(from, Key, { ...input, Range: 'bytes=5000-5099' })
  return Buffer.from((await Body?.transformToByteArray()) ?? [])
}

const first = pattern(20_000)
const second = pattern(20_000).reverse()
const [ofFirst, ofSecond] = [first.subarray(5000, 5100), second.subarray(5000, 5100)]

async function requestsOf(read: () => Promise<unknown>): Promise<number> {
  const before = s3.requests.length
  await read()
  return s3.requests.length - before
}

describe('a range of an object whose header is known', () => {
  test('that was replaced by one with another encryption context is that of the new one', async () => {
    const from = esdkClient()
    await put(esdkClient({}, { encryptionContext: { a: '1' } }), 'context', first)
    assert.deepEqual(await part(from, 'context', { a: '1' }), ofFirst)
    await put(esdkClient({}, { encryptionContext: { a: '2' } }), 'context', second)
    assert.deepEqual(await part(from, 'context', { a: '2' }), ofSecond)
    assert.equal(await requestsOf(() => part(from, 'context', { a: '2' })), 1)
    await assert.rejects(part(from, 'context', { a: '1' }), code('ERR_S3CSE_CONTEXT_MISMATCH'))
    assert.deepEqual(await part(from, 'context', { a: '2' }), ofSecond)
  })

  test('that was replaced by one under another key is that of the new one, also where the old key is gone', async () => {
    const unavailable = Object.assign(new Error('the key is gone'), { code: 'TEST' })
    let current: Keyring = keyring
    const changing: Keyring = {
      algorithms: ['esdk'],
      wrap: (request) => current.wrap(request),
      async unwrap(request) {
        const dataKey = await current.unwrap(request)
        if (dataKey === undefined && isGone) throw unavailable
        return dataKey
      },
    }
    let isGone = false
    const from = esdkClient({}, { keyring: changing })
    for (isGone of [false, true]) {
      current = keyring
      await put(esdkClient(), 'key', first)
      assert.deepEqual(await part(from, 'key'), ofFirst)
      current = raw('another')
      await put(esdkClient({}, { keyring: current }), 'key', second)
      assert.deepEqual(await part(from, 'key'), ofSecond)
      current = keyring
      if (isGone) await assert.rejects(part(from, 'key'), unavailable)
      else await assert.rejects(part(from, 'key'), code('ERR_S3CSE_DECRYPTION_FAILED'))
    }
  })

  test('is read again where the server ignores the condition, or the range', async () => {
    const from = esdkClient()
    await put(esdkClient(), 'other', second)
    const other = Buffer.from((await s3.object(Bucket, 'other'))!.body)
    await put(esdkClient(), 'ignoring', first)
    assert.deepEqual(await part(from, 'ignoring'), ofFirst)
    s3.fail({ headers: { etag: '"other"' }, body: other })
    assert.equal(await requestsOf(async () => assert.deepEqual(await part(from, 'ignoring'), ofFirst)), 4)
    assert.deepEqual(await part(from, 'ignoring'), ofFirst)
    s3.fail({ status: 200, headers: { 'content-range': undefined } })
    assert.deepEqual(await part(from, 'ignoring'), ofFirst)
  })

  test('has the condition of the caller', async () => {
    const from = esdkClient()
    await put(from, 'condition', first)
    const { ETag } = await get(from, 'condition')
    assert.deepEqual(await part(from, 'condition'), ofFirst)
    const Range = 'bytes=5000-5099'
    await assert.rejects(get(from, 'condition', { Range, IfMatch: '"another"' }), { name: 'PreconditionFailed' })
    const output = await get(from, 'condition', { Range, IfMatch: ETag })
    assert.deepEqual(Buffer.from((await output.Body?.transformToByteArray()) ?? []), ofFirst)
  })

  test('whose header does not commit to its key is known for that keyring only', async () => {
    const from = esdkClient({}, { commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' })
    await put(from, 'uncommitted', first)
    assert.deepEqual(await part(from, 'uncommitted'), ofFirst)
    assert.equal(await requestsOf(() => part(from, 'uncommitted')), 1)
    const other = requestOptions({ Bucket, Key: 'uncommitted', Range: 'bytes=5000-5099' }, { keyring: raw('one') })
    const read = async (): Promise<unknown> => (await get(from, 'uncommitted', other)).Body?.transformToByteArray()
    assert.ok((await requestsOf(read)) > 1, 'its end is looked at again')
  })

  test('is known only where the message is not signed', async () => {
    const committing = 'ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384'
    const cases: [EsdkOptions, Partial<EncryptionOptions>, boolean][] = [
      [{}, {}, true],
      [{ algorithmSuite: committing, rangesWithoutSignature: true }, {}, false],
    ]
    for (const [options, more, isKnown] of cases) {
      const from = esdkClient(options, more)
      await put(from, 'known', first)
      assert.deepEqual(await part(from, 'known'), ofFirst)
      assert.equal((await requestsOf(() => part(from, 'known'))) === 1, isKnown)
    }
  })
})

describe('a server that ignores Range', () => {
  test('is refused before anything is read of the object', async () => {
    const from = esdkClient()
    await put(from, 'whole', first)
    s3.fail({ status: 200, body: (stored) => stored, headers: { 'content-range': undefined } })
    await assert.rejects(part(from, 'whole'), code('ERR_S3CSE_RESPONSE_UNEXPECTED'))
    assert.deepEqual(await part(from, 'whole'), ofFirst)
  })
})
