import { runtime } from '#runtime'
import { crypt4ghRuntime } from '#runtime/crypt4gh'
import { isBytes } from '../bytes/is-bytes.js'
import { configError } from '../errors.js'

/** X25519 keys (RFC 7748), 32 bytes each. */
export interface KeyPair {
  readonly secretKey: Uint8Array
  readonly publicKey: Uint8Array
}

/** A new pair for Crypt4GH. */
export async function generateKeyPair(): Promise<KeyPair> {
  const secretKey = runtime.randomBytes(32)
  return { secretKey, publicKey: await publicKeyOf(secretKey) }
}

/**
 * The public key of 32 bytes that belongs to a secret one.
 *
 * @throws CseError `ERR_S3CSE_CONFIG` for anything but a Uint8Array of 32 bytes.
 */
export async function publicKeyOf(secretKey: Uint8Array): Promise<Uint8Array> {
  checkKey('publicKeyOf', 'the secret key', secretKey)
  return crypt4ghRuntime.x25519PublicKey(secretKey)
}

export function checkKey(owner: string, what: string, key: unknown): asserts key is Uint8Array {
  if (!isBytes(key) || key.length !== 32) throw configError(`${owner}: ${what} must be a Uint8Array of 32 bytes`)
}
