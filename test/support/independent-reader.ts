import { createDecipheriv, hkdfSync, timingSafeEqual, type KeyObject } from 'node:crypto'
import { dataKeys, decryptGcm } from './independent-unwrap.js'

/**
 * The formats V1, V2 and V3 of the S3 encryption clients once more, from their description and with node:crypto alone:
 * the judge of what the library writes. It imports nothing of the library, knows no policy, and reads everything.
 */

export interface StoredObject {
  /** User metadata without `x-amz-meta-`, names in lower case. */
  readonly metadata: Readonly<Record<string, string>>
  readonly body: Uint8Array
  /** The text of the instruction file, where the object has one. */
  readonly instructionFile?: string | undefined
}

/** Every key of a kind is tried. */
export interface Keys {
  readonly aes?: readonly Uint8Array[]
  /** Private keys. */
  readonly rsa?: readonly (string | KeyObject)[]
  /** What KMS Decrypt answers; undefined: it refuses. */
  readonly kms?: (blob: Uint8Array, context: Readonly<Record<string, string>>) => Uint8Array | undefined
}

export type Format = 'V1' | 'V2' | 'V3'

export interface Envelope {
  readonly format: Format
  readonly content: string
  /** The name that V2 has for it; undefined in V1. */
  readonly wrap: string | undefined
  readonly encryptedDataKey: Buffer
  /** Materials description or encryption context. */
  readonly map: Readonly<Record<string, string>>
  readonly values: Readonly<Record<string, string>>
}

export const LENGTH = 'x-amz-unencrypted-content-length'
export const GCM = 'AES/GCM/NoPadding'
export const COMMITTING = '115'
export const CBC = 'AES/CBC/PKCS5Padding'

/** The keys of each format, and what stands on the object where the rest is in an instruction file. */
export const FORMATS: Readonly<
  Record<Format, { readonly keys: readonly string[]; readonly onObject: readonly string[] }>
> = {
  V1: { keys: ['x-amz-key', 'x-amz-iv', 'x-amz-matdesc'], onObject: [] },
  V2: {
    keys: ['x-amz-key-v2', 'x-amz-iv', 'x-amz-cek-alg', 'x-amz-wrap-alg', 'x-amz-matdesc', 'x-amz-tag-len'],
    onObject: [],
  },
  V3: {
    keys: ['x-amz-c', 'x-amz-3', 'x-amz-w', 'x-amz-d', 'x-amz-i', 'x-amz-m', 'x-amz-t'],
    onObject: ['x-amz-c', 'x-amz-d', 'x-amz-i'],
  },
}
export const ALL_KEYS: ReadonlySet<string> = new Set(Object.values(FORMATS).flatMap(({ keys }) => keys))

const V3_WRAPS: Readonly<Record<string, string>> = { '02': 'AES/GCM', '12': 'kms+context', '22': 'RSA-OAEP-SHA1' }

/** The plaintext. Throws whatever goes wrong; there is no promise about the error. */
export function readStored(stored: StoredObject, keys: Keys): Buffer {
  const envelope = envelopeOf(stored)
  for (const dataKey of dataKeys(envelope, keys)) {
    try {
      return decryptContent(envelope, dataKey, stored.body)
    } catch {
      // another key may be the right one
    }
  }
  throw new Error('no key opens the object')
}

