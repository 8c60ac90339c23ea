import type { MaybePromise } from '../runtime/runtime.js'

/**
 * Decrypts one message, made by a format from the envelope and the unwrapped key. Sealed offsets count from the start
 * of the stored bytes, header included; all offsets and lengths are in bytes.
 */
export interface Opener {
  readonly headerLength: number
  readonly trailerLength: number
  /** 'whole': what `open` gives is unverified until `verify` has resolved. 'segment': `open` verifies what it gives. */
  readonly authentication: 'segment' | 'whole' | 'none'
  /** Pieces given to `open` and `absorb` start at multiples of this, counted from the end of the header. */
  readonly alignment: number
  /** `undefined` where it cannot be known without the key; throws ERR_S3CSE_ENVELOPE_INVALID if no message is that long. */
  plaintextLength(sealedLength: number): number | undefined
  /** The sealed bytes [start, end) that plaintext [start, end) needs. */
  extent(start: number, end: number): { start: number; end: number }
  /** The whole message in one call, verified: for small messages. Throws DecryptionError. */
  openWhole(sealed: Uint8Array): MaybePromise<Uint8Array>
  open(sealedOffset: number, sealed: Uint8Array, last: boolean): MaybePromise<Uint8Array>
  /** 'whole': takes a piece of the sealed body into the check, in any order, each once. Returns its state: secret, and equal only for equal bytes at that place. */
  absorb?(sealedOffset: number, sealed: Uint8Array): MaybePromise<Uint8Array>
  /** 'whole': whether the piece has the state that `absorb` returned for that place, in constant time. Takes nothing into the check. */
  matches?(state: Uint8Array, sealedOffset: number, sealed: Uint8Array): MaybePromise<boolean>
  /** 'whole': after every piece of the body was absorbed. Rejects with DecryptionError. */
  verify?(sealedLength: number, trailer: Uint8Array): MaybePromise<void>
  /** Wipes the keys. Idempotent. */
  destroy(): void
}
