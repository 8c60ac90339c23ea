/** Places and blocks of AES-CBC (NIST SP 800-38A section 6.2). Offsets and lengths are in bytes. */

import { configError, CseError } from '../errors.js'
import type { Aes } from '../runtime/runtime.js'
import { BLOCK_LENGTH } from './pkcs7.js'

export interface CbcMessage {
  readonly aes: Aes
  /** 16 bytes. */
  readonly iv: Uint8Array
}

/** A copy of the IV. Throws ERR_S3CSE_CONFIG. */
export function checkedIv(iv: Uint8Array): Uint8Array {
  if (iv.length !== BLOCK_LENGTH) throw configError(`The IV has ${iv.length} bytes instead of ${BLOCK_LENGTH}.`)
  return Uint8Array.from(iv)
}

/** Throws ERR_S3CSE_CONFIG for what is no place, ERR_S3CSE_BODY_TOO_LARGE for what ends beyond the safe integers. */
export function checkPlace(offset: number, length: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0 || !Number.isSafeInteger(length) || length < 0) {
    throw configError('Offsets and lengths are non-negative integers.')
  }
  if (offset + length > Number.MAX_SAFE_INTEGER - BLOCK_LENGTH) {
    throw new CseError(
      'ERR_S3CSE_BODY_TOO_LARGE',
      'No AES-CBC message is that long: its length would be no safe integer.',
    )
  }
}

/** `checkPlace`, for a piece that begins with a block, and ends with one unless the message ends there. */
export function checkPiece(offset: number, length: number, last: boolean): void {
  checkPlace(offset, length)
  if (offset % BLOCK_LENGTH === 0 && (last || length % BLOCK_LENGTH === 0)) return
  throw configError(`Pieces are whole blocks of ${BLOCK_LENGTH} bytes, but for the end of the last one.`)
}