/** What metadata and instruction file say together. */
export function envelopeOf({ metadata, instructionFile }: StoredObject): Envelope {
  const onObject = Object.entries(metadata).filter(([name]) => ALL_KEYS.has(name))
  const inFile = instructionFile === undefined ? [] : fileEntries(instructionFile)
  const values = Object.fromEntries([...onObject, ...inFile])
  const found = (['V1', 'V2', 'V3'] as const).filter((one) => markOf(one) in values)
  const [format] = found
  if (format === undefined || found.length > 1) throw new Error(`the keys are those of ${found.length} formats`)
  const { keys, onObject: stays } = FORMATS[format]
  const foreign = Object.keys(values).find((name) => name !== LENGTH && !keys.includes(name))
  if (foreign !== undefined) throw new Error(`${foreign} does not belong to ${format}`)
  if (instructionFile !== undefined) {
    const bad = onObject.find(([name]) => !stays.includes(name)) ?? inFile.find(([name]) => stays.includes(name))
    if (bad !== undefined) throw new Error(`${bad[0]} is on the wrong side`)
  }
  const encryptedDataKey = base64(values[markOf(format)])
  if (format === 'V3') {
    const wrap = V3_WRAPS[text(values['x-amz-w'])]
    if (wrap === undefined || values['x-amz-c'] !== COMMITTING) throw new Error('an unknown algorithm')
    const raw = values['x-amz-m'] ?? ''
    const map = parseMap((wrap === 'kms+context' || raw === '' ? values['x-amz-t'] : raw) ?? '')
    return { format, content: COMMITTING, wrap, encryptedDataKey, map, values }
  }
  const map = parseMap(values['x-amz-matdesc'] ?? '')
  if (format === 'V1') return { format, content: CBC, wrap: undefined, encryptedDataKey, map, values }
  const content = text(values['x-amz-cek-alg'])
  if ((values['x-amz-tag-len'] ?? '128') !== '128' && content === GCM) throw new Error('another length of the tag')
  return { format, content, wrap: text(values['x-amz-wrap-alg']), encryptedDataKey, map, values }
}

function markOf(format: Format): string {
  return { V1: 'x-amz-key', V2: 'x-amz-key-v2', V3: 'x-amz-3' }[format]
}

/** Numbers stand in old files. */
function fileEntries(file: string): [string, string][] {
  const parsed: unknown = JSON.parse(file)
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new Error('no JSON object')
  return Object.entries(parsed).map(([name, value]) => [name, typeof value === 'number' ? String(value) : text(value)])
}

function parseMap(json: string): Record<string, string> {
  if (json === '') return {}
  const parsed: unknown = JSON.parse(json)
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new Error('no JSON object')
  return Object.fromEntries(Object.entries(parsed).map(([name, value]) => [name, text(value)]))
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw new Error('not a text')
  return value
}

/** Canonical: what is decoded gives the same text again. */
export function base64(value: string | undefined): Buffer {
  const bytes = Buffer.from(text(value), 'base64')
  if (bytes.length === 0 || bytes.toString('base64') !== value) throw new Error('not canonical Base64')
  return bytes
}

function decryptContent({ content, values }: Envelope, dataKey: Uint8Array, body: Uint8Array): Buffer {
  if (content === COMMITTING) return decryptCommitting(values, dataKey, body)
  const iv = base64(values['x-amz-iv'])
  if (content === GCM) {
    if (iv.length !== 12) throw new Error('another length of the IV')
    return decryptGcm(dataKey, iv, Buffer.alloc(0), body)
  }
  if (content !== CBC && content !== 'AES/CBC/PKCS7Padding') throw new Error('an unknown content')
  const decipher = createDecipheriv(`aes-${dataKey.length * 8}-cbc`, dataKey, iv)
  return Buffer.concat([decipher.update(body), decipher.final()])
}

function decryptCommitting(values: Envelope['values'], dataKey: Uint8Array, body: Uint8Array): Buffer {
  const [messageId, commitment] = [base64(values['x-amz-i']), base64(values['x-amz-d'])]
  if (messageId.length !== 28 || commitment.length !== 28 || dataKey.length !== 32) throw new Error('another length')
  const suite = Buffer.from('0073', 'hex')
  const derive = (label: string, length: number): Buffer =>
    Buffer.from(hkdfSync('sha512', dataKey, messageId, Buffer.concat([suite, Buffer.from(label)]), length))
  if (!timingSafeEqual(derive('COMMITKEY', 28), commitment)) throw new Error('another commitment')
  return decryptGcm(derive('DERIVEKEY', 32), Buffer.alloc(12, 1), suite, body)
}
