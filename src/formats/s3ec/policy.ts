import { type ObjectFacts, PolicyError, type ReadNeeds } from '../../errors.js'
import type { Context } from '../../keyrings/keyring.js'
import { policiesThatRead } from '../commitment.js'
import type { CommitmentPolicy, ObjectName } from '../format.js'
import type { EnvelopeVersion } from './envelope-keys.js'
import { nameOf } from './messages.js'
import { formatName, type SuiteRow } from './suites.js'
import type { WrapRow } from './wraps.js'

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
  /** The stored map. */
  readonly context: Context
  readonly instructionFile: string | undefined
}

/** The same for everybody, without the values of the map. */
export function factsOf({ version, suite, contentAlgorithm, wrap, context, instructionFile }: Found): ObjectFacts {
  return Object.freeze({
    format: formatName,
    version,
    suite: suite.name,
    contentAlgorithm,
    wrapAlgorithm: wrap.name,
    keyCommitment: suite.committing,
    contextKind: wrap.map,
    contextKeys: Object.keys(context),
    instructionFile,
    needs: readNeeds(suite, wrap),
  })
}

/** The switches that reading needs: the whole policy, as a function of suite and wrap. */
export function readNeeds(suite: Pick<SuiteRow, 'legacy' | 'committing'>, wrap: Pick<WrapRow, 'status'>): ReadNeeds {
  return Object.freeze({
    commitmentPolicies: policiesThatRead(suite),
    legacy: Object.freeze({ content: suite.legacy, wrapping: wrap.status === 'legacy' }),
  })
}

/**
 * Whether an object may be read at all, decided from its envelope alone: legacy content, then commitment, then legacy
 * wrap. Nothing may be done with a key before this (a padding oracle needs a key to be used). Throws PolicyError:
 * ERR_S3CSE_LEGACY_DISABLED or ERR_S3CSE_POLICY.
 */
export function checkPolicy(found: Found, policy: ReadPolicy, object: ObjectName): void {
  const { version, suite, contentAlgorithm, wrap } = found
  const needs = readNeeds(suite, wrap)
  const refuse = (code: 'ERR_S3CSE_LEGACY_DISABLED' | 'ERR_S3CSE_POLICY', what: string): PolicyError =>
    new PolicyError(
      code,
      `${nameOf(object)} (format ${version}) ${what} Reading it needs ${missing(needs, policy)} as well: set that if objects of this kind may be read.`,
      factsOf(found),
    )
  if (needs.legacy.content && !policy.legacy.content) {
    throw refuse(
      'ERR_S3CSE_LEGACY_DISABLED',
      `was written with the legacy content algorithm ${contentAlgorithm}, which nothing authenticates and which is not enabled here.`,
    )
  }
  if (!needs.commitmentPolicies.includes(policy.commitmentPolicy)) {
    throw refuse(
      'ERR_S3CSE_POLICY',
      `was written with ${contentAlgorithm}, without key commitment, and the commitment policy '${policy.commitmentPolicy}' reads only objects with it.`,
    )
  }
  if (needs.legacy.wrapping && !policy.legacy.wrapping) {
    throw refuse(
      'ERR_S3CSE_LEGACY_DISABLED',
      `has its data key under the legacy wrapping algorithm ${wrap.name}, which is not enabled here.`,
    )
  }
}

/** What of the needs is not given, as options. */
function missing({ commitmentPolicies: policies, legacy }: ReadNeeds, given: ReadPolicy): string {
  const { wrapping, content } = legacy
  const parts = [wrapping ? 'wrapping: true' : '', content ? 'content: true' : ''].filter((part) => part !== '')
  const lacks = (wrapping && !given.legacy.wrapping) || (content && !given.legacy.content)
  return [
    ...(policies.includes(given.commitmentPolicy) ? [] : [`commitmentPolicy: '${policies[0] ?? ''}'`]),
    ...(lacks ? [`legacy: { ${parts.join(', ')} }`] : []),
  ].join(' and ')
}
