import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, beforeEach, describe, test } from 'node:test'
import { DecryptCommand, EncryptCommand, KMS, KMSClient } from '@aws-sdk/client-kms'
import { kmsKeyring, type KmsKeyringOptions } from '../../src/kms.js'
import type { Context } from '../../src/keyrings/keyring.js'
import { startKms, type KmsServer } from '../../src/testing/index.js'
import { ciphertextOf, config, encryptedKey, flip, foreign, unwrap, v2, v3 } from './support.js'

let kms: KmsServer
let client: KMSClient
let arn: string
let keyId: string

before(async () => {
  kms = await startKms()
  client = new KMSClient({ ...kms.clientConfig, maxAttempts: 1 })
  ;({ arn, keyId } = kms.createKey({ alias: 'alias/mine' }))
})
beforeEach(() => {
  kms.requests.length = 0
})
after(async () => {
  client.destroy()
  await kms.close()
})

const aliasArn = (): string => arn.replace(/key\/.*/, 'alias/mine')

describe('kmsKeyring', () => {
  test('one GenerateDataKey to write, one Decrypt to read', async () => {
    const keyring = kmsKeyring({ client, keyId: arn, grantTokens: ['grant'] })
    for (const suite of [v2, v3]) {
      kms.requests.length = 0
      const context = { tenant: 'ä', empty: '' }
      const wrapped = await keyring.wrap({ suite, context })
      const stored = { ...context, 'aws:x-amz-cek-alg': suite.name }
      assert.deepEqual({ ...wrapped.context }, stored)
      assert.equal(wrapped.dataKey.length, 32)
      const ciphertext = ciphertextOf(wrapped)
      assert.deepEqual(wrapped.encryptedDataKeys, [encryptedKey('kms+context', ciphertext)])
      assert.deepEqual(await unwrap(keyring, wrapped, { suite }), wrapped.dataKey)
      const shared = { KeyId: arn, EncryptionContext: stored, GrantTokens: ['grant'] }
      assert.deepEqual(
        kms.requests.map(({ operation, input }) => ({ operation, ...input })),
        [
          { operation: 'GenerateDataKey', KeySpec: 'AES_256', ...shared },
          { operation: 'Decrypt', CiphertextBlob: Buffer.from(ciphertext).toString('base64'), ...shared },
        ],
      )
    }
  })

  test('what it returns is its own: frozen, without prototype, not in memory shared with the response', async () => {
    const context = { a: 'b' }
    const wrapped = await kmsKeyring({ client, keyId: arn }).wrap({ suite: v3, context })
    context.a = 'changed'
    assert.deepEqual({ ...wrapped.context }, { a: 'b', 'aws:x-amz-cek-alg': '115' })
    assert.ok(Object.isFrozen(wrapped.context))
    assert.equal(Object.getPrototypeOf(wrapped.context), null)
    assert.equal(wrapped.dataKey.buffer.byteLength, 32)
  })

  test('a given data key is encrypted', async () => {
    const keyring = kmsKeyring({ client, keyId: arn })
    const mine = randomBytes(32)
    const before = Buffer.from(mine)
    const wrapped = await keyring.wrap({ suite: v3, context: { a: 'b' }, dataKey: mine })
    assert.equal(kms.requests[0]?.operation, 'Encrypt')
    assert.notEqual(wrapped.dataKey, mine)
    assert.deepEqual(wrapped.dataKey, new Uint8Array(mine))
    wrapped.dataKey.fill(0)
    assert.deepEqual(mine, before)
    assert.deepEqual(await unwrap(keyring, wrapped), new Uint8Array(mine))
    await assert.rejects(
      async () => keyring.wrap({ suite: v3, context: {}, dataKey: randomBytes(16) }),
      config(/dataKey must be a Uint8Array of 32 bytes/),
    )
  })

  test('another key length is asked for in bytes', async () => {
    const suite = { ...v3, keyLength: 24 }
    const keyring = kmsKeyring({ client, keyId: arn })
    const wrapped = await keyring.wrap({ suite, context: {} })
    assert.equal(kms.requests[0]?.input['NumberOfBytes'], 24)
    assert.deepEqual(await unwrap(keyring, wrapped, { suite }), wrapped.dataKey)
  })

  test('every form of a key name, and the aggregated client', async () => {
    const aggregated = new KMS(kms.clientConfig)
    const wrapped = await kmsKeyring({ client: aggregated, keyId: arn }).wrap({ suite: v3, context: {} })
    aggregated.destroy()
    for (const name of [arn, keyId, 'alias/mine', aliasArn()]) {
      kms.requests.length = 0
      const keyring = kmsKeyring({ client, keyId: name })
      assert.deepEqual(await unwrap(keyring, wrapped), wrapped.dataKey)
      const again = await keyring.wrap({ suite: v3, context: {} })
      assert.deepEqual(await unwrap(keyring, again), again.dataKey)
      assert.ok(kms.requests.every(({ input }) => input['KeyId'] === name))
    }
  })

  test('multi-region key: the replica opens what the primary wrapped', async () => {
    const europe = new KMSClient({ ...kms.clientConfig, region: 'eu-west-1' })
    const key = kms.createKey({ replicaRegions: ['eu-west-1'] })
    const wrapped = await kmsKeyring({ client, keyId: key.arn }).wrap({ suite: v3, context: { a: 'b' } })
    for (const name of [key.keyId, key.replicaArns[0]!]) {
      assert.deepEqual(await unwrap(kmsKeyring({ client: europe, keyId: name }), wrapped), wrapped.dataKey)
    }
    europe.destroy()
  })

  test('reserved context keys are refused before KMS is asked', async () => {
    const keyring = kmsKeyring({ client, keyId: arn })
    for (const name of ['aws:x-amz-cek-alg', 'kms_cmk_id']) {
      await assert.rejects(
        async () => keyring.wrap({ suite: v3, context: { [name]: 'a-value' } }),
        (error: Error) => {
          assert.doesNotMatch(error.message, /a-value/)
          return config(new RegExp(`${name} is reserved`))(error)
        },
      )
    }
    await assert.rejects(async () => keyring.wrap({ suite: v3, context: { a: 1 as unknown as string } }), config(/"a"/))
    await assert.rejects(async () => keyring.wrap({ suite: foreign, context: {} }), config(/does not support format/))
    assert.equal(kms.requests.length, 0)
    const { context } = await keyring.wrap({ suite: v3, context: { 'aws:other': 'x' } })
    assert.equal(context['aws:other'], 'x')
  })

  test('a __proto__ entry of the context is bound like every other', async () => {
    const keyring = kmsKeyring({ client, keyId: arn })
    const wrapped = await keyring.wrap({ suite: v3, context: JSON.parse('{"__proto__":"x"}') as Context })
    assert.deepEqual(Object.keys(wrapped.context), ['__proto__', 'aws:x-amz-cek-alg'])
    assert.deepEqual(await unwrap(keyring, wrapped), wrapped.dataKey)
    assert.equal(await unwrap(keyring, wrapped, { context: { 'aws:x-amz-cek-alg': '115' } }), undefined)
    const added = JSON.parse('{"__proto__":"x","aws:x-amz-cek-alg":"115"}') as Context
    const plain = await keyring.wrap({ suite: v3, context: {} })
    assert.equal(await unwrap(keyring, plain, { context: added }), undefined)
  })

  test('it is frozen and says what it opens', () => {
    const keyring = kmsKeyring({ client, keyId: arn })
    assert.deepEqual(keyring.algorithms, ['kms+context', 'kms', 'esdk'])
    assert.ok(Object.isFrozen(keyring) && Object.isFrozen(keyring.algorithms))
  })
})

