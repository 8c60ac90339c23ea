/** Numbers and blocks of AES-GCM (NIST SP 800-38D) with an IV of 12 bytes and a tag of 16. Lengths are in bytes. */

import { configError, CseError } from '../errors.js'
import { element, multiply, toBytes, xor, type Element } from './field.js'

export const GCM_IV_LENGTH = 12
export const GCM_TAG_LENGTH = 16
/** The counter has 32 bits; 0 never comes up and 1 masks the tag (SP 800-38D section 5.2.1.1). */
export const GCM_MAX_BLOCKS: number = 2 ** 32 - 2
/** The longest plaintext of one message: 68,719,476,704 bytes. */
export const GCM_MAX_LENGTH: number = GCM_MAX_BLOCKS * 16

/** ERR_S3CSE_CONFIG: what every call after `destroy` gets. */
export function messageClosed(): CseError {
  return configError('The message is closed: its keys were wiped.')
}

/** Throws ERR_S3CSE_BODY_TOO_LARGE beyond the limit of one message, ERR_S3CSE_CONFIG for what is no place at all. */
export function checkExtent(offset: number, length: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0 || !Number.isSafeInteger(length) || length < 0) {
    throw configError('Offsets and lengths are non-negative integers.')
  }
  if (offset + length > GCM_MAX_LENGTH) {
    throw new CseError(
      'ERR_S3CSE_BODY_TOO_LARGE',
      `One AES-GCM message holds at most ${GCM_MAX_LENGTH} bytes; this one would have ${offset + length}.`,
    )
  }
}

/** Throws ERR_S3CSE_CONFIG: only with 12 bytes does the counter have the whole last word to itself. */
export function checkIv(iv: Uint8Array): void {
  if (iv.length !== GCM_IV_LENGTH) throw configError(`The IV has ${iv.length} bytes instead of ${GCM_IV_LENGTH}.`)
}

/** How many blocks of GHASH that many bytes are. */
export const blocks = (length: number): number => Math.ceil(length / 16)

/** J0 with its counter set: `word` is 1 + i just before data block i, and 2 + i for it. */
export function counterBlock(iv: Uint8Array, word: number): Uint8Array {
  const block = new Uint8Array(16)
  block.set(iv)
  new DataView(block.buffer).setUint32(GCM_IV_LENGTH, word)
  return block
}

/** The IV of 16 bytes for which J0' = ((IV·H) ⊕ L)·H is `start`. */
export function ivFor(start: Element, hInverse: Element): Uint8Array {
  return toBytes(multiply(xor(multiply(start, hInverse), lengthBlock(0, 16)), hInverse))
}

/** [bits of AAD]64 ‖ [bits of ciphertext]64, from lengths in bytes. */
export function lengthBlock(aad: number, ciphertext: number): Element {
  return element(Math.floor(aad / 2 ** 29), aad * 8, Math.floor(ciphertext / 2 ** 29), ciphertext * 8)
}

/** A piece that begins inside a block: zeros stand for the bytes before it. */
export function withLead(lead: number, data: Uint8Array): Uint8Array {
  if (lead === 0) return data
  const padded = new Uint8Array(lead + data.length)
  padded.set(data, lead)
  return padded
}
