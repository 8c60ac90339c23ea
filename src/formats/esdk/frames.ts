import { configError, CseError } from '../../errors.js'
import { IV_LENGTH, TAG_LENGTH } from './header.js'

/** Sequence number ‖ IV, and behind the ciphertext the tag: what a regular frame adds, in bytes. */
export const FRAME_OVERHEAD: number = 4 + IV_LENGTH + TAG_LENGTH
/** Of the final frame, which begins with a mark and says how long it is. */
export const FINAL_FRAME_OVERHEAD: number = FRAME_OVERHEAD + 8
/** What the final frame begins with, in place of a sequence number. */
export const FINAL_FRAME_MARK = 0xffffffff
/** Sequence numbers have 32 bits, and the mark is none. */
export const MAX_FRAMES: number = 2 ** 32 - 1

/** How a framed body divides: so many regular frames, and the plaintext's bytes in the final one. */
export interface FrameCount {
  readonly regular: number
  readonly finalLength: number
}

/** As it is written: the final frame is shorter than a regular one, and empty where the plaintext fills those. */
export function framesOf(plaintextLength: number, frameLength: number): FrameCount {
  return { regular: Math.floor(plaintextLength / frameLength), finalLength: plaintextLength % frameLength }
}

/** Of all frames together, in bytes. */
export function bodyLength(plaintextLength: number, frameLength: number): number {
  const { regular, finalLength } = framesOf(plaintextLength, frameLength)
  return regular * (frameLength + FRAME_OVERHEAD) + finalLength + FINAL_FRAME_OVERHEAD
}

/**
 * The reverse, for whoever wrote it: no two divisions have one length, because the final frame is never longer than a
 * regular one. `undefined` where no body is that long.
 */
export function framesIn(length: number, frameLength: number): FrameCount | undefined {
  const rest = length - FINAL_FRAME_OVERHEAD
  if (!Number.isSafeInteger(length) || rest < 0) return undefined
  const regular = Math.floor(rest / (frameLength + FRAME_OVERHEAD))
  const finalLength = rest % (frameLength + FRAME_OVERHEAD)
  return finalLength <= frameLength && regular < MAX_FRAMES ? { regular, finalLength } : undefined
}

/** The IV of a frame: its sequence number, from 1 on, in the last four of 12 bytes. */
export function frameIv(sequence: number): Uint8Array {
  const iv = new Uint8Array(IV_LENGTH)
  new DataView(iv.buffer).setUint32(IV_LENGTH - 4, sequence)
  return iv
}

export type BodyKind = 'regular' | 'final' | 'single'

const label = (kind: string): Uint8Array => new TextEncoder().encode(`AWSKMSEncryptionClient ${kind}`)
const labels: Readonly<Record<BodyKind, Uint8Array>> = Object.freeze({
  regular: label('Frame'),
  final: label('Final Frame'),
  single: label('Single Block'),
})

/** What the tag of a frame, or of a body without frames, authenticates beside its content. `length`: of its plaintext, in bytes. */
export function bodyAad(messageId: Uint8Array, kind: BodyKind, sequence: number, length: number): Uint8Array {
  const aad = new Uint8Array(messageId.length + labels[kind].length + 12)
  const view = new DataView(aad.buffer)
  aad.set(messageId)
  aad.set(labels[kind], messageId.length)
  const at = messageId.length + labels[kind].length
  view.setUint32(at, sequence)
  view.setUint32(at + 4, Math.floor(length / 2 ** 32))
  view.setUint32(at + 8, length % 2 ** 32)
  return aad
}

/** Throws for a place where no frame begins (ERR_S3CSE_CONFIG), or an end beyond what a message holds (ERR_S3CSE_BODY_TOO_LARGE). */
export function checkPlace(frameLength: number, offset: number, length: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0 || offset % frameLength !== 0) {
    throw configError(`Frames begin at multiples of ${frameLength} bytes.`)
  }
  const maxLength = frameLength * (MAX_FRAMES - 1)
  const end = offset + length
  if (Number.isSafeInteger(end) && length >= 0 && end <= maxLength) return
  throw new CseError(
    'ERR_S3CSE_BODY_TOO_LARGE',
    `A message with frames of ${frameLength} bytes holds at most ${maxLength} bytes; this one would have ${end}. Use longer frames.`,
  )
}
