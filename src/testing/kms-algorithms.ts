import { constants, generateKeyPairSync, privateDecrypt, publicEncrypt, type KeyObject } from 'node:crypto'
import { openBlob, sealBlob, type ContextPairs } from './kms-blob.js'
import { kmsFailure } from './kms-error.js'
import { optionalEnum, validation, type KmsInput } from './kms-input.js'
import type { KmsKey } from './kms-keys.js'

export interface RsaPair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

const symmetric = 'SYMMETRIC_DEFAULT'
/** By KMS's name; the hash's name and its length in bytes. MGF1 has the same hash. */
const oaep = {
  RSAES_OAEP_SHA_1: { hash: 'sha1', length: 20 },
  RSAES_OAEP_SHA_256: { hash: 'sha256', length: 32 },
} as const
type Oaep = keyof typeof oaep
type Algorithm = typeof symmetric | Oaep | 'SM2PKE'

const rsaBits: ReadonlyMap<string, number> = new Map([
  ['RSA_2048', 2048],
  ['RSA_3072', 3072],
  ['RSA_4096', 4096],
])

/** `undefined` if the key spec is not RSA. */
export function rsaKeyBits(spec: string): number | undefined {
  return rsaBits.get(spec)
}

export function makeRsaPair(bits: number): RsaPair {
  return generateKeyPairSync('rsa', { modulusLength: bits })
}

/** What a key of this spec encrypts with; none for keys that do not encrypt. */
export function algorithmsOf(spec: string): readonly string[] {
  if (spec === symmetric) return [symmetric]
  return rsaBits.has(spec) ? Object.keys(oaep) : []
}

/** As a request names it; the default is the symmetric one. */
export function encryptionAlgorithm(input: KmsInput, name: string): Algorithm {
  return (
    optionalEnum<Algorithm>(input, name, [symmetric, 'RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256', 'SM2PKE']) ?? symmetric
  )
}

export function isSymmetric(algorithm: string): boolean {
  return algorithm === symmetric
}

/** Only ciphertexts of symmetric keys authenticate a context. */
export function checkAlgorithm(key: KmsKey, algorithm: Algorithm, context: ContextPairs): void {
  if (!algorithmsOf(key.spec).includes(algorithm)) {
    throw kmsFailure('InvalidKeyUsageException', `Algorithm ${algorithm} is not valid for key spec ${key.spec}.`)
  }
  if (!isSymmetric(algorithm) && context.length > 0) {
    throw validation('EncryptionContext is not supported for asymmetric keys')
  }
}

export function sealWith(key: KmsKey, algorithm: Algorithm, context: ContextPairs, plaintext: Uint8Array): Uint8Array {
  if (!isOaep(algorithm)) return sealBlob(key, context, plaintext)
  const { hash, length } = oaep[algorithm]
  const maximum = (rsaBits.get(key.spec) ?? 0) / 8 - 2 * length - 2
  if (plaintext.length > maximum) {
    throw validation(`${algorithm} with key spec ${key.spec} encrypts at most ${maximum} bytes`)
  }
  return publicEncrypt(padded(key.rsaPair().publicKey, hash), plaintext)
}

/** `undefined` if the ciphertext is not this key's, was changed, or has another context. */
export function openWith(
  key: KmsKey,
  algorithm: Algorithm,
  context: ContextPairs,
  blob: Uint8Array,
): Uint8Array | undefined {
  if (!isOaep(algorithm)) return openBlob(key, context, blob)
  try {
    return privateDecrypt(padded(key.rsaPair().privateKey, oaep[algorithm].hash), blob)
  } catch {
    return undefined
  }
}

function isOaep(algorithm: Algorithm): algorithm is Oaep {
  return Object.hasOwn(oaep, algorithm)
}

function padded(key: KeyObject, oaepHash: string): { key: KeyObject; padding: number; oaepHash: string } {
  return { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }
}
