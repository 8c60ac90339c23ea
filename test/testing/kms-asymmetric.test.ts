import assert from 'node:assert/strict'
import { constants, createPublicKey, publicEncrypt } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import {
  CreateKeyCommand,
  DescribeKeyCommand,
  GenerateDataKeyCommand,
  GetPublicKeyCommand,
  type KMSClient,
  ReEncryptCommand,
  type ReEncryptCommandOutput,
} from '@aws-sdk/client-kms'
import { startKms, type KmsServer } from '../../src/testing/index.js'
import { clientsOf, encrypted, failsWith, opens, plaintext } from './kms-support.js'

let kms: KmsServer
let clients: ReturnType<typeof clientsOf>
let client: KMSClient
let rsa: string
let symmetric: string

before(async () => {
  kms = await startKms()
  clients = clientsOf(kms)
  client = clients.in('us-east-1')
  rsa = kms.createKey({ spec: 'RSA_2048', alias: 'alias/rsa' }).arn
  symmetric = kms.createKey().arn
})
after(async () => {
  clients.destroy()
  await kms.close()
})

const sha1 = 'RSAES_OAEP_SHA_1'
const sha256 = 'RSAES_OAEP_SHA_256'
const EncryptionContext = { a: 'b' }

describe('in-process KMS: RSA keys', () => {
  test('Encrypt and Decrypt, with either hash', async () => {
    for (const EncryptionAlgorithm of [sha1, sha256]) {
      const blob = await encrypted(client, rsa, { EncryptionAlgorithm })
      assert.equal(blob.length, 256)
      assert.equal(await opens(client, blob, { KeyId: 'alias/rsa', EncryptionAlgorithm }), rsa)
      const EncryptionAlgorithm2 = EncryptionAlgorithm === sha1 ? sha256 : sha1
      const other = { KeyId: rsa, EncryptionAlgorithm: EncryptionAlgorithm2 }
      await failsWith('InvalidCiphertextException', opens(client, blob, other))
    }
  })

  test('key and algorithm must be named, and fit together', async () => {
    const blob = await encrypted(client, rsa, { EncryptionAlgorithm: sha256 })
    await failsWith('ValidationException', opens(client, blob, { EncryptionAlgorithm: sha256 }))
    await failsWith('InvalidKeyUsageException', opens(client, blob, { KeyId: rsa }))
    await failsWith('InvalidKeyUsageException', opens(client, blob, { KeyId: symmetric, EncryptionAlgorithm: sha256 }))
    await failsWith('InvalidKeyUsageException', opens(client, blob, { KeyId: rsa, EncryptionAlgorithm: 'SM2PKE' }))
    // Nothing in it says whose it is.
    await failsWith('InvalidCiphertextException', opens(client, blob))
    await failsWith('InvalidKeyUsageException', encrypted(client, rsa))
    await failsWith('InvalidKeyUsageException', encrypted(client, symmetric, { EncryptionAlgorithm: sha256 }))
    const theirs = await encrypted(client, symmetric)
    await failsWith('InvalidCiphertextException', opens(client, theirs, { KeyId: rsa, EncryptionAlgorithm: sha256 }))
  })

  test('no encryption context', async () => {
    const use = { EncryptionAlgorithm: sha256, KeyId: rsa }
    const blob = await encrypted(client, rsa, use)
    await failsWith('ValidationException', encrypted(client, rsa, { ...use, EncryptionContext }))
    await failsWith('ValidationException', opens(client, blob, { ...use, EncryptionContext }))
    await opens(client, blob, { ...use, EncryptionContext: {} })
  })

  test('changed ciphertexts, and those of other keys', async () => {
    const use = { EncryptionAlgorithm: sha256 }
    const blob = await encrypted(client, rsa, use)
    const changed = new Uint8Array(blob)
    changed[100]! ^= 1
    for (const wrong of [changed, blob.slice(1), Uint8Array.from([0, ...blob])]) {
      await failsWith('InvalidCiphertextException', opens(client, wrong, { ...use, KeyId: rsa }))
    }
    const other = kms.createKey({ spec: 'RSA_2048' }).arn
    await failsWith('InvalidCiphertextException', opens(client, blob, { ...use, KeyId: other }))
  })

  test('limits of the plaintext', async () => {
    for (const [EncryptionAlgorithm, maximum] of [
      [sha1, 214],
      [sha256, 190],
    ] as const) {
      const of = (length: number): Promise<unknown> =>
        encrypted(client, rsa, { EncryptionAlgorithm, Plaintext: new Uint8Array(length) })
      await of(maximum)
      await failsWith('ValidationException', of(maximum + 1))
    }
  })

  test('GetPublicKey: what it encrypts outside opens inside', async () => {
    for (const [spec, length] of [
      ['RSA_2048', 256],
      ['RSA_3072', 384],
      ['RSA_4096', 512],
    ] as const) {
      const { arn, keyId } = kms.createKey({ spec })
      const { $metadata, PublicKey, ...found } = await client.send(new GetPublicKeyCommand({ KeyId: keyId }))
      assert.equal($metadata.httpStatusCode, 200)
      assert.deepEqual(found, {
        KeyId: arn,
        CustomerMasterKeySpec: spec,
        KeySpec: spec,
        KeyUsage: 'ENCRYPT_DECRYPT',
        EncryptionAlgorithms: [sha1, sha256],
      })
      const key = createPublicKey({ key: Buffer.from(PublicKey!), format: 'der', type: 'spki' })
      const padding = constants.RSA_PKCS1_OAEP_PADDING
      const blob = publicEncrypt({ key, padding, oaepHash: 'sha256' }, plaintext)
      assert.equal(blob.length, length)
      assert.equal(await opens(client, blob, { KeyId: arn, EncryptionAlgorithm: sha256 }), arn)
    }
    await failsWith('UnsupportedOperationException', client.send(new GetPublicKeyCommand({ KeyId: symmetric })))
    const disabled = kms.createKey({ spec: 'RSA_2048' }).arn
    kms.setKeyState(disabled, 'Disabled')
    await failsWith('DisabledException', client.send(new GetPublicKeyCommand({ KeyId: disabled })))
  })

  test('no data keys', async () => {
    const generate = (more: object = {}): Promise<unknown> =>
      client.send(new GenerateDataKeyCommand({ KeyId: rsa, KeySpec: 'AES_256', ...more }))
    await failsWith('InvalidKeyUsageException', generate())
    await failsWith('InvalidKeyUsageException', generate({ EncryptionContext }))
  })

  test('ReEncrypt to them, from them, and between them', async () => {
    const reEncrypt = (CiphertextBlob: Uint8Array | undefined, more: object): Promise<ReEncryptCommandOutput> =>
      client.send(new ReEncryptCommand({ CiphertextBlob, DestinationKeyId: rsa, ...more }))
    const SourceEncryptionContext = EncryptionContext
    const blob = await encrypted(client, symmetric, { EncryptionContext })
    const to = { DestinationEncryptionAlgorithm: sha1 }
    const there = await reEncrypt(blob, { ...to, SourceEncryptionContext })
    assert.deepEqual(
      [there.SourceKeyId, there.KeyId, there.SourceEncryptionAlgorithm, there.DestinationEncryptionAlgorithm],
      [symmetric, rsa, 'SYMMETRIC_DEFAULT', sha1],
    )
    const source = { SourceKeyId: rsa, SourceEncryptionAlgorithm: sha1 }
    const across = await reEncrypt(there.CiphertextBlob, { ...source, DestinationEncryptionAlgorithm: sha256 })
    assert.equal(await opens(client, across.CiphertextBlob, { KeyId: rsa, EncryptionAlgorithm: sha256 }), rsa)
    const back = { ...source, DestinationKeyId: symmetric, DestinationEncryptionContext: EncryptionContext }
    const again = await reEncrypt(there.CiphertextBlob, back)
    assert.deepEqual([again.SourceEncryptionAlgorithm, again.SourceKeyId, again.KeyId], [sha1, rsa, symmetric])
    assert.equal(await opens(client, again.CiphertextBlob, { EncryptionContext }), symmetric)

    const unnamed = { ...back, SourceKeyId: undefined }
    await failsWith('ValidationException', reEncrypt(there.CiphertextBlob, unnamed))
    const context = { ...source, ...to, SourceEncryptionContext }
    await failsWith('ValidationException', reEncrypt(there.CiphertextBlob, context))
    const bound = { ...to, SourceEncryptionContext, DestinationEncryptionContext: EncryptionContext }
    await failsWith('ValidationException', reEncrypt(blob, bound))
    await failsWith('InvalidKeyUsageException', reEncrypt(blob, { SourceEncryptionContext }))
    await failsWith('InvalidKeyUsageException', reEncrypt(there.CiphertextBlob, { ...to, SourceKeyId: rsa }))
    const long = await encrypted(client, symmetric, { Plaintext: new Uint8Array(215) })
    await failsWith('ValidationException', reEncrypt(long, to))
  })

  test('CreateKey and DescribeKey', async () => {
    const make = (more: object): Promise<{ KeyMetadata?: { KeyId?: string | undefined } | undefined }> =>
      client.send(new CreateKeyCommand({ KeySpec: 'RSA_3072', ...more }))
    const made = await make({ KeyUsage: 'ENCRYPT_DECRYPT' })
    const { KeyMetadata } = await client.send(new DescribeKeyCommand({ KeyId: made.KeyMetadata!.KeyId }))
    assert.deepEqual(KeyMetadata, made.KeyMetadata)
    assert.equal(KeyMetadata?.KeySpec, 'RSA_3072')
    assert.deepEqual(KeyMetadata.EncryptionAlgorithms, [sha1, sha256])
    await failsWith('ValidationException', make({}))
    await failsWith('ValidationException', make({ KeyUsage: 'GENERATE_VERIFY_MAC' }))
    assert.throws(() => kms.createKey({ spec: 'RSA_2048', usage: 'GENERATE_VERIFY_MAC' }), TypeError)
    assert.throws(() => kms.createKey({ spec: 'HMAC_256' }), TypeError)
  })
})
