import type { HashName } from '../../runtime/runtime.js'

/** The name of this format, towards keyrings too. */
export const formatName = 'esdk'

export type MessageVersion = 1 | 2

/** What a suite signs messages with: ECDSA over a curve (FIPS 186-5), with a hash. */
export interface SignatureRow {
  readonly curve: 'P-256' | 'P-384'
  readonly hash: HashName
  /** Of the compressed point (SEC 1 section 2.3.3), in bytes. */
  readonly publicKeyLength: number
  /** The one length in bytes that signatures are written with (DER); those of other writers vary around it. */
  readonly length: number
}

/** An algorithm suite of the AWS Encryption SDK: AES-GCM with an IV of 12 bytes and a tag of 16. Lengths are in bytes. */
export interface EsdkSuite {
  readonly id: number
  /** As AWS lists it. */
  readonly name: string
  /** Of the data key, and of the key that the message is encrypted with. */
  readonly keyLength: number
  /** Of HKDF (RFC 5869), which gives each message a key of its own; `undefined` where the data key is used as it is. */
  readonly kdf: HashName | undefined
  /** Whether the header commits to the data key. */
  readonly committing: boolean
  readonly signature: SignatureRow | undefined
  readonly version: MessageVersion
}

const p256: SignatureRow = Object.freeze({ curve: 'P-256', hash: 'SHA-256', publicKeyLength: 33, length: 71 })
const p384: SignatureRow = Object.freeze({ curve: 'P-384', hash: 'SHA-384', publicKeyLength: 49, length: 103 })

const row = (
  id: number,
  name: string,
  keyLength: number,
  kdf?: HashName,
  more: { readonly committing?: boolean; readonly signature?: SignatureRow } = {},
): EsdkSuite => {
  const { committing = false, signature } = more
  return Object.freeze({ id, name, keyLength, kdf, committing, signature, version: committing ? 2 : 1 })
}

/** What is written where nothing else is asked for: with key commitment, and without. */
export const committingSuite: EsdkSuite = row(0x0478, 'ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY', 32, 'SHA-512', {
  committing: true,
})
export const plainSuite: EsdkSuite = row(0x0178, 'ALG_AES_256_GCM_IV12_TAG16_HKDF_SHA256', 32, 'SHA-256')

/** All suites of the message format. */
export const suites: readonly EsdkSuite[] = Object.freeze([
  row(0x0014, 'ALG_AES_128_GCM_IV12_TAG16_NO_KDF', 16),
  row(0x0046, 'ALG_AES_192_GCM_IV12_TAG16_NO_KDF', 24),
  row(0x0078, 'ALG_AES_256_GCM_IV12_TAG16_NO_KDF', 32),
  row(0x0114, 'ALG_AES_128_GCM_IV12_TAG16_HKDF_SHA256', 16, 'SHA-256'),
  row(0x0146, 'ALG_AES_192_GCM_IV12_TAG16_HKDF_SHA256', 24, 'SHA-256'),
  plainSuite,
  row(0x0214, 'ALG_AES_128_GCM_IV12_TAG16_HKDF_SHA256_ECDSA_P256', 16, 'SHA-256', { signature: p256 }),
  row(0x0346, 'ALG_AES_192_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384', 24, 'SHA-384', { signature: p384 }),
  row(0x0378, 'ALG_AES_256_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384', 32, 'SHA-384', { signature: p384 }),
  committingSuite,
  row(0x0578, 'ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384', 32, 'SHA-512', {
    committing: true,
    signature: p384,
  }),
])

export function suiteById(id: number): EsdkSuite | undefined {
  return suites.find((suite) => suite.id === id)
}

/** Of the message id, in bytes, by message version. */
export const messageIdLengths: Readonly<Record<MessageVersion, number>> = Object.freeze({ 1: 16, 2: 32 })
