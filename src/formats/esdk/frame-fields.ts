import type { Aes, MaybePromise } from '../../runtime/runtime.js'
import { bodyAad, FINAL_FRAME_MARK, frameIv, type BodyKind } from './frames.js'
import { IV_LENGTH } from './header.js'

/** What the frames of a message are sealed and opened with. */
export interface FrameKeys {
  readonly aes: Aes
  readonly messageId: Uint8Array
  /** In bytes. */
  readonly frameLength: number
  /** Of regular frames, while every call of the cipher answers at once. */
  regular?: (sequence: number) => FrameFields
}

/** What one frame's cipher is given. */
export interface FrameFields {
  readonly iv: Uint8Array
  readonly aad: Uint8Array
}

const AAD_NUMBERS = 12

/** IV and AAD of frames of one kind and length: each call overwrites what the one before it gave. */
export function frameFields(messageId: Uint8Array, kind: BodyKind, length: number): (sequence: number) => FrameFields {
  const fields: FrameFields = { iv: frameIv(0), aad: bodyAad(messageId, kind, 0, length) }
  const { iv, aad } = fields
  return (sequence) => {
    putUint32(iv, IV_LENGTH - 4, sequence)
    putUint32(aad, aad.length - AAD_NUMBERS, sequence)
    return fields
  }
}

/**
 * Calls the cipher for a regular frame. IV and AAD are made once and overwritten for each frame, because making them
 * costs a twentieth of what encrypting 64 KiB does; a cipher that answers later may read them later, and keeps them.
 */
export function withRegularFields<T>(
  keys: FrameKeys,
  sequence: number,
  cipher: (fields: FrameFields) => MaybePromise<T>,
): MaybePromise<T> {
  keys.regular ??= frameFields(keys.messageId, 'regular', keys.frameLength)
  const answer = cipher(keys.regular(sequence))
  if (answer instanceof Promise) delete keys.regular
  return answer
}

/** Big-endian, as everything in a message. A DataView for each frame would cost more than the bytes. */
export function putUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

export function uint32At(bytes: Uint8Array, at: number): number {
  const byte = (index: number): number => bytes[at + index] as number
  return ((byte(0) << 24) | (byte(1) << 16) | (byte(2) << 8) | byte(3)) >>> 0
}

/** Whether a frame may have this number: the mark of the final frame is none. */
export function isSequence(sequence: number): boolean {
  return Number.isSafeInteger(sequence) && sequence >= 1 && sequence < FINAL_FRAME_MARK
}
