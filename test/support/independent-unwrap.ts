import { constants, createDecipheriv, createHash, privateDecrypt, type KeyObject } from 'node:crypto'
import type { Envelope, Keys } from './independent-reader.js'

/** The wraps of the S3 encryption clients with node:crypto alone; see independent-reader.ts. */

type PrivateKey = string | KeyObject

/** A data key from each wrapping key that gives one. The content decides which is right. */
export function* dataKeys(envelope: Envelope, keys: Keys): Generator<Uint8Array> {
  for (const attempt of attempts(envelope, keys)) {
    let dataKey: Uint8Array | undefined
    try {
      dataKey = attempt()
    } catch {
      continue
    }
    if (dataKey !== undefined && [16, 24, 32].includes(dataKey.length)) yield dataKey
  }
}

type Attempt = () => Uint8Array | undefined

function attempts(envelope: Envelope, { aes = [], rsa = [], kms }: Keys): Attempt[] {
  const { wrap, encryptedDataKey: wrapped, content, map } = envelope
  const secret = (unwrap: (key: Uint8Array) => Uint8Array): Attempt[] => aes.map((key) => () => unwrap(key))
  const pair = (unwrap: (key: PrivateKey) => Uint8Array): Attempt[] => rsa.map((key) => () => unwrap(key))
  switch (wrap) {
    case undefined:
      return wrapped.length > 48 ? pair((key) => pkcs1(key, wrapped)) : secret((key) => ecb(key, wrapped))
    case 'AES':
      return secret((key) => ecb(key, wrapped))
    case 'RSA':
      return pair((key) => pkcs1(key, wrapped))
    case 'AESWrap':
      return secret((key) => rfc3394(key, wrapped))
    case 'AES/GCM':
      return secret((key) => decryptGcm(key, wrapped.subarray(0, 12), Buffer.from(content), wrapped.subarray(12)))
    case 'RSA-OAEP-SHA1':
      return pair((key) => boundToContent(oaepSha1(key, wrapped), content))
    case 'RSA/ECB/OAEPWithSHA-256AndMGF1Padding':
      return (['sha1', 'sha256'] as const).flatMap((mgf) => pair((key) => oaepSha256(key, wrapped, mgf)))
    case 'kms':
      return [() => kms?.(wrapped, map)]
    case 'kms+context':
      return map['aws:x-amz-cek-alg'] === content ? [() => kms?.(wrapped, map)] : []
    default:
      throw new Error(`an unknown wrap: ${wrap}`)
  }
}

function ecb(key: Uint8Array, wrapped: Uint8Array): Buffer {
  const decipher = createDecipheriv(`aes-${key.length * 8}-ecb`, key, null)
  return Buffer.concat([decipher.update(wrapped), decipher.final()])
}

function rfc3394(key: Uint8Array, wrapped: Uint8Array): Buffer {
  const decipher = createDecipheriv(`id-aes${key.length * 8}-wrap`, key, Buffer.alloc(8, 0xa6))
  return Buffer.concat([decipher.update(wrapped), decipher.final()])
}

function oaepSha1(key: PrivateKey, wrapped: Uint8Array): Buffer {
  return privateDecrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }, wrapped)
}

/** Length of the data key in one byte, data key, and the name of the content algorithm, which must be the object's. */
function boundToContent(block: Buffer, content: string): Buffer {
  const length = block[0] ?? 0
  if (block.subarray(1 + length).toString('latin1') !== content) throw new Error('bound to another content')
  return block.subarray(1, 1 + length)
}

/** RFC 8017 section 5.1.2, and nothing of the padding. */
function raw(key: PrivateKey, wrapped: Uint8Array): Buffer {
  return privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, wrapped)
}

/** RFC 8017 section 7.2.2. */
function pkcs1(key: PrivateKey, wrapped: Uint8Array): Buffer {
  const block = raw(key, wrapped)
  const zero = block.indexOf(0, 2)
  if (block[0] !== 0 || block[1] !== 2 || zero < 10) throw new Error('no PKCS #1 v1.5')
  return block.subarray(zero + 1)
}

/** RFC 8017 section 7.1.2 with an empty label: SHA-256, and a mask of its own (Node has one hash for both). */
function oaepSha256(key: PrivateKey, wrapped: Uint8Array, mgf: 'sha1' | 'sha256'): Buffer {
  const block = raw(key, wrapped)
  const labelHash = createHash('sha256').digest()
  const size = labelHash.length
  const [maskedSeed, maskedData] = [block.subarray(1, 1 + size), block.subarray(1 + size)]
  const seed = xor(maskedSeed, mask(mgf, maskedData, size))
  const data = xor(maskedData, mask(mgf, seed, maskedData.length))
  const one = data.findIndex((byte, index) => index >= size && byte !== 0)
  if (block[0] !== 0 || !data.subarray(0, size).equals(labelHash) || data[one] !== 1) throw new Error('no OAEP')
  return data.subarray(one + 1)
}

/** MGF1, RFC 8017 appendix B.2.1. */
function mask(hash: string, seed: Uint8Array, length: number): Buffer {
  const blocks: Buffer[] = []
  for (let i = 0; Buffer.concat(blocks).length < length; i++) {
    const counter = Buffer.alloc(4)
    counter.writeUInt32BE(i)
    blocks.push(createHash(hash).update(seed).update(counter).digest())
  }
  return Buffer.concat(blocks).subarray(0, length)
}

function xor(a: Uint8Array, b: Uint8Array): Buffer {
  return Buffer.from(a.map((byte, index) => byte ^ (b[index] ?? 0)))
}

/** With the tag at the end. */
export function decryptGcm(key: Uint8Array, iv: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Buffer {
  if (sealed.length < 16) throw new Error('no room for a tag')
  const algorithm = `aes-${key.length * 8}-gcm` as 'aes-256-gcm'
  const decipher = createDecipheriv(algorithm, key, iv, { authTagLength: 16 })
  decipher.setAAD(aad).setAuthTag(sealed.subarray(-16))
  return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()])
}
