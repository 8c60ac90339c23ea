import type { ByteSource } from '../runtime/runtime.js'

/** A source of which it is known where it ends when its last chunk was given. */
export interface AheadSource extends Pick<ByteSource, 'next'> {
  /** Whether the input has so many bytes, all of which were given. */
  endsAt(length: number): boolean
}

/** Reads one chunk ahead. The source's chunks have to stay as they are while the next one is read. */
export function lookAhead(source: Pick<ByteSource, 'next'>): AheadSource {
  let following: Uint8Array | undefined
  let given = 0
  let ended = false
  return {
    async next() {
      if (ended) return undefined
      const chunk = following ?? (await source.next())
      following = chunk && (await source.next())
      ended = following === undefined
      given += chunk?.length ?? 0
      return chunk
    },
    endsAt: (length) => ended && length === given,
  }
}
