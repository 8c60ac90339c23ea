import { unexpected } from './open-object.js'
import { formatRange, resolveRange } from './range.js'
import type { ByteRange, RangeSpec } from './range.js'
import { statusOf } from './sdk.js'
import type { Output } from './sdk.js'

/** A part of the stored object, as a response gives it. */
export interface AnsweredRange {
  readonly part: ByteRange
  /** Length of the whole stored object in bytes. */
  readonly total: number
}

const shape = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16})$/

/**
 * What a response to a request with `sent` is: the part that was asked for, or (`undefined`) the whole object from a
 * server that ignores the header. Throws ERR_S3CSE_RESPONSE_UNEXPECTED for everything else: the place in the object
 * decides what the bytes decrypt to.
 */
export function answeredRange(output: Output, sent: RangeSpec, where: string): AnsweredRange | undefined {
  const { ContentRange, ContentLength } = output
  const partial = statusOf(output) === 206
  if (ContentRange === undefined && !partial) return undefined
  const asked = `of ${where} to a request for ${formatRange(sent)}`
  if (typeof ContentRange !== 'string') throw unexpected(`The response ${asked} has status 206 and no Content-Range`)
  if (!partial) throw unexpected(`The response ${asked} has a Content-Range, but not status 206`)
  const [first, last, total] = (shape.exec(ContentRange) ?? []).slice(1).map(Number)
  const part = total === undefined || !Number.isSafeInteger(total) ? undefined : resolveRange(sent, total)
  if (total === undefined || part === undefined || part.start !== first || part.end - 1 !== last) {
    throw unexpected(`The response ${asked} has a Content-Range that is not its answer`)
  }
  if (ContentLength !== part.end - part.start) {
    throw unexpected(`The response ${asked} has a Content-Length that is not its Content-Range's`)
  }
  return { part, total }
}
