import { EncryptCommand } from '@aws-sdk/client-kms'
import { constants, createCipheriv, createPrivateKey, createPublicKey, publicEncrypt } from 'node:crypto'
import { readFileSync } from 'node:fs'

import { aesKeyring, rsaKeyring } from '../../src/index.js'
import type { EncryptionOptions, Keyring } from '../../src/index.js'
import { kmsKeyring } from '../../src/kms.js'
import type { KmsServer } from '../../src/testing/index.js'
import { base64, kmsWorld, readsAll } from './support.js'

/** Objects of the first generation of clients, made with node:crypto alone. Keys are fixed: outcomes that hang on chance are the same each time. */

export const cbcName = 'AES/CBC/PKCS5Padding'
export const gcmName = 'AES/GCM/NoPadding'
export const oaep256Name = 'RSA/ECB/OAEPWithSHA-256AndMGF1Padding'

/** Every switch that reading has. */
export const allOn: Pick<EncryptionOptions, 'commitmentPolicy' | 'legacy'> = {
  commitmentPolicy: readsAll,
  legacy: { wrapping: true, content: true },
}

export const wrappingKey: Uint8Array = new Uint8Array(32).fill(7)
const otherWrappingKey = new Uint8Array(32).fill(8)

/** AES/ECB; without `padded` of whole blocks. */
export function ecb(key: Uint8Array, bytes: Uint8Array, padded = true): Buffer {
  const cipher = createCipheriv(`aes-${key.length * 8}-ecb`, key, null).setAutoPadding(padded)
  return Buffer.concat([cipher.update(bytes), cipher.final()])
}

/** AES-CBC with PKCS#7; without `padded` of whole blocks. */
export function cbc(key: Uint8Array, iv: Uint8Array, bytes: Uint8Array, padded = true): Buffer {
  const cipher = createCipheriv(`aes-${key.length * 8}-cbc`, key, iv).setAutoPadding(padded)
  return Buffer.concat([cipher.update(bytes), cipher.final()])
}

export function gcm(key: Uint8Array, iv: Uint8Array, bytes: Uint8Array): Buffer {
  const cipher = createCipheriv(`aes-${key.length * 8}-gcm` as 'aes-256-gcm', key, iv)
  return Buffer.concat([cipher.update(bytes), cipher.final(), cipher.getAuthTag()])
}

const [pemA, pemB] = vectorKeys()
const publicKey = createPublicKey(pemA)
export const rsa: Keyring = rsaKeyring({ privateKey: createPrivateKey(pemA), publicKey })
const otherRsa = rsaKeyring({ privateKey: createPrivateKey(pemB) })

/** RSA without padding: a block of 256 bytes, whatever is in it. */
export function rawRsa(block: Uint8Array): Buffer {
  return publicEncrypt({ key: publicKey, padding: constants.RSA_NO_PADDING }, block)
}

/** PKCS#1 v1.5 with padding that is always the same. */
export function pkcs1(dataKey: Uint8Array): Buffer {
  return rawRsa(Buffer.concat([Buffer.of(0, 2), Buffer.alloc(256 - 3 - dataKey.length, 0xa5), Buffer.of(0), dataKey]))
}

export function without(values: Readonly<Record<string, string>>, key: string): Record<string, string> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => name !== key))
}

/** Whether a ciphertext is a number that the key, or the other one, can decrypt at all: anyone can see that. */
export function isBelowModulus(ciphertext: Uint8Array, ofOther = false): boolean {
  const { n = '' } = createPublicKey(ofOther ? pemB : pemA).export({ format: 'jwk' })
  return Buffer.compare(ciphertext, Buffer.from(n, 'base64url')) < 0
}

function vectorKeys(): [string, string] {
  const file = new URL('../vectors/s3ec/aws-java-sdk-s3-1.12.797.json', import.meta.url)
  const { keys } = JSON.parse(readFileSync(file, 'utf8')) as {
    keys: Record<'rsa-a' | 'rsa-b', { privateKeyPem: string }>
  }
  return [keys['rsa-a'].privateKeyPem, keys['rsa-b'].privateKeyPem]
}

/** A legacy wrap, with the real keyring. */
export interface LegacyKind {
  readonly wrap: 'AES' | 'RSA' | 'AESWrap' | typeof oaep256Name | 'kms'
  readonly version: 'V1' | 'V2'
  /** The contents that its writers used. */
  readonly contents: readonly (typeof cbcName | typeof gcmName)[]
  readonly keyring: Keyring
  /** Another key of the same kind. */
  readonly other: Keyring
  /** As it is stored. */
  readonly map: string
  seal(dataKey: Uint8Array): Promise<Buffer> | Buffer
}

/** All of them, over a KMS that is closed when the tests of the file are done. */
export async function legacyKinds(): Promise<{ kinds: readonly LegacyKind[]; kms: KmsServer; keyArn: string }> {
  const { kms, client } = await kmsWorld()
  const [{ arn: keyArn }, { arn: otherArn }] = [kms.createKey(), kms.createKey()]
  const aes = { keyring: aesKeyring({ wrappingKey }), other: aesKeyring({ wrappingKey: otherWrappingKey }), map: '{}' }
  const withRsa = { keyring: rsa, other: otherRsa, map: '{}' }
  const context = { kms_cmk_id: keyArn }
  const oaep = { key: publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }
  const kinds: LegacyKind[] = [
    { ...aes, wrap: 'AES', version: 'V1', contents: [cbcName], seal: (dataKey) => ecb(wrappingKey, dataKey) },
    { ...withRsa, wrap: 'RSA', version: 'V1', contents: [cbcName], seal: pkcs1 },
    { ...aes, wrap: 'AESWrap', version: 'V2', contents: [gcmName, cbcName], seal: rfc3394 },
    {
      ...withRsa,
      wrap: oaep256Name,
      version: 'V2',
      contents: [gcmName],
      seal: (dataKey) => publicEncrypt(oaep, dataKey),
    },
    {
      wrap: 'kms',
      version: 'V2',
      contents: [gcmName, cbcName],
      keyring: kmsKeyring({ client, keyId: keyArn }),
      other: kmsKeyring({ client, keyId: otherArn }),
      map: JSON.stringify(context),
      async seal(dataKey) {
        const input = { KeyId: keyArn, Plaintext: dataKey, EncryptionContext: context }
        return Buffer.from((await client.send(new EncryptCommand(input))).CiphertextBlob!)
      },
    },
  ]
  return { kinds, kms, keyArn }
}

function rfc3394(dataKey: Uint8Array): Buffer {
  const cipher = createCipheriv('id-aes256-wrap', wrappingKey, Buffer.alloc(8, 0xa6))
  return Buffer.concat([cipher.update(dataKey), cipher.final()])
}

/** The metadata of such an object, or the members of its instruction file. */
export function legacyMetadata(
  { version, wrap, map }: Pick<LegacyKind, 'version' | 'wrap' | 'map'>,
  content: string,
  encryptedDataKey: Uint8Array,
  iv: Uint8Array,
): Record<string, string> {
  if (version === 'V1') {
    return { 'x-amz-key': base64(encryptedDataKey), 'x-amz-iv': base64(iv), 'x-amz-matdesc': map }
  }
  return {
    'x-amz-key-v2': base64(encryptedDataKey),
    'x-amz-iv': base64(iv),
    'x-amz-cek-alg': content,
    'x-amz-wrap-alg': wrap,
    'x-amz-matdesc': map,
    ...(content === gcmName && { 'x-amz-tag-len': '128' }),
  }
}
