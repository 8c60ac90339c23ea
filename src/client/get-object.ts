import { runtime } from '#runtime'
import type { ObjectName } from '../formats/format.js'
import type { ByteSource } from '../runtime/runtime.js'
import { decryptObject } from './decrypt-object.js'
import { pinnedInput } from './reading.js'
import type { GetContext } from './reading.js'
import { envelopeOf, foundResponse, restoreBody } from './found-object.js'
import { setInfo } from './info.js'
import { knownRange } from './known-range.js'
import { fileMismatch, isFileMismatch } from './file-mismatch.js'
import { notEncrypted, recogniseObject, takesPlain, unexpected } from './open-object.js'
import type { Settings } from './options.js'
import { answeredRange } from './range-answer.js'
import { isInvalidRange } from './range-error.js'
import type { InvalidRange } from './range-error.js'
import { askedRange } from './range-request.js'
import type { AskedRange } from './range-request.js'
import { formatRange } from './range.js'
import type { RangeSpec } from './range.js'
import { objectName, requestSettings } from './request-options.js'
import { statusOf } from './sdk.js'
import type { CommandContext, Input, Output, Result } from './sdk.js'

/** Whether the caller takes an object without an envelope as it is. */
function passes({ settings }: GetContext, output: Output, object: ObjectName): boolean {
  const [, total] = /\/(\d+)$/.exec((output.ContentRange as string | undefined) ?? '') ?? []
  return takesPlain(settings, total === undefined ? output : { ...output, ContentLength: Number(total) }, object)
}

function passed(result: Result): Result {
  setInfo(result.output, { status: 'plain', authentication: 'none', metadata: {}, checksums: {} })
  return result
}

/** Whether a plain object's range is what was sent for it. */
function fitsPlain({ spec, sent }: AskedRange): boolean {
  return spec === undefined || (sent !== undefined && formatRange(sent) === formatRange(spec))
}

/** Of a plain object the caller's own range, which the first request has changed. */
async function plainRange(g: GetContext, first: Output, header: string, object: ObjectName): Promise<Result> {
  const input = { ...pinnedInput(g.args.input, first), Range: header }
  const result = await g.next({ ...g.args, input }).catch(replaced)
  const { output } = result
  try {
    if (recogniseObject(g.settings, output, object) === undefined && passes(g, output, object)) return passed(result)
    throw unexpected(`${object.bucket}/${object.key} was replaced while it was read: read it again`)
  } catch (error) {
    runtime.source(output.Body).cancel(error as Error)
    throw error
  }
}

function withRange(g: GetContext, sent: RangeSpec | undefined): GetContext {
  const input: Record<string, unknown> = { ...g.args.input }
  if (sent === undefined) delete input.Range
  else input.Range = formatRange(sent)
  return { ...g, args: { ...g.args, input } }
}

/**
 * S3's own 416 is about what was sent and what is stored. The first byte is asked for to learn the plaintext's length,
 * since an error shows no envelope; where that fails, the error says nothing of lengths.
 */
async function toPlaintextTerms(g: GetContext, error: InvalidRange, header: string, object: ObjectName): Promise<void> {
  if (error.RangeRequested !== undefined) error.RangeRequested = header
  if (error.ActualObjectSize === undefined) return
  const spec = { first: 0, last: 0 }
  let length: number | undefined
  try {
    const { output } = await g.next(withRange(g, spec).args)
    runtime.source(output.Body).cancel()
    length = answeredRange(output, spec, object.key)?.total
    const envelope = await envelopeOf(g, output, object)
    if (envelope !== undefined && length !== undefined) length = envelope.plaintextLength(length)
  } catch {
    length = undefined
  }
  if (length === undefined) delete error.ActualObjectSize
  else error.ActualObjectSize = String(length)
}

