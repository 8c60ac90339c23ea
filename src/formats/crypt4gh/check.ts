import { configError, PolicyError, type CseError, type ObjectFacts } from '../../errors.js'
import { crypt4ghAlgorithm } from '../../keyrings/crypt4gh-keys.js'
import type { Keyring, Suite } from '../../keyrings/keyring.js'
import { commitmentPolicies } from '../commitment.js'
import type { EnvelopeSummary, Format, ObjectName } from '../format.js'
import { nameOf } from '../names.js'
import type { DataMethod } from './content.js'

/** The name of the format. */
export const formatName = 'crypt4gh'

/** By their names in the specification, and in the draft. */
const SUITES: Readonly<Record<DataMethod, string>> = Object.freeze({
  0: 'chacha20_ietf_poly1305',
  1: 'chacha20_ietf_poly1305_with_AEAD',
})

/** Throws ERR_S3CSE_CONFIG if keyring, policy and context cannot work together. */
export function checkRequest({ keyring, commitmentPolicy, encryptionContext }: Parameters<Format['check']>[0]): void {
  const given: unknown = keyring
  const { wrap, unwrap, algorithms, sharesDataKeys } = (given ?? {}) as Record<string, unknown>
  if (typeof wrap !== 'function' || typeof unwrap !== 'function') {
    throw configError('keyring has to be an object with the methods wrap and unwrap.')
  }
  if (!commitmentPolicies.includes(commitmentPolicy)) throw configError('commitmentPolicy has to be one of the three.')
  if (algorithms !== undefined && !(Array.isArray(algorithms) && algorithms.includes(crypt4ghAlgorithm))) {
    throw notForCrypt4gh()
  }
  if (sharesDataKeys === true) {
    throw configError('The keyring gives one data key for several messages, and Crypt4GH has a new one for each.')
  }
  if (encryptionContext !== undefined && Object.keys(encryptionContext).length > 0) {
    throw configError('Crypt4GH has no encryption context, and nothing of it could authenticate one.')
  }
}

/** Throws ERR_S3CSE_CONFIG for what is no keyring, or one for other formats. */
export function checkKeyring(keyring: Keyring): void {
  checkRequest({ keyring, commitmentPolicy: 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT', encryptionContext: undefined })
}

/** ERR_S3CSE_CONFIG */
export function notForCrypt4gh(): CseError {
  return configError(
    'The keyring is not made for Crypt4GH, whose recipients have X25519 keys: use x25519Keyring, here or as crypt4gh({ keyring }).',
  )
}

/** What a keyring is told of a content that it is to encrypt, or opens. */
export function suiteForKeyrings(contentLength: number): Suite {
  return Object.freeze({ id: 0, format: formatName, name: 'X25519_chacha20_ietf_poly1305', keyLength: contentLength })
}

const noLegacy = Object.freeze({ wrapping: false, content: false })
const noContext = Object.freeze({})

/** What may be told of a message. `integrity`: known when its header was opened. */
export function summaryOf(method: DataMethod, integrity?: EnvelopeSummary['integrity']): EnvelopeSummary {
  return Object.freeze({
    format: formatName,
    version: '1',
    suite: SUITES[method],
    contentAlgorithm: 'ChaCha20-Poly1305',
    wrapAlgorithm: crypt4ghAlgorithm,
    keyCommitment: false,
    contextKind: 'encryption context',
    contextKeys: [],
    instructionFile: undefined,
    // It has no suites with key commitment, so that the policy says nothing about it.
    needs: Object.freeze({ commitmentPolicies, legacy: noLegacy }),
    context: noContext,
    ...(integrity && { integrity }),
  } satisfies EnvelopeSummary)
}

/** ERR_S3CSE_POLICY, for what only who could have read it gets to see. */
export function refused(object: ObjectName, why: string, summary: EnvelopeSummary): PolicyError {
  const facts: Partial<EnvelopeSummary> = { ...summary }
  delete (facts as { context?: unknown }).context
  return new PolicyError('ERR_S3CSE_POLICY', `${nameOf(object)} ${why}`, facts as ObjectFacts)
}
