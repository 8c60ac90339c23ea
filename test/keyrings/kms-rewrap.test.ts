import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, beforeEach, describe, test } from 'node:test'
import { EncryptCommand, KMS, KMSClient, RotateKeyOnDemandCommand } from '@aws-sdk/client-kms'
import { aesKeyring } from '../../src/index.js'
import { wrapsAround } from '../../src/keyrings/inner.js'
import type { Context, Keyring, WrapResult } from '../../src/keyrings/keyring.js'
import { kmsDiscoveryKeyring, kmsKeyring } from '../../src/kms.js'
import { startKms, type KmsServer } from '../../src/testing/index.js'
import { code } from '../support/errors.js'
import { account, isKmsError } from './kms-support.js'
import { rewrap } from './kms-rewrap-support.js'
import { cbc, ciphertextOf, config, encryptedKey, flip, foreign, stored, unwrap, v2, v3 } from './support.js'

let kms: KmsServer
let client: KMSClient
let old: { arn: string; keyId: string }
let fresh: { arn: string; keyId: string }
let from: Keyring
let to: Keyring
let wrapped: WrapResult

const context = { tenant: 'context-value', empty: '' }
const newContext = { tenant: 'ä' }
const clients: (KMSClient | KMS)[] = []
const another = (more: object = {}): KMSClient => {
  const one = new KMSClient({ ...kms.clientConfig, maxAttempts: 1, ...more })
  clients.push(one)
  return one
}
const discovery = (more: object = {}, accountIds = [account], partition = 'aws'): Keyring =>
  kmsDiscoveryKeyring({ client, discoveryFilter: { accountIds, partition }, ...more })
const operations = (): string[] => kms.requests.map(({ operation }) => operation)
const decryptionFailed = code('ERR_S3CSE_DECRYPTION_FAILED')

before(async () => {
  kms = await startKms({ accountId: account })
  client = another()
  old = kms.createKey({ alias: 'alias/old' })
  fresh = kms.createKey({ alias: 'alias/fresh' })
  from = kmsKeyring({ client, keyId: old.arn })
  to = kmsKeyring({ client, keyId: fresh.arn })
  wrapped = await from.wrap({ suite: v3, context })
})
beforeEach(() => {
  kms.requests.length = 0
})
after(async () => {
  for (const one of clients) one.destroy()
  await kms.close()
})

