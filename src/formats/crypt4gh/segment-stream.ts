import { DecryptionError } from '../../errors.js'
import type { DataMethod } from './content.js'
import { edited, namedLength, type EditedPlaintext } from './edit-list.js'
import type { SegmentReader } from './open-segments.js'
import type { OrderKind } from './order.js'
import { checkEnd } from './segment-opener.js'
import { SEALED_SEGMENT_LENGTH, SEGMENT_LENGTH, segmentsIn } from './segments.js'

export interface SegmentStreamOptions {
  readonly reader: SegmentReader
  readonly method: DataMethod
  readonly kind: OrderKind | undefined
  readonly editList: readonly bigint[] | undefined
}

/** Opens segments as they come, where it is not known how many there are. */
export interface SegmentStream {
  /** The plaintext of the segments that are known not to be the last. To be used up before the next call. */
  push(sealed: Uint8Array): Generator<Uint8Array, void>
  /** That of the last one. Throws DecryptionError where the message does not end here. */
  end(): Generator<Uint8Array, void>
}

/** Memory: one segment beside what is pushed. */
export function segmentStream({ reader, method, kind, editList }: SegmentStreamOptions): SegmentStream {
  const plaintext: EditedPlaintext | undefined = editList && edited(editList, Infinity)
  if (editList !== undefined && plaintext === undefined) throw new DecryptionError()
  const held = new Uint8Array(SEALED_SEGMENT_LENGTH)
  let length = 0
  let index = 0
  const open = (segment: Uint8Array, last: boolean): Uint8Array => {
    const opened = reader.open(index, segment, last)
    const offset = index * SEGMENT_LENGTH
    index++
    return plaintext === undefined ? opened : plaintext.keep(offset, opened)
  }
  return {
    *push(sealed) {
      let rest = sealed
      // What is followed by something is not the last.
      while (length + rest.length > SEALED_SEGMENT_LENGTH) {
        const missing = SEALED_SEGMENT_LENGTH - length
        let segment = rest.subarray(0, missing)
        if (length > 0) {
          held.set(segment, length)
          segment = held
        }
        length = 0
        rest = rest.subarray(missing)
        yield open(segment, false)
      }
      held.set(rest, length)
      length += rest.length
    },
    *end() {
      const total = index * SEALED_SEGMENT_LENGTH + length
      const segments = segmentsIn(total, method)
      if (segments === undefined) throw new DecryptionError()
      checkEnd(segments, method, kind)
      const opened = length > 0 ? reader.open(index, held.subarray(0, length), true) : new Uint8Array(0)
      const offset = index * SEGMENT_LENGTH
      if (editList !== undefined && namedLength(editList) > BigInt(offset + opened.length)) {
        opened.fill(0)
        throw new DecryptionError()
      }
      yield plaintext === undefined ? opened : plaintext.keep(offset, opened)
    },
  }
}