describe('kmsKeyring: everything that is wrong with the object is undefined', () => {
  test('without asking KMS', async () => {
    const keyring = kmsKeyring({ client, keyId: arn })
    const wrapped = await keyring.wrap({ suite: v3, context: { a: 'b' } })
    const ciphertext = ciphertextOf(wrapped)
    kms.requests.length = 0
    const keys = (algorithm: string, ...changed: Uint8Array[]): object => ({
      encryptedDataKeys: changed.map((one) => encryptedKey(algorithm, one)),
    })
    const cases: Record<string, object> = {
      'other suite than the context says': { suite: v2 },
      'context without the reserved entry': { context: { a: 'b' } },
      'reserved entry inherited': { context: Object.create({ 'aws:x-amz-cek-alg': '115' }) as Context },
      'the legacy wrap, for another suite than the context says': { ...keys('kms', ciphertext), suite: v2 },
      'wrap AES/GCM': keys('AES/GCM', ciphertext),
      'two keys': keys('kms+context', ciphertext, ciphertext),
      'no key': keys('kms+context'),
      empty: keys('kms+context', new Uint8Array(0)),
      'longer than KMS takes': keys('kms+context', new Uint8Array(6145)),
    }
    for (const [name, change] of Object.entries(cases)) {
      assert.equal(await unwrap(keyring, wrapped, change), undefined, name)
    }
    await assert.rejects(unwrap(keyring, wrapped, { suite: foreign }), config(/does not support format/))
    assert.equal(kms.requests.length, 0)
  })

  test('by asking KMS', async () => {
    const keyring = kmsKeyring({ client, keyId: arn })
    const wrapped = await keyring.wrap({ suite: v3, context: { a: 'b' } })
    const ciphertext = ciphertextOf(wrapped)
    const keys = (one: Uint8Array): object => ({ encryptedDataKeys: [encryptedKey('kms+context', one)] })
    const bound = { 'aws:x-amz-cek-alg': '115' }
    const theirs = kms.createKey({ accountId: '999999999999' })
    const foreignWrap = await kmsKeyring({ client, keyId: theirs.arn }).wrap({ suite: v3, context: { a: 'b' } })
    const encrypted = async (length: number): Promise<object> => {
      const EncryptionContext = { a: 'b', ...bound }
      const command = new EncryptCommand({ KeyId: arn, Plaintext: new Uint8Array(length).fill(1), EncryptionContext })
      return keys((await client.send(command)).CiphertextBlob!)
    }
    const zeros = new EncryptCommand({
      KeyId: arn,
      Plaintext: new Uint8Array(32),
      EncryptionContext: { a: 'b', ...bound },
    })
    const cases: Record<string, object> = {
      'another value': { context: { a: 'c', ...bound } },
      'an entry more': { context: { a: 'b', c: '', ...bound } },
      'an entry less': { context: bound },
      'relabelled for the other suite': { suite: v2, context: { a: 'b', 'aws:x-amz-cek-alg': v2.name } },
      garbage: keys(randomBytes(100)),
      'first byte': keys(flip(ciphertext, 0)),
      'last byte': keys(flip(ciphertext, ciphertext.length - 1)),
      truncated: keys(ciphertext.subarray(0, -1)),
      "another account's key": { encryptedDataKeys: foreignWrap.encryptedDataKeys },
      'a data key of 16 bytes': await encrypted(16),
      'a data key of 33 bytes': await encrypted(33),
      'a data key of zeros': keys((await client.send(zeros)).CiphertextBlob!),
    }
    assert.ok((await unwrap(keyring, wrapped, await encrypted(32))) instanceof Uint8Array, 'the test itself')
    for (const [name, change] of Object.entries(cases)) {
      assert.equal(await unwrap(keyring, wrapped, change), undefined, name)
    }
    // The foreign blob opens for a caller who does not name the key: it is the pinned KeyId that refuses it.
    const CiphertextBlob = ciphertextOf(foreignWrap)
    const open = new DecryptCommand({ CiphertextBlob, EncryptionContext: { ...foreignWrap.context } })
    assert.equal((await client.send(open)).KeyId, theirs.arn)
  })

  test('the key named in kms_cmk_id is never asked', async () => {
    const theirs = kms.createKey({ accountId: '999999999999' })
    const context = { kms_cmk_id: theirs.arn, 'aws:x-amz-cek-alg': '115' }
    const command = new EncryptCommand({ KeyId: theirs.arn, Plaintext: randomBytes(32), EncryptionContext: context })
    const { CiphertextBlob } = await client.send(command)
    kms.requests.length = 0
    const stored = { context, encryptedDataKeys: [encryptedKey('kms+context', CiphertextBlob!)] }
    assert.equal(await unwrap(kmsKeyring({ client, keyId: arn }), stored), undefined)
    assert.deepEqual(
      kms.requests.map(({ input }) => input['KeyId']),
      [arn],
    )
    assert.deepEqual(kms.requests[0]?.input['EncryptionContext'], context)
  })

  test('an alias that was re-pointed', async () => {
    const [one, two] = [kms.createKey({ alias: 'alias/moving' }), kms.createKey()]
    const moving = kmsKeyring({ client, keyId: 'alias/moving' })
    const wrapped = await moving.wrap({ suite: v3, context: {} })
    const aggregated = new KMS(kms.clientConfig)
    await aggregated.updateAlias({ AliasName: 'alias/moving', TargetKeyId: two.keyId })
    aggregated.destroy()
    assert.equal(await unwrap(moving, wrapped), undefined)
    assert.deepEqual(await unwrap(kmsKeyring({ client, keyId: one.arn }), wrapped), wrapped.dataKey)
  })
})

