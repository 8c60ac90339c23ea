import { peekable } from '../bytes/peekable.js'
import type { PeekableSource } from '../bytes/peekable.js'
import { allOf } from '../bytes/reader.js'
import { resources } from '../bytes/resources.js'
import { CseError } from '../errors.js'
import { innermost } from '../keyrings/inner.js'
import type { StoredBytes } from '../formats/format.js'
import type { Opener } from '../message/opener.js'
import { verifyEnd } from '../message/ranged-read.js'
import { placeOf } from './header-cache.js'
import { checkObjectSize, openEnvelope, unexpected } from './open-object.js'
import type { OpenEnvelope } from './open-object.js'
import { answeredRange } from './range-answer.js'
import {
  checkSpool,
  lengthFromEnd,
  nothingVerified,
  reread,
  showReading,
  sourceFor,
  storedLength,
  wantedRange,
} from './reading.js'
import type { Found, GetContext, Reading } from './reading.js'
import type { ByteRange } from './range.js'
import { untilAborted } from './sdk.js'
import type { Output } from './sdk.js'

type Begun = Pick<Reading, 'found' | 'first' | 'sealedLength' | 'where' | 'answered'> & {
  /** The end of the object, where a format has asked for it. */
  tail: Uint8Array | undefined
}

/**
 * The same for an envelope at the start of the stored bytes, which has to be read before anything is known. Of a range
 * the response is the beginning of the object; what is needed of the rest is asked for by itself.
 */
export async function decryptInBody(g: GetContext, output: Output, given: Found): Promise<void> {
  const { settings } = g
  const start = peekable(given.upstream)
  const found = { ...given, upstream: start }
  const { object, envelope, request, asked } = found
  const where = `${object.bucket}/${object.key}`
  const answered = asked?.sent === undefined ? undefined : answeredRange(output, asked.sent, where)
  const sealedLength = answered?.total ?? storedLength(output, where)
  checkObjectSize(envelope, sealedLength, settings, where)
  if (asked?.sent !== undefined && answered === undefined) {
    throw unexpected(`The server ignores Range: no part of ${where} can be read from it by itself`)
  }
  const begun: Begun = { found, first: { ...output }, sealedLength, answered, where, tail: undefined }
  const stored = storedBytes(g, begun, start)
  const held = resources()
  held.hold((error) => start.cancel(error))
  try {
    // To its end: what comes next may need the socket that it holds.
    if (answered !== undefined) await untilAborted(start.start(answered.part.end + 1), g.signal)
    const opener = await open({ envelope, settings, request, object, signal: g.signal, stored }, begun)
    held.hold(() => opener.destroy())
    const opened = { ...begun, opener, held }
    let plaintextLength = opener.plaintextLength(sealedLength)
    const wanted = asked?.spec !== undefined
    const fromEnd = wanted && plaintextLength === undefined && request.rangeReads !== 'reject'
    if (fromEnd) plaintextLength = await lengthFromEnd(g, opened)
    else if (wanted && opener.authentication === 'segment') {
      await verifyEnd(opener, sealedLength, (from, end) => storedPart(g, begun, start, { start: from, end }))
    }
    const range = wantedRange(asked, plaintextLength, output)
    if (wanted && (range === undefined || plaintextLength === undefined)) throw nothingVerified(where)
    if (opener.authentication === 'whole' && !request.delayedAuthentication) {
      checkSpool(sealedLength, range, settings, where)
    }
    // Of what can only be read whole the beginning was asked for.
    const isWhole = range !== undefined && opener.authentication !== 'segment' && request.rangeReads === 'whole-object'
    const parts = isWhole || fromEnd ? undefined : answered
    const spent = found.spent || (parts === undefined && answered !== undefined)
    const r: Reading = { ...opened, answered: parts, range, spent }
    if (spent) start.cancel()
    showReading(g, output, r, { source: await sourceFor(g, r), plaintextLength })
    if (parts !== undefined) await remember(g, begun, opener, stored)
  } catch (error) {
    held.release(error as Error)
    throw error
  }
}

/** For a range first as what opens in parts; what does not is opened whole, where the caller has that read. */
async function open(
  opening: OpenEnvelope & { readonly stored: StoredBytes },
  { found: { asked, request } }: Begun,
): Promise<Opener> {
  if (asked?.spec === undefined) return openEnvelope(opening)
  try {
    return await openEnvelope({ ...opening, ranges: true })
  } catch (error) {
    const isRefused = error instanceof CseError && error.code === 'ERR_S3CSE_RANGE_REFUSED'
    if (!isRefused || request.rangeReads !== 'whole-object') throw error
    return openEnvelope(opening)
  }
}

/** A part of the stored object, in memory: of the response, where that has it, or asked for. */
async function storedPart(g: GetContext, begun: Begun, start: PeekableSource, part: ByteRange): Promise<Uint8Array> {
  const { answered, found } = begun
  if (part.start === part.end) return new Uint8Array(0)
  const isThere = answered?.part.start === 0 && part.end <= answered.part.end && !found.spent
  if (isThere) {
    const bytes = await start.start(part.end)
    if (bytes.length === part.end) return bytes.subarray(part.start)
  }
  const tailAt = begun.sealedLength - (begun.tail?.length ?? 0)
  if (begun.tail !== undefined && part.start >= tailAt) {
    return begun.tail.subarray(part.start - tailAt, part.end - tailAt)
  }
  const source = await reread(g, begun, part)
  try {
    return await untilAborted(allOf(source, part.end - part.start), g.signal)
  } catch (error) {
    source.cancel(error as Error)
    throw error
  }
}

/** What a format whose envelope is in the body reads of it. */
function storedBytes(g: GetContext, begun: Begun, start: PeekableSource): StoredBytes {
  const { sealedLength, answered } = begun
  let had: Uint8Array = new Uint8Array(0)
  return {
    length: sealedLength,
    async start(count) {
      if (answered === undefined) return start.start(count)
      const end = Math.min(count, sealedLength)
      if (had.length < end) had = await storedPart(g, begun, start, { start: 0, end })
      return had.subarray(0, end)
    },
    async end(count) {
      const length = Math.min(count, sealedLength)
      begun.tail = await storedPart(g, begun, start, { start: sealedLength - length, end: sealedLength })
      return begun.tail
    },
  }
}

/**
 * Where the header does not commit to its key, for this keyring only: another one could open what was verified under this
 * one. Not of signed messages, whose end shows how long their footer is.
 */
async function remember(g: GetContext, begun: Begun, opener: Opener, stored: StoredBytes): Promise<void> {
  const { found, first, sealedLength } = begun
  const { ETag: etag } = first
  if (opener.trailerLength > 0 || opener.authentication !== 'segment') return
  if (typeof etag !== 'string' || etag === '') return
  const keyring = found.envelope.summary.keyCommitment ? undefined : innermost(found.request.keyring)
  const header = Uint8Array.from(await stored.start(opener.headerLength))
  g.settings.headers.set(placeOf(g.args.input, found.object), { etag, sealedLength, header, keyring })
}
