import { PolicyError } from '../../errors.js'
import type { CommitmentPolicy, ObjectName } from '../format.js'
import type { EnvelopeVersion } from './envelope-keys.js'
import { nameOf } from './messages.js'
import type { SuiteRow } from './suites.js'
import type { WrapRow } from './wraps.js'

export const commitmentPolicies: readonly CommitmentPolicy[] = Object.freeze([
  'REQUIRE_ENCRYPT_REQUIRE_DECRYPT',
  'REQUIRE_ENCRYPT_ALLOW_DECRYPT',
  'FORBID_ENCRYPT_ALLOW_DECRYPT',
])

const readsWithoutCommitment: readonly CommitmentPolicy[] = [
  'REQUIRE_ENCRYPT_ALLOW_DECRYPT',
  'FORBID_ENCRYPT_ALLOW_DECRYPT',
]

/** What may be read. */
export interface ReadPolicy {
  readonly commitmentPolicy: CommitmentPolicy
  readonly legacy: { readonly wrapping: boolean; readonly content: boolean }
}

/** What an envelope says of itself. */
export interface Found {
  readonly version: EnvelopeVersion
  readonly suite: SuiteRow
  /** The content algorithm as stored. */
  readonly contentAlgorithm: string
  readonly wrap: WrapRow
}

/**
 * Whether an object may be read at all, decided from its envelope alone: legacy content, then commitment, then legacy
 * wrap. Nothing may be done with a key before this (a padding oracle needs a key to be used). Throws PolicyError:
 * ERR_S3CSE_LEGACY_DISABLED or ERR_S3CSE_POLICY.
 */
export function checkPolicy(found: Found, policy: ReadPolicy, object: ObjectName): void {
  const { version, suite, contentAlgorithm, wrap } = found
  if (suite.legacy && !policy.legacy.content) {
    throw new PolicyError(
      'ERR_S3CSE_LEGACY_DISABLED',
      `${nameOf(object)} (format ${version}) was written with the legacy content algorithm ${contentAlgorithm}, ` +
        `which is not enabled here. Read it with a client that has it, and write it again.`,
    )
  }
  if (!suite.committing && !readsWithoutCommitment.includes(policy.commitmentPolicy)) {
    throw new PolicyError(
      'ERR_S3CSE_POLICY',
      `${nameOf(object)} (format ${version}, ${contentAlgorithm}) was written without key commitment, and the commitment ` +
        `policy '${policy.commitmentPolicy}' reads only objects with it. If this object may be read, ` +
        `set commitmentPolicy: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT'.`,
    )
  }
  if (wrap.status === 'legacy' && !policy.legacy.wrapping) {
    throw new PolicyError(
      'ERR_S3CSE_LEGACY_DISABLED',
      `${nameOf(object)} (format ${version}) has its data key under the legacy wrapping algorithm ${wrap.name}, ` +
        `which is not enabled here. Read it with a client that has it, and write it again.`,
    )
  }
}
