import { runtime } from '#runtime'
import { hkdfSha512 } from './hkdf.js'

const STATE_LENGTH = 16
const TAG_LENGTH = 16
const stateInfo = new TextEncoder().encode('s3-cse piece state v1')

/** What states of a message are made with: 64 bytes. Whoever gets it wipes it. */
export async function pieceStateKey(salt: Uint8Array, key: Uint8Array): Promise<Uint8Array> {
  const hkdf = await hkdfSha512({ salt, inputKey: key })
  try {
    return await hkdf.expand(stateInfo, 64)
  } finally {
    hkdf.destroy()
  }
}

/** A sealed piece, by its place in the plaintext, and where in it the segments end, whose last 16 bytes are their tags. */
export interface TaggedPiece {
  readonly offset: number
  readonly sealed: Uint8Array
  readonly last: boolean
  readonly ends: readonly number[]
}

/**
 * The state of a piece (see `SealedPiece`): the tags of all its segments say what it is, since only equal segments under
 * one nonce have equal ones.
 */
export async function pieceState(
  stateKey: Uint8Array,
  { offset, sealed, last, ends }: TaggedPiece,
): Promise<Uint8Array> {
  const text = new Uint8Array(16 + ends.length * TAG_LENGTH)
  const view = new DataView(text.buffer)
  view.setFloat64(0, offset)
  view.setFloat64(8, last ? -sealed.length : sealed.length)
  ends.forEach((end, index) => text.set(sealed.subarray(end - TAG_LENGTH, end), 16 + index * TAG_LENGTH))
  return (await runtime.hmac('SHA-512', stateKey, text)).slice(0, STATE_LENGTH)
}

/** Where the segments of a piece end: whole ones, and what ends the message. All in bytes. */
export function segmentEnds(
  sealedLength: number,
  { whole, sealedSegmentLength }: { readonly whole: number; readonly sealedSegmentLength: number },
): number[] {
  const ends = Array.from({ length: whole }, (_, index) => (index + 1) * sealedSegmentLength)
  if (sealedLength > whole * sealedSegmentLength) ends.push(sealedLength)
  return ends
}
