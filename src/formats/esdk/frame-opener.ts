import { DecryptionError } from '../../errors.js'
import type { Opener } from '../../message/opener.js'
import type { Aes } from '../../runtime/runtime.js'
import { FINAL_FRAME_OVERHEAD, FRAME_OVERHEAD, framesIn } from './frames.js'
import type { EsdkHeader } from './header.js'
import { openFinalFrame, openRegularFrame } from './open-frames.js'

export interface FrameOpenerOptions {
  /** Of an authenticated header; destroyed with the opener. */
  readonly aes: Aes
  readonly header: Pick<EsdkHeader, 'messageId' | 'frameLength' | 'length'>
  /** Throws the error for a length that no such message has. */
  readonly impossible: (sealedLength: number) => Error
}

/**
 * Opens the frames of a message that is not signed, each by itself: what is given out is verified, in its place, and the
 * end is where the final frame says.
 */
export function frameOpener({ aes, header, impossible }: FrameOpenerOptions): Opener {
  const { messageId, frameLength, length: headerLength } = header
  const keys = { aes, messageId, frameLength }
  const full = frameLength + FRAME_OVERHEAD
  const count = (sealedLength: number): { regular: number; finalLength: number } => {
    const frames = framesIn(sealedLength - headerLength, frameLength)
    if (frames === undefined) throw impossible(sealedLength)
    return frames
  }
  const sequenceAt = (sealedOffset: number): number => {
    const sequence = (sealedOffset - headerLength) / full + 1
    if (!Number.isSafeInteger(sequence) || sequence < 1) throw new DecryptionError()
    return sequence
  }
  const openFrames = async (sealedOffset: number, sealed: Uint8Array, last: boolean): Promise<Uint8Array> => {
    const first = sequenceAt(sealedOffset)
    const frames = last ? framesIn(sealed.length, frameLength) : { regular: sealed.length / full, finalLength: 0 }
    if (frames === undefined || !Number.isInteger(frames.regular)) throw new DecryptionError()
    const { regular, finalLength } = frames
    const plaintext = new Uint8Array(regular * frameLength + finalLength)
    try {
      for (let i = 0; i < regular; i++) {
        const frame = sealed.subarray(i * full, (i + 1) * full)
        plaintext.set(await openRegularFrame(keys, first + i, frame), i * frameLength)
      }
      if (last) {
        plaintext.set(
          await openFinalFrame(keys, first + regular, sealed.subarray(regular * full)),
          regular * frameLength,
        )
      }
    } catch (error) {
      plaintext.fill(0)
      throw error
    }
    return plaintext
  }
  return {
    headerLength,
    trailerLength: 0,
    authentication: 'segment',
    alignment: full,
    plaintextLength(sealedLength) {
      const { regular, finalLength } = count(sealedLength)
      return regular * frameLength + finalLength
    },
    lastLength: (sealedLength) => count(sealedLength).finalLength + FINAL_FRAME_OVERHEAD,
    extent: (start, end) => ({
      start: headerLength + Math.floor(start / frameLength) * full,
      end: headerLength + Math.ceil(end / frameLength) * full,
      offset: start - (start % frameLength),
    }),
    openWhole: (sealed) => openFrames(headerLength, sealed.subarray(headerLength), true),
    open: openFrames,
    destroy: () => aes.destroy(),
  }
}
