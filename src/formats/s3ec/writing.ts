import { configError } from '../../errors.js'
import type { CommitmentPolicy } from '../format.js'
import type { EnvelopeVersion } from './envelope-keys.js'
import { cbcSuite, committingSuite, gcmSuite, type SuiteRow } from './suites.js'
import { wrapByName } from './wraps.js'

/** Formats of the first generation, for systems that can read nothing else. */
export type LegacyWriting = 'V1-CBC' | 'V2-KMS-CBC' | 'V2-KMS-GCM'

/** What is written, and with which wraps (by V2 name). */
export interface WritingKind {
  readonly version: EnvelopeVersion
  readonly suite: SuiteRow
  readonly wraps: readonly string[]
  /** The keyring is asked for one of the wraps by name; otherwise it takes its usual one. */
  readonly legacy: boolean
}

/** With the wraps of today; none where there are no such for it. */
export function current(version: EnvelopeVersion, suite: SuiteRow): WritingKind {
  const wraps = suite.wraps[version]?.filter((name) => wrapByName(name)?.status === 'supported') ?? []
  return Object.freeze({ version, suite, wraps: Object.freeze(wraps), legacy: false })
}

const v3 = current('V3', committingSuite)
const v2 = current('V2', gcmSuite)

const legacyKinds: Readonly<Record<LegacyWriting, WritingKind>> = Object.freeze({
  'V1-CBC': Object.freeze({ version: 'V1', suite: cbcSuite, wraps: ['AES', 'RSA'], legacy: true }),
  'V2-KMS-CBC': Object.freeze({ version: 'V2', suite: cbcSuite, wraps: ['kms'], legacy: true }),
  'V2-KMS-GCM': Object.freeze({ version: 'V2', suite: gcmSuite, wraps: ['kms'], legacy: true }),
})

export function legacyWritingOption(value: unknown): LegacyWriting | undefined {
  if (value === undefined || (typeof value === 'string' && Object.hasOwn(legacyKinds, value))) {
    return value as LegacyWriting | undefined
  }
  throw configError(`insecureLegacyWriting has to be one of ${Object.keys(legacyKinds).join(', ')}.`)
}

/** Throws ERR_S3CSE_CONFIG for a policy that demands what old formats do not have. */
export function writingKind(policy: CommitmentPolicy, legacy: LegacyWriting | undefined): WritingKind {
  if (legacy === undefined) return policy === 'FORBID_ENCRYPT_ALLOW_DECRYPT' ? v2 : v3
  if (policy === 'FORBID_ENCRYPT_ALLOW_DECRYPT') return legacyKinds[legacy]
  throw configError(
    `insecureLegacyWriting writes without key commitment, which commitmentPolicy '${policy}' demands: set 'FORBID_ENCRYPT_ALLOW_DECRYPT'.`,
  )
}
