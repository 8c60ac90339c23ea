import { throwIfAborted } from '../bytes/abort.js'
import { configError } from '../errors.js'
import { now, since, type Expiry, type Aging, type Moment } from './caching-clock.js'
import { entries } from './caching-entries.js'
import { startFetch, type Fetch, type Material } from './caching-fetch.js'
import { writeIdentity } from './caching-identity.js'
import type { EncryptedDataKey, Keyring, Suite, WrapRequest, WrapResult } from './keyring.js'
import { isBytes, takeStringMap } from './options.js'

export interface WriteLimits {
  readonly maxMessages: number
  readonly maxBytes: number
  readonly maxEntries: number
  /** Milliseconds before `maxAge`; 0: never. */
  readonly refreshAhead: number
  readonly maxAge: number
}

/** One data key, and what has been given of it. */
interface Shared {
  readonly fetch: Fetch<WrapResult>
  messages: number
  bytes: number
}

/** The data keys of one identity. */
interface Slot {
  current: Shared | undefined
  /** Asked for ahead of time; takes over when it is there, or when `current` is used up. */
  successor: Shared | undefined
  /** When the last successor failed. */
  failed: Moment | undefined
}

/** Milliseconds between two attempts to get a successor. */
const RETRY_TIME = 1000

const owner = 'cachingKeyring'

/** Under which signed messages have their public key in the encryption context. */
const publicKeyName = 'aws-crypto-public-key'

export interface WriteCache {
  readonly wrap: (request: WrapRequest) => Promise<WrapResult>
  clear(): void
}

export function writeCache(keyring: Keyring, limits: WriteLimits, expiry: Expiry<Aging>): WriteCache {
  const slots = entries<Slot>(limits.maxEntries, (slot) => {
    end(slot, 'current')
    end(slot, 'successor')
  })

  async function wrap(request: WrapRequest): Promise<WrapResult> {
    if (request.dataKey !== undefined) return keyring.wrap(request)
    if (request.suite.format === 'esdk' && isAlone(request)) return keyring.wrap(request)
    if (request.suite.derivesMessageKeys !== true) throw sharesNothing(request.suite)
    throwIfAborted(request.signal)
    const length = lengthOf(request)
    // Also of unknown length: there is nothing to count it by.
    if (length > limits.maxBytes) return keyring.wrap(request)
    return take(withoutMessage(request), length, request.signal)
  }

  // Up to the copy in one step: the message is counted before another can ask.
  function take(
    request: WrapRequest,
    length: number,
    signal: AbortSignal | undefined,
  ): ReturnType<Fetch<WrapResult>['take']> {
    const id = writeIdentity(request)
    let slot = slots.get(id)
    if (slot === undefined) {
      slot = { current: undefined, successor: undefined, failed: undefined }
      slots.add(id, slot)
    }
    const shared = place(id, slot, request, length)
    shared.messages++
    shared.bytes += length
    const given = shared.fetch.take(signal)
    if (shared.messages >= limits.maxMessages) {
      end(slot, 'current')
      tidy(id, slot)
    } else {
      refresh(id, slot, shared, request)
    }
    return given
  }

  /** The data key that has room for the message, from now on the current one. */
  function place(id: string, slot: Slot, request: WrapRequest, length: number): Shared {
    const hasRoom = ({ fetch, bytes }: Shared): boolean => !expiry.isOver(fetch) && bytes + length <= limits.maxBytes
    if (slot.current !== undefined && hasRoom(slot.current)) return slot.current
    end(slot, 'current')
    slot.current = slot.successor
    slot.successor = undefined
    if (slot.current !== undefined && hasRoom(slot.current)) return slot.current
    end(slot, 'current')
    return (slot.current = start(id, slot, request))
  }

  function refresh(id: string, slot: Slot, { fetch }: Shared, request: WrapRequest): void {
    if (limits.refreshAhead === 0 || slot.successor !== undefined || !fetch.isThere()) return
    if (since(fetch.begun) < limits.maxAge - limits.refreshAhead) return
    if (slot.failed !== undefined && since(slot.failed) < RETRY_TIME) return
    slot.successor = start(id, slot, request)
  }

  function start(id: string, slot: Slot, request: WrapRequest): Shared {
    const ask = async (): Promise<Material<WrapResult>> => material(await keyring.wrap(request), request.suite)
    const fetch = startFetch(ask, (ended, kept) => {
      if (slot.successor?.fetch === ended) {
        if (!kept) slot.failed = now()
        else {
          end(slot, 'current')
          slot.current = slot.successor
        }
        if (kept) slot.successor = undefined
        else end(slot, 'successor')
      } else if (!kept && slot.current?.fetch === ended) end(slot, 'current')
      tidy(id, slot)
    })
    expiry.add(fetch, () => {
      if (slot.current?.fetch === fetch) end(slot, 'current')
      if (slot.successor?.fetch === fetch) end(slot, 'successor')
      tidy(id, slot)
    })
    return { fetch, messages: 0, bytes: 0 }
  }

  function end(slot: Slot, which: 'current' | 'successor'): void {
    const shared = slot[which]
    if (shared === undefined) return
    slot[which] = undefined
    expiry.delete(shared.fetch)
    shared.fetch.release()
  }

  function tidy(id: string, slot: Slot): void {
    if (slot.current === undefined && slot.successor === undefined) slots.delete(id, slot)
  }

  return { wrap, clear: () => slots.clear() }
}

