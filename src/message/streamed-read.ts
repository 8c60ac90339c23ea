import { exactReader } from '../bytes/reader.js'
import type { Resources } from '../bytes/resources.js'
import { DecryptionError } from '../errors.js'
import type { ByteSource } from '../runtime/runtime.js'
import type { Opener } from './opener.js'
import { roomFor } from './segment-room.js'

/** The most that is opened at once, in bytes: what a socket gives is passed on as it comes. */
const PIECE_LENGTH = 1024 * 1024

/** The same in whole segments, at least one. */
export function pieceLengthOf({ alignment }: Opener): number {
  return Math.max(1, Math.floor(PIECE_LENGTH / alignment)) * alignment
}

/** Where the piece begins that is opened on its own: the end of the body, where there is none. */
export function lastPieceAt(opener: Opener, sealedLength: number): number {
  return sealedLength - opener.trailerLength - (opener.lastLength?.(sealedLength) ?? 0)
}

export interface ReadOptions {
  readonly opener: Opener
  /** The stored bytes, header included. Nothing is read before the first `next()`. */
  readonly upstream: ByteSource
  /** Their length, which `upstream` must have exactly. */
  readonly sealedLength: number
  /** The plaintext that is given out; the whole message is read and verified all the same. Default: all of it. */
  readonly range?: PlaintextRange | undefined
  /** Must hold `upstream` and `opener` already; given back at the end, on an error and on cancel. */
  readonly resources: Resources
}

/** Plaintext [start, end), in bytes. */
export interface PlaintextRange {
  readonly start: number
  readonly end: number
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

/** Gives `length` bytes of what the chunks have after `skip` bytes, and reads all that follows. */
export async function* trimmed(
  chunks: AsyncIterable<Uint8Array>,
  skip: number,
  length: number,
): AsyncGenerator<Uint8Array, void> {
  let [before, wanted] = [skip, length]
  for await (const chunk of chunks) {
    const from = Math.min(before, chunk.length)
    const piece = chunk.subarray(from, from + wanted)
    before -= from
    wanted -= piece.length
    if (piece.length > 0) yield piece
  }
}

async function* open({ opener, upstream, sealedLength }: ReadOptions): AsyncGenerator<Uint8Array, void> {
  const reader = exactReader(upstream)
  const whole = opener.authentication === 'whole'
  // One pass of a cipher that authenticates costs less than two, of a hash and of one that does not.
  const stream = opener.authentication === 'none' ? undefined : opener.stream?.()
  const alignment = stream === undefined ? opener.alignment : 1
  await reader.read(opener.headerLength)
  const end = sealedLength - opener.trailerLength
  const lastAt = lastPieceAt(opener, sealedLength)
  const room = stream === undefined ? roomFor(opener, lastAt - opener.headerLength) : undefined
  for (let offset = opener.headerLength; offset < end;) {
    const piece =
      offset < lastAt
        ? await reader.some(alignment, Math.min(pieceLengthOf(opener), lastAt - offset), room)
        : await reader.read(end - offset)
    const last = offset + piece.length === end
    // Taken into the check before it is opened: opening may work in place.
    if (stream === undefined) await opener.absorb?.(offset, piece)
    const plaintext = await (stream === undefined ? opener.open(offset, piece, last) : stream.update(piece))
    offset += piece.length
    if (plaintext.length > 0) yield plaintext
  }
  const trailer = await reader.read(opener.trailerLength)
  await reader.end()
  if (stream !== undefined) {
    const held = await stream.final(trailer)
    if (held !== undefined && held.length > 0) yield held
  } else {
    if (whole && opener.verify === undefined) throw new DecryptionError()
    // Of a format that is verified piece by piece: that no piece is missing at the end.
    await opener.verify?.(sealedLength, trailer)
  }
}

/**
 * Gives plaintext as it arrives: verified piece by piece where the format can do that ('segment'), otherwise before it
 * is verified, with the error at the end.
 */
export function streamedRead(options: ReadOptions): ByteSource {
  const { range, resources } = options
  const plaintext = open(options)
  return sourceOf(range === undefined ? plaintext : trimmed(plaintext, range.start, range.end - range.start), resources)
}
