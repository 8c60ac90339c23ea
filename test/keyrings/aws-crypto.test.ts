import {
  KmsKeyringNode,
  KmsHierarchicalKeyRingNode,
  MultiKeyringNode,
  RawAesKeyringNode,
  RawAesWrappingSuiteIdentifier,
  RawRsaKeyringNode,
} from '@aws-crypto/client-node'
import { BranchKeyStoreNode } from '@aws-crypto/branch-keystore-node'
import {
  KeyringNode,
  NodeDecryptionMaterial,
  NodeEncryptionMaterial,
  type EncryptedDataKey as TheirDataKey,
} from '@aws-crypto/material-management-node'
import { DynamoDBClient, GetItemCommand, type AttributeValue } from '@aws-sdk/client-dynamodb'
import { DecryptCommand, EncryptCommand, GenerateDataKeyCommand, type KMSClient } from '@aws-sdk/client-kms'
import { mockClient } from 'aws-sdk-client-mock'
import assert from 'node:assert/strict'
import { constants, generateKeyPairSync, randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { aesKeyring } from '../../src/keyrings/aes.js'
import { fromAwsCryptoKeyring } from '../../src/keyrings/aws-crypto.js'
import type { Keyring } from '../../src/keyrings/keyring.js'
import { kmsKeyring } from '../../src/keyrings/kms.js'
import { multiKeyring } from '../../src/keyrings/multi.js'
import { rsaKeyring, type RsaKeyringOptions } from '../../src/keyrings/rsa.js'
import { isWiped } from './caching-support.js'
import {
  esdkKey,
  opens,
  recordedKms,
  requestOf,
  signed,
  simpleKms,
  suite,
  suiteOf,
  toHex,
  vectorKeys,
  vectorsFor,
  withoutKdf,
} from './esdk-support.js'
import { config, foreign, v3 } from './support.js'

const names = { keyNamespace: 'ours', keyName: 'one' }
const context = { tenant: 'a', ключ: '🔑' }
const wrappingKey = Uint8Array.from(randomBytes(32))

/** Their keyring wipes the key that it gets. */
const theirAes = (key: Uint8Array, { keyNamespace, keyName } = names): RawAesKeyringNode =>
  new RawAesKeyringNode({
    keyNamespace,
    keyName,
    unencryptedMasterKey: Uint8Array.from(key),
    wrappingSuite: {
      16: RawAesWrappingSuiteIdentifier.AES128_GCM_IV12_TAG16_NO_PADDING,
      24: RawAesWrappingSuiteIdentifier.AES192_GCM_IV12_TAG16_NO_PADDING,
      32: RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
    }[key.length as 16 | 24 | 32],
    utf8Sorting: true,
  })

/** Both ways, for several suites: what one wraps the other opens, and with another context neither does. */
async function exchange(ours: Keyring, theirs: KeyringNode, bindsContext = true): Promise<void> {
  const adapted = fromAwsCryptoKeyring(theirs)
  for (const one of [suite, signed, withoutKdf, suiteOf(0x0014), suiteOf(0x0346)]) {
    for (const [writer, reader] of [
      [ours, adapted],
      [adapted, ours],
      [adapted, adapted],
    ] as const) {
      const { dataKey, encryptedDataKeys, context: stored } = await writer.wrap({ suite: one, context })
      assert.deepEqual({ ...stored }, context)
      assert.equal(dataKey.length, one.keyLength)
      assert.deepEqual(await reader.unwrap({ suite: one, context, encryptedDataKeys }), dataKey)
      if (!bindsContext) continue
      assert.equal(await reader.unwrap({ suite: one, context: { tenant: 'b' }, encryptedDataKeys }), undefined)
    }
  }
}

/** The key store of the vectors: a table and the recorded answers of KMS. */
function hierarchical(branchKeyId: string): { keyring: KmsHierarchicalKeyRingNode; reads: () => number } {
  const { tableName, logicalKeyStoreName, kmsKeyArn, items } = vectorKeys.hierarchy as unknown as {
    tableName: string
    logicalKeyStoreName: string
    kmsKeyArn: string
    items: readonly Readonly<Record<string, { S?: string; N?: string; B?: string }>>[]
  }
  const ddbClient = new DynamoDBClient({ region: 'us-east-1' })
  const table = mockClient(ddbClient)
  table.on(GetItemCommand, { TableName: tableName }).callsFake(({ Key }: GetItemCommand['input']) => {
    const found = items.find((item) => ['branch-key-id', 'type'].every((name) => item[name]?.S === Key?.[name]?.S))
    if (found === undefined) return {}
    const Item = Object.fromEntries(
      Object.entries(found).map(([name, { S, N, B }]) => [
        name,
        (S !== undefined ? { S } : N !== undefined ? { N } : { B: Buffer.from(B!, 'base64') }) as AttributeValue,
      ]),
    )
    return { Item }
  })
  const keyStore = new BranchKeyStoreNode({
    logicalKeyStoreName,
    storage: { ddbTableName: tableName, ddbClient },
    kmsConfiguration: { identifier: kmsKeyArn },
    keyManagement: { kmsClient: recordedKms().client },
  })
  const keyring = new KmsHierarchicalKeyRingNode({ branchKeyId, keyStore, cacheLimitTtl: 60, utf8Sorting: true })
  return { keyring, reads: () => table.calls().length }
}

/** The form of client that theirs wants. */
const aggregated = (client: KMSClient): never =>
  ({
    config: client.config,
    generateDataKey: async (input: GenerateDataKeyCommand['input']) => client.send(new GenerateDataKeyCommand(input)),
    encrypt: async (input: EncryptCommand['input']) => client.send(new EncryptCommand(input)),
    decrypt: async (input: DecryptCommand['input']) => client.send(new DecryptCommand(input)),
  }) as never

/** Some of their classes are made by functions, so that their types do not say what they extend. */
function keyringNode(keyring: unknown): KeyringNode {
  assert.ok(keyring instanceof KeyringNode)
  return keyring
}

describe('fromAwsCryptoKeyring', () => {
  test('raw AES, both ways', async () => {
    for (const length of [16, 24, 32]) {
      const key = Uint8Array.from(randomBytes(length))
      await exchange(aesKeyring({ wrappingKey: key, ...names }), theirAes(key))
    }
  })

  test('raw RSA, both ways', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    })
    for (const hash of ['sha1', 'sha256', 'sha384', 'sha512'] as const) {
      const padding = `OAEP_${hash.toUpperCase()}` as NonNullable<RsaKeyringOptions['padding']>
      const theirs = new RawRsaKeyringNode({
        ...names,
        rsaKey: { publicKey, privateKey },
        padding: constants.RSA_PKCS1_OAEP_PADDING,
        oaepHash: hash,
      })
      await exchange(rsaKeyring({ publicKey, privateKey, ...names, padding }), theirs, false)
    }
  })

  test('KMS, both ways', async () => {
    const arn = 'arn:aws:kms:us-east-1:123456789012:key/942f61da-7e23-44b4-965f-2ed93e7c0606'
    const { client } = simpleKms(arn)
    const theirs = new KmsKeyringNode({ generatorKeyId: arn, clientProvider: () => aggregated(client) })
    await exchange(kmsKeyring({ client, keyId: arn }), keyringNode(theirs))
  })

  test('vectors under raw AES keys', async () => {
    const vectors = vectorsFor((id) => vectorKeys[id]?.type === 'raw-aes', 300)
    for (const [vector, id] of vectors.filter(([{ id }], i) => i % 10 === 0 && !id.startsWith('js5-localeaad'))) {
      const { namespace, name, key } = vectorKeys[id]!
      const theirs = theirAes(Buffer.from(key, 'hex'), { keyNamespace: namespace, keyName: name })
      await opens(fromAwsCryptoKeyring(theirs), vector)
    }
  })

  test('the hierarchical keyring: its vectors, its own wraps, and one read of the key store for many', async () => {
    const vectors = vectorsFor((id) => id === 'hierarchy', 5)
    for (const [vector] of vectors) {
      const { keyring } = hierarchical(Buffer.from(vector.edks[0]!.providerInfo, 'hex').toString())
      await opens(fromAwsCryptoKeyring(keyring), vector)
    }
    const { keyring, reads } = hierarchical('tenant-1')
    const adapted = fromAwsCryptoKeyring(keyring)
    const before = reads()
    for (let i = 0; i < 3; i++) {
      const { dataKey, encryptedDataKeys } = await adapted.wrap({ suite, context })
      assert.equal(encryptedDataKeys[0]!.provider, 'aws-kms-hierarchy')
      assert.deepEqual(await adapted.unwrap({ suite, context, encryptedDataKeys }), dataKey)
      assert.equal(await adapted.unwrap({ suite, context: {}, encryptedDataKeys }), undefined)
    }
    assert.equal(reads() - before, 2)
  })

  test('as one of several: it wraps the data key of ours, and ours wraps the data key of theirs', async () => {
    const ours = aesKeyring({ wrappingKey, ...names })
    const theirs = fromAwsCryptoKeyring(hierarchical('tenant-1').keyring)
    for (const multi of [
      multiKeyring({ generator: ours, children: [theirs] }),
      multiKeyring({ generator: theirs, children: [ours] }),
    ]) {
      const { dataKey, encryptedDataKeys } = await multi.wrap({ suite, context })
      assert.equal(encryptedDataKeys.length, 2)
      for (const one of [ours, theirs]) {
        assert.deepEqual(await one.unwrap({ suite, context, encryptedDataKeys }), dataKey)
      }
    }
    const dataKey = Uint8Array.from(randomBytes(32))
    const before = toHex(dataKey)
    const wrapped = await theirs.wrap({ suite, context, dataKey })
    assert.deepEqual([toHex(dataKey), toHex(wrapped.dataKey)], [before, before])
  })

  test('their multi-keyring, with its order', async () => {
    const [one, two] = [randomBytes(32), randomBytes(32)]
    const second = { keyNamespace: 'ours', keyName: 'two' }
    const theirs = new MultiKeyringNode({ generator: theirAes(one), children: [theirAes(two, second)] })
    const { dataKey, encryptedDataKeys } = await fromAwsCryptoKeyring(theirs).wrap({ suite, context })
    const infos = encryptedDataKeys.map(({ info }) => Buffer.from(info).subarray(0, 3).toString())
    assert.deepEqual(infos, ['one', 'two'])
    const ours = [aesKeyring({ wrappingKey: one, ...names }), aesKeyring({ wrappingKey: two, ...second })]
    for (const keyring of ours) assert.deepEqual(await keyring.unwrap({ suite, context, encryptedDataKeys }), dataKey)
  })

  test('not ours: another key, no data key, data keys that they cannot have; a good one among them is found', async () => {
    const adapted = fromAwsCryptoKeyring(theirAes(wrappingKey))
    const { dataKey, encryptedDataKeys } = await adapted.wrap({ suite, context })
    const request = { suite, context, encryptedDataKeys }
    assert.equal(await fromAwsCryptoKeyring(theirAes(randomBytes(32))).unwrap(request), undefined)
    assert.equal(await adapted.unwrap({ ...request, encryptedDataKeys: [] }), undefined)
    const { info } = encryptedDataKeys[0]!
    const odd = [
      esdkKey('', info, new Uint8Array(9)),
      esdkKey('ours', '', new Uint8Array(9)),
      esdkKey('ours', info, new Uint8Array(0)),
    ]
    assert.equal(await adapted.unwrap({ ...request, encryptedDataKeys: odd }), undefined)
    assert.deepEqual(await adapted.unwrap({ ...request, encryptedDataKeys: [...odd, ...encryptedDataKeys] }), dataKey)
    const [vector] = vectorsFor((id) => id === 'hierarchy', 1)[0]!
    assert.equal(await adapted.unwrap(requestOf(vector)), undefined)
  })

  test('what a keyring throws: undefined when reading, itself when writing; their copy of the data key is wiped', async () => {
    const error = new Error('no permission')
    const materials: (NodeEncryptionMaterial | NodeDecryptionMaterial)[] = []
    class Failing extends KeyringNode {
      async _onEncrypt(material: NodeEncryptionMaterial): Promise<NodeEncryptionMaterial> {
        materials.push(material)
        throw error
      }
      async _onDecrypt(material: NodeDecryptionMaterial): Promise<NodeDecryptionMaterial> {
        materials.push(material)
        throw error
      }
    }
    const adapted = fromAwsCryptoKeyring(new Failing())
    const dataKey = Uint8Array.from(randomBytes(32))
    await assert.rejects(async () => adapted.wrap({ suite, context, dataKey }), error)
    assert.ok(!isWiped(dataKey))
    const stored = { suite, context, encryptedDataKeys: [esdkKey('ours', 'one', new Uint8Array(9))] }
    assert.equal(await adapted.unwrap(stored), undefined)
    const working = theirAes(wrappingKey)
    class Watching extends KeyringNode {
      async _onEncrypt(material: NodeEncryptionMaterial): Promise<NodeEncryptionMaterial> {
        materials.push(material)
        return await working.onEncrypt(material)
      }
      async _onDecrypt(material: NodeDecryptionMaterial, keys: TheirDataKey[]): Promise<NodeDecryptionMaterial> {
        materials.push(material)
        return await working.onDecrypt(material, keys)
      }
    }
    const watched = fromAwsCryptoKeyring(new Watching())
    const wrapped = await watched.wrap({ suite, context })
    assert.deepEqual(await watched.unwrap({ suite, ...wrapped }), wrapped.dataKey)
    assert.equal(materials.length, 4)
    for (const material of materials) {
      assert.equal(material.hasUnencryptedDataKey, false)
      assert.throws(() => material.getUnencryptedDataKey(), /has been zeroed/)
    }
  })

  test('a keyring that wraps nothing is a CONFIG error', async () => {
    class Idle extends KeyringNode {
      async _onEncrypt(material: NodeEncryptionMaterial): Promise<NodeEncryptionMaterial> {
        return material
      }
      async _onDecrypt(material: NodeDecryptionMaterial): Promise<NodeDecryptionMaterial> {
        return material
      }
    }
    const adapted = fromAwsCryptoKeyring(new Idle())
    await assert.rejects(async () => adapted.wrap({ suite, context }), config(/cannot write/))
    await assert.rejects(async () => adapted.wrap({ suite, context, dataKey: randomBytes(32) }), config(/cannot write/))
    assert.equal(await adapted.unwrap({ suite, context, encryptedDataKeys: [] }), undefined)
  })

  test('an abort is thrown, not passed off as a message of others', async () => {
    const adapted = fromAwsCryptoKeyring(theirAes(wrappingKey))
    const { encryptedDataKeys } = await adapted.wrap({ suite, context })
    const signal = AbortSignal.abort()
    await assert.rejects(async () => adapted.wrap({ suite, context, signal }), { name: 'AbortError' })
    await assert.rejects(async () => adapted.unwrap({ suite, context, encryptedDataKeys, signal }), {
      name: 'AbortError',
    })
  })

  test('misuse is a CONFIG error: at the call what is no such keyring, later another format, suite or data key', async () => {
    const lookalike = { onEncrypt: () => undefined, onDecrypt: () => undefined }
    for (const wrong of [undefined, {}, lookalike, aesKeyring({ wrappingKey, ...names })]) {
      assert.throws(() => fromAwsCryptoKeyring(wrong as never), config(/must be one of @aws-crypto/))
    }
    const adapted = fromAwsCryptoKeyring(theirAes(wrappingKey))
    assert.deepEqual(adapted.algorithms, ['esdk'])
    assert.ok(Object.isFrozen(adapted))
    const wrongSuites = [v3, foreign, { ...suite, id: 0x0073 }, { ...suite, id: 0x0014 }, { ...suite, keyLength: 16 }]
    for (const one of wrongSuites) {
      await assert.rejects(async () => adapted.wrap({ suite: one, context }), config())
      await assert.rejects(async () => adapted.unwrap({ suite: one, context, encryptedDataKeys: [] }), config())
    }
    await assert.rejects(async () => adapted.wrap({ suite, context, dataKey: randomBytes(16) }), config(/32 bytes/))
    await assert.rejects(async () => adapted.wrap({ suite, context, algorithm: 'kms' }), config(/writes esdk/))
  })
})
