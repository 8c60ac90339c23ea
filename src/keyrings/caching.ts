import { configError } from '../errors.js'
import { expiry, type Aging } from './caching-clock.js'
import { readCache } from './caching-reads.js'
import { writeCache } from './caching-writes.js'
import { wrapsAround } from './inner.js'
import type { Keyring } from './keyring.js'
import { takeOptions } from './options.js'

/** The options of `cachingKeyring`. */
export interface CachingKeyringOptions {
  /** Milliseconds, from when the keyring was asked: how long a data key is used, for writing and for reading, and so how long a revoked one still works. */
  readonly maxAge: number
  /** How many messages (objects) are written with one data key, at most 2^32. Default: 2^32. */
  readonly maxMessages?: number | undefined
  /**
   * Bytes of plaintext that are written with one data key. Messages whose length is not known beforehand (multipart
   * uploads), or is above this, then get a data key of their own each. Default: no limit.
   */
  readonly maxBytes?: number | undefined
  /** How many data keys are kept for writing, and how many for reading; the one that was not used for longest goes first. Default: 1000. */
  readonly maxEntries?: number | undefined
  /**
   * Milliseconds before the end of `maxAge`: a write within them has the next data key fetched in the background, so that
   * none has to wait. If that fails the current one is used to its end, and a later write tries again. Default: 0, off.
   */
  readonly refreshAhead?: number | undefined
}

/** A keyring that keeps data keys. */
export interface CachingKeyring extends Keyring {
  /** Forgets and wipes every data key. What is being fetched at this moment goes to those that wait for it and is not kept. */
  clear(): void
}

const owner = 'cachingKeyring'

const UNITS: ReadonlyMap<string, string> = new Map([
  ['maxAge', ' of milliseconds'],
  ['refreshAhead', ' of milliseconds'],
  ['maxBytes', ' of bytes'],
])

/** Messages under one data key, each with 28 random bytes to derive its own key from. */
const MOST_MESSAGES = 2 ** 32

/**
 * Asks `keyring` for a data key once for many objects, instead of once for each. Objects are written with the same data
 * key if they have the same algorithm suite, commitment policy and encryption context; what is read is asked for once for
 * each stored wrapped key. Those that ask at the same time wait for one answer, also for its failure. Everyone gets a
 * copy; the kept bytes are wiped on eviction, expiry and `clear()`.
 *
 * What it costs:
 * - One data key opens all objects that were written with it.
 * - A KMS key or grant that was revoked or disabled works on until `maxAge`.
 * - CloudTrail has one entry for many objects.
 * - An encryption context that differs from object to object never hits: each asks, as without a cache.
 * - Data keys stay in memory until `maxAge`.
 *
 * Only for formats that derive a key for each message (S3EC V3, and messages of the AWS Encryption SDK with a suite that
 * has a KDF). V2 encrypts with the data key itself under random IVs of
 * 12 bytes, of which NIST SP 800-38D section 8.3 allows 2^32 for one key, over all processes that use it: sharing data
 * keys would use that up. Writing V2 is refused; reading it asks each time. Requests that bring a data key of their own
 * and `rewrap` are passed on, and so are messages of the AWS Encryption SDK whose suite has no KDF, both ways, and signed
 * ones when they are written, each of which has an encryption context of its own.
 *
 * Each caching keyring has a cache of its own. The keyring inside must be another kind.
 *
 * @throws CseError `ERR_S3CSE_CONFIG` for an unknown option or a wrong value. Later, from `wrap`: the same for a suite
 * that does not derive message keys; an AbortError where the request's signal is aborted; and what `keyring` throws.
 */
export function cachingKeyring(keyring: Keyring, options: CachingKeyringOptions): CachingKeyring {
  checkKeyring(keyring)
  const taken = takeOptions(owner, options, {
    maxAge: 'required',
    maxMessages: 'optional',
    maxBytes: 'optional',
    maxEntries: 'optional',
    refreshAhead: 'optional',
  })
  const maxAge = count('maxAge', taken.maxAge, 1, Number.MAX_SAFE_INTEGER)
  const maxEntries = count('maxEntries', taken.maxEntries ?? 1000, 1, Number.MAX_SAFE_INTEGER)
  const { maxBytes = Infinity } = taken
  const limits = {
    maxAge,
    maxEntries,
    maxMessages: count('maxMessages', taken.maxMessages ?? MOST_MESSAGES, 1, MOST_MESSAGES),
    maxBytes: maxBytes === Infinity ? maxBytes : count('maxBytes', maxBytes, 1, Number.MAX_SAFE_INTEGER),
    refreshAhead: count('refreshAhead', taken.refreshAhead ?? 0, 0, maxAge - 1),
  }
  const ages = expiry<Aging>(maxAge)
  const writes = writeCache(keyring, limits, ages)
  const reads = readCache(keyring, maxEntries, ages)

  const caching: CachingKeyring = Object.freeze({
    ...(keyring.algorithms && { algorithms: keyring.algorithms }),
    sharesDataKeys: true,
    wrap: writes.wrap,
    unwrap: reads.unwrap,
    ...(keyring.rewrap && { rewrap: keyring.rewrap.bind(keyring) }),
    clear() {
      writes.clear()
      reads.clear()
    },
  } satisfies CachingKeyring)
  wrapsAround(caching, keyring)
  return caching
}

function checkKeyring(keyring: unknown): void {
  const given = (keyring ?? {}) as Readonly<Record<string, unknown>>
  if (typeof given.wrap !== 'function' || typeof given.unwrap !== 'function') {
    throw configError(`${owner}: the keyring must be an object with the methods wrap and unwrap`)
  }
  if (given.sharesDataKeys === true) {
    throw configError(
      `${owner}: the keyring already gives one data key for several messages (another ${owner}?), and neither could keep its limits`,
    )
  }
}

function count(name: string, value: number, least: number, most: number): number {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value
  const none = name === 'maxBytes' ? ', or Infinity' : ''
  const unit = UNITS.get(name) ?? ''
  throw configError(
    `${owner}: ${name} must be a whole number${unit} from ${least} to ${most}${none}, not ${String(value)}`,
  )
}
