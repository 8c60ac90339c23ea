import { CseError } from '../errors.js'
import type { ByteSource } from '../runtime/runtime.js'
import type { PositionalSealer } from './sealer.js'

/** S3's rules for parts, in bytes (S3 User Guide, "Amazon S3 multipart upload limits"). */
export const MAX_PARTS = 10_000
export const MIN_PART_BYTES: number = 5 * 1024 ** 2
export const MAX_PART_BYTES: number = 5 * 1024 ** 3

/** What is known of a part. */
export interface PartRecord {
  readonly number: number
  /** Of the plaintext, in bytes. */
  readonly offset: number
  readonly length: number
  /** Of its slices, as far as they were sealed. Secret. */
  readonly states: readonly Uint8Array[]
  /** Index of the slice that the first state is of. */
  readonly from: number
}

/**
 * What has to be on record before sealed bytes may leave. `below` has those before the part of which nothing is on
 * record yet: where the part begins depends on their lengths.
 */
export type UploadRecord =
  { readonly part: PartRecord; readonly below: readonly PartRecord[] } | { readonly frozen: number }

export interface MultipartOptions {
  readonly sealer: PositionalSealer
  /** Bytes of plaintext of every part but the last, a multiple of the sealer's alignment; `undefined`: those before a part tell where it begins. */
  readonly partSize: number | undefined
  /** Milliseconds that a part waits for the lengths of those before it. */
  readonly maxWait: number
  /** Seals parts for another process, which alone makes the trailer. */
  readonly worker: boolean
  readonly abortError: (signal: AbortSignal) => Error
  /** Awaited before the bytes leave. */
  readonly save: ((record: UploadRecord) => Promise<void>) | undefined
  /** For tests: in place of `MIN_PART_BYTES`. */
  readonly minPartBytes?: number
}

/** Bytes of plaintext that are there at once, or as they come. */
export type PartKind = 'bytes' | 'stream'

/** One sending of a part. `end` must be called when its sealing is over, however that went. */
export interface PartAttempt {
  readonly number: number
  /** Waits until it is known where the part begins. Then its stored bytes have this length, trailer included. */
  place(signal?: AbortSignal): Promise<number>
  /**
   * The whole part. `buffer` is used for the result if it is long enough (16 bytes more than the part). `hashed` gets the
   * SHA-256 of the result before that resolves, where it comes for nothing.
   */
  sealBytes(
    plaintext: Uint8Array,
    buffer?: (length: number) => Uint8Array,
    hashed?: (sha256: Uint8Array) => void,
  ): Promise<Uint8Array>
  /** The part as it is read. Ends with ERR_S3CSE_BODY_LENGTH before its last bytes if the source is not as long as announced. */
  sealStream(plaintext: ByteSource, observe: (chunk: Uint8Array) => void, finish: () => Promise<void>): ByteSource
  end(): void
  /** The part was stored. */
  stored(): StoredVersion
}

/** What was stored of a part, as far as its end is concerned. */
export interface StoredVersion {
  readonly withTrailer: boolean
  /** The ciphertext of a last part without trailer, which has to be sent again with it. */
  readonly kept: Uint8Array | undefined
}

/** How an upload ends: what has to be sent before it can be completed. */
export interface Ending {
  /** Of the plaintext, and of the stored object, in bytes. */
  readonly length: number
  readonly sealedLength: number
  /** A part to send after all others (`number` is a new one), or the last one once more with the trailer. */
  readonly send: { readonly number: number; readonly body: Uint8Array; readonly replaces: boolean } | undefined
}

/** What is known of an upload before anything of its end is final. All in bytes of plaintext. */
export interface EndingCheck {
  readonly length: number
  readonly lengths: readonly number[]
  /** The object ends with the last part as it was stored last, or with a part after that: no other version of it will do. */
  readonly lastAsStored: boolean
}

export interface Multipart {
  readonly sealer: PositionalSealer
  readonly partSize: number | undefined
  readonly worker: boolean
  /** Registers a part of that many bytes of plaintext. Throws at once what can be told at once. */
  begin(number: number, length: number, kind: PartKind): PartAttempt
  /** Takes a part over that was sealed before or elsewhere, wholly if it was `stored`. Throws ERR_S3CSE_UPLOAD_STATE if it does not agree with what is known. */
  restore(record: PartRecord, stored: Partial<StoredVersion> | undefined): Promise<void>
  /** From here on the set of parts is what it is. */
  freeze(length: number): void
  readonly frozen: number | undefined
  /** Parts in ascending order, for records and receipts. */
  records(): { record: PartRecord; stored: StoredVersion }[]
  /** Makes the trailer, for exactly these parts. `check` may refuse before anything is final. Throws ERR_S3CSE_UPLOAD_STATE if they are not what was sealed; everything stays as it was then. */
  finish(numbers: readonly number[], check?: (found: EndingCheck) => void): Promise<Ending>
  /** Wipes key and states. Idempotent. */
  destroy(error: Error): void
}

export function uploadState(message: string): CseError {
  return new CseError('ERR_S3CSE_UPLOAD_STATE', message)
}

export function otherBytes(number: number): CseError {
  return uploadState(
    `Part ${number} was given other bytes than before, which would be encrypted with the same keystream; none of those was sent. Abort the upload and start a new one for what changed.`,
  )
}
