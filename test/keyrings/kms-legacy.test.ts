import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, beforeEach, describe, test } from 'node:test'
import { EncryptCommand, KMSClient } from '@aws-sdk/client-kms'
import { kmsDiscoveryKeyring, kmsKeyring } from '../../src/kms.js'
import type { Context, Keyring } from '../../src/keyrings/keyring.js'
import { startKms, type KmsServer } from '../../src/testing/index.js'
import { cbc, ciphertextOf, config, encryptedKey, flip, stored, unwrap, v2, v3 } from './support.js'

const account = '111122223333'
let kms: KmsServer
let client: KMSClient
let arn: string
let keyId: string

before(async () => {
  kms = await startKms({ accountId: account })
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

const readers = (): [string, Keyring][] => [
  ['kmsKeyring', kmsKeyring({ client, keyId: arn })],
  [
    'kmsDiscoveryKeyring',
    kmsDiscoveryKeyring({ client, discoveryFilter: { accountIds: [account], partition: 'aws' } }),
  ],
]

/** As a first-generation client, or the mail service, has stored it. */
async function encrypted(dataKey: Uint8Array, context: Context, key = arn): Promise<ReturnType<typeof stored>> {
  const command = new EncryptCommand({ KeyId: key, Plaintext: dataKey, EncryptionContext: { ...context } })
  const { CiphertextBlob } = await client.send(command)
  return stored('kms', CiphertextBlob!, context)
}

describe('the kms wrap of older clients', () => {
  test('is opened with the stored context as it is', async () => {
    const contexts: Context[] = [
      { kms_cmk_id: arn },
      { kms_cmk_id: 'alias/mine', user: 'ä' },
      { 'aws:ses:message-id': 'm', 'aws:ses:rule-name': 'r', 'aws:ses:source-account': account, kms_cmk_id: arn },
      {},
    ]
    for (const [name, keyring] of readers()) {
      for (const context of contexts) {
        for (const [suite, length] of [
          [v2, 32],
          [cbc, 32],
          [cbc, 24],
          [cbc, 16],
        ] as const) {
          const dataKey = Uint8Array.from(randomBytes(length))
          const object = await encrypted(dataKey, context)
          kms.requests.length = 0
          assert.deepEqual(await unwrap(keyring, object, { suite }), dataKey, name)
          assert.deepEqual(
            kms.requests.map(({ input }) => input['EncryptionContext'] ?? {}),
            [context],
          )
          assert.equal(kms.requests[0]?.input['KeyId'], name === 'kmsKeyring' ? arn : undefined)
        }
      }
    }
  })

  test('the key that kms_cmk_id names is never asked', async () => {
    const theirs = kms.createKey({ accountId: '999999999999' })
    const object = await encrypted(randomBytes(32), { kms_cmk_id: theirs.arn }, theirs.arn)
    kms.requests.length = 0
    for (const [name, keyring] of readers())
      assert.equal(await unwrap(keyring, object, { suite: cbc }), undefined, name)
    assert.deepEqual(
      kms.requests.map(({ input }) => input['KeyId']),
      [arn, undefined],
    )
  })

  test('everything that is wrong with the object is undefined', async () => {
    const context = { kms_cmk_id: arn, user: 'a' }
    const object = await encrypted(randomBytes(32), context)
    const blob = ciphertextOf(object)
    const lengths = await Promise.all([1, 15, 31, 33, 48].map(async (n) => encrypted(randomBytes(n), context)))
    const cases = [
      { context: { ...context, user: 'b' } },
      { context: { kms_cmk_id: arn } },
      { context: { ...context, more: '' } },
      { encryptedDataKeys: [encryptedKey('kms', flip(blob, 9))] },
      { encryptedDataKeys: [encryptedKey('kms', blob), encryptedKey('kms', blob)] },
      { encryptedDataKeys: [encryptedKey('kms', new Uint8Array(0))] },
      { encryptedDataKeys: [encryptedKey('kms', new Uint8Array(6145))] },
      { encryptedDataKeys: [encryptedKey('KMS', blob)] },
      { encryptedDataKeys: [encryptedKey('kms+context', blob)] },
      ...lengths,
    ]
    for (const [name, keyring] of readers()) {
      assert.ok(await unwrap(keyring, object, { suite: cbc }), 'the test itself')
      for (const [index, change] of cases.entries()) {
        assert.equal(await unwrap(keyring, object, { suite: cbc, ...change }), undefined, `${name}, case ${index}`)
      }
    }
    const short = await encrypted(randomBytes(16), context)
    for (const [name, keyring] of readers()) assert.equal(await unwrap(keyring, short, { suite: v2 }), undefined, name)
  })

  test('an object of today that is passed off as an old one keeps its content algorithm', async () => {
    for (const [name, keyring] of readers()) {
      const wrapped = await kmsKeyring({ client, keyId: arn }).wrap({ suite: v2, context: { a: 'b' } })
      const relabelled = stored('kms', ciphertextOf(wrapped), wrapped.context)
      kms.requests.length = 0
      for (const suite of [cbc, v3]) assert.equal(await unwrap(keyring, relabelled, { suite }), undefined, name)
      assert.equal(kms.requests.length, 0)
    }
  })
})

describe('kmsKeyring: legacy writing', () => {
  test('GenerateDataKey with the key named in the context', async () => {
    for (const name of [arn, keyId, 'alias/mine']) {
      const keyring = kmsKeyring({ client, keyId: name })
      for (const suite of [cbc, v2]) {
        kms.requests.length = 0
        const wrapped = await keyring.wrap({ suite, context: { user: 'a' }, algorithm: 'kms' })
        const context = { user: 'a', kms_cmk_id: name }
        assert.deepEqual({ ...wrapped.context }, context)
        assert.ok(Object.isFrozen(wrapped.context))
        assert.deepEqual(wrapped.encryptedDataKeys, [encryptedKey('kms', ciphertextOf(wrapped))])
        assert.deepEqual(
          kms.requests.map(({ operation, input }) => ({ operation, ...input })),
          [{ operation: 'GenerateDataKey', KeySpec: 'AES_256', KeyId: name, EncryptionContext: context }],
        )
        assert.deepEqual(await unwrap(keyring, wrapped, { suite }), wrapped.dataKey)
      }
    }
  })

  test('Encrypt for a given data key, of every length of the suite', async () => {
    const keyring = kmsKeyring({ client, keyId: arn })
    for (const algorithm of ['kms', 'kms+context'])
      for (const length of [16, 24, 32]) {
        const dataKey = randomBytes(length)
        kms.requests.length = 0
        const wrapped = await keyring.wrap({ suite: cbc, context: {}, algorithm, dataKey })
        assert.equal(kms.requests[0]?.operation, 'Encrypt')
        assert.deepEqual(await unwrap(keyring, wrapped, { suite: cbc }), Uint8Array.from(dataKey))
      }
  })

  test('reserved entries and other wraps are refused before KMS is asked', async () => {
    const keyring = kmsKeyring({ client, keyId: arn })
    for (const name of ['kms_cmk_id', 'aws:x-amz-cek-alg']) {
      const request = { suite: cbc, context: { [name]: 'x' }, algorithm: 'kms' }
      await assert.rejects(async () => keyring.wrap(request), config(/is reserved/))
    }
    for (const algorithm of ['AES', 'RSA', 'KMS', 'AES/GCM', '']) {
      const request = { suite: cbc, context: {}, algorithm }
      await assert.rejects(async () => keyring.wrap(request), config(/writes kms\+context or kms, not/), algorithm)
    }
    assert.equal(kms.requests.length, 0)
    const usual = await keyring.wrap({ suite: v2, context: {}, algorithm: 'kms+context' })
    assert.deepEqual({ ...usual.context }, { 'aws:x-amz-cek-alg': v2.name })
  })
})
