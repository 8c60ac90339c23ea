import type { PositionalSealer } from '../../message/sealer.js'
import { segmentSealer } from '../../message/segment-sealer.js'
import type { Aes } from '../../runtime/runtime.js'
import { checkPlace, FRAME_OVERHEAD } from './frames.js'
import { framesLength, sealFrames } from './seal-frames.js'

/** What the frames of a message are made with. */
export interface FrameSealerOptions {
  /** Destroyed with the sealer. */
  readonly aes: Aes
  /** The key of `aes`; copied. */
  readonly key: Uint8Array
  readonly messageId: Uint8Array
  /** In bytes of plaintext. */
  readonly frameLength: number
  /** All of it, with its tag. */
  readonly header: Uint8Array
}

/**
 * Seals the frames of a message that is not signed, in any order: each depends on its own plaintext and its number only.
 * The last piece ends with the final frame, which is empty where the plaintext fills the others, so that there is no
 * trailer. A frame is sealed once (ERR_S3CSE_CONFIG).
 */
export async function frameSealer(options: FrameSealerOptions): Promise<PositionalSealer> {
  const { aes, messageId, frameLength, header, key } = options
  const keys = { aes, messageId, frameLength }
  return segmentSealer({
    key,
    salt: messageId,
    header,
    segmentLength: frameLength,
    sealedSegmentLength: frameLength + FRAME_OVERHEAD,
    name: 'frame',
    check: (offset, length) => checkPlace(frameLength, offset, length),
    pieceLength: (length, last) => framesLength(length, frameLength, last),
    sealInto: (offset, plaintext, last, output) => sealFrames(keys, offset / frameLength + 1, plaintext, last, output),
    destroy: () => aes.destroy(),
  })
}
