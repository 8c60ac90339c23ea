import { DecryptionError } from '../../errors.js'
import type { Opener } from '../../message/opener.js'
import type { Aes } from '../../runtime/runtime.js'
import { FINAL_FRAME_OVERHEAD, FRAME_OVERHEAD, framesIn, type FrameCount } from './frames.js'
import type { EsdkHeader } from './header.js'
import { openFrames } from './open-frames.js'

export interface FrameOpenerOptions {
  /** Of an authenticated header; destroyed with the opener. */
  readonly aes: Aes
  readonly header: Pick<EsdkHeader, 'messageId' | 'frameLength' | 'length'>
  /** Throws the error for a length that no such message has. */
  readonly impossible: (sealedLength: number) => Error
  /** Of the footer with the signature, in bytes, which is not checked here. Default: 0. */
  readonly footerLength?: number
}

/**
 * Opens the frames of a message, each by itself: what is given out is verified, in its place, and the end is where the
 * final frame says. A signature is not looked at: that takes the whole message.
 */
export function frameOpener({ aes, header, impossible, footerLength = 0 }: FrameOpenerOptions): Opener {
  const { messageId, frameLength, length: headerLength } = header
  const keys = { aes, messageId, frameLength }
  const full = frameLength + FRAME_OVERHEAD
  const count = (sealedLength: number): FrameCount => {
    const frames = framesIn(sealedLength - headerLength - footerLength, frameLength)
    if (frames === undefined) throw impossible(sealedLength)
    return frames
  }
  const sequenceAt = (sealedOffset: number): number => {
    const sequence = (sealedOffset - headerLength) / full + 1
    if (!Number.isSafeInteger(sequence) || sequence < 1) throw new DecryptionError()
    return sequence
  }
  return {
    headerLength,
    trailerLength: footerLength,
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
    openWhole(sealed) {
      const end = Math.max(headerLength, sealed.length - footerLength)
      return openFrames(keys, 1, sealed.subarray(headerLength, end), true)
    },
    open: (sealedOffset, sealed, last, into) => openFrames(keys, sequenceAt(sealedOffset), sealed, last, into),
    destroy: () => aes.destroy(),
  }
}
