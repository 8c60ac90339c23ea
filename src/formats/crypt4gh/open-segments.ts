import { runtime } from '#runtime'
import { DecryptionError } from '../../errors.js'
import type { ChaChaPoly } from '../../runtime/runtime.js'
import type { DataMethod } from './content.js'
import type { Order, OrderKind } from './order.js'
import { aadOf } from './seal-segments.js'
import { NONCE_LENGTH, SEALED_SEGMENT_LENGTH, SEGMENT_LENGTH, SEGMENT_OVERHEAD } from './segments.js'

/** One of the data keys of a message. */
export interface OpenKey {
  readonly cipher: ChaChaPoly
  readonly sequence: bigint
}

/** What segments are opened with. */
export interface OpenKeys {
  readonly method: DataMethod
  /** Any of them may be a segment's. */
  readonly keys: readonly OpenKey[]
  /** Where the order is bound (see order.ts). */
  readonly order?: { readonly order: Order; readonly kind: OrderKind; readonly first: number } | undefined
}

/** Opens segments; remembers which key was the right one. */
export interface SegmentReader {
  /**
   * The plaintext of segments that follow each other, from number `first` on; where `last`, up to and with the last one of
   * the message. In `into` if that has room for it. Throws DecryptionError, with nothing left in `into`, unless they are
   * just those.
   */
  open(first: number, sealed: Uint8Array, last: boolean, into?: Uint8Array): Uint8Array
  destroy(): void
}

export function segmentReader({ method, keys, order }: OpenKeys): SegmentReader {
  let [good] = keys

  /** Throws unless the nonce is the one for this place. */
  const checkOrder = (nonce: Uint8Array, index: number, isLast: boolean): void => {
    if (order === undefined) return
    const { kind, first, order: by } = order
    const isRight = (marked: boolean): boolean => runtime.equal(nonce, by.nonce(first + index, marked))
    // What was cut out of a message may have its last segment.
    const right = kind === 'ended' ? isRight(isLast) : isRight(false) || (kind === 'part' && isLast && isRight(true))
    if (!right) throw new DecryptionError()
  }
  const openOne = (index: number, segment: Uint8Array, isLast: boolean, into?: Uint8Array): Uint8Array => {
    if (segment.length < SEGMENT_OVERHEAD) throw new DecryptionError()
    // A short one is the last; in method 1 the last one is short.
    const isWhole = segment.length === SEALED_SEGMENT_LENGTH
    if (!isWhole && !isLast) throw new DecryptionError()
    if (method === 1 && isWhole && isLast) throw new DecryptionError()
    const nonce = segment.subarray(0, NONCE_LENGTH)
    checkOrder(nonce, index, isLast)
    const content = segment.subarray(NONCE_LENGTH)
    const opened = (key: OpenKey): Uint8Array | undefined =>
      key.cipher.decrypt(nonce, aadOf(method, key.sequence, index), content, into)
    const plaintext = good && opened(good)
    if (plaintext !== undefined) return plaintext
    for (const key of keys) {
      const found = key === good ? undefined : opened(key)
      if (found === undefined) continue
      good = key
      return found
    }
    throw new DecryptionError()
  }
  return {
    open(first, sealed, last, into) {
      const count = Math.ceil(sealed.length / SEALED_SEGMENT_LENGTH)
      // The cipher's result is taken as it is where it would only be copied.
      if (into === undefined && count === 1) return openOne(first, sealed, last)
      const length = Math.max(0, sealed.length - count * SEGMENT_OVERHEAD)
      const plaintext =
        into !== undefined && into.length >= length ? into.subarray(0, length) : runtime.allocate(length)
      try {
        for (let index = 0; index < count; index++) {
          const at = index * SEALED_SEGMENT_LENGTH
          const segment = sealed.subarray(at, at + SEALED_SEGMENT_LENGTH)
          if (segment.length < SEGMENT_OVERHEAD) throw new DecryptionError()
          const to = index * SEGMENT_LENGTH
          openOne(
            first + index,
            segment,
            last && index === count - 1,
            plaintext.subarray(to, to + segment.length - SEGMENT_OVERHEAD),
          )
        }
        return plaintext
      } catch (error) {
        plaintext.fill(0)
        throw error
      }
    },
    destroy() {
      for (const { cipher } of keys) cipher.destroy()
    },
  }
}
