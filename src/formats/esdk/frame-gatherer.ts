import { DecryptionError } from '../../errors.js'
import { uint32At } from './frame-fields.js'
import { FINAL_FRAME_MARK, FINAL_FRAME_OVERHEAD, FRAME_OVERHEAD } from './frames.js'
import { IV_LENGTH } from './header.js'

/** Before the ciphertext of a final frame: mark, sequence number, IV, length of the content. */
const FINAL_LEAD = 4 + 4 + IV_LENGTH + 4
/** What is reserved at first, in bytes: a frame length that was never sent costs nothing. */
const FIRST_LENGTH = 64 * 1024

export function beginsFinal(bytes: Uint8Array, at: number): boolean {
  return uint32At(bytes, at) === FINAL_FRAME_MARK
}

/** Collects the bytes of one frame at a time, in memory that grows with what has come. */
export interface FrameGatherer {
  /** Of what it has, in bytes. */
  readonly length: number
  /** Copies as much as belongs to the frame, and tells how much that is. Throws DecryptionError where the final frame would be longer than a frame. */
  add(bytes: Uint8Array): number
  /** The frame if it is whole, up to the next `add`. The next one begins then. */
  take(): Uint8Array | undefined
}

export function frameGatherer(frameLength: number): FrameGatherer {
  let buffer = new Uint8Array(0)
  let length = 0

  /** How long the frame is, as far as what is there tells: more may be needed when that is. */
  const needed = (): number => {
    if (length < 4) return 4
    if (!beginsFinal(buffer, 0)) return frameLength + FRAME_OVERHEAD
    if (length < FINAL_LEAD) return FINAL_LEAD
    const finalLength = uint32At(buffer, FINAL_LEAD - 4)
    if (finalLength > frameLength) throw new DecryptionError()
    return finalLength + FINAL_FRAME_OVERHEAD
  }
  const reserve = (count: number): void => {
    if (count <= buffer.length) return
    const most = frameLength + FINAL_FRAME_OVERHEAD
    const larger = new Uint8Array(Math.max(count, Math.min(most, Math.max(FIRST_LENGTH, 2 * buffer.length))))
    larger.set(buffer.subarray(0, length))
    buffer = larger
  }
  return {
    get length() {
      return length
    },
    add(bytes) {
      let taken = 0
      for (let missing = needed() - length; missing > 0 && taken < bytes.length; missing = needed() - length) {
        const part = bytes.subarray(taken, taken + missing)
        reserve(length + part.length)
        buffer.set(part, length)
        length += part.length
        taken += part.length
      }
      return taken
    },
    take() {
      if (length < needed()) return undefined
      const frame = buffer.subarray(0, length)
      length = 0
      return frame
    },
  }
}
