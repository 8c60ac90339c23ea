import { isPlainObject } from '../../bytes/plain-object.js'
import { isWellFormed } from '../../bytes/well-formed.js'
import { configError, CseError } from '../../errors.js'
import { serialiseContext } from '../../keyrings/context-bytes.js'
import { contextTooLong } from '../../keyrings/esdk-keys.js'
import type { Context } from '../../keyrings/keyring.js'
import { contextOf } from '../context-of.js'
import type { ObjectName } from '../format.js'
import { nameOf, shown } from '../names.js'

/** Of pairs that belong to the format. */
const RESERVED_PREFIX = 'aws-crypto-'
/** The key that signed messages are verified with. */
export const PUBLIC_KEY = 'aws-crypto-public-key'

/** A copy of the caller's encryption context. Throws ERR_S3CSE_CONFIG if it is none, or has a key of the format's own. */
export function callersContext(given: unknown): Context {
  if (!isPlainObject(given)) throw configError('encryptionContext has to be an object of strings.')
  const pairs = Object.entries(given).map(([key, value]): [string, string] => {
    if (typeof value !== 'string') throw configError('encryptionContext has to be an object of strings.')
    if (key.startsWith(RESERVED_PREFIX)) {
      throw configError(`encryptionContext may not have the key ${shown(key)}: ${RESERVED_PREFIX}* is reserved.`)
    }
    if (!isWellFormed(key) || !isWellFormed(value)) {
      throw configError('encryptionContext may not contain half a surrogate pair.')
    }
    return [key, value]
  })
  return contextOf(pairs)
}

/** An encryption context by what becomes of its pairs. */
export interface DividedContext {
  /** In the header. */
  readonly stored: Context
  /** Authenticated and not stored: a reader has to know them. */
  readonly required: Context
}

function without(context: Context, isOut: (key: string) => boolean): Context {
  return contextOf(Object.entries(context).filter(([key]) => !isOut(key)))
}

/** Throws ERR_S3CSE_CONFIG if a pair is missing that has to be there. */
export function divideContext(context: Context, requiredKeys: readonly string[]): DividedContext {
  for (const key of requiredKeys) {
    if (Object.hasOwn(context, key)) continue
    throw configError(
      `requiredEncryptionContextKeys names ${shown(key)}, which is not in the encryptionContext: such pairs are not stored, so that writer and reader both have to give them.`,
    )
  }
  return {
    stored: without(context, (key) => requiredKeys.includes(key)),
    required: without(context, (key) => !requiredKeys.includes(key)),
  }
}

/** The stored form of pairs that are not stored, as the header's tag takes them. */
export function requiredBytes(required: Context): Uint8Array {
  const bytes = serialiseContext(required)
  if (bytes === undefined) throw contextTooLong()
  return bytes
}

export interface ContextExpectation {
  readonly given: Context
  readonly requiredKeys: readonly string[]
  /** The given pairs are all there are, but for those of the format itself. Otherwise there may be more. */
  readonly exact: boolean
}

/**
 * Holds the stored pairs against those that the caller gave, and says which of these are not stored. Throws
 * ERR_S3CSE_CONTEXT_MISMATCH.
 */
export function checkContext(stored: Context, expected: ContextExpectation, object: ObjectName): Context {
  const { given, requiredKeys, exact } = expected
  const own = without(stored, (key) => key.startsWith(RESERVED_PREFIX))
  const { required } = divideContext(given, requiredKeys)
  const isUnstored = (key: string): boolean => !Object.hasOwn(stored, key) && (!exact || Object.hasOwn(required, key))
  const compared = without(given, isUnstored)
  const differing = Object.keys(compared).filter((key) => own[key] !== compared[key])
  const more = exact ? Object.keys(own).filter((key) => !Object.hasOwn(compared, key)).length : 0
  // (Context values are no secrets between the two, so time does not matter.)
  if (differing.length === 0 && more === 0) return without(given, (key) => !isUnstored(key))
  const names = differing.map((key) => shown(key)).join(', ')
  const parts = [
    ...(differing.length > 0 ? [`${names} not stored or stored with another value`] : []),
    ...(more > 0 ? [`${more} stored that ${more === 1 ? 'was' : 'were'} not given`] : []),
  ]
  throw new CseError(
    'ERR_S3CSE_CONTEXT_MISMATCH',
    `The encryption context of ${nameOf(object)} is not the one that was given: ${parts.join('; ')}.`,
  )
}
