import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'

/** The two formats once more, as short as node:crypto allows, to hold the library against. Knows no keyrings and no rules. */

export interface Reference {
  readonly version: 'V2' | 'V3'
  readonly dataKey: Uint8Array
  /** 12 bytes in V2, 28 (the message id) in V3. */
  readonly nonce: Uint8Array
}

const v3Iv = Buffer.alloc(12, 1)
const v3Aad = Buffer.from('0073', 'hex')

export function hkdf(dataKey: Uint8Array, messageId: Uint8Array, label: string, length: number): Buffer {
  const info = Buffer.concat([v3Aad, Buffer.from(label, 'ascii')])
  return Buffer.from(hkdfSync('sha512', dataKey, messageId, info, length))
}

export function commitmentOf({ dataKey, nonce }: Reference): Buffer {
  return hkdf(dataKey, nonce, 'COMMITKEY', 28)
}

export function referenceSeal(reference: Reference, plaintext: Uint8Array): Uint8Array {
  const { key, iv, aad } = parameters(reference)
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(aad)
  return Uint8Array.from(Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]))
}

export function referenceOpen(reference: Reference, sealed: Uint8Array): Uint8Array {
  const { key, iv, aad } = parameters(reference)
  const decipher = createDecipheriv('aes-256-gcm', key, iv).setAAD(aad).setAuthTag(sealed.subarray(-16))
  return Uint8Array.from(Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]))
}

function parameters({ version, dataKey, nonce }: Reference): { key: Uint8Array; iv: Uint8Array; aad: Uint8Array } {
  if (version === 'V2') return { key: dataKey, iv: nonce, aad: Buffer.alloc(0) }
  return { key: hkdf(dataKey, nonce, 'DERIVEKEY', 32), iv: v3Iv, aad: v3Aad }
}

/** The metadata of one object, by hand. */
export function referenceMetadata(
  reference: Reference,
  parts: { readonly wrap: string; readonly encryptedDataKey: Uint8Array; readonly map?: string },
): Record<string, string> {
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
  if (reference.version === 'V2') {
    return {
      'x-amz-key-v2': base64(parts.encryptedDataKey),
      'x-amz-iv': base64(reference.nonce),
      'x-amz-cek-alg': 'AES/GCM/NoPadding',
      'x-amz-wrap-alg': parts.wrap,
      'x-amz-matdesc': parts.map ?? '{}',
      'x-amz-tag-len': '128',
    }
  }
  const code = { 'AES/GCM': '02', 'kms+context': '12', 'RSA-OAEP-SHA1': '22' }[parts.wrap]!
  return {
    'x-amz-c': '115',
    'x-amz-3': base64(parts.encryptedDataKey),
    'x-amz-w': code,
    'x-amz-d': base64(commitmentOf(reference)),
    'x-amz-i': base64(reference.nonce),
    ...(parts.map !== undefined && { [code === '12' ? 'x-amz-t' : 'x-amz-m']: parts.map }),
  }
}
