/** Buffers of sealed parts, for use again: fresh memory of some MiB costs more than the cipher. */
export interface PartBuffers {
  take(length: number): Uint8Array
  /** Only when nobody reads it any more. */
  give(buffer: Uint8Array): void
  /** Lets the memory go that is not in use. */
  clear(): void
}

/** As many as parts are usually under way. */
const MAX_FREE_BUFFERS = 4

export function partBuffers(): PartBuffers {
  const free: Uint8Array[] = []
  return {
    take(length) {
      const index = free.findIndex((buffer) => buffer.length >= length && buffer.length <= 2 * length)
      return index < 0 ? new Uint8Array(length) : (free.splice(index, 1)[0] as Uint8Array)
    },
    give(buffer) {
      if (free.length < MAX_FREE_BUFFERS) free.push(new Uint8Array(buffer.buffer))
    },
    clear() {
      free.length = 0
    },
  }
}
