import assert from 'node:assert/strict'
import type { Context, EncryptedDataKey, Keyring, Suite, WrapResult } from '../../src/keyrings/keyring.js'
import { code } from '../support/errors.js'

export const v2: Suite = { id: 0x0072, format: 's3ec', name: 'AES/GCM/NoPadding', keyLength: 32 }
export const v3: Suite = { id: 0x0073, format: 's3ec', name: '115', keyLength: 32 }
export const foreign: Suite = { ...v3, format: 'crypt4gh' }

export function encryptedKey(algorithm: string, ciphertext: Uint8Array): EncryptedDataKey {
  return { algorithm, provider: 'S3Keyring', info: new Uint8Array(0), ciphertext }
}

/** Unwraps what `wrap` gave, with the changes that a test makes. */
export async function unwrap(
  keyring: Keyring,
  wrapped: Pick<WrapResult, 'encryptedDataKeys' | 'context'>,
  change: {
    suite?: Suite
    context?: Context
    encryptedDataKeys?: readonly EncryptedDataKey[]
    signal?: AbortSignal
  } = {},
): Promise<Uint8Array | undefined> {
  const { context, encryptedDataKeys } = wrapped
  return keyring.unwrap({ suite: v3, context, encryptedDataKeys, ...change })
}

export function ciphertextOf(wrapped: Pick<WrapResult, 'encryptedDataKeys'>): Uint8Array {
  assert.equal(wrapped.encryptedDataKeys.length, 1)
  return wrapped.encryptedDataKeys[0]!.ciphertext
}

/** One bit of one byte is changed. */
export function flip(bytes: Uint8Array, at: number): Uint8Array {
  const copy = new Uint8Array(bytes)
  copy[at]! ^= 1 << (at % 8)
  return copy
}

/** ERR_S3CSE_CONFIG, and what its message must say. */
export const config = (message?: RegExp): ((error: unknown) => true) => code('ERR_S3CSE_CONFIG', message)

/** As the formats have it for CBC content: the length of an old data key is what comes out of the wrap. */
export const cbc: Suite = {
  id: 0x0070,
  format: 's3ec',
  name: 'AES/CBC/PKCS5Padding',
  keyLength: 32,
  keyLengths: [16, 24, 32],
}

/** An object's only wrapped key, as storage has it. */
export const stored = (
  algorithm: string,
  ciphertext: Uint8Array,
  context: Context = {},
): Pick<WrapResult, 'context' | 'encryptedDataKeys'> => ({
  context,
  encryptedDataKeys: [encryptedKey(algorithm, new Uint8Array(ciphertext))],
})
