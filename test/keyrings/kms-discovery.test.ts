import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { KMSClient } from '@aws-sdk/client-kms'
import { KmsError } from '../../src/errors.js'
import { kmsDiscoveryKeyring, kmsKeyring, type KmsDiscoveryKeyringOptions } from '../../src/kms.js'
import { startKms, type KmsServer } from '../../src/testing/index.js'
import { config, encryptedKey, foreign, unwrap, v2, v3 } from './support.js'

const mine = '111122223333'
const theirs = '999999999999'
let kms: KmsServer
let client: KMSClient

before(async () => {
  kms = await startKms({ accountId: mine })
  client = new KMSClient({ ...kms.clientConfig, maxAttempts: 1 })
})
beforeEach(() => {
  kms.requests.length = 0
})
after(async () => {
  client.destroy()
  await kms.close()
})

const discovery = (accountIds: string[], partition = 'aws'): ReturnType<typeof kmsDiscoveryKeyring> =>
  kmsDiscoveryKeyring({ client, discoveryFilter: { accountIds, partition }, grantTokens: ['grant'] })

describe('kmsDiscoveryKeyring', () => {
  test('opens what any key of the accounts wrapped, and names none', async () => {
    for (const accountId of [mine, theirs]) {
      const { arn } = kms.createKey({ accountId })
      const wrapped = await kmsKeyring({ client, keyId: arn }).wrap({ suite: v3, context: { a: 'b' } })
      kms.requests.length = 0
      assert.deepEqual(await unwrap(discovery([mine, theirs]), wrapped), wrapped.dataKey)
      const [request] = kms.requests
      assert.equal(request?.operation, 'Decrypt')
      assert.deepEqual(Object.keys(request.input).sort(), ['CiphertextBlob', 'EncryptionContext', 'GrantTokens'])
      assert.deepEqual(request.input['EncryptionContext'], { ...wrapped.context })
    }
  })

  test('a key of another account or partition is undefined, though KMS opened the blob', async () => {
    const { arn } = kms.createKey({ accountId: theirs })
    const wrapped = await kmsKeyring({ client, keyId: arn }).wrap({ suite: v3, context: {} })
    kms.requests.length = 0
    assert.equal(await unwrap(discovery([mine]), wrapped), undefined)
    assert.equal(await unwrap(discovery([mine, theirs], 'aws-cn'), wrapped), undefined)
    assert.deepEqual(
      kms.requests.map(({ status }) => status),
      [200, 200],
    )
  })

  test('what is wrong with the object is undefined', async () => {
    const { arn } = kms.createKey()
    const wrapped = await kmsKeyring({ client, keyId: arn }).wrap({ suite: v3, context: { a: 'b' } })
    const keyring = discovery([mine])
    const garbage = { encryptedDataKeys: [encryptedKey('kms+context', new Uint8Array(80))] }
    assert.equal(await unwrap(keyring, wrapped, garbage), undefined)
    assert.equal(await unwrap(keyring, wrapped, { context: { 'aws:x-amz-cek-alg': '115' } }), undefined)
    assert.equal(await unwrap(keyring, wrapped, { context: { a: 'b' } }), undefined)
    const legacy = wrapped.encryptedDataKeys.map((key) => ({ ...key, algorithm: 'kms' }))
    assert.equal(await unwrap(keyring, wrapped, { encryptedDataKeys: legacy, suite: v2 }), undefined)
    const other = wrapped.encryptedDataKeys.map((key) => ({ ...key, algorithm: 'AES/GCM' }))
    assert.equal(await unwrap(keyring, wrapped, { encryptedDataKeys: other }), undefined)
  })

  test("what is about the key's state is an error", async () => {
    const { arn } = kms.createKey()
    const wrapped = await kmsKeyring({ client, keyId: arn }).wrap({ suite: v3, context: {} })
    kms.setKeyState(arn, 'Disabled')
    await assert.rejects(unwrap(discovery([mine]), wrapped), (error) => {
      assert.ok(error instanceof KmsError)
      assert.match(
        error.message,
        /^KMS Decrypt with the object's key \(discovery in 111122223333\) failed with Disabled/,
      )
      return true
    })
  })

  test('it cannot write, and asks nobody', async () => {
    for (const suite of [v3, foreign]) {
      await assert.rejects(
        async () => discovery([mine]).wrap({ suite, context: {} }),
        config(/cannot write.*kmsKeyring/),
      )
    }
    await assert.rejects(
      unwrap(discovery([mine]), { context: {}, encryptedDataKeys: [] }, { suite: foreign }),
      config(/does not support format/),
    )
    assert.equal(kms.requests.length, 0)
  })

  test('it is frozen and says what it opens', () => {
    const keyring = discovery([mine])
    assert.deepEqual(keyring.algorithms, ['kms+context', 'kms', 'esdk'])
    assert.ok(Object.isFrozen(keyring) && Object.isFrozen(keyring.algorithms))
  })

  test('the filter is copied', async () => {
    const { arn } = kms.createKey({ accountId: theirs })
    const wrapped = await kmsKeyring({ client, keyId: arn }).wrap({ suite: v3, context: {} })
    const accountIds = [mine]
    const keyring = discovery(accountIds)
    accountIds.push(theirs)
    assert.equal(await unwrap(keyring, wrapped), undefined)
  })

  test('mistakes are CONFIG errors at the call', () => {
    const filter = { accountIds: [mine], partition: 'aws' }
    const cases: [unknown, RegExp][] = [
      [undefined, /options must be an object/],
      [{ client }, /discoveryFilter is missing/],
      [{ client: {}, discoveryFilter: filter }, /client must be a KMSClient/],
      [{ client, discoveryFilter: filter, keyId: 'alias/x' }, /unknown option "keyId"/],
      [{ client, discoveryFilter: { partition: 'aws' } }, /accountIds is missing/],
      [{ client, discoveryFilter: { accountIds: [mine] } }, /partition is missing/],
      [{ client, discoveryFilter: { ...filter, accountIds: [] } }, /at least one account/],
      [{ client, discoveryFilter: { ...filter, accountIds: mine } }, /accountIds must be an array/],
      [{ client, discoveryFilter: { ...filter, accountIds: ['*'] } }, /12 digits/],
      [{ client, discoveryFilter: { ...filter, accountIds: [111122223333] } }, /12 digits/],
      [{ client, discoveryFilter: { ...filter, accountIds: [mine + '\n'] } }, /12 digits/],
      [{ client, discoveryFilter: { ...filter, partition: '*' } }, /partition/],
      [{ client, discoveryFilter: { ...filter, region: 'x' } }, /unknown option "region"/],
      [{ client, discoveryFilter: filter, grantTokens: [''] }, /grantTokens/],
    ]
    for (const [options, message] of cases) {
      assert.throws(() => kmsDiscoveryKeyring(options as KmsDiscoveryKeyringOptions), config(message))
    }
  })
})
