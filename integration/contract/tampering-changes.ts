import type { CseErrorCode } from '../../src/index.js'
import type { Stored } from './stored-objects.js'

export type Version = 'V3' | 'V2'
export type KindName = 'AES' | 'RSA' | 'KMS'

/** What becomes of an object, given another one by the same writer. */
export interface Change {
  readonly name: string
  readonly change: (good: Stored, other: Stored) => Stored
  /** How it is refused. */
  readonly code: CseErrorCode
  /** Its length says that there is no plaintext, and so no range of it: S3's own InvalidRange. */
  readonly isEmpty?: true
}

type Metadata = Readonly<Record<string, string>>

const FAILED = 'ERR_S3CSE_DECRYPTION_FAILED'
const INVALID = 'ERR_S3CSE_ENVELOPE_INVALID'

const body =
  (change: (body: Buffer) => Uint8Array): Change['change'] =>
  (good) => ({ ...good, body: change(Buffer.from(good.body)) })
const metadata =
  (change: (metadata: Metadata) => Metadata): Change['change'] =>
  (good) => ({ ...good, metadata: change(good.metadata) })
const value = (key: string, text: string): Change['change'] => metadata((all) => ({ ...all, [key]: text }))

const flipped = (at: number): Change['change'] =>
  body((bytes) => {
    bytes[at < 0 ? bytes.length + at : at]! ^= 0x40
    return bytes
  })

export function flipBase64(text: string, at: number): string {
  const bytes = Buffer.from(text, 'base64')
  bytes[at < 0 ? bytes.length + at : at]! ^= 1
  return bytes.toString('base64')
}

const flippedValue = (key: string, at: number): Change['change'] =>
  metadata((all) => ({ ...all, [key]: flipBase64(all[key]!, at) }))

const without = (...keys: string[]): Change['change'] =>
  metadata((all) => Object.fromEntries(Object.entries(all).filter(([key]) => !keys.includes(key))))

/** Of the stored bytes. */
export const bodyChanges: readonly Change[] = [
  ['the first byte', flipped(0)],
  ['a byte in the middle', flipped(50)],
  ['the last byte of the ciphertext', flipped(-17)],
  ['the first byte of the tag', flipped(-16)],
  ['the last byte of the tag', flipped(-1)],
  ['one byte less', body((bytes) => bytes.subarray(0, -1))],
  ['without the tag', body((bytes) => bytes.subarray(0, -16))],
  ['one byte more', body((bytes) => Buffer.concat([bytes, Buffer.of(0)]))],
  ['a block in front', body((bytes) => Buffer.concat([bytes.subarray(0, 16), bytes]))],
].map(([name, change]) => ({ name, change, code: FAILED }) as Change)

export const tooShort: readonly Change[] = [
  { name: 'the tag alone', change: body((bytes) => bytes.subarray(-16)), code: FAILED, isEmpty: true },
  { name: 'less than a tag', change: body((bytes) => bytes.subarray(0, 15)), code: INVALID },
  { name: 'nothing', change: body(() => new Uint8Array()), code: INVALID },
]

export const swaps: readonly Change[] = [
  { name: "the other's body", change: (good, other) => ({ ...good, body: other.body }), code: FAILED },
  { name: "the other's envelope", change: (good, other) => ({ ...good, metadata: other.metadata }), code: FAILED },
]

export const wrappedKeyOf: Readonly<Record<Version, string>> = { V3: 'x-amz-3', V2: 'x-amz-key-v2' }
export const mapKeyOf = (version: Version, kind: KindName): string =>
  version === 'V2' ? 'x-amz-matdesc' : kind === 'KMS' ? 'x-amz-t' : 'x-amz-m'

/** Each entry of the envelope. */
export function envelopeChanges(version: Version, kind: KindName): readonly Change[] {
  const wrapped = wrappedKeyOf[version]
  const map = mapKeyOf(version, kind)
  const all: Change[] = [
    { name: 'the end of the wrapped key', change: flippedValue(wrapped, -1), code: FAILED },
    {
      name: "the other's wrapped key",
      change: (good, other) => ({ ...good, metadata: { ...good.metadata, [wrapped]: other.metadata[wrapped]! } }),
      code: FAILED,
    },
    { name: 'a wrapped key that is not Base64', change: value(wrapped, 'no Base64!'), code: INVALID },
    { name: 'a map that is not JSON', change: value(map, '{"tenant":"a"'), code: INVALID },
    { name: 'a map with a number', change: value(map, '{"tenant":1}'), code: INVALID },
  ]
  if (kind === 'KMS') {
    const changed = metadata((all) => ({ ...all, [map]: all[map]!.replace('"tenant":"a"', '"tenant":"b"') }))
    all.push({ name: 'another context', change: changed, code: 'ERR_S3CSE_CONTEXT_MISMATCH' })
    // Readers leave this entry out when they compare contexts; KMS does not.
    const more = metadata((all) => ({ ...all, [map]: all[map]!.replace('{', '{"kms_cmk_id":"x",') }))
    all.push({ name: 'an entry that readers do not compare', change: more, code: FAILED })
  }
  return [...all, ...(version === 'V3' ? changesOfV3(kind) : changesOfV2(kind))]
}

