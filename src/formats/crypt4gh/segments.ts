import { configError, CseError } from '../../errors.js'
import type { DataMethod } from './content.js'

/** Of plaintext in a segment, in bytes: GA4GH Crypt4GH 1.0, section 3.3. */
export const SEGMENT_LENGTH = 65536
export const NONCE_LENGTH = 12
/** Nonce and tag. */
export const SEGMENT_OVERHEAD: number = NONCE_LENGTH + 16
/** Of a whole segment, as it is stored. */
export const SEALED_SEGMENT_LENGTH: number = SEGMENT_LENGTH + SEGMENT_OVERHEAD
/** Segments are counted in 48 bits of their nonces; what JavaScript counts exactly is less. */
const MAX_LENGTH = Number.MAX_SAFE_INTEGER - 2 ** 40

/** What a body is divided into. */
export interface SegmentCount {
  readonly whole: number
  /** Bytes of plaintext in the last segment, where that is not a whole one; `undefined` where there is none such. */
  readonly rest: number | undefined
}

/** Of the body, in bytes. In method 1 the last segment is shorter than the others, and so may be empty. */
export function bodyLength(plaintextLength: number, method: DataMethod): number {
  const whole = Math.floor(plaintextLength / SEGMENT_LENGTH)
  const rest = plaintextLength % SEGMENT_LENGTH
  const ends = method === 1 || rest > 0
  return whole * SEALED_SEGMENT_LENGTH + (ends ? rest + SEGMENT_OVERHEAD : 0)
}

/** The reverse; `undefined` where no body is that long. */
export function segmentsIn(length: number, method: DataMethod): SegmentCount | undefined {
  if (!Number.isSafeInteger(length) || length < 0) return undefined
  const whole = Math.floor(length / SEALED_SEGMENT_LENGTH)
  const left = length % SEALED_SEGMENT_LENGTH
  if (left === 0) return method === 1 ? undefined : { whole, rest: undefined }
  // (Nobody writes an empty segment in method 0, and some read it.)
  return left < SEGMENT_OVERHEAD ? undefined : { whole, rest: left - SEGMENT_OVERHEAD }
}

/** Of plaintext, in bytes. */
export function lengthOf({ whole, rest = 0 }: SegmentCount): number {
  return whole * SEGMENT_LENGTH + rest
}

/** Throws for a place where no segment begins (ERR_S3CSE_CONFIG), or an end beyond what can be counted (ERR_S3CSE_BODY_TOO_LARGE). */
export function checkPlace(offset: number, length: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0 || offset % SEGMENT_LENGTH !== 0) {
    throw configError(`Segments begin at multiples of ${SEGMENT_LENGTH} bytes.`)
  }
  if (length >= 0 && offset + length <= MAX_LENGTH) return
  throw new CseError('ERR_S3CSE_BODY_TOO_LARGE', `One message holds up to ${MAX_LENGTH} bytes.`)
}
