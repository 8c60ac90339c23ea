import { runtime } from '#runtime'
import { inTurn } from '../../bytes/in-turn.js'
import { DecryptionError } from '../../errors.js'
import type { Aes, MaybePromise } from '../../runtime/runtime.js'
import {
  frameFields,
  isSequence,
  withRegularFields,
  uint32At,
  type FrameFields,
  type FrameKeys,
} from './frame-fields.js'
import { FINAL_FRAME_MARK, FINAL_FRAME_OVERHEAD, FRAME_OVERHEAD, framesIn } from './frames.js'
import { IV_LENGTH } from './header.js'

export type { FrameKeys } from './frame-fields.js'

/**
 * The plaintext of frames that follow each other, from the `first`th on, counted from 1; where `last`, up to and with the
 * final one. In `into` if that has room for it. Throws DecryptionError, with nothing left in `into`, unless they are just
 * those.
 */
export function openFrames(
  keys: FrameKeys,
  first: number,
  sealed: Uint8Array,
  last: boolean,
  into?: Uint8Array,
): MaybePromise<Uint8Array> {
  const { frameLength } = keys
  const full = frameLength + FRAME_OVERHEAD
  const frames = last ? framesIn(sealed.length, frameLength) : { regular: sealed.length / full, finalLength: 0 }
  if (frames === undefined || !Number.isInteger(frames.regular)) throw new DecryptionError()
  const { regular, finalLength } = frames
  // The cipher's result is taken as it is where it would only be copied.
  if (into === undefined && regular === 1 && !last) return openRegularFrame(keys, first, sealed)
  if (into === undefined && regular === 0 && last) return openFinalFrame(keys, first, sealed)
  const length = regular * frameLength + finalLength
  const plaintext = into !== undefined && into.length >= length ? into.subarray(0, length) : runtime.allocate(length)
  const open = (index: number): MaybePromise<Uint8Array> => {
    const at = index * frameLength
    if (index === regular) {
      return openFinalFrame(keys, first + index, sealed.subarray(index * full), plaintext.subarray(at))
    }
    const frame = sealed.subarray(index * full, (index + 1) * full)
    const room = plaintext.subarray(at, at + frameLength)
    return openRegularFrame(keys, first + index, frame, room)
  }
  const failed = (error: unknown): never => {
    plaintext.fill(0)
    throw error
  }
  try {
    const opened = inTurn(regular + (last ? 1 : 0), open)
    return opened instanceof Promise ? opened.then(() => plaintext, failed) : plaintext
  } catch (error) {
    return failed(error)
  }
}

/**
 * The plaintext of a whole regular frame, the `sequence`th from 1 on; in `into` if that is given (exactly as long).
 * Throws DecryptionError unless it is just that one.
 */
export function openRegularFrame(
  keys: FrameKeys,
  sequence: number,
  frame: Uint8Array,
  into?: Uint8Array,
): MaybePromise<Uint8Array> {
  if (frame.length !== keys.frameLength + FRAME_OVERHEAD) throw new DecryptionError()
  if (uint32At(frame, 0) !== sequence || !isSequence(sequence)) throw new DecryptionError()
  return withRegularFields(keys, sequence, (fields) =>
    openContent(keys.aes, fields, frame, 4, frame.subarray(4 + IV_LENGTH), into),
  )
}

/** The same for the final frame: it says where the message ends. */
export function openFinalFrame(
  { aes, messageId, frameLength }: FrameKeys,
  sequence: number,
  frame: Uint8Array,
  into?: Uint8Array,
): MaybePromise<Uint8Array> {
  const length = frame.length - FINAL_FRAME_OVERHEAD
  if (length < 0 || length > frameLength) throw new DecryptionError()
  const isIt =
    uint32At(frame, 0) === FINAL_FRAME_MARK &&
    uint32At(frame, 4) === sequence &&
    uint32At(frame, 8 + IV_LENGTH) === length
  if (!isIt) throw new DecryptionError()
  const fields = frameFields(messageId, 'final', length)(sequence)
  return openContent(aes, fields, frame, 8, frame.subarray(12 + IV_LENGTH), into)
}

/** `ivAt`: where `frame` has the IV that it says it has. `content`: ciphertext ‖ tag. */
function openContent(
  aes: Aes,
  { iv, aad }: FrameFields,
  frame: Uint8Array,
  ivAt: number,
  content: Uint8Array,
  into: Uint8Array | undefined,
): MaybePromise<Uint8Array> {
  for (let i = 0; i < IV_LENGTH; i++) if (frame[ivAt + i] !== iv[i]) throw new DecryptionError()
  const plaintext = aes.gcmDecrypt(iv, aad, content, into)
  return plaintext instanceof Promise ? plaintext.then(verified) : verified(plaintext)
}

function verified(plaintext: Uint8Array | undefined): Uint8Array {
  if (plaintext === undefined) throw new DecryptionError()
  return plaintext
}
