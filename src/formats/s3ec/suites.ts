import type { EnvelopeVersion } from './envelope-keys.js'

/** An algorithm suite for content. Lengths are in bytes. */
export interface SuiteRow {
  readonly id: number
  readonly name: string
  /** Read only, and only where legacy content is allowed. */
  readonly legacy: boolean
  /** Whether the envelope commits to the data key. */
  readonly committing: boolean
  readonly ivLength: number
  /** 0 where nothing authenticates the content. */
  readonly tagLength: number
  /** Its names in metadata: `x-amz-cek-alg` (V2), `x-amz-c` (V3). Empty where it is never stored: CTR serves ranged reads only. */
  readonly stored: readonly string[]
  readonly formats: readonly EnvelopeVersion[]
}

/** Length of every data key, in bytes: all suites are AES-256. */
export const dataKeyLength = 32

export const gcmSuite: SuiteRow = Object.freeze({
  id: 0x0072,
  name: 'ALG_AES_256_GCM_IV12_TAG16_NO_KDF',
  legacy: false,
  committing: false,
  ivLength: 12,
  tagLength: 16,
  stored: Object.freeze(['AES/GCM/NoPadding']),
  formats: Object.freeze(['V2'] as const),
})

export const committingSuite: SuiteRow = Object.freeze({
  id: 0x0073,
  name: 'ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY',
  legacy: false,
  committing: true,
  ivLength: 12,
  tagLength: 16,
  stored: Object.freeze(['115']),
  formats: Object.freeze(['V3'] as const),
})

export const cbcSuite: SuiteRow = Object.freeze({
  id: 0x0070,
  name: 'ALG_AES_256_CBC_IV16_NO_KDF',
  legacy: true,
  committing: false,
  ivLength: 16,
  tagLength: 0,
  // The second name is Go's first-generation client's, for the same padding.
  stored: Object.freeze(['AES/CBC/PKCS5Padding', 'AES/CBC/PKCS7Padding']),
  formats: Object.freeze(['V1', 'V2'] as const),
})

/** All suites that AWS lists for the S3 Encryption Client. */
export const suites: readonly SuiteRow[] = Object.freeze([
  cbcSuite,
  Object.freeze({
    id: 0x0071,
    name: 'ALG_AES_256_CTR_IV16_TAG16_NO_KDF',
    legacy: true,
    committing: false,
    ivLength: 16,
    tagLength: 16,
    stored: Object.freeze([]),
    formats: Object.freeze([]),
  }),
  gcmSuite,
  committingSuite,
  Object.freeze({
    id: 0x0074,
    name: 'ALG_AES_256_CTR_HKDF_SHA512_COMMIT_KEY',
    legacy: true,
    committing: true,
    ivLength: 16,
    tagLength: 16,
    stored: Object.freeze([]),
    formats: Object.freeze([]),
  }),
])

/** The suite that metadata names; `undefined` for every other text, names of suites that are never stored included. */
export function storedSuite(version: EnvelopeVersion, text: string): SuiteRow | undefined {
  return suites.find(({ formats, stored }) => formats.includes(version) && stored.includes(text))
}
