import { runtime } from '#runtime'
import { sourceOfBytes } from '../bytes/body.js'
import { allOf } from '../bytes/reader.js'
import type { Resources } from '../bytes/resources.js'
import { CseError } from '../errors.js'
import type { Envelope, ObjectName } from '../formats/format.js'
import type { Opener } from '../message/opener.js'
import { rangedRead, sealedRange } from '../message/ranged-read.js'
import { streamedRead } from '../message/streamed-read.js'
import { SLICE_LENGTH, verifiedRead } from '../message/verified-read.js'
import type { ByteSource } from '../runtime/runtime.js'
import { emitterFor } from './events.js'
import { showPlaintext } from './info.js'
import { fileMismatch } from './file-mismatch.js'
import type { EncryptionInfo } from './info.js'
import { unexpected } from './open-object.js'
import type { Settings } from './options.js'
import { outputBody } from './output-body.js'
import { answeredRange } from './range-answer.js'
import type { AnsweredRange } from './range-answer.js'
import { invalidRange } from './range-error.js'
import { partRefused, rangeRefused } from './range-request.js'
import type { AskedRange } from './range-request.js'
import { formatRange, resolveRange } from './range.js'
import type { ByteRange } from './range.js'
import type { RequestSettings } from './request-options.js'
import { statusOf, untilAborted } from './sdk.js'
import type { CommandContext, Input, Output } from './sdk.js'

export interface GetContext extends CommandContext {
  readonly settings: Settings
  /** The object was read before, and its instruction file did not fit. */
  readonly again: boolean
  /** The beginning of the object was read before, to see of which format it is. */
  readonly looked?: boolean
}

/** A response with an envelope, and what was asked for. */
export interface Found {
  readonly object: ObjectName
  readonly envelope: Envelope
  readonly request: RequestSettings
  readonly upstream: ByteSource
  readonly kind: 'node' | 'web'
  readonly asked: AskedRange | undefined
  /** `upstream` was given back already. */
  readonly spent: boolean
}

/** What a Body is made from. */
export interface Reading {
  readonly found: Found
  /** The response's own output, before anything of it is changed. */
  readonly first: Output
  readonly opener: Opener
  /** Length of the whole stored object in bytes. */
  readonly sealedLength: number
  /** What the response is of it; `undefined`: the whole. */
  readonly answered: AnsweredRange | undefined
  /** The plaintext that is wanted; `undefined`: the whole. */
  readonly range: ByteRange | undefined
  readonly held: Resources
  readonly where: string
  /** The response's body was given back: what is needed has to be asked for again. */
  readonly spent: boolean
}

export function storedLength(output: Output, where: string): number {
  if (output.ContentRange !== undefined) {
    throw unexpected(`The response for ${where} is a range (Content-Range), but none was asked for`)
  }
  const length = output.ContentLength
  if (typeof length !== 'number' || !Number.isSafeInteger(length) || length < 0) {
    throw unexpected(`The response for ${where} has no usable Content-Length, which is needed to bound what is read`)
  }
  return length
}

/** Whether a verified read can keep what it has to, by its settings alone. */
export function checkSpool(
  sealedLength: number,
  range: ByteRange | undefined,
  { spool, maxBufferedBytes }: Settings,
  where: string,
): void {
  const kept = range === undefined ? sealedLength : Math.min(sealedLength, range.end - range.start + 2 * SLICE_LENGTH)
  if (spool === undefined || kept <= maxBufferedBytes || kept <= spool.maxBytes) return
  throw new CseError(
    'ERR_S3CSE_SPOOL',
    `A verified read of ${where} keeps ${kept} of its stored bytes, more than spool.maxBytes (${spool.maxBytes}). Raise it, or read with delayedAuthentication.`,
  )
}

/** `undefined` if none is wanted, or `length` is not known. Throws what S3 answers to a range outside of the plaintext. */
export function wantedRange(
  asked: AskedRange | undefined,
  length: number | undefined,
  output: Output,
): ByteRange | undefined {
  if (asked?.spec === undefined || length === undefined) return undefined
  const range = resolveRange(asked.spec, length)
  if (range === undefined) throw invalidRange(asked.header, length, output)
  return range
}

/** The input for the same object once more, as it was in the first response. */
export function pinnedInput(input: Input, first: Output): Record<string, unknown> {
  const pinned: Record<string, unknown> = { ...input }
  if (first.ETag !== undefined) pinned.IfMatch = first.ETag
  if (first.VersionId !== undefined) pinned.VersionId = first.VersionId
  delete pinned.IfNoneMatch
  delete pinned.IfModifiedSince
  delete pinned.Range
  return pinned
}

/** (`early`: nothing of it has been given out.) The same object once more: whole, for a read in two passes, or a part of it. */
export async function reread(
  g: GetContext,
  { first, sealedLength, where }: Pick<Reading, 'first' | 'sealedLength' | 'where'>,
  part?: ByteRange,
  early = true,
): Promise<ByteSource> {
  const spec = part && { first: part.start, last: part.end - 1 }
  const input = { ...pinnedInput(g.args.input, first), ...(spec && { Range: formatRange(spec) }) }
  const { output } = await g.next({ ...g.args, input }).catch((error: unknown) => {
    // Nothing of it has been given out: it is looked at again.
    if (early && statusOf(error) === 412) throw fileMismatch(`${where} was replaced while it was read: read it again`)
    throw error
  })
  const source = runtime.source(output.Body)
  try {
    const length = spec === undefined ? storedLength(output, where) : answeredRange(output, spec, where)?.total
    if (length !== sealedLength) {
      throw unexpected(
        `The second response for ${where} is not of the same length as the first; the object was overwritten: read it again`,
      )
    }
  } catch (error) {
    source.cancel(error as Error)
    throw error
  }
  return source
}

