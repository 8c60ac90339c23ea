import type { MaybePromise } from '../runtime/runtime.js'

/**
 * Encrypts one message: header ‖ sealed body ‖ trailer. The body is positional: the ciphertext of plaintext
 * [offset, offset + n) depends on those bytes and that offset only; where `ordered`, on those before them as well.
 * Offsets and lengths are in bytes.
 */
export interface Sealer {
  /** Stands before the sealed body; empty where the envelope is stored elsewhere. */
  readonly header: Uint8Array
  /** Plaintext offsets at which `seal` may start are multiples of this. */
  readonly alignment: number
  /** Pieces must be sealed in order, from 0 on. */
  readonly ordered: boolean
  /** Header, body and trailer together, exactly. Throws ERR_S3CSE_BODY_TOO_LARGE if no message can be that long. */
  sealedLength(plaintextLength: number): number
  /** In bytes, the same for every message. What is left over of the last piece may be in the trailer. */
  readonly trailerLength: number
  /** Where in the message plaintext from `offset` on is stored; `offset` a multiple of `alignment`. Header and body before it, in bytes. */
  sealedOffset(offset: number): number
  /** Each position is sealed once: an overlap is an error, because it would use a keystream twice. */
  seal(offset: number, plaintext: Uint8Array, last: boolean): MaybePromise<Uint8Array>
  /** After every piece has been sealed. Computed once; the set of pieces is frozen then. */
  trailer(plaintextLength: number): MaybePromise<Uint8Array>
  /** The whole message in one call, for a body that is in memory: instead of `seal` and `trailer`. */
  sealWhole(plaintext: Uint8Array): MaybePromise<Uint8Array>
  /** Wipes the keys. */
  destroy(): void
}

/** A piece of the sealed body. */
export interface SealedPiece {
  readonly sealed: Uint8Array
  /** 16 bytes that are equal only for equal pieces at one offset. Secret: they may be kept and stored only encrypted. */
  readonly state: Uint8Array
}

/** Pieces that follow each other. */
export interface SealedPieces {
  /** One for each of them: see `SealedPiece`. */
  readonly states: readonly Uint8Array[]
  /** Of all of them together, as they are stored, where it was wanted and was no trouble. */
  readonly sha256: Uint8Array | undefined
}

/** Pieces in any order, from several processes, and again: what multipart uploads need. */
export interface PositionalSealer extends Sealer {
  /** What ends where a piece begins must have been sealed or joined before it is sealed, for the first time or again. */
  readonly ordered: boolean
  /**
   * Seals a piece and takes it into the message. As `seal`, with its state. `into` may be given for the result; it has
   * room for the piece and 16 bytes more, which are overwritten.
   */
  sealPiece(offset: number, plaintext: Uint8Array, last: boolean, into?: Uint8Array): Promise<SealedPiece>
  /**
   * `sealPiece` for pieces that fill `plaintext`, off the main thread, where that is possible: absent otherwise. All but
   * the last have a length that is a multiple of 16 bytes, and so is `offset`. They are in `into`, as long as all of
   * them. `hash`: their SHA-256 is wanted as well.
   */
  readonly sealPieces?: (
    offset: number,
    lengths: readonly number[],
    plaintext: Uint8Array,
    into: Uint8Array,
    hash: boolean,
  ) => Promise<SealedPieces>
  /**
   * Seals a piece and takes nothing into the message, whether its place is taken or not, also after the trailer. The
   * result may leave the process only if its state is equal to the one of the piece that was taken.
   */
  sealAgain(offset: number, plaintext: Uint8Array, last: boolean, into?: Uint8Array): Promise<SealedPiece>
  /** Takes a piece into the message that was sealed elsewhere or before, by its length in plaintext and its state. */
  join(offset: number, length: number, state: Uint8Array): Promise<void>
  /** 32 bytes that only who has the key of the message can derive: HKDF-SHA-512 (RFC 5869). */
  deriveKey(salt: Uint8Array, info: string): Promise<Uint8Array>
  /** A copy of the message's key, for a state that is kept under another key. Whoever asked wipes it. */
  exportKey(): Uint8Array
}

export function isPositional(sealer: Sealer): sealer is PositionalSealer {
  return 'sealPiece' in sealer
}
