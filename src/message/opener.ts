import type { MaybePromise } from '../runtime/runtime.js'

/** Sealed bytes [start, end), and the offset in the plaintext of the first byte that `open` gives for them. */
export interface Extent {
  readonly start: number
  readonly end: number
  readonly offset: number
}

/** Opens one message in order, from the end of its header on, in one pass over its bytes. */
export interface OpenerStream {
  /** One call at a time. Where the authentication is 'segment', what it gives is verified. */
  update(sealed: Uint8Array): MaybePromise<Uint8Array>
  /** What is left of the plaintext, if anything was held back. Throws DecryptionError unless the message ends here with this trailer. */
  final(trailer: Uint8Array): MaybePromise<Uint8Array | undefined>
}

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
  /** How many of the last bytes of the sealed body are opened in one piece of their own, where the last segment has another length than the others; absent: none. */
  lastLength?(sealedLength: number): number
  /** Segments of one sealed length do not have one length of plaintext, so that only a range can be opened by itself, or all in order. Default: false. */
  readonly isUneven?: boolean
  /** Where only the end of the message shows how long its plaintext is: how many of its last bytes that takes, or all where it has fewer. */
  readonly endLength?: number
  /** The exact length of the plaintext, from these bytes. Rejects with DecryptionError where no message ends so. */
  plaintextLengthFrom?(sealedLength: number, end: Uint8Array): MaybePromise<number>
  /** What plaintext [start, end) needs, `end` not before `start` and neither beyond the plaintext. */
  extent(start: number, end: number): Extent
  /** The whole message in one call, verified: for small messages. Throws DecryptionError. */
  openWhole(sealed: Uint8Array): MaybePromise<Uint8Array>
  /** 'segment': never a view of `sealed`, which may be used again. Where a piece is chained to the one before it, pieces are opened in order, from an `extent` on. `into`: room for the result, at least as long as `sealed` and not overlapping it, which saves fresh memory; it may be used or not. */
  open(sealedOffset: number, sealed: Uint8Array, last: boolean, into?: Uint8Array): MaybePromise<Uint8Array>
  /** 'whole', and 'none' with a check of its end: takes a piece of the sealed body into the check, in any order, each once. Returns its state: secret, and equal only for equal bytes at that place. */
  absorb?(sealedOffset: number, sealed: Uint8Array): MaybePromise<Uint8Array>
  /** 'whole': the state of a piece as `absorb` returns it. Takes nothing into the check. */
  hash?(sealedOffset: number, sealed: Uint8Array): MaybePromise<Uint8Array>
  /** 'whole': takes a piece into the check by its state, in place of its bytes: for a piece that may yet be read again. */
  join?(sealedOffset: number, length: number, state: Uint8Array): MaybePromise<void>
  /** 'whole': whether the piece has the state that `absorb` returned for that place, in constant time. Takes nothing into the check. */
  matches?(state: Uint8Array, sealedOffset: number, sealed: Uint8Array): MaybePromise<boolean>
  /** 'whole': the same for a piece of plaintext at its offset, as `open` gave it, in place of its ciphertext. */
  absorbPlaintext?(offset: number, plaintext: Uint8Array): MaybePromise<Uint8Array>
  /**
   * 'whole': the message in order, in one pass, instead of `open`, `absorb` and `verify`. Absent where the runtime has no
   * streaming cipher. 'segment': the same, for messages of which no part can be opened by itself; absent for others.
   */
  stream?(): OpenerStream
  /** 'whole': after every piece of the body was absorbed. 'none': the same, and only that the message ends as one can. 'segment': that the message ends where it should. Rejects with DecryptionError. */
  verify?(sealedLength: number, trailer: Uint8Array): MaybePromise<void>
  /** Wipes the keys. Idempotent. */
  destroy(): void
}
