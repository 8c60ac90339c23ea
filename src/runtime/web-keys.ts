/** WebCrypto's keys. No `node:` modules here: Node uses these functions for its CryptoKeys too. */

import { configError } from '../errors.js'

/** WebCrypto takes views of unshared memory only; it refuses others itself. */
export function webBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>
}

/** ERR_S3CSE_CONFIG where the browser withholds it: pages that are not served securely. */
export function subtle(): SubtleCrypto {
  const { subtle: found } = globalThis.crypto as { subtle?: SubtleCrypto }
  if (found === undefined) throw configError('WebCrypto is missing: it needs a secure context (https or localhost).')
  return found
}

/** By its tag, so that a key of another realm (a worker's, a frame's) counts. */
export function isCryptoKey(value: unknown): value is CryptoKey {
  return Object.prototype.toString.call(value) === '[object CryptoKey]'
}

export async function exportSecretCryptoKey(key: CryptoKey): Promise<Uint8Array> {
  if (key.type !== 'secret') throw new TypeError(`A secret key is needed, not a ${key.type} one.`)
  if (!key.extractable) throw new TypeError('The CryptoKey is not extractable: its bytes are needed.')
  return new Uint8Array(await subtle().exportKey('raw', key))
}
