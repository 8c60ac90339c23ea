import { exactReader } from '../bytes/reader.js'
import type { ExactReader } from '../bytes/reader.js'
import type { Resources } from '../bytes/resources.js'
import { CseError } from '../errors.js'
import type { ByteSource } from '../runtime/runtime.js'
import type { Opener } from './opener.js'
import { roomFor } from './segment-room.js'
import { lastPieceAt, pieceLengthOf, sourceOf, trimmed } from './streamed-read.js'
import type { PlaintextRange } from './streamed-read.js'

/** Stored bytes [start, end), header included. */
export interface SealedRange {
  readonly start: number
  readonly end: number
}

export interface RangedReadOptions {
  readonly opener: Opener
  /** Length of the whole message in bytes. */
  readonly sealedLength: number
  /** The plaintext that is given out, not beyond the plaintext. */
  readonly range: PlaintextRange
  /** Where `upstream` lies in the message: at least `sealedRange`. */
  readonly sealed: SealedRange
  /** Exactly the bytes of `sealed`. Nothing is read before the first `next()`. */
  readonly upstream: ByteSource
  /** Must hold `upstream` and `opener` already; given back at the end, on an error and on cancel. */
  readonly resources: Resources
}

/**
 * The stored bytes that a range needs: no more than those of the body that hold it, and where segments are
 * authenticated, for a range that reaches the end of the plaintext, the trailer as well.
 */
export function sealedRange(opener: Opener, sealedLength: number, range: PlaintextRange): SealedRange {
  const { start, end } = opener.extent(range.start, range.end)
  const reachesEnd = opener.authentication === 'segment' && end >= lastPieceAt(opener, sealedLength)
  return { start, end: reachesEnd ? sealedLength : end }
}

/** Reads what is not needed, as it comes. */
async function discard(reader: ExactReader, length: number): Promise<void> {
  for (let rest = length; rest > 0;) rest -= (await reader.some(1, rest)).length
}

async function* open(o: RangedReadOptions): AsyncGenerator<Uint8Array, void> {
  const { opener, sealedLength, sealed } = o
  const needed = sealedRange(opener, sealedLength, o.range)
  const bodyEnd = sealedLength - opener.trailerLength
  const end = Math.min(needed.end, bodyEnd)
  const lastAt = lastPieceAt(opener, sealedLength)
  if (needed.start < sealed.start || needed.end > sealed.end) {
    throw new CseError('ERR_S3CSE_RESPONSE_UNEXPECTED', 'The response lacks stored bytes that the range needs')
  }
  const reader = exactReader(o.upstream)
  await discard(reader, needed.start - sealed.start)
  const room = roomFor(opener, Math.min(end, lastAt) - needed.start)
  for (let offset = needed.start; offset < end;) {
    const piece =
      offset < lastAt
        ? await reader.some(opener.alignment, Math.min(pieceLengthOf(opener), end - offset, lastAt - offset), room)
        : await reader.read(end - offset)
    const plaintext = await opener.open(offset, piece, offset + piece.length === bodyEnd)
    offset += piece.length
    if (plaintext.length > 0) yield plaintext
  }
  if (needed.end > bodyEnd) {
    const trailer = await reader.read(opener.trailerLength)
    await opener.verify?.(sealedLength, trailer)
  }
  await discard(reader, sealed.end - needed.end)
  await reader.end()
}

/** That the message ends where its length says, before a length, an end, or a place from the end is believed. `read`: gives stored bytes [start, end). */
export async function verifyEnd(
  opener: Opener,
  sealedLength: number,
  read: (start: number, end: number) => Promise<Uint8Array>,
): Promise<void> {
  const at = lastPieceAt(opener, sealedLength)
  const plaintext = await opener.open(at, await read(at, sealedLength - opener.trailerLength), true)
  plaintext.fill(0)
}

/**
 * Gives a range of the plaintext from the stored bytes around it, as they arrive. Where the opener authenticates
 * segments, each is verified before anything of it is given out, and a range that reaches the end of the plaintext ends
 * well only if the message ends there; where it does not, nothing is verified.
 */
export function rangedRead(options: RangedReadOptions): ByteSource {
  const { opener, range, resources } = options
  const { offset } = opener.extent(range.start, range.end)
  return sourceOf(trimmed(open(options), range.start - offset, range.end - range.start), resources)
}