describe('kmsKeyring: a new wrap by ReEncrypt', () => {
  test('one ReEncrypt; the new key alone opens the new wrap, with the new context', async () => {
    const result = await rewrap(to, from, wrapped, { newContext })
    assert.deepEqual(
      kms.requests.map(({ operation, input }) => ({ operation, ...input })),
      [
        {
          operation: 'ReEncrypt',
          CiphertextBlob: Buffer.from(ciphertextOf(wrapped)).toString('base64'),
          SourceKeyId: old.arn,
          SourceEncryptionContext: { ...context, 'aws:x-amz-cek-alg': '115' },
          DestinationKeyId: fresh.arn,
          DestinationEncryptionContext: { ...newContext, 'aws:x-amz-cek-alg': '115' },
        },
      ],
    )
    assert.ok(result)
    assert.deepEqual(result.encryptedDataKeys, [encryptedKey('kms+context', ciphertextOf(result))])
    assert.deepEqual({ ...result.context }, { ...newContext, 'aws:x-amz-cek-alg': '115' })
    assert.ok(Object.isFrozen(result.context))
    assert.equal(result.sameKey, false)
    assert.deepEqual(await unwrap(to, result), wrapped.dataKey)
    assert.equal(await unwrap(from, result), undefined)
    assert.equal(await unwrap(to, result, { context: wrapped.context }), undefined)
    assert.deepEqual(await unwrap(from, wrapped), wrapped.dataKey, 'what was saved before still opens')
  })

  test('from a discovery keyring: no key is named, and the new wrap is the same', async () => {
    const result = await rewrap(to, discovery(), wrapped)
    assert.ok(!('SourceKeyId' in kms.requests[0]!.input))
    assert.deepEqual(await unwrap(to, result!), wrapped.dataKey)
    assert.ok(!('rewrap' in discovery()))
  })

  test('what is around either keyring does not matter', async () => {
    const shell = (inner: Keyring): Keyring => {
      const outer = { wrap: () => assert.fail(), unwrap: () => assert.fail() } as unknown as Keyring
      wrapsAround(outer, inner)
      return outer
    }
    const result = await rewrap(to, shell(shell(from)), wrapped)
    assert.deepEqual(await unwrap(to, result!), wrapped.dataKey)
    assert.deepEqual(await unwrap(to, (await rewrap(to, shell(discovery()), wrapped))!), wrapped.dataKey)
    assert.equal(await rewrap(to, shell(aesKeyring({ wrappingKey: randomBytes(32) })), wrapped), undefined)
  })

  test('every form of a key name on both sides', async () => {
    const names = ({ arn, keyId }: typeof old, alias: string): string[] => {
      return [arn, keyId, alias, arn.replace(/key\/.*/, alias)]
    }
    for (const source of names(old, 'alias/old')) {
      for (const target of names(fresh, 'alias/fresh')) {
        kms.requests.length = 0
        const result = await rewrap(
          kmsKeyring({ client, keyId: target }),
          kmsKeyring({ client, keyId: source }),
          wrapped,
        )
        const { SourceKeyId, DestinationKeyId } = kms.requests[0]!.input
        assert.deepEqual([SourceKeyId, DestinationKeyId], [source, target])
        assert.deepEqual(await unwrap(to, result!), wrapped.dataKey)
      }
    }
  })

  test('the same key is said to be the same, by whatever name, also after its rotation', async () => {
    for (const keyId of [old.arn, old.keyId, 'alias/old']) {
      const result = await rewrap(kmsKeyring({ client, keyId }), from, wrapped, { newContext })
      assert.equal(result?.sameKey, true)
      assert.deepEqual(await unwrap(from, result), wrapped.dataKey)
    }
    const rotated = kms.createKey()
    const one = kmsKeyring({ client, keyId: rotated.arn })
    const before = await one.wrap({ suite: v3, context })
    await client.send(new RotateKeyOnDemandCommand({ KeyId: rotated.arn }))
    const again = await rewrap(one, one, before)
    assert.equal(again?.sameKey, true)
    assert.deepEqual(await unwrap(one, again), before.dataKey)
  })

  test("the replica of the old key's region is asked where its client is", async () => {
    const key = kms.createKey({ replicaRegions: ['eu-west-1'] })
    const europe = another({ region: 'eu-west-1' })
    const object = await kmsKeyring({ client, keyId: key.arn }).wrap({ suite: v3, context })
    const there = kmsKeyring({ client: europe, keyId: kms.createKey({ region: 'eu-west-1' }).arn })
    for (const keyId of [key.keyId, key.replicaArns[0]!]) {
      const replica = kmsKeyring({ client: europe, keyId })
      const result = await rewrap(there, replica, object)
      assert.equal(result?.sameKey, false)
      assert.deepEqual(await unwrap(there, result), object.dataKey)
      assert.equal((await rewrap(replica, replica, object))?.sameKey, true)
    }
  })

  test('for the other suite, and from and to the wrap of older clients', async () => {
    const two = await from.wrap({ suite: v2, context })
    const result = await rewrap(to, from, two, { suite: v2 })
    assert.deepEqual({ ...result!.context }, { 'aws:x-amz-cek-alg': v2.name })
    assert.deepEqual(await unwrap(to, result!, { suite: v2 }), two.dataKey)

    const dataKey = new Uint8Array(randomBytes(32))
    const EncryptionContext = { kms_cmk_id: 'alias/old' }
    const command = new EncryptCommand({ KeyId: old.arn, Plaintext: dataKey, EncryptionContext })
    const object = stored('kms', (await client.send(command)).CiphertextBlob!, EncryptionContext)
    for (const source of [from, discovery()]) {
      const bound = await rewrap(to, source, object, { suite: cbc })
      assert.equal(bound?.encryptedDataKeys[0]?.algorithm, 'kms+context')
      assert.deepEqual({ ...bound.context }, { 'aws:x-amz-cek-alg': cbc.name })
      assert.deepEqual(await unwrap(to, bound, { suite: cbc }), dataKey)
    }
    const legacy = await rewrap(to, from, object, { suite: cbc, algorithm: 'kms', newContext })
    assert.equal(legacy?.encryptedDataKeys[0]?.algorithm, 'kms')
    assert.deepEqual({ ...legacy.context }, { ...newContext, kms_cmk_id: fresh.arn })
    assert.deepEqual(await unwrap(to, legacy, { suite: cbc }), dataKey)
  })

  test('a __proto__ entry is bound in both contexts', async () => {
    const odd = JSON.parse('{"__proto__":"x"}') as Context
    const object = await from.wrap({ suite: v3, context: odd })
    const result = await rewrap(to, from, object, { newContext: JSON.parse('{"__proto__":"y"}') as Context })
    assert.deepEqual(Object.keys(result!.context), ['__proto__', 'aws:x-amz-cek-alg'])
    assert.deepEqual(await unwrap(to, result!), object.dataKey)
    assert.equal(await unwrap(to, result!, { context: { 'aws:x-amz-cek-alg': '115' } }), undefined)
  })

  test('grant tokens of both keyrings, each once, while KMS takes so many', async () => {
    const tokens = (first: number, count: number): string[] => Array.from({ length: count }, (_, i) => `t${first + i}`)
    const keyring = (keyId: string, grantTokens: string[]): Keyring => kmsKeyring({ client, keyId, grantTokens })
    await rewrap(keyring(fresh.arn, tokens(5, 5)), keyring(old.arn, tokens(0, 6)), wrapped)
    assert.deepEqual(kms.requests[0]?.input['GrantTokens'], tokens(0, 10))
    await rewrap(keyring(fresh.arn, ['b']), discovery({ grantTokens: ['a'] }), wrapped)
    assert.deepEqual(kms.requests[1]?.input['GrantTokens'], ['a', 'b'])
    kms.requests.length = 0
    assert.equal(await rewrap(keyring(fresh.arn, tokens(6, 5)), keyring(old.arn, tokens(0, 6)), wrapped), undefined)
    assert.deepEqual(operations(), [])
  })

  test('mistakes of the caller, before KMS is asked', async () => {
    for (const name of ['aws:x-amz-cek-alg', 'kms_cmk_id']) {
      await assert.rejects(rewrap(to, from, wrapped, { newContext: { [name]: 'x' } }), config(/is reserved/))
    }
    await assert.rejects(rewrap(to, from, wrapped, { algorithm: 'AES/GCM' }), config(/writes kms\+context or kms/))
    await assert.rejects(rewrap(to, from, wrapped, { suite: foreign }), config(/does not support format/))
    assert.deepEqual(operations(), [])
  })
})

