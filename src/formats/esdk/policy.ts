import { PolicyError, type ObjectFacts } from '../../errors.js'
import type { Context } from '../../keyrings/keyring.js'
import { esdkAlgorithm } from '../../keyrings/esdk-keys.js'
import { policiesThatRead } from '../commitment.js'
import type { CommitmentPolicy, EnvelopeSummary, ObjectName } from '../format.js'
import { nameOf } from '../names.js'
import { formatName, type EsdkSuite } from './suites.js'

const noLegacy = Object.freeze({ wrapping: false, content: false })

/** Of a number of two bytes, as the specification writes it. */
export function suiteNumber({ id }: EsdkSuite): string {
  return id.toString(16).padStart(4, '0')
}

/** What may be told of a message without any key. */
export function summaryOf(suite: EsdkSuite, context: Context): EnvelopeSummary {
  return Object.freeze({
    format: formatName,
    version: String(suite.version),
    suite: suite.name,
    contentAlgorithm: suiteNumber(suite),
    wrapAlgorithm: esdkAlgorithm,
    keyCommitment: suite.committing,
    contextKind: 'encryption context',
    contextKeys: Object.keys(context),
    instructionFile: undefined,
    needs: Object.freeze({ commitmentPolicies: policiesThatRead(suite), legacy: noLegacy }),
    context,
  } satisfies EnvelopeSummary)
}

/** Throws ERR_S3CSE_POLICY for what this reader does not read. Nothing is done with a key before this. */
export function refuse(object: ObjectName, what: string, summary: EnvelopeSummary): PolicyError {
  const facts: Partial<EnvelopeSummary> = { ...summary }
  delete (facts as { context?: unknown }).context
  return new PolicyError('ERR_S3CSE_POLICY', `${nameOf(object)} ${what}`, facts as ObjectFacts)
}

/** Throws ERR_S3CSE_POLICY where the suite does not commit to its key and the policy wants that. */
export function checkCommitment(
  suite: EsdkSuite,
  policy: CommitmentPolicy,
  object: ObjectName,
  context: Context,
): void {
  const summary = summaryOf(suite, context)
  if (summary.needs.commitmentPolicies.includes(policy)) return
  throw refuse(
    object,
    `was written with ${suite.name}, without key commitment, and the commitment policy '${policy}' reads only messages with it. Set commitmentPolicy: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT' if messages of this kind may be read.`,
    summary,
  )
}
