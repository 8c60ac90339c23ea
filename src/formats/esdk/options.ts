import { configError } from '../../errors.js'
import { takeList, takeOptions } from '../../keyrings/options.js'
import type { CommitmentPolicy } from '../format.js'
import { committingSuite, plainSuite, suites, type EsdkSuite } from './suites.js'

/** The algorithm suites of the AWS Encryption SDK, by AWS's names. All are AES-GCM with 12-byte IVs and 16-byte tags. */
export type EsdkSuiteName =
  | 'ALG_AES_128_GCM_IV12_TAG16_NO_KDF'
  | 'ALG_AES_192_GCM_IV12_TAG16_NO_KDF'
  | 'ALG_AES_256_GCM_IV12_TAG16_NO_KDF'
  | 'ALG_AES_128_GCM_IV12_TAG16_HKDF_SHA256'
  | 'ALG_AES_192_GCM_IV12_TAG16_HKDF_SHA256'
  | 'ALG_AES_256_GCM_IV12_TAG16_HKDF_SHA256'
  | 'ALG_AES_128_GCM_IV12_TAG16_HKDF_SHA256_ECDSA_P256'
  | 'ALG_AES_192_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384'
  | 'ALG_AES_256_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384'
  | 'ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY'
  | 'ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384'

/** What `esdk()` and the functions of s3-cse/esdk have in common. */
export interface EsdkMessageOptions {
  /**
   * What messages are written with. Default: `ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY` (0478), which commits to its key;
   * with `FORBID_ENCRYPT_ALLOW_DECRYPT` `ALG_AES_256_GCM_IV12_TAG16_HKDF_SHA256` (0178). A suite with `ECDSA` also signs
   * the message (0578 commits to its key as well): that holds the last frame back until everything was read, is written
   * in order, and has no ranges that the signature covers.
   */
  readonly algorithmSuite?: EsdkSuiteName | undefined
  /** Bytes of plaintext in a frame, 1 to 2^32 - 1: what is released at a time, and the least that a range reads. Each adds 32 bytes. Default: 64 KiB, or `maxBodySize` where that is less. */
  readonly frameLength?: number | undefined
  /**
   * Keys of the encryption context whose pairs are authenticated and not stored: who reads has to give them (the
   * required encryption context of AWS's material providers, which @aws-crypto/client-node does not know). Default: none.
   */
  readonly requiredEncryptionContextKeys?: readonly string[] | undefined
  /** Encrypted data keys that a message may have, 1 to 65535; checked before any is opened. Default: 100. */
  readonly maxEncryptedDataKeys?: number | undefined
  /** Bytes of plaintext that a frame, or a body without frames, may have in messages that are read. Default: 64 MiB for a frame, or `frameLength` where that is more; what one message holds (2^36 - 32) without frames. */
  readonly maxBodySize?: number | undefined
}

/** The options as checked and copied. */
export interface EsdkSettings {
  /** Throws ERR_S3CSE_CONFIG where the policy forbids to write the suite. */
  readonly suiteFor: (policy: CommitmentPolicy) => EsdkSuite
  readonly frameLength: number
  readonly requiredKeys: readonly string[]
  readonly maxEncryptedDataKeys: number
  readonly maxFrameLength: number
  readonly maxUnframedLength: number
  /** A part of a signed message may be opened, which its signature does not cover. */
  readonly rangesWithoutSignature: boolean
}

const FRAME_LENGTH = 64 * 1024
const MAX_FRAME_LENGTH = 2 ** 32 - 1
/** Of a frame in messages that are read, where nothing else is said: so much of each is in memory. Bytes. */
const MAX_FRAME = 64 * 1024 ** 2
/** One AES-GCM message (NIST SP 800-38D section 5.2.1.1), in bytes. */
const MAX_UNFRAMED_LENGTH = 2 ** 36 - 32

const known = {
  algorithmSuite: 'optional',
  frameLength: 'optional',
  requiredEncryptionContextKeys: 'optional',
  maxEncryptedDataKeys: 'optional',
  maxBodySize: 'optional',
} as const

/** The names of `EsdkMessageOptions`. */
export const messageOptionNames: readonly (keyof EsdkMessageOptions)[] = Object.freeze(
  Object.keys(known) as (keyof EsdkMessageOptions)[],
)

/** Throws ERR_S3CSE_CONFIG for an unknown option or a wrong value. */
export function esdkSettings(owner: string, options: EsdkMessageOptions, rangesWithoutSignature = false): EsdkSettings {
  const taken = takeOptions<EsdkMessageOptions>(owner, options, known)
  const suite = suiteOption(owner, taken.algorithmSuite)
  const requiredKeys = takeList(
    `${owner}: requiredEncryptionContextKeys`,
    taken.requiredEncryptionContextKeys,
    (key) => {
      if (typeof key !== 'string') throw configError(`${owner}: requiredEncryptionContextKeys must be strings`)
      return key
    },
  )
  const { maxBodySize } = taken
  const most = maxBodySize === undefined ? Infinity : count(owner, 'maxBodySize', maxBodySize, Number.MAX_SAFE_INTEGER)
  const frameLength = count(owner, 'frameLength', taken.frameLength ?? Math.min(FRAME_LENGTH, most), MAX_FRAME_LENGTH)
  if (most < frameLength) {
    throw configError(`${owner}: frames of ${frameLength} bytes could not be read with a maxBodySize of ${most}`)
  }
  return Object.freeze({
    suiteFor: (policy) => suiteFor(owner, suite, policy),
    frameLength,
    requiredKeys,
    maxEncryptedDataKeys: count(owner, 'maxEncryptedDataKeys', taken.maxEncryptedDataKeys ?? 100, 0xffff),
    maxFrameLength: most === Infinity ? Math.max(MAX_FRAME, frameLength) : most,
    maxUnframedLength: maxBodySize ?? MAX_UNFRAMED_LENGTH,
    rangesWithoutSignature,
  } satisfies EsdkSettings)
}

function suiteOption(owner: string, name: unknown): EsdkSuite | undefined {
  if (name === undefined) return undefined
  const suite = suites.find((row) => row.name === name)
  if (suite !== undefined) return suite
  throw configError(`${owner}: algorithmSuite must be one of ${suites.map((row) => row.name).join(', ')}`)
}

function suiteFor(owner: string, suite: EsdkSuite | undefined, policy: CommitmentPolicy): EsdkSuite {
  const commits = policy !== 'FORBID_ENCRYPT_ALLOW_DECRYPT'
  const chosen = suite ?? (commits ? committingSuite : plainSuite)
  if (chosen.committing === commits) return chosen
  throw configError(
    `${owner}: algorithmSuite ${chosen.name} ${commits ? 'does not commit' : 'commits'} to its key, and the commitmentPolicy '${policy}' writes only suites that ${commits ? 'do' : 'do not'}.`,
  )
}

function count(owner: string, name: string, value: unknown, most: number): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 && value <= most) return value
  throw configError(`${owner}: ${name} must be a whole number from 1 to ${most}`)
}