describe('kmsKeyring: where ReEncrypt cannot do it', () => {
  const impossible = async (target: Keyring, source: Keyring, what: string): Promise<void> => {
    assert.equal(await rewrap(target, source, wrapped), undefined, what)
    assert.deepEqual(operations(), [], what)
  }
  const keyring = (one: object, keyId: string): Keyring => kmsKeyring({ client: one as KMSClient, keyId })

  test('another kind of keyring, or one of the caller', async () => {
    await impossible(to, aesKeyring({ wrappingKey: randomBytes(32) }), 'raw key')
    await impossible(to, { ...from }, 'a copy of a keyring')
  })

  test('clients of one region and endpoint count as one; others do not', async () => {
    const aggregated = new KMS(kms.clientConfig)
    clients.push(aggregated)
    const asFunction = another({ endpoint: () => Promise.resolve(`${kms.endpoint}/`) })
    for (const one of [another(), aggregated, asFunction]) {
      assert.deepEqual(await unwrap(to, (await rewrap(keyring(one, fresh.arn), from, wrapped))!), wrapped.dataKey)
      assert.deepEqual(await unwrap(to, (await rewrap(to, keyring(one, old.arn), wrapped))!), wrapped.dataKey)
      assert.ok(await rewrap(to, discovery({ client: one }), wrapped))
    }
    kms.requests.length = 0
    const others: Record<string, object> = {
      region: another({ region: 'eu-west-1' }),
      port: another({ endpoint: 'http://127.0.0.1:1' }),
      host: another({ endpoint: kms.endpoint.replace('127.0.0.1', 'localhost') }),
      path: another({ endpoint: `${kms.endpoint}/path` }),
      protocol: another({ endpoint: kms.endpoint.replace('http:', 'https:') }),
      'an endpoint of no known form': another({ endpoint: () => Promise.resolve(['x']) }),
      'the usual endpoint': another({ endpoint: undefined }),
      'a region that cannot be had': another({ region: () => Promise.reject(new Error('no region')) }),
      'no config': { send: (command: never) => client.send(command) },
      'config without a region': { send: (command: never) => client.send(command), config: {} },
      'config null': { send: (command: never) => client.send(command), config: null },
    }
    for (const [what, one] of Object.entries(others)) {
      // By id, which says nothing of the region.
      await impossible(keyring(one, fresh.keyId), keyring(client, old.keyId), what)
      await impossible(keyring(client, fresh.keyId), keyring(one, old.keyId), what)
    }
    const bare = (): object => ({ send: (command: never) => client.send(command) })
    await impossible(keyring(bare(), fresh.keyId), keyring(bare(), old.keyId), 'two of which nothing is known')
    const shared = bare()
    assert.ok(
      await rewrap(keyring(shared, fresh.arn), keyring(shared, old.arn), wrapped),
      'one of which nothing is known',
    )
  })

  test('two clients with the usual endpoint of one region', async () => {
    const sent: string[] = []
    const usual = (region: string, name: string): KMSClient => {
      const one = another({ endpoint: undefined, region })
      one.send = ((command: never) => (sent.push(name), client.send(command))) as never
      return one
    }
    const [one, two, far] = [usual('us-east-1', 'old'), usual('us-east-1', 'new'), usual('eu-west-1', 'far')]
    assert.ok(await rewrap(keyring(two, fresh.keyId), keyring(one, old.keyId), wrapped))
    assert.deepEqual(sent, ['new'], 'the client of the new keyring asks')
    kms.requests.length = 0
    await impossible(keyring(far, fresh.keyId), keyring(one, old.keyId), 'another region')
    const odd = another({ endpoint: () => Promise.resolve(['x']) })
    await impossible(keyring(odd, fresh.keyId), keyring(one, old.keyId), 'an endpoint of no known form')
  })

  test('ARNs of two regions or partitions', async () => {
    const elsewhere = [fresh.arn.replace('us-east-1', 'eu-west-1'), fresh.arn.replace('arn:aws:', 'arn:aws-cn:')]
    for (const arn of elsewhere) {
      for (const keyId of [arn, arn.replace(/key\/.*/, 'alias/fresh')]) {
        await impossible(kmsKeyring({ client, keyId }), from, keyId)
        await impossible(to, kmsKeyring({ client, keyId }), keyId)
      }
    }
    await impossible(to, discovery({}, [account], 'aws-cn'), 'the filter of a discovery keyring')
  })
})

