import type { MaybePromise } from '../runtime/runtime.js'

/**
 * Encrypts one message: header ‖ sealed body ‖ trailer. The body is positional: the ciphertext of plaintext
 * [offset, offset + n) depends on those bytes and that offset only. Offsets and lengths are in bytes.
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
  /** Each position is sealed once: an overlap is an error, because it would use a keystream twice. */
  seal(offset: number, plaintext: Uint8Array, last: boolean): MaybePromise<Uint8Array>
  /** After every piece has been sealed. Computed once; the set of pieces is frozen then. */
  trailer(plaintextLength: number): MaybePromise<Uint8Array>
  /** The whole message in one call, for a body that is in memory: instead of `seal` and `trailer`. */
  sealWhole(plaintext: Uint8Array): MaybePromise<Uint8Array>
  /** Wipes the keys. */
  destroy(): void
}
