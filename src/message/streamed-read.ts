import { exactReader } from '../bytes/reader.js'
import type { Resources } from '../bytes/resources.js'
import { DecryptionError } from '../errors.js'
import type { ByteSource } from '../runtime/runtime.js'
import type { Opener } from './opener.js'

/** The most that is opened at once, in bytes: what a socket gives is passed on as it comes. */
const PIECE_LENGTH = 1024 * 1024

export interface ReadOptions {
  readonly opener: Opener
  /** The stored bytes, header included. Nothing is read before the first `next()`. */
  readonly upstream: ByteSource
  /** Their length, which `upstream` must have exactly. */
  readonly sealedLength: number
  /** Must hold `upstream` and `opener` already; given back at the end, on an error and on cancel. */
  readonly resources: Resources
}

/** Makes a source of a generator whose resources are given back whatever happens, also while it waits. */
export function sourceOf(chunks: AsyncGenerator<Uint8Array, void>, held: Resources): ByteSource {
  return {
    async next() {
      try {
        const { done, value } = await chunks.next()
        if (done !== true) return value
        held.release()
        return undefined
      } catch (caught) {
        // After a cancel what fails is the consequence: the reason is what was given to the cancel.
        const error = held.error ?? (caught as Error)
        held.release(error)
        throw error
      }
    },
    cancel: (error) => held.release(error),
  }
}

async function* open({ opener, upstream, sealedLength }: ReadOptions): AsyncGenerator<Uint8Array, void> {
  const reader = exactReader(upstream)
  await reader.read(opener.headerLength)
  const end = sealedLength - opener.trailerLength
  for (let offset = opener.headerLength; offset < end;) {
    const piece = await reader.some(opener.alignment, Math.min(PIECE_LENGTH, end - offset))
    // Taken into the check before it is opened: opening may work in place.
    await opener.absorb?.(offset, piece)
    const plaintext = await opener.open(offset, piece, offset + piece.length === end)
    offset += piece.length
    if (plaintext.length > 0) yield plaintext
  }
  const trailer = await reader.read(opener.trailerLength)
  await reader.end()
  if (opener.authentication === 'whole') {
    if (opener.verify === undefined) throw new DecryptionError()
    await opener.verify(sealedLength, trailer)
  }
}

/**
 * Gives plaintext as it arrives: verified piece by piece where the format can do that ('segment'), otherwise before it
 * is verified, with the error at the end.
 */
export function streamedRead(options: ReadOptions): ByteSource {
  return sourceOf(open(options), options.resources)
}
