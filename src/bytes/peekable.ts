import type { ByteSource } from '../runtime/runtime.js'
import { concat } from './body.js'

/** A source whose first bytes can be looked at before it is read. */
export interface PeekableSource extends ByteSource {
  /** The first `count` bytes, or all where there are fewer; as often as is wanted, until `next()` is called. */
  start(count: number): Promise<Uint8Array>
}

/** Keeps as many chunks in memory as were asked for. */
export function peekable(source: ByteSource): PeekableSource {
  let kept: Uint8Array[] = []
  let length = 0
  let ended = false
  return {
    async start(count) {
      while (length < count && !ended) {
        const chunk = await source.next()
        if (chunk === undefined) ended = true
        else {
          // It may be overwritten when the next one is asked for.
          kept.push(new Uint8Array(chunk))
          length += chunk.length
        }
      }
      kept = [concat(kept, length)]
      return kept[0]?.subarray(0, count) ?? new Uint8Array(0)
    },
    next() {
      while (kept.length > 0) {
        const chunk = kept.shift()
        if (chunk !== undefined && chunk.length > 0) return Promise.resolve(chunk)
      }
      return ended ? Promise.resolve(undefined) : source.next()
    },
    cancel: (error) => source.cancel(error),
  }
}
