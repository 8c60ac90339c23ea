/** GetObject and HeadObject with partNumber. */
import type { Range } from './s3-conditions.js'
import { S3Error } from './s3-error.js'
import type { Exchange } from './s3-exchange.js'
import { partNumberOf } from './s3-pending.js'
import type { Entry } from './s3-store.js'
import type { S3Checksums } from './s3-types.js'

/** Where a part lies, and its checksums. */
export interface PartRange extends Range {
  readonly checksums: S3Checksums
}

/**
 * The part that a read asks for; undefined if it asks for none, or for the first of an empty object. Parts are counted
 * 1, 2, 3, … whatever numbers they were uploaded with; an object that was not uploaded in parts is its own part 1.
 */
export function askedPart(x: Exchange, entry: Entry): PartRange | undefined {
  if (!x.query.has('partNumber')) return undefined
  const number = partNumberOf(x)
  if (x.headers.range !== undefined) {
    throw new S3Error('InvalidRequest', 'Cannot specify both Range header and partNumber query parameter')
  }
  const parts = entry.parts ?? [{ size: entry.body.size, checksums: entry.checksums }]
  const part = parts[number - 1]
  if (part === undefined) {
    throw new S3Error('InvalidPartNumber', undefined, {
      details: { PartNumberRequested: number, ActualPartCount: parts.length },
    })
  }
  const start = parts.slice(0, number - 1).reduce((sum, one) => sum + one.size, 0)
  return entry.body.size === 0 ? undefined : { start, end: start + part.size, checksums: part.checksums }
}
