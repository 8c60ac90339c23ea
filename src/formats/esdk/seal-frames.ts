import { inTurn } from '../../bytes/in-turn.js'
import type { MaybePromise } from '../../runtime/runtime.js'
import { frameFields, putUint32, withRegularFields, type FrameKeys } from './frame-fields.js'
import { FINAL_FRAME_MARK, FINAL_FRAME_OVERHEAD, FRAME_OVERHEAD, framesOf } from './frames.js'
import { IV_LENGTH } from './header.js'

/** Of the frames that `sealFrames` makes, in bytes. `plaintextLength` a multiple of `frameLength` unless `last`. */
export function framesLength(plaintextLength: number, frameLength: number, last: boolean): number {
  const { regular, finalLength } = framesOf(plaintextLength, frameLength)
  return regular * (frameLength + FRAME_OVERHEAD) + (last ? finalLength + FINAL_FRAME_OVERHEAD : 0)
}

/**
 * Seals frames that follow each other, from the `first`th on, counted from 1; where `last`, up to and with the final one.
 * Into `output`, which has their length. That no frame of a message is sealed twice is up to the caller.
 */
export function sealFrames(
  keys: FrameKeys,
  first: number,
  plaintext: Uint8Array,
  last: boolean,
  output: Uint8Array,
): MaybePromise<Uint8Array> {
  const { frameLength } = keys
  const full = frameLength + FRAME_OVERHEAD
  const { regular } = framesOf(plaintext.length, frameLength)
  const sealed = inTurn(regular + (last ? 1 : 0), (index) => {
    const at = index * frameLength
    if (index === regular) {
      return sealFinal(keys, first + index, plaintext.subarray(at), output.subarray(index * full))
    }
    const frame = output.subarray(index * full, (index + 1) * full)
    return sealRegular(keys, first + index, plaintext.subarray(at, at + frameLength), frame)
  })
  return sealed instanceof Promise ? sealed.then(() => output) : output
}

function sealRegular(
  keys: FrameKeys,
  sequence: number,
  plaintext: Uint8Array,
  frame: Uint8Array,
): MaybePromise<Uint8Array> {
  putUint32(frame, 0, sequence)
  return withRegularFields(keys, sequence, ({ iv, aad }) => {
    frame.set(iv, 4)
    return keys.aes.gcmEncrypt(iv, aad, plaintext, frame.subarray(4 + IV_LENGTH))
  })
}

function sealFinal(
  { aes, messageId }: FrameKeys,
  sequence: number,
  plaintext: Uint8Array,
  frame: Uint8Array,
): MaybePromise<Uint8Array> {
  const { iv, aad } = frameFields(messageId, 'final', plaintext.length)(sequence)
  putUint32(frame, 0, FINAL_FRAME_MARK)
  putUint32(frame, 4, sequence)
  frame.set(iv, 8)
  putUint32(frame, 8 + IV_LENGTH, plaintext.length)
  return aes.gcmEncrypt(iv, aad, plaintext, frame.subarray(12 + IV_LENGTH))
}
