import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { KmsKey } from './kms-keys.js'

/**
 * The ciphertext blobs of the in-process KMS:
 *
 *   version 0x01 ‖ account id (12 digits) ‖ length of key id (1 byte) ‖ key id ‖ IV (12) ‖ AES-256-GCM ciphertext ‖ tag (16)
 *
 * The additional authenticated data is all before the IV, and the encryption context in a form that no other context
 * has. The region is left out, so that replicas of a multi-region key open each other's blobs.
 */
const version = 1
const ivLength = 12
const tagLength = 16

export type ContextPairs = readonly (readonly [string, string])[]

export function sealBlob(key: KmsKey, context: ContextPairs, plaintext: Uint8Array): Uint8Array {
  const header = blobHeader(key)
  const iv = randomBytes(ivLength)
  const cipher = createCipheriv('aes-256-gcm', key.secrets[0], iv)
  cipher.setAAD(Buffer.concat([header, contextBytes(context)]))
  return Buffer.concat([header, iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

/** Which key made a blob, by what the blob says; `undefined` if this KMS did not make it. */
export function blobKey(blob: Uint8Array): { accountId: string; keyId: string } | undefined {
  const bytes = Buffer.from(blob)
  const length = bytes[13]
  if (bytes[0] !== version || length === undefined) return undefined
  if (bytes.length < 14 + length + ivLength + tagLength) return undefined
  return { accountId: bytes.toString('latin1', 1, 13), keyId: bytes.toString('latin1', 14, 14 + length) }
}

/** `undefined` if the blob was changed or the context is another. */
export function openBlob(key: KmsKey, context: ContextPairs, blob: Uint8Array): Uint8Array | undefined {
  const header = blobHeader(key)
  const bytes = Buffer.from(blob)
  const body = header.length + ivLength
  if (bytes.length < body + tagLength || !bytes.subarray(0, header.length).equals(header)) return undefined
  const aad = Buffer.concat([header, contextBytes(context)])
  // The blob does not say with which of the key's secrets it was made.
  for (const secret of key.secrets) {
    const decipher = createDecipheriv('aes-256-gcm', secret, bytes.subarray(header.length, body), {
      authTagLength: tagLength,
    })
    decipher.setAAD(aad)
    decipher.setAuthTag(bytes.subarray(-tagLength))
    try {
      return Buffer.concat([decipher.update(bytes.subarray(body, -tagLength)), decipher.final()])
    } catch {
      // Another of them, or none.
    }
  }
  return undefined
}

/** Sorted and with the length before every string: {ab: c} and {a: bc} must not be the same. */
export function contextBytes(context: ContextPairs): Uint8Array {
  const strings = context
    .map(([key, value]) => [Buffer.from(key), Buffer.from(value)] as const)
    .sort(([a], [b]) => a.compare(b))
    .flat()
  return Buffer.concat(strings.flatMap((bytes) => [lengthBytes(bytes.length), bytes]))
}

function blobHeader(key: KmsKey): Buffer {
  return Buffer.concat([
    Buffer.from([version]),
    Buffer.from(key.accountId, 'latin1'),
    Buffer.from([key.keyId.length]),
    Buffer.from(key.keyId, 'latin1'),
  ])
}

function lengthBytes(length: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(length)
  return bytes
}
