/** Chunks shorter than this, in bytes, are copied together: each would cost more than its bytes otherwise. */
const BLOCK_LENGTH = 64 * 1024

/**
 * Collects chunks of any size, with memory in proportion to their bytes, not to their number: a sender of single bytes
 * would otherwise cost some hundred times what is counted.
 */
export interface Gatherer {
  readonly length: number
  /** Short chunks are copied, long ones kept as they are. */
  push(chunk: Uint8Array): void
  /** The first `count` bytes, without a copy where one chunk holds them all. */
  take(count: number): Uint8Array
}

export function gatherer(): Gatherer {
  let chunks: Uint8Array[] = []
  let length = 0
  /** The block that is being filled; what it has is the last of `chunks`. */
  let block: Uint8Array | undefined
  let filled = 0

  function append(chunk: Uint8Array): void {
    for (let rest = chunk; rest.length > 0;) {
      if (block === undefined || filled === block.length) {
        block = new Uint8Array(BLOCK_LENGTH)
        filled = 0
        chunks.push(block.subarray(0, 0))
      }
      const part = rest.subarray(0, block.length - filled)
      block.set(part, filled)
      const last = chunks[chunks.length - 1] as Uint8Array
      filled += part.length
      chunks[chunks.length - 1] = block.subarray(last.byteOffset - block.byteOffset, filled)
      rest = rest.subarray(part.length)
    }
  }

  return {
    get length() {
      return length
    },
    push(chunk) {
      length += chunk.length
      if (chunk.length < BLOCK_LENGTH) {
        append(chunk)
      } else {
        chunks.push(chunk)
        block = undefined
      }
    },
    take(count) {
      const [first] = chunks
      if (first !== undefined && chunks.length === 1 && count === first.length) {
        chunks = []
        block = undefined
        length = 0
        return first
      }
      const taken = new Uint8Array(count)
      let done = 0
      let used = 0
      while (done < count) {
        const chunk = chunks[used] as Uint8Array
        const part = chunk.subarray(0, count - done)
        taken.set(part, done)
        done += part.length
        if (part.length < chunk.length) chunks[used] = chunk.subarray(part.length)
        else used++
      }
      chunks.splice(0, used)
      if (chunks.length === 0) block = undefined
      length -= count
      return taken
    },
  }
}
