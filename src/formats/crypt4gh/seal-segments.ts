import { configError } from '../../errors.js'
import type { ChaChaPoly } from '../../runtime/runtime.js'
import type { DataMethod } from './content.js'
import type { Order } from './order.js'
import { NONCE_LENGTH, SEALED_SEGMENT_LENGTH, SEGMENT_LENGTH, SEGMENT_OVERHEAD } from './segments.js'

/** What segments are sealed with. */
export interface SealKeys {
  readonly cipher: ChaChaPoly
  readonly method: DataMethod
  readonly sequence: bigint
  readonly order: Order
  /**
   * Where the plaintext ends, in bytes, so that the segment there is marked; 'last': where the last piece ends;
   * `undefined`: no segment is marked.
   */
  readonly end: number | 'last' | undefined
}

const NOTHING = new Uint8Array(0)

/** Of the segments that `sealSegments` makes, in bytes. */
export function sealedLength(plaintextLength: number, last: boolean, method: DataMethod): number {
  const whole = Math.floor(plaintextLength / SEGMENT_LENGTH)
  const rest = plaintextLength % SEGMENT_LENGTH
  const ends = rest > 0 || (last && method === 1)
  return whole * SEALED_SEGMENT_LENGTH + (ends ? rest + SEGMENT_OVERHEAD : 0)
}

/**
 * Seals segments that follow each other, from plaintext `offset` on. Into `output`, which has their length. That no
 * segment of a message is sealed twice is up to the caller.
 */
export function sealSegments(
  { cipher, method, sequence, order, end }: SealKeys,
  offset: number,
  plaintext: Uint8Array,
  last: boolean,
  output: Uint8Array,
): Uint8Array {
  if (method === 0 && end === 'last' && last && plaintext.length === 0 && offset > 0) {
    throw configError('The last segment is marked, and so cannot come without its plaintext.')
  }
  const endsAt = end === 'last' && last ? offset + plaintext.length : end
  const first = offset / SEGMENT_LENGTH
  for (let at = 0, index = 0; at < output.length; at += SEALED_SEGMENT_LENGTH, index++) {
    const from = index * SEGMENT_LENGTH
    const content = plaintext.subarray(from, from + SEGMENT_LENGTH)
    const nonce = order.nonce(first + index, method === 0 && offset + from + content.length === endsAt)
    const segment = output.subarray(at, at + SEALED_SEGMENT_LENGTH)
    segment.set(nonce)
    cipher.encrypt(nonce, aadOf(method, sequence, first + index), content, segment.subarray(NONCE_LENGTH))
  }
  return output
}

/** Method 1: the number of the segment, from the sequence number of the header on, modulo 2^64. */
export function aadOf(method: DataMethod, sequence: bigint, index: number): Uint8Array {
  if (method === 0) return NOTHING
  const aad = new Uint8Array(8)
  new DataView(aad.buffer).setBigUint64(0, BigInt.asUintN(64, sequence + BigInt(index)), true)
  return aad
}
