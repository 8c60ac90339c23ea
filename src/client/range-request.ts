import { configError, CseError } from '../errors.js'
import type { Format } from '../formats/format.js'
import { parseRange, storedSpec } from './range.js'
import type { RangeSpec } from './range.js'
import type { RequestSettings } from './request-options.js'
import type { Input } from './sdk.js'

/** What a GetObject asks for with its `Range`. */
export interface AskedRange {
  /** The caller's header. */
  readonly header: string
  /** Of the plaintext; `undefined`: S3 ignores such a header, and the whole object is meant. */
  readonly spec: RangeSpec | undefined
  /** Of the stored object, to be sent; `undefined`: the whole is asked for. */
  readonly sent: RangeSpec | undefined
  /** The beginning is asked for, which shows what the object is. */
  readonly looks: boolean
}

export function rangeRefused(message: string): CseError {
  return new CseError('ERR_S3CSE_RANGE_REFUSED', message)
}

export function partRefused(): CseError {
  return rangeRefused(
    "Range asks for a part of an encrypted object, which cannot be authenticated by itself. Read the whole object, or set the option rangeReads: 'whole-object' reads and verifies all of the object and gives the part out; 'unauthenticated' decrypts the part alone, in which changes go unnoticed.",
  )
}

/** Throws ERR_S3CSE_RANGE_REFUSED for PartNumber, with or without Range: where parts begin says nothing about the plaintext. */
export function refuseParts(input: Input): void {
  if (input.PartNumber === undefined) return
  throw rangeRefused(
    'PartNumber asks for a part of the stored object as it was uploaded. Read the whole object, or use Range with the option rangeReads.',
  )
}

/** The stored bytes that show whether an envelope is in the body. */
export function startSpec({ bodyEnvelopes }: Format): RangeSpec {
  return { first: 0, last: (bodyEnvelopes?.startLength ?? 1) - 1 }
}

/** HeadObject tells about whole objects only. */
export function refuseRanges(input: Input): void {
  refuseParts(input)
  if (input.Range === undefined) return
  throw rangeRefused('HeadObject with Range is not answered for encrypted objects: ask without it.')
}

/**
 * The range of a GetObject, and what to send for it. Throws ERR_S3CSE_RANGE_REFUSED where nothing that can be read
 * authenticates ranges and the caller has not chosen how to do without: also for ranges that S3 would ignore. Where
 * envelopes may be in bodies the beginning is asked for first. `looked`: that was done.
 */
export function askedRange(
  input: Input,
  { rangeReads }: RequestSettings,
  format: Format,
  looked: boolean,
): AskedRange | undefined {
  const { Range: header } = input
  refuseParts(input)
  if (header === undefined) return undefined
  const looks = format.bodyEnvelopes !== undefined && !looked
  const authenticated = format.authenticatedRanges === true || looks
  if (rangeReads === 'reject' && !authenticated) throw partRefused()
  if (typeof header !== 'string') throw configError('Range must be a string')
  const spec = parseRange(header)
  const sends = spec !== undefined && (authenticated || rangeReads === 'unauthenticated')
  if (looks && sends) return { header, spec, sent: startSpec(format), looks }
  return { header, spec, sent: sends ? storedSpec(spec) : undefined, looks: false }
}