/**
 * Whether a message of the AWS Encryption SDK has a data key of its own: where it is encrypted with the data key itself,
 * and where it is signed. Each signed message has a new key pair, and its public key in the context, so that no other
 * would ever be given the same data key.
 */
function isAlone({ suite, context }: WrapRequest): boolean {
  return suite.derivesMessageKeys !== true || Object.hasOwn(context, publicKeyName)
}

/** Infinite where a finite limit could not be kept. */
function lengthOf({ plaintextLength }: WrapRequest): number {
  return plaintextLength !== undefined && Number.isSafeInteger(plaintextLength) && plaintextLength >= 0
    ? plaintextLength
    : Infinity
}

/** What all messages that share the data key have in common. No signal of one of them ends what the others wait for. */
function withoutMessage({ suite, context, algorithm, commitmentPolicy }: WrapRequest): WrapRequest {
  return {
    suite,
    context: takeStringMap(`${owner}: the encryption context`, context),
    ...(algorithm !== undefined && { algorithm }),
    ...(commitmentPolicy !== undefined && { commitmentPolicy }),
  }
}

function sharesNothing({ name }: Suite): Error {
  return configError(
    `${owner} gives one data key for several messages, and ${JSON.stringify(name)} does not derive a key for each: it encrypts them with the data key itself under random IVs, two of which would be the same sooner or later, and nothing would be secret or authentic any more. Write format V3 (commitmentPolicy 'REQUIRE_ENCRYPT_…'), or use the keyring without a cache.`,
  )
}

function material(result: WrapResult, { keyLength }: Suite): Material<WrapResult> {
  const { dataKey, encryptedDataKeys, context } = result
  if (!isBytes(dataKey)) throw configError(`${owner}: the keyring's wrap gave no data key`)
  try {
    if (dataKey.length !== keyLength) throw configError(`${owner}: the keyring's data key has not ${keyLength} bytes`)
    const wrapped = encryptedDataKeys.map(copyOf)
    const stored = takeStringMap(`${owner}: what the keyring's wrap gave as context`, context)
    return {
      keep: true,
      copy: () => ({ dataKey: new Uint8Array(dataKey), encryptedDataKeys: wrapped.map(copyOf), context: stored }),
      wipe: () => void dataKey.fill(0),
    }
  } catch (error) {
    dataKey.fill(0)
    throw error
  }
}

function copyOf(key: EncryptedDataKey): EncryptedDataKey {
  return { ...key, info: new Uint8Array(key.info), ciphertext: new Uint8Array(key.ciphertext) }
}