/** Of an object and its instruction file one may be newer than the other, for the moment: both are read once more. */
export async function getObject(c: CommandContext, settings: Settings): Promise<Result> {
  try {
    return await read({ ...c, settings, again: false })
  } catch (error) {
    if (!isFileMismatch(error)) throw error
  }
  return read({ ...c, settings, again: true })
}

/** A range of an object that turned out to be of a format whose ranges are asked for directly. */
async function lookedAt(given: GetContext, { output }: Result, body: ByteSource): Promise<Result> {
  body.cancel()
  const input = repinned(given.args.input, output)
  return read({ ...given, looked: true, args: { ...given.args, input } }).catch(replaced)
}

/** Of a request that is pinned to what the one before it has found: the object is looked at again. */
function replaced(error: unknown): never {
  if (statusOf(error) !== 412) throw error
  throw fileMismatch('The object was replaced while it was read: read it again')
}

function repinned(input: Input, first: Output): Input {
  return { ...pinnedInput(input, first), Range: input.Range }
}

async function read(given: GetContext): Promise<Result> {
  const { settings, args } = given
  const object = objectName(args.input)
  const { bucket, key } = object
  const request = requestSettings(settings, args.input, bucket, key)
  const asked = askedRange(args.input, request, settings.format, given.looked === true)
  const g = asked === undefined ? given : withRange(given, asked.sent)
  const known = asked?.looks === true ? await knownRange(given, { object, request, asked }) : undefined
  if (known !== undefined) return known
  let result
  try {
    result = await g.next(g.args)
  } catch (error) {
    if (asked?.sent !== undefined && isInvalidRange(error)) {
      // An empty object has a last byte for S3, but no first one.
      const isSuffix = asked.spec !== undefined && 'suffix' in asked.spec && asked.spec.suffix > 0
      if (asked.looks && isSuffix && settings.format.authenticatedRanges === true) {
        return await read({ ...given, looked: true })
      }
      await toPlaintextTerms(g, error, asked.header, object)
    }
    throw error
  }
  const bodies: (() => ByteSource)[] = []
  try {
    const body = takeBody(result, object, bodies)
    const first = result.output
    let plain: boolean | undefined
    const takes = (output: Output): boolean => (plain ??= passes(g, output, object))
    const finding = foundResponse(g, { result, body }, object, takes)
    const found = finding instanceof Promise ? await finding : finding
    const { output } = (result = found.result)
    const again = output === first ? body : takeBody(result, object, bodies)
    if (found.envelope !== undefined) {
      // What it was asked for is where a message begins: of other formats another part is needed, or none may be read.
      if (asked?.looks === true && found.envelope.inBody !== true) return await lookedAt(given, result, again())
      const upstream = found.source ?? again()
      const kind = runtime.streamKind(output.Body) ?? 'node'
      const { envelope, spent } = found
      await decryptObject(g, output, { object, envelope, request, upstream, kind, asked, spent })
      return result
    }
    if (!takes(first)) throw notEncrypted(object, settings, args.input)
    if (asked !== undefined && !fitsPlain(asked)) {
      again().cancel()
      return await plainRange(g, output, asked.header, object)
    }
    if (found.source !== undefined) restoreBody(g, output, found.source)
    return passed(result)
  } catch (error) {
    // Otherwise the response would hold its socket, and the client would run out of them.
    for (const taken of bodies) taken().cancel(error as Error)
    throw error
  }
}

/**
 * The body of a response, which is remembered because it has to be given back; untouched until it is asked for. Throws for
 * a response that has none.
 */
function takeBody({ output }: Result, { bucket, key }: ObjectName, bodies: (() => ByteSource)[]): () => ByteSource {
  if (runtime.streamKind(output.Body) === undefined) {
    throw unexpected(`The response for ${bucket}/${key} has no readable body`)
  }
  const { Body } = output
  let source: ByteSource | undefined
  const taken = (): ByteSource => (source ??= runtime.source(Body))
  bodies.push(taken)
  return taken
}
