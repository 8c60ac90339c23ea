import { viewOf } from '../bytes/body.js'
import { isBlob, type ByteInput } from '../message/byte-input.js'
import type { ByteSource } from '../runtime/runtime.js'
import type { Span } from './options.js'

/** That part of an input, where it can be taken without reading what is before it; `undefined` for streams. */
export function spanOfInput(input: ByteInput, { start, end }: Span): ByteInput | undefined {
  const bytes = viewOf(input)
  if (bytes !== undefined) return bytes.subarray(start, Math.min(end, bytes.length))
  if (!isBlob(input)) return undefined
  const all = start === 0 && end >= input.size
  return all ? input : input.slice(start, Math.min(end, input.size))
}

/** Takes a span out of what comes piece by piece. */
export interface SpanTaker {
  /** What of the next piece is in it. */
  take(piece: Uint8Array): Uint8Array
  /** Whether all of it was taken. */
  isWhole(): boolean
}

export function spanTaker({ start, end }: Span): SpanTaker {
  let [before, left] = [start, end - start]
  return {
    take(piece) {
      const from = Math.min(before, piece.length)
      const taken = piece.subarray(from, from + left)
      before -= from
      left -= taken.length
      return taken
    },
    isWhole: () => left === 0,
  }
}

/** That part of what a source gives. What is behind it is not read. */
export function spanOfSource(source: ByteSource, { start, end }: Span): ByteSource {
  if (start === 0 && end === Infinity) return source
  const taker = spanTaker({ start, end })
  return {
    async next() {
      while (!taker.isWhole()) {
        const chunk = await source.next()
        if (chunk === undefined) return undefined
        const piece = taker.take(chunk)
        if (piece.length > 0) return piece
      }
      return undefined
    },
    cancel: (error) => source.cancel(error),
  }
}