describe('kmsKeyring: a new wrap of what is wrong', () => {
  test('everything that is wrong with the object is the same error, without asking KMS', async () => {
    const ciphertext = ciphertextOf(wrapped)
    const keys = (algorithm: string, ...changed: Uint8Array[]): object => ({
      encryptedDataKeys: changed.map((one) => encryptedKey(algorithm, one)),
    })
    const cases: Record<string, object> = {
      'other suite than the context says': { suite: v2 },
      'context without the reserved entry': { context },
      'the legacy wrap, for another suite than the context says': { ...keys('kms', ciphertext), suite: v2 },
      'wrap AES/GCM': keys('AES/GCM', ciphertext),
      'two keys': keys('kms+context', ciphertext, ciphertext),
      'no key': keys('kms+context'),
      empty: keys('kms+context', new Uint8Array(0)),
      'longer than KMS takes': keys('kms+context', new Uint8Array(6145)),
    }
    for (const source of [from, discovery()]) {
      for (const [name, change] of Object.entries(cases)) {
        await assert.rejects(rewrap(to, source, wrapped, change), decryptionFailed, name)
      }
    }
    assert.deepEqual(operations(), [])
  })

  test('and by asking', async () => {
    const ciphertext = ciphertextOf(wrapped)
    const keys = (one: Uint8Array): object => ({ encryptedDataKeys: [encryptedKey('kms+context', one)] })
    const bound = { 'aws:x-amz-cek-alg': '115' }
    const theirs = kmsKeyring({ client, keyId: kms.createKey({ accountId: '999999999999' }).arn })
    const cases: Record<string, object> = {
      'another value': { context: { ...context, ...bound, tenant: 'x' } },
      'an entry more': { context: { ...context, ...bound, more: '' } },
      'an entry less': { context: bound },
      relabelled: { suite: v2, context: { ...context, 'aws:x-amz-cek-alg': v2.name } },
      garbage: keys(randomBytes(100)),
      changed: keys(flip(ciphertext, ciphertext.length - 1)),
      "another account's key": await theirs.wrap({ suite: v3, context }),
    }
    kms.requests.length = 0
    for (const source of [from, discovery()]) {
      for (const [name, change] of Object.entries(cases)) {
        await assert.rejects(rewrap(to, source, wrapped, change), decryptionFailed, name)
      }
    }
    assert.equal(operations().length, 14)
    assert.ok(operations().every((operation) => operation === 'ReEncrypt'))
    const other = kmsKeyring({ client, keyId: kms.createKey().arn })
    await assert.rejects(rewrap(to, other, wrapped), decryptionFailed, 'the key is another')
    // KMS opens it, for whoever asks without naming a key: the filter alone refuses.
    const object = await theirs.wrap({ suite: v3, context })
    await assert.rejects(rewrap(to, discovery(), object), decryptionFailed)
    assert.ok(await rewrap(to, discovery({}, ['999999999999']), object))
  })

  test('what is not about the object says which permissions and keys', async () => {
    const both = new RegExp(`key ${old.arn} \\(old\\) and key ${fresh.arn} \\(new\\)`)
    for (const [name, remedy] of [
      ['AccessDeniedException', /kms:ReEncryptFrom on the old key and kms:ReEncryptTo on the new key/],
      ['ThrottlingException', /fewer requests/],
      ['KMSInternalException', /region, endpoint, credentials/],
    ] as const) {
      kms.fail({ code: name, message: 'details of the SDK: context-value' })
      await assert.rejects(rewrap(to, from, wrapped, { newContext }), isKmsError('ReEncrypt', name, remedy, both))
    }
    const none = kmsKeyring({ client, keyId: 'alias/none' })
    const gone = isKmsError('ReEncrypt', 'NotFoundException', /keyId, its account/, /alias\/none/)
    await assert.rejects(rewrap(none, from, wrapped), gone)
    await assert.rejects(rewrap(to, none, wrapped), gone)
    const rsa = kmsKeyring({ client, keyId: kms.createKey({ spec: 'RSA_2048' }).arn })
    const symmetric = isKmsError('ReEncrypt', 'InvalidKeyUsageException', /must be a symmetric/, /./)
    await assert.rejects(rewrap(rsa, from, wrapped), symmetric)
    kms.setKeyState(fresh.arn, 'Disabled')
    await assert.rejects(
      rewrap(to, discovery(), wrapped),
      isKmsError('ReEncrypt', 'DisabledException', /enable it/, /discovery in/),
    )
    kms.setKeyState(fresh.arn, 'Enabled')
    assert.equal(kms.faults.length, 0)
  })

  test("the caller's abort passes unchanged", async () => {
    kms.fail({ delayMs: 60_000 })
    const abort = new AbortController()
    const stopped = assert.rejects(rewrap(to, from, wrapped, { signal: abort.signal }), { name: 'AbortError' })
    while (kms.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    abort.abort()
    await stopped
    await assert.rejects(rewrap(to, from, wrapped, { signal: AbortSignal.abort() }), { name: 'AbortError' })
  })
})
