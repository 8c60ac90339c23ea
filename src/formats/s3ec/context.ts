import { isPlainObject } from '../../bytes/plain-object.js'
import { sameEntries } from '../../bytes/same-entries.js'
import { isWellFormed } from '../../bytes/well-formed.js'
import { configError, CseError } from '../../errors.js'
import type { Context } from '../../keyrings/keyring.js'
import type { ObjectName } from '../format.js'
import type { StoredEnvelope } from './decode.js'
import { contextOf } from '../context-of.js'
import { invalidEnvelope, nameOf, shown } from './messages.js'
import { bindsContext, bindsSuiteInContext } from './wraps.js'

/** The entry that binds the content algorithm to the wrap `kms+context`. Keyrings add it; nobody else may. */
export const contentAlgorithmKey = 'aws:x-amz-cek-alg'

/** Entries of a stored context that are not the caller's. */
const clientKeys: readonly string[] = [contentAlgorithmKey, 'kms_cmk_id']

/**
 * A copy of the caller's encryption context, each member read once. Throws ERR_S3CSE_CONFIG if it is not an object of
 * strings, or has a key that clients add themselves.
 */
export function callersContext(context: unknown): Context {
  const entries = stringEntries(context)
  if (entries === undefined) throw configError('encryptionContext has to be an object of strings.')
  for (const [key, value] of entries) {
    if (clientKeys.includes(key)) throw configError(`encryptionContext may not have the reserved key ${key}.`)
    if (!isWellFormed(key) || !isWellFormed(value)) {
      throw configError('encryptionContext may not contain half a surrogate pair.')
    }
  }
  return contextOf(entries)
}

/** The entries of an object whose values are all strings; `undefined` for everything else, a Map or an array included. */
export function stringEntries(value: unknown): [string, string][] | undefined {
  if (!isPlainObject(value)) return undefined
  const entries = Object.entries(value)
  return entries.every((entry): entry is [string, string] => typeof entry[1] === 'string') ? entries : undefined
}

/** A stored context without what clients added to it. */
export function withoutClientKeys(stored: Context): Context {
  return contextOf(Object.entries(stored).filter(([key]) => !clientKeys.includes(key)))
}

/**
 * Holds the stored context against the object's own content algorithm (ERR_S3CSE_ENVELOPE_INVALID) and against what the
 * caller gave (ERR_S3CSE_CONTEXT_MISMATCH). It is the stored context that goes to KMS, so without this an object with
 * another context would be read.
 */
export function checkContext(envelope: StoredEnvelope, given: Context, object: ObjectName): void {
  const { context, wrap } = envelope
  const none = Object.keys(given).length === 0
  if (!bindsSuiteInContext(wrap)) {
    // Only contexts have it: a relabelled wrap would escape the comparison below where a keyring ignores the label.
    if (Object.hasOwn(context, contentAlgorithmKey)) {
      throw invalidEnvelope(object, `with the wrap ${wrap.name} it may not have ${contentAlgorithmKey}.`)
    }
    // The context of `kms` is often another service's own, which the reader does not know.
    if (none) return
    if (!bindsContext(wrap)) {
      throw mismatch(object, `the wrap ${wrap.name} authenticates none, and one was given.`)
    }
  } else if (context[contentAlgorithmKey] !== envelope.contentAlgorithm) {
    throw invalidEnvelope(
      object,
      `its ${contentAlgorithmKey} is not the content algorithm ${envelope.contentAlgorithm}.`,
    )
  }
  const stored = withoutClientKeys(context)
  // (Context values are no secrets between the two, so time does not matter.)
  if (sameEntries(stored, given)) return
  const differing = Object.keys(given).filter((key) => stored[key] !== given[key])
  const more = Object.keys(stored).filter((key) => !Object.hasOwn(given, key)).length
  const names = differing.map((key) => shown(key)).join(', ')
  const parts = [
    ...(differing.length > 0 ? [`${names} not stored or stored with another value`] : []),
    ...(more > 0 ? [`${more} stored that ${more === 1 ? 'was' : 'were'} not given`] : []),
  ]
  throw mismatch(object, `${parts.join('; ')}.`)
}

function mismatch(object: ObjectName, what: string): CseError {
  const message = `The encryption context of ${nameOf(object)} is not the one that was given: ${what}`
  return new CseError('ERR_S3CSE_CONTEXT_MISMATCH', message)
}
