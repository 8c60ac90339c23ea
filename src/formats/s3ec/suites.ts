import type { EnvelopeVersion } from './envelope-keys.js'

/** The name of this format, towards keyrings too. */
export const formatName = 's3ec'

/** An algorithm suite for content. Lengths are in bytes. */
export interface SuiteRow {
  readonly id: number
  readonly name: string
  /** Read only, and only where legacy content is allowed. */
  readonly legacy: boolean
  /** Whether the envelope commits to the data key. */
  readonly committing: boolean
  /** Whether each message has a key of its own, derived from its data key and message id. */
  readonly derivesKeys: boolean
  readonly ivLength: number
  /** 0 where nothing authenticates the content. */
  readonly tagLength: number
  /** Its names in metadata: `x-amz-cek-alg` (V2), `x-amz-c` (V3). Empty where it is never stored: CTR serves ranged reads only. */
  readonly stored: readonly string[]
  readonly formats: readonly EnvelopeVersion[]
  /** The wraps (by V2 name) that writers use with it, format by format; empty where it is never stored. */
  readonly wraps: Readonly<Partial<Record<EnvelopeVersion, readonly string[]>>>
  /** Lengths in bytes of data keys of old writers, which are read where legacy content is: AES-128 and AES-192. */
  readonly legacyKeyLengths: readonly number[]
}

/** Length of every data key that is made, in bytes: AES-256. */
export const dataKeyLength = 32

const currentWraps = Object.freeze(['AES/GCM', 'RSA-OAEP-SHA1', 'kms+context'])
const shortKeys = Object.freeze([16, 24])
const noKeys: readonly number[] = Object.freeze([])

export const gcmSuite: SuiteRow = Object.freeze({
  id: 0x0072,
  name: 'ALG_AES_256_GCM_IV12_TAG16_NO_KDF',
  legacy: false,
  committing: false,
  derivesKeys: false,
  ivLength: 12,
  tagLength: 16,
  stored: Object.freeze(['AES/GCM/NoPadding']),
  formats: Object.freeze(['V2'] as const),
  wraps: Object.freeze({ V2: [...currentWraps, 'kms', 'AESWrap', 'RSA/ECB/OAEPWithSHA-256AndMGF1Padding'] }),
  // PHP's clients let the caller choose.
  legacyKeyLengths: shortKeys,
})

export const committingSuite: SuiteRow = Object.freeze({
  id: 0x0073,
  name: 'ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY',
  legacy: false,
  committing: true,
  derivesKeys: true,
  ivLength: 12,
  tagLength: 16,
  stored: Object.freeze(['115']),
  formats: Object.freeze(['V3'] as const),
  wraps: Object.freeze({ V3: currentWraps }),
  legacyKeyLengths: noKeys,
})

export const cbcSuite: SuiteRow = Object.freeze({
  id: 0x0070,
  name: 'ALG_AES_256_CBC_IV16_NO_KDF',
  legacy: true,
  committing: false,
  derivesKeys: false,
  ivLength: 16,
  tagLength: 0,
  // The second name is Go's first-generation client's, for the same padding.
  stored: Object.freeze(['AES/CBC/PKCS5Padding', 'AES/CBC/PKCS7Padding']),
  formats: Object.freeze(['V1', 'V2'] as const),
  // None that binds the content algorithm: what has such a wrap was written as GCM.
  wraps: Object.freeze({ V1: ['AES', 'RSA'], V2: ['kms', 'AESWrap'] }),
  legacyKeyLengths: shortKeys,
})

/** All suites that AWS lists for the S3 Encryption Client. */
export const suites: readonly SuiteRow[] = Object.freeze([
  cbcSuite,
  Object.freeze({
    id: 0x0071,
    name: 'ALG_AES_256_CTR_IV16_TAG16_NO_KDF',
    legacy: true,
    committing: false,
    derivesKeys: false,
    ivLength: 16,
    tagLength: 16,
    stored: Object.freeze([]),
    formats: Object.freeze([]),
    wraps: Object.freeze({}),
    legacyKeyLengths: noKeys,
  }),
  gcmSuite,
  committingSuite,
  Object.freeze({
    id: 0x0074,
    name: 'ALG_AES_256_CTR_HKDF_SHA512_COMMIT_KEY',
    legacy: true,
    committing: true,
    derivesKeys: true,
    ivLength: 16,
    tagLength: 16,
    stored: Object.freeze([]),
    formats: Object.freeze([]),
    wraps: Object.freeze({}),
    legacyKeyLengths: noKeys,
  }),
])

/** The suite that metadata names; `undefined` for every other text, names of suites that are never stored included. */
export function storedSuite(version: EnvelopeVersion, text: string): SuiteRow | undefined {
  return suites.find(({ formats, stored }) => formats.includes(version) && stored.includes(text))
}