/** A range from the stored bytes around it. Which these are is known now: if the response lacks some, they are asked for. */
async function partSource(g: GetContext, r: Reading, { part }: AnsweredRange, range: ByteRange): Promise<ByteSource> {
  const { opener, sealedLength, held } = r
  const { request, upstream } = r.found
  if (opener.authentication !== 'segment' && request.rangeReads !== 'unauthenticated') throw partRefused()
  const read = { opener, sealedLength, range, resources: held }
  const needed = sealedRange(opener, sealedLength, range)
  if (!r.spent && needed.start >= part.start && needed.end <= part.end)
    return rangedRead({ ...read, upstream, sealed: part })
  upstream.cancel()
  // No header can ask for nothing.
  if (needed.start === needed.end) return sourceOfBytes(new Uint8Array(0), 1)
  const again = await reread(g, r, needed)
  held.hold((error) => again.cancel(error))
  return rangedRead({ ...read, upstream: again, sealed: needed })
}

function wholeSource(g: GetContext, r: Reading, upstream: ByteSource = r.found.upstream): ByteSource {
  const { opener, sealedLength, range, held, found } = r
  const read = { opener, upstream, sealedLength, range, resources: held }
  // What nothing authenticates is held back all the same until its end, the padding, is seen to be right.
  const delayed = found.request.delayedAuthentication && opener.authentication === 'whole'
  if (delayed || opener.authentication === 'segment') return streamedRead(read)
  const { spool, memory, disk } = g.settings
  const { createSpool } = runtime
  const emit = emitterFor(g.settings.observer, found.object)
  return verifiedRead({
    ...read,
    memory,
    disk,
    createSpool: spool === undefined || createSpool === undefined ? undefined : () => createSpool(spool.directory),
    reread: () => reread(g, r, undefined, false),
    observe:
      emit && ((type, bytes, milliseconds, ok) => emit({ type, bytes, milliseconds, outcome: ok ? 'done' : 'failed' })),
  })
}

async function wholeAgain(g: GetContext, r: Reading): Promise<ByteSource> {
  const again = await reread(g, r)
  r.held.hold((error) => again.cancel(error))
  return wholeSource(g, r, again)
}

function authenticationOf({ opener, answered, found }: Reading): EncryptionInfo['authentication'] {
  if (opener.authentication === 'segment') return 'verified'
  if (opener.authentication === 'none' || answered !== undefined) return 'none'
  return found.request.delayedAuthentication ? 'delayed' : 'verified'
}

/** The plaintext's length where only the end of the message shows it: that is asked for by itself. */
export async function lengthFromEnd(g: GetContext, r: Omit<Reading, 'range' | 'spent'>): Promise<number | undefined> {
  const { opener, sealedLength, found } = r
  const { endLength } = opener
  if (endLength === undefined || sealedLength === 0) return undefined
  // It may hold the only socket.
  found.upstream.cancel()
  const part = { start: Math.max(0, sealedLength - endLength), end: sealedLength }
  const source = await reread(g, r, part)
  r.held.hold((error) => source.cancel(error))
  const end = await untilAborted(allOf(source, part.end - part.start), g.signal)
  return opener.plaintextLengthFrom?.(sealedLength, end)
}

/** As S3 answers a range: 206 with Content-Range, but 200 for the last bytes of nothing. */
function showRange(output: Output, { start, end }: ByteRange, length: number): void {
  const empty = start === end
  if (empty) delete output.ContentRange
  else output.ContentRange = `bytes ${start}-${end - 1}/${length}`
  output.$metadata = { ...(output.$metadata as object | undefined), httpStatusCode: empty ? 200 : 206 }
}

export function nothingVerified(where: string): CseError {
  return rangeRefused(
    `The plaintext's length of ${where} is not known before all of it is read, and no range of it can be verified: omit Range, or set rangeReads: 'unauthenticated'`,
  )
}

/** What the plaintext comes from: of the response, or asked for again. */
export async function sourceFor(g: GetContext, r: Reading): Promise<ByteSource> {
  if (r.answered !== undefined && r.range !== undefined) return partSource(g, r, r.answered, r.range)
  return r.spent ? wholeAgain(g, r) : wholeSource(g, r)
}

/** Gives the output its Body, and lengths, range and metadata of the plaintext. */
export function showReading(
  g: GetContext,
  output: Output,
  r: Reading,
  { source, plaintextLength }: { readonly source: ByteSource; readonly plaintextLength: number | undefined },
): void {
  const { found, held, range, sealedLength } = r
  const { envelope, kind } = found
  output.Body = outputBody(source, { config: g.config, signal: g.signal, kind, resources: held })
  showPlaintext(output, {
    envelope,
    reserved: g.settings.format.reservedKeys,
    length: range === undefined ? plaintextLength : range.end - range.start,
    storedLength: sealedLength,
    authentication: authenticationOf(r),
  })
  if (range !== undefined && plaintextLength !== undefined) showRange(output, range, plaintextLength)
}
