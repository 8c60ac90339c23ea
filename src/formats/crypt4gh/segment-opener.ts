import { DecryptionError } from '../../errors.js'
import type { Opener } from '../../message/opener.js'
import type { DataMethod } from './content.js'
import type { SegmentReader } from './open-segments.js'
import type { OrderKind } from './order.js'
import {
  lengthOf,
  SEALED_SEGMENT_LENGTH,
  SEGMENT_LENGTH,
  SEGMENT_OVERHEAD,
  segmentsIn,
  type SegmentCount,
} from './segments.js'

export interface SegmentOpenerOptions {
  /** Destroyed with the opener. */
  readonly reader: SegmentReader
  readonly method: DataMethod
  /** In bytes. */
  readonly headerLength: number
  readonly kind: OrderKind | undefined
}

/** Opens the segments of a message, each by itself: what is given out is verified, as far as the message binds it to its place. */
export function segmentOpener({ reader, method, headerLength, kind }: SegmentOpenerOptions): Opener {
  const count = (sealedLength: number): SegmentCount => {
    const segments = segmentsIn(sealedLength - headerLength, method)
    if (segments === undefined) throw new DecryptionError()
    checkEnd(segments, method, kind)
    return segments
  }
  const indexAt = (sealedOffset: number): number => {
    const index = (sealedOffset - headerLength) / SEALED_SEGMENT_LENGTH
    if (!Number.isSafeInteger(index) || index < 0) throw new DecryptionError()
    return index
  }
  return {
    headerLength,
    trailerLength: 0,
    authentication: 'segment',
    alignment: SEALED_SEGMENT_LENGTH,
    plaintextLength: (sealedLength) => lengthOf(count(sealedLength)),
    lastLength(sealedLength) {
      const { whole, rest } = count(sealedLength)
      if (rest !== undefined) return rest + SEGMENT_OVERHEAD
      return whole === 0 ? 0 : SEALED_SEGMENT_LENGTH
    },
    extent: (start, end) => ({
      start: headerLength + Math.floor(start / SEGMENT_LENGTH) * SEALED_SEGMENT_LENGTH,
      end: headerLength + Math.ceil(end / SEGMENT_LENGTH) * SEALED_SEGMENT_LENGTH,
      offset: start - (start % SEGMENT_LENGTH),
    }),
    openWhole(sealed) {
      count(sealed.length)
      return reader.open(0, sealed.subarray(headerLength), true)
    },
    open: (sealedOffset, sealed, last, into) => reader.open(indexAt(sealedOffset), sealed, last, into),
    destroy: () => reader.destroy(),
  }
}

/** Throws DecryptionError where a message that has segments has none, or the other way round. */
export function checkEnd({ whole, rest }: SegmentCount, method: DataMethod, kind: OrderKind | undefined): void {
  // Method 1 has an end of its own.
  if (method === 1) return
  const isEmpty = whole === 0 && rest === undefined
  if ((kind === 'ended' && isEmpty) || (kind === 'empty' && !isEmpty)) throw new DecryptionError()
}
