import { runtime } from '#runtime'
import { throwIfAborted } from '../bytes/abort.js'
import { resources } from '../bytes/resources.js'
import { innermost } from '../keyrings/inner.js'
import type { ObjectName, StoredBytes } from '../formats/format.js'
import { sealedRange } from '../message/ranged-read.js'
import { placeOf } from './header-cache.js'
import type { KnownHeader } from './header-cache.js'
import { openEnvelope, unexpected } from './open-object.js'
import { answeredRange } from './range-answer.js'
import type { AskedRange } from './range-request.js'
import { formatRange, resolveRange } from './range.js'
import { showReading, sourceFor } from './reading.js'
import type { GetContext, Reading } from './reading.js'
import type { RequestSettings } from './request-options.js'
import { statusOf } from './sdk.js'
import type { Result } from './sdk.js'

export interface RangeRequest {
  readonly object: ObjectName
  readonly request: RequestSettings
  readonly asked: AskedRange
}

/**
 * A range of an object whose header is known, in one request: exactly what is needed of the version that was read before.
 * `undefined` where nothing is known, or the object is another one by now: then it has to be looked at again.
 */
export async function knownRange(g: GetContext, r: RangeRequest): Promise<Result | undefined> {
  const { settings, args } = g
  const place = placeOf(args.input, r.object)
  const known = settings.headers.get(place)
  if (known === undefined) return undefined
  if (known.keyring !== undefined && known.keyring !== innermost(r.request.keyring)) return undefined
  const { IfMatch, IfUnmodifiedSince } = args.input
  if (IfMatch !== undefined && IfMatch !== known.etag) return undefined
  // S3 does not look at it where IfMatch is right.
  if (IfMatch === undefined && IfUnmodifiedSince !== undefined) return undefined
  const result = await readKnown(g, r, known)
  if (result === undefined) settings.headers.delete(place)
  return result
}

async function readKnown(g: GetContext, { object, request, asked }: RangeRequest, known: KnownHeader) {
  const { settings, args, signal } = g
  const { sealedLength, header, etag } = known
  const envelope = settings.format.bodyEnvelopes?.recognise(header, object)
  if (envelope === undefined || asked.spec === undefined) return undefined
  const where = `${object.bucket}/${object.key}`
  if (sealedLength > settings.maxObjectBytes) return undefined
  const stored: StoredBytes = { length: sealedLength, start: (count) => Promise.resolve(header.subarray(0, count)) }
  // Another object may have taken its place, with another context or under another key: that is asked of what is there now.
  const opening = openEnvelope({ envelope, settings, request, object, signal, stored, ranges: true })
  const opener = await opening.catch(() => undefined)
  if (opener === undefined) {
    throwIfAborted(signal)
    return undefined
  }
  const held = resources()
  held.hold(() => opener.destroy())
  try {
    const plaintextLength = opener.plaintextLength(sealedLength)
    const range = plaintextLength === undefined ? undefined : resolveRange(asked.spec, plaintextLength)
    const needed = range && sealedRange(opener, sealedLength, range)
    // What cannot be satisfied S3 is asked about: the object may be another one by now.
    if (range === undefined || needed === undefined || needed.start === needed.end) {
      held.release()
      return undefined
    }
    const spec = { first: needed.start, last: needed.end - 1 }
    const result = await g
      .next({ ...args, input: { ...args.input, Range: formatRange(spec), IfMatch: etag } })
      .catch((error: unknown) => {
        const status = statusOf(error)
        if (status === 412 || status === 416 || status === 404) return undefined
        throw error
      })
    const output = result?.output
    if (result === undefined || output === undefined) {
      held.release()
      return undefined
    }
    const upstream = runtime.source(output.Body)
    held.hold((error) => upstream.cancel(error))
    const answered = answeredRange(output, spec, where)
    // A server that ignores conditions or ranges.
    if (output.ETag !== etag || answered === undefined) {
      held.release()
      return undefined
    }
    if (answered.total !== sealedLength) throw unexpected(`The response for ${where} is of another length than before`)
    const kind = runtime.streamKind(output.Body) ?? 'node'
    const found = { object, envelope, request, upstream, kind, asked, spent: false }
    const first = { ...output }
    const reading: Reading = { found, first, opener, sealedLength, answered, range, held, where, spent: false }
    showReading(g, output, reading, { source: await sourceFor(g, reading), plaintextLength })
    return result
  } catch (error) {
    held.release(error as Error)
    throw error
  }
}
