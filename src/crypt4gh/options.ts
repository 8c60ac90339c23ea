import { configError } from '../errors.js'
import type { CommitmentPolicy } from '../formats/format.js'
import { checkKeyring } from '../formats/crypt4gh/check.js'
import {
  crypt4ghSettings,
  messageOptionNames,
  type Crypt4ghMessageOptions,
  type Crypt4ghSettings,
} from '../formats/crypt4gh/options.js'
import type { Keyring } from '../keyrings/keyring.js'
import { takeSignal } from '../message/byte-stream.js'
import { takeSpan } from '../message/seekable-source.js'

/** What all functions of this entry need. */
export interface MessageOptions extends Crypt4ghMessageOptions {
  /** `x25519Keyring`, or your own. */
  readonly keyring: Keyring
  /** Gives the message up. Default: none. */
  readonly signal?: AbortSignal | undefined
}

/** A part of a plaintext, in bytes of what an edit list leaves of it. */
export interface RangeOptions {
  /** Of the first byte. Behind the last byte there is nothing. Default: 0. */
  readonly start?: number | undefined
  /** Before this byte it ends; behind the last byte means the last byte. Default: to the end. */
  readonly end?: number | undefined
}

/** A header that is stored apart from its message. */
export interface DetachedHeader {
  /** The header, where the input has only what comes behind it. Default: the input begins with it. */
  readonly header?: Uint8Array | undefined
}

/** What encrypting in memory needs. */
export type EncryptMessageOptions = MessageOptions

/** What decrypting in memory needs. */
export interface DecryptMessageOptions extends MessageOptions, RangeOptions, DetachedHeader {}

/** The options as checked. */
export interface Taken<T> {
  /** A copy, in which nothing is checked but names. */
  readonly given: T
  readonly settings: Crypt4ghSettings
  /** What keyrings are asked with. */
  readonly request: Asking
}

export interface Asking {
  readonly keyring: Keyring
  readonly commitmentPolicy: CommitmentPolicy
  readonly signal?: AbortSignal
}

/** The format has no suites with key commitment, so that a keyring hears what it hears by default. */
const commitmentPolicy: CommitmentPolicy = 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT'

/** Throws ERR_S3CSE_CONFIG for an unknown option, or a wrong value of those that all functions have. `names`: of all others. */
export function takeMessageOptions<T extends MessageOptions>(
  owner: string,
  options: T,
  names: readonly (keyof T & string)[],
): Taken<T> {
  const { experimentalAuthenticatedMode, maxPackets, requireOrdered, ...taken } = takeNames(owner, options, [
    'keyring',
    'signal',
    ...messageOptionNames,
    ...names,
  ])
  const settings = crypt4ghSettings(owner, { experimentalAuthenticatedMode, maxPackets, requireOrdered })
  const { keyring } = taken
  checkKeyring(keyring)
  const signal = takeSignal(owner, taken.signal)
  const given = taken as unknown as T
  return { given, settings, request: { keyring, commitmentPolicy, ...(signal && { signal }) } }
}

/** A copy. Throws ERR_S3CSE_CONFIG for an unknown option. */
export function takeNames<T extends object>(owner: string, options: T, names: readonly string[]): T {
  const given: unknown = options
  if (typeof given !== 'object' || given === null) throw configError(`${owner}: options must be an object`)
  const unknown = Object.keys(given).find((name) => !names.includes(name))
  if (unknown === undefined) return { ...options }
  throw configError(`${owner}: unknown option ${JSON.stringify(unknown)}; known are ${names.join(', ')}`)
}

/** Bytes [start, end); `end` may be Infinity. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** Throws ERR_S3CSE_CONFIG. */
export function takeRange({ start = 0, end = Infinity }: RangeOptions): Span {
  return takeSpan(Infinity, start, end)
}

/** Throws ERR_S3CSE_CONFIG for what is neither absent nor true or false. */
export function takeFlag(owner: string, name: string, value: unknown, otherwise: boolean): boolean {
  if (value === undefined) return otherwise
  if (typeof value === 'boolean') return value
  throw configError(`${owner}: ${name} must be true or false`)
}
