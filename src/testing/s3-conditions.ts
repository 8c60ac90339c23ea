/** Conditional requests and ranges (RFC 9110 sections 13 and 14, with S3's deviations). */
import { S3Error } from './s3-error.js'
import type { Entry } from './s3-store.js'
import type { S3Operation, S3Options } from './s3-types.js'

type Headers = Readonly<Record<string, string>>

/** What a server that ignores these conditions sees of a request. */
export function withoutIgnored(
  headers: Headers,
  operation: S3Operation,
  ignored: NonNullable<S3Options['ignoreConditions']>,
): Headers {
  const writes = ignored.includes('write') && WRITES.has(operation)
  const sources = ignored.includes('copy-source')
  if (!writes && !sources) return headers
  const stays = (name: string): boolean =>
    !(writes && /^if-(none-)?match$/.test(name)) && !(sources && name.startsWith('x-amz-copy-source-if-'))
  return Object.fromEntries(Object.entries(headers).filter(([name]) => stays(name)))
}

const WRITES: ReadonlySet<S3Operation> = new Set(['PutObject', 'CopyObject', 'CompleteMultipartUpload', 'DeleteObject'])

/** The conditions on the source of a copy: PreconditionFailed names the one that does not hold. */
export function copyCondition(headers: Headers, entry: Entry): void {
  const prefix = 'x-amz-copy-source-'
  const has = (name: string): boolean => headers[prefix + name] !== undefined
  const condition = readCondition(headers, entry, prefix)
  if (condition === 'failed') failed(`${prefix}${has('if-match') ? 'If-Match' : 'If-Unmodified-Since'}`)
  if (condition === 'not-modified') failed(`${prefix}${has('if-none-match') ? 'If-None-Match' : 'If-Modified-Since'}`)
}

/**
 * The conditions of a read. `prefix` is `x-amz-copy-source-` for the source of a copy. If-Match wins over
 * If-Unmodified-Since and If-None-Match over If-Modified-Since, as S3 documents it.
 */
export function readCondition(headers: Headers, entry: Entry, prefix = ''): 'met' | 'not-modified' | 'failed' {
  const match = headers[`${prefix}if-match`]
  const noneMatch = headers[`${prefix}if-none-match`]
  if (match !== undefined) {
    if (!matches(match, entry.etag)) return 'failed'
  } else if (modifiedSince(headers[`${prefix}if-unmodified-since`], entry) === true) {
    return 'failed'
  }
  if (noneMatch !== undefined) {
    if (matches(noneMatch, entry.etag)) return 'not-modified'
  } else if (modifiedSince(headers[`${prefix}if-modified-since`], entry) === false) {
    return 'not-modified'
  }
  return 'met'
}

/** The conditions of a write: `If-None-Match: *` and `If-Match`. Throws what S3 answers if they do not hold. */
export function writeCondition(headers: Headers, key: string, entry: Entry | undefined): void {
  const match = headers['if-match']
  const noneMatch = headers['if-none-match']
  if (noneMatch !== undefined && (noneMatch !== '*' || match !== undefined)) throw new S3Error('NotImplemented')
  if (noneMatch !== undefined && entry !== undefined) failed('If-None-Match')
  if (match === undefined) return
  if (entry === undefined) throw new S3Error('NoSuchKey', undefined, { details: { Key: key } })
  if (!matches(match, entry.etag)) failed('If-Match')
}

export function failed(condition: string): never {
  throw new S3Error('PreconditionFailed', undefined, { details: { Condition: condition } })
}

function matches(list: string, etag: string): boolean {
  const bare = etag.replaceAll('"', '')
  return list.split(',').some((one) => {
    const wanted = one.trim()
    return wanted === '*' || wanted.replace(/^"(.*)"$/, '$1') === bare
  })
}

// undefined where there is no valid date: such a header is ignored.
function modifiedSince(header: string | undefined, entry: Entry): boolean | undefined {
  const date = Date.parse(header ?? '')
  if (Number.isNaN(date)) return undefined
  return Math.floor(entry.lastModified.getTime() / 1000) * 1000 > date
}

export interface Range {
  readonly start: number
  /** Exclusive. */
  readonly end: number
}

/**
 * The range that a Range header asks for. undefined: none, or one that S3 ignores (unknown unit, unparsable, several
 * ranges, start after end). InvalidRange (416) where it starts behind the last byte or is `bytes=-0`.
 */
export function rangeOf(header: string | undefined, size: number): Range | undefined {
  const found = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '')
  const [, first = '', last = ''] = found ?? []
  if (first === '' && last === '') return undefined
  if (first === '') {
    const suffix = Number(last)
    if (suffix === 0) unsatisfiable(header, size)
    return size === 0 ? undefined : { start: Math.max(0, size - suffix), end: size }
  }
  const start = Number(first)
  const end = last === '' ? size : Math.min(size, Number(last) + 1)
  if (last !== '' && Number(last) < start) return undefined
  if (start >= size) unsatisfiable(header, size)
  return { start, end }
}

function unsatisfiable(header: string | undefined, size: number): never {
  throw new S3Error('InvalidRange', undefined, {
    details: { RangeRequested: header ?? '', ActualObjectSize: size },
    headers: { 'content-range': `bytes */${size}` },
  })
}
