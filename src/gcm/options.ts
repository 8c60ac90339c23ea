import { runtime } from '#runtime'
import { isBytes } from '../bytes/is-bytes.js'
import { GCM_IV_LENGTH, GCM_TAG_LENGTH, messageClosed } from '../crypto/gcm-blocks.js'
import { configError, CseError } from '../errors.js'
import type { Aes, KeyHandle, MaybePromise } from '../runtime/runtime.js'

/** An AES key of 16, 24 or 32 bytes: its bytes, a secret KeyObject, or an extractable CryptoKey. Bytes are copied at the call. */
export type GcmKey = Uint8Array | KeyHandle

/** Bytes, or a promise of them: of an iv or a tag that is stored behind the ciphertext, or beside it. */
export type Later = Uint8Array | PromiseLike<Uint8Array>

/** Length in bytes of the chunks that come out, where nothing else is asked for. */
export const CHUNK_LENGTH: number = 64 * 1024

/** The longest chunk, in bytes: 64 MiB. */
const MAX_CHUNK_LENGTH = 64 * 1024 * 1024

/** The longest additional authenticated data, in bytes: 16 MiB. They are in memory several times. */
export const MAX_AAD_LENGTH: number = 16 * 1024 * 1024

/** Of all functions of this entry. */
export const COMMON_NAMES = ['key', 'aad', 'signal'] as const

/** The options, in a copy. A name that is not known is an error: a misspelt `aad` would otherwise be none. */
export function takeNames<T extends object>(owner: string, options: T, names: readonly (keyof T & string)[]): T {
  const given: unknown = options
  if (typeof given !== 'object' || given === null) throw configError(`${owner}: options must be an object`)
  for (const name of Object.keys(given)) {
    if (!(names as readonly string[]).includes(name)) {
      throw configError(`${owner}: unknown option ${JSON.stringify(name)}; known are ${names.join(', ')}`)
    }
  }
  return { ...options }
}

/** A whole number from `least` to `most`. */
export function takeNumber(name: string, value: unknown, least: number, most: number): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most) return value
  throw configError(`${name} must be a whole number from ${least} to ${most}`)
}

/** A copy of exactly `length` bytes. */
export function takeBytes(name: string, value: unknown, length: number): Uint8Array {
  if (!isBytes(value)) throw configError(`${name} must be a Uint8Array`)
  if (value.length !== length) throw configError(`${name} must have ${length} bytes, not ${value.length}`)
  return Uint8Array.from(value)
}

/** Wrong bytes are an error now, those of a promise when they are asked for. */
export function takeLater(name: string, value: unknown, length: number): () => Promise<Uint8Array> {
  if (typeof (value as { then?: unknown } | null | undefined)?.then !== 'function') {
    const bytes = takeBytes(name, value, length)
    return () => Promise.resolve(bytes)
  }
  const later = Promise.resolve(value as PromiseLike<unknown>)
  later.catch(() => undefined) // reported when it is asked for, if it is
  return async () => takeBytes(name, await later, length)
}

export const takeIv = (owner: string, iv: unknown): (() => Promise<Uint8Array>) =>
  takeLater(`${owner}: iv`, iv, GCM_IV_LENGTH)

/** Never a shorter one: each bit less halves the work of a forgery (SP 800-38D appendix C). */
export const takeTag = (owner: string, tag: unknown): (() => Promise<Uint8Array>) =>
  takeLater(`${owner}: tag`, tag, GCM_TAG_LENGTH)

export function takeAad(owner: string, aad: unknown): Uint8Array {
  if (aad === undefined) return new Uint8Array(0)
  if (!isBytes(aad)) throw configError(`${owner}: aad must be a Uint8Array`)
  if (aad.length > MAX_AAD_LENGTH) {
    throw configError(`${owner}: aad may have ${MAX_AAD_LENGTH} bytes at most, not ${aad.length}`)
  }
  return Uint8Array.from(aad)
}

export function takeChunkSize(owner: string, chunkSize: unknown): number {
  return chunkSize === undefined ? CHUNK_LENGTH : takeNumber(`${owner}: chunkSize`, chunkSize, 1, MAX_CHUNK_LENGTH)
}

/** A key on its way to the cipher. */
export interface TakenKey {
  /** Once. The copy that was taken is wiped then. */
  aes(): Promise<Aes>
  /** For a key that is not used after all. Idempotent. */
  wipe(): void
}

/** A wrong key is an error now, where its bytes can be seen now. */
export function takeKey(owner: string, key: unknown): TakenKey {
  const name = `${owner}: key`
  const checked = (bytes: Uint8Array): Uint8Array => {
    const { length } = bytes
    if (length === 16 || length === 24 || length === 32) return bytes
    bytes.fill(0)
    throw configError(`${name} must have 16, 24 or 32 bytes, not ${length}`)
  }
  const bytes = exported(name, key, checked)
  const wipe = (): void => {
    if (bytes instanceof Promise) {
      bytes.then(
        (late) => late.fill(0),
        () => undefined,
      )
    } else {
      bytes.fill(0)
    }
  }
  let spent = false
  return {
    async aes() {
      const raw = await bytes
      try {
        if (spent) throw messageClosed()
        return await runtime.aes(raw)
      } finally {
        spent = true
        raw.fill(0)
      }
    },
    wipe() {
      spent = true
      wipe()
    },
  }
}

function exported(name: string, key: unknown, checked: (bytes: Uint8Array) => Uint8Array): MaybePromise<Uint8Array> {
  const fail = (error: unknown): never => {
    if (error instanceof CseError) throw error
    // The runtime's own TypeErrors say what was expected; those with a code are the platform's, and may quote the key.
    const known = error instanceof TypeError && !('code' in error)
    throw configError(`${name}: ${known ? error.message : 'the key could not be imported'}`)
  }
  try {
    if (isBytes(key)) return checked(Uint8Array.from(key))
    const bytes = runtime.exportSecretKey(key as KeyHandle)
    if (!(bytes instanceof Promise)) return checked(bytes)
    const later = bytes.then(checked).catch(fail)
    later.catch(() => undefined) // reported at the first use
    return later
  } catch (error) {
    return fail(error)
  }
}
