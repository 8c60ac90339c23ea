import { configError } from '../errors.js'
import { onlyMembers } from './option-values.js'

/** How far a `download` is. */
export interface DownloadProgress {
  /** Bytes of plaintext that are in the file; never less than in the call before. Not verified before the download resolves. */
  readonly loaded: number
  /** Bytes of plaintext of the object; `undefined` where only its end tells. */
  readonly total: number | undefined
}

/** The options of `download`. */
export interface DownloadOptions {
  /** Stored bytes that each request asks for, 64 KiB to 1 GiB. A download that is resumed keeps its own. Default: 16 MiB. */
  readonly partSize?: number | undefined
  /** Requests at a time, 1 to 256; each holds a socket and 2 MiB of memory. Default: 4. */
  readonly concurrency?: number | undefined
  /** How often each part is tried before the download fails, 1 to 100, the SDK's own attempts apart. Default: 3. */
  readonly maxAttempts?: number | undefined
  /** Ends the download with an AbortError. */
  readonly signal?: AbortSignal | undefined
  /** An error that it throws ends the download. */
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined
  /**
   * `true`: if the download breaks off, or its process ends, its partial file stays, and the next download to the same
   * destination with this option goes on with it, if the object is still the same. Parts that are in the file are
   * not requested again, but they are verified with all others. Default: false.
   */
  readonly resume?: boolean | undefined
  /** Needed for a FileHandle, which has plaintext written to it before that is verified. Default: the request's or the client's. */
  readonly delayedAuthentication?: boolean | undefined
}

export interface CheckedOptions {
  readonly partSize: number
  readonly concurrency: number
  readonly maxAttempts: number
  readonly signal: AbortSignal | undefined
  readonly onProgress: ((progress: DownloadProgress) => void) | undefined
  readonly resume: boolean
  readonly delayedAuthentication: boolean | undefined
}

const MIB = 1024 * 1024

export const MIN_PART_SIZE: number = 64 * 1024
/** What is hashed of a part stays in memory until all of it is there: 16 bytes for each MiB. */
export const MAX_PART_SIZE: number = 1024 * MIB

/** Below that the SDK's work for each request is felt; above, nothing is gained. */
const DEFAULT_PART_SIZE = 16 * MIB

const names: readonly (keyof DownloadOptions)[] = [
  'partSize',
  'concurrency',
  'maxAttempts',
  'signal',
  'onProgress',
  'resume',
  'delayedAuthentication',
]

function whole(value: unknown, name: string, least: number, most: number, fallback: number): number {
  if (value === undefined) return fallback
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most) return value
  throw configError(`${name} must be a whole number from ${least} to ${most}`)
}

function flag(value: unknown, name: string): boolean | undefined {
  if (value === undefined || typeof value === 'boolean') return value
  throw configError(`${name} must be true or false`)
}

/** Checks and copies; each option is read once. Throws ERR_S3CSE_CONFIG. */
export function downloadOptions(given: DownloadOptions): CheckedOptions {
  const options = { ...onlyMembers(given, names, 'download') } as DownloadOptions
  const { signal, onProgress } = options
  if (signal !== undefined && typeof (signal as Partial<AbortSignal> | null)?.addEventListener !== 'function') {
    throw configError('signal must be an AbortSignal')
  }
  if (onProgress !== undefined && typeof onProgress !== 'function') throw configError('onProgress must be a function')
  return {
    partSize: whole(options.partSize, 'partSize', MIN_PART_SIZE, MAX_PART_SIZE, DEFAULT_PART_SIZE),
    concurrency: whole(options.concurrency, 'concurrency', 1, 256, 4),
    maxAttempts: whole(options.maxAttempts, 'maxAttempts', 1, 100, 3),
    signal,
    onProgress,
    resume: flag(options.resume, 'resume') ?? false,
    delayedAuthentication: flag(options.delayedAuthentication, 'delayedAuthentication'),
  }
}