describe('kmsKeyring: options', () => {
  test('mistakes are CONFIG errors at the call', () => {
    const uuid = '1a198d9c-6aa2-420c-b7ed-92a56c359201'
    const good = { client, keyId: uuid }
    const cases: [unknown, RegExp][] = [
      [undefined, /options must be an object/],
      [{ keyId: uuid }, /client is missing/],
      [{ client }, /keyId is missing/],
      [{ client: {}, keyId: uuid }, /client must be a KMSClient/],
      [{ client: 'x', keyId: uuid }, /client must be a KMSClient/],
      [{ ...good, keyID: uuid }, /unknown option "keyID"/],
      [{ client, keyId: 42 }, /keyId must be a key ARN/],
      [{ client, keyId: 'mine' }, /keyId must be a key ARN/],
      [{ ...good, grantTokens: 'token' }, /grantTokens must be an array/],
      [{ ...good, grantTokens: [''] }, /grantTokens must be non-empty strings/],
      [{ ...good, grantTokens: [1] }, /grantTokens must be non-empty strings/],
      [{ ...good, grantTokens: Array(11).fill('t') }, /at most 10 grantTokens, not 11/],
    ]
    for (const [options, message] of cases) {
      assert.throws(() => kmsKeyring(options as KmsKeyringOptions), config(message))
    }
    kmsKeyring(good)
  })

  test('options are copied', async () => {
    const options = { client, keyId: arn, grantTokens: ['one'] }
    const keyring = kmsKeyring(options)
    options.keyId = 'alias/none'
    options.grantTokens[0] = 'two'
    await keyring.wrap({ suite: v3, context: {} })
    assert.deepEqual([kms.requests[0]?.input['KeyId'], kms.requests[0]?.input['GrantTokens']], [arn, ['one']])
  })

  test('a client without any option type-checks', () => {
    const typeOnly = (): unknown => kmsKeyring({ client: new KMSClient({}), keyId: arn })
    const aggregated = (): unknown => kmsKeyring({ client: new KMS({}), keyId: arn })
    assert.ok([typeOnly, aggregated].length)
  })
})