function changesOfV3(kind: KindName): Change[] {
  const others = ['02', '22', '12'].filter((code) => code !== { AES: '02', RSA: '22', KMS: '12' }[kind])
  return [
    { name: 'the commitment', change: flippedValue('x-amz-d', 0), code: FAILED },
    { name: 'the message id', change: flippedValue('x-amz-i', 0), code: FAILED },
    { name: 'a commitment that is too short', change: value('x-amz-d', 'AAAA'), code: INVALID },
    { name: 'a message id that is too short', change: value('x-amz-i', 'AAAA'), code: INVALID },
    { name: 'an unknown suite', change: value('x-amz-c', '116'), code: INVALID },
    { name: 'the suite of V2', change: value('x-amz-c', 'AES/GCM/NoPadding'), code: INVALID },
    ...others.map((w) => ({ name: `the wrap ${w}`, change: value('x-amz-w', w), code: INVALID }) as const),
    { name: 'an unknown wrap', change: value('x-amz-w', '99'), code: INVALID },
    ...['x-amz-c', 'x-amz-3', 'x-amz-w', 'x-amz-d', 'x-amz-i'].map(
      (key) => ({ name: `without ${key}`, change: without(key), code: INVALID }) as const,
    ),
  ]
}

const relabelled = (wrap: string): Change['change'] =>
  metadata((all) => {
    const iv = Buffer.alloc(16).toString('base64')
    const cbc = { 'x-amz-cek-alg': 'AES/CBC/PKCS5Padding', 'x-amz-iv': iv, 'x-amz-wrap-alg': wrap }
    return Object.fromEntries(Object.entries({ ...all, ...cbc }).filter(([key]) => key !== 'x-amz-tag-len'))
  })

function changesOfV2(kind: KindName): Change[] {
  const others = ['AES/GCM', 'RSA-OAEP-SHA1', 'kms+context'].filter(
    (name) => name !== { AES: 'AES/GCM', RSA: 'RSA-OAEP-SHA1', KMS: 'kms+context' }[kind],
  )
  return [
    { name: 'the IV', change: flippedValue('x-amz-iv', 0), code: FAILED },
    { name: 'an IV that is too short', change: value('x-amz-iv', 'AAAA'), code: INVALID },
    { name: 'CBC', change: value('x-amz-cek-alg', 'AES/CBC/PKCS5Padding'), code: INVALID },
    {
      name: 'CBC under a wrap of today',
      change: relabelled({ AES: 'AES/GCM', RSA: 'RSA-OAEP-SHA1', KMS: 'kms+context' }[kind]),
      code: INVALID,
    },
    { name: 'CBC under an old wrap', change: relabelled('AESWrap'), code: 'ERR_S3CSE_LEGACY_DISABLED' },
    { name: 'CTR', change: value('x-amz-cek-alg', 'AES/CTR/NoPadding'), code: INVALID },
    { name: 'the suite of V3', change: value('x-amz-cek-alg', '115'), code: INVALID },
    { name: 'a tag of 96 bits', change: value('x-amz-tag-len', '96'), code: INVALID },
    { name: 'a tag of 0 bits', change: value('x-amz-tag-len', '0'), code: INVALID },
    ...others.map(
      (wrap) => ({ name: `the wrap ${wrap}`, change: value('x-amz-wrap-alg', wrap), code: INVALID }) as const,
    ),
    { name: 'an unknown wrap', change: value('x-amz-wrap-alg', 'none'), code: INVALID },
    ...['kms', 'AESWrap', 'RSA/ECB/OAEPWithSHA-256AndMGF1Padding'].map(
      (wrap) =>
        ({
          name: `the legacy wrap ${wrap}`,
          change: value('x-amz-wrap-alg', wrap),
          code: 'ERR_S3CSE_LEGACY_DISABLED',
        }) as const,
    ),
    ...['x-amz-key-v2', 'x-amz-iv', 'x-amz-cek-alg', 'x-amz-wrap-alg'].map(
      (key) => ({ name: `without ${key}`, change: without(key), code: INVALID }) as const,
    ),
  ]
}
