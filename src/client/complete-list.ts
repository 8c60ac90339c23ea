import type { CompletedPart } from '@aws-sdk/client-s3'

import { configError } from '../errors.js'
import { uploadState } from '../message/multipart.js'
import type { Input } from './sdk.js'
import type { OwnPart, StoredPart } from './uploads.js'

/** The parts that a caller names in CompleteMultipartUpload. Throws ERR_S3CSE_CONFIG. */
export function partsOf(input: Input): CompletedPart[] {
  const parts = (input.MultipartUpload as { Parts?: unknown } | undefined)?.Parts
  if (Array.isArray(parts)) return parts as CompletedPart[]
  throw configError('MultipartUpload.Parts must name the parts: their PartNumber and ETag')
}

/** Without a part of our own that the caller may have found in a list of parts. */
export function callersParts(
  parts: readonly CompletedPart[],
  own: OwnPart | undefined,
  frozen: boolean,
  known: number,
): CompletedPart[] {
  const last = parts.at(-1)?.PartNumber
  const isOwn = own === undefined ? frozen && last === known + 1 : !own.replaces && last === own.number
  return isOwn ? parts.slice(0, -1) : [...parts]
}

/** The caller's list with the part that has the trailer, named by what the other parts are named by. */
export function withOwnPart(parts: readonly CompletedPart[], own: OwnPart | undefined): CompletedPart[] {
  if (own === undefined) return [...parts]
  const kept = parts.slice(0, own.number - 1)
  const model = parts[own.replaces ? own.number - 1 : parts.length - 1] ?? {}
  const named = Object.entries(own.stored).filter(([name]) => name === 'ETag' || name in model)
  return [...kept, { PartNumber: own.number, ...Object.fromEntries(named) }]
}

const withoutQuotes = (etag: string): string => etag.replace(/^"(.*)"$/, '$1')

/**
 * Throws ERR_S3CSE_UPLOAD_STATE if a part is named by the ETag of another sending than the one that S3 answered last:
 * S3 may have either, and only one of them is known to end with the trailer, or without.
 */
export function checkNamed({ PartNumber, ETag }: CompletedPart, stored: StoredPart | undefined): void {
  if (ETag === undefined || stored?.ETag === undefined || withoutQuotes(ETag) === withoutQuotes(stored.ETag)) return
  throw uploadState(
    `CompleteMultipartUpload names part ${PartNumber} by another ETag than it was stored under last. Name that one, or send the part again.`,
  )
}
