import type { CompletedPart } from '@aws-sdk/client-s3'

import { configError, CseError } from '../errors.js'
import { uploadState } from '../message/multipart.js'
import type { Input } from './sdk.js'
import type { ActiveUpload, OwnPart, StoredPart } from './uploads.js'

/** The parts that a caller names in CompleteMultipartUpload. Throws ERR_S3CSE_CONFIG. */
export function partsOf(input: Input): CompletedPart[] {
  const parts = (input.MultipartUpload as { Parts?: unknown } | undefined)?.Parts
  if (Array.isArray(parts) && parts.every((part) => typeof part === 'object' && part !== null)) {
    return parts as CompletedPart[]
  }
  throw configError('MultipartUpload.Parts must name the parts: their PartNumber and ETag')
}

/** Without a part of our own that the caller may have found in a list of parts. */
export function callersParts(
  parts: readonly CompletedPart[],
  own: OwnPart | undefined,
  frozen: boolean,
  known: number,
): CompletedPart[] {
  const last = parts.length > 1 ? parts.at(-1)?.PartNumber : undefined
  const isOwn = own === undefined ? frozen && last === known + 1 : !own.replaces && last === own.number
  return isOwn ? parts.slice(0, -1) : [...parts]
}

/**
 * With the checksums that S3 has of the parts. A digest of plaintext that came with a part, and was right, may be named
 * again: it stays here. Throws ERR_S3CSE_CHECKSUM for what is neither.
 */
export function withStoredChecksums(
  parts: readonly CompletedPart[],
  { stored, digests }: Pick<ActiveUpload, 'stored' | 'digests'>,
): CompletedPart[] {
  return parts.map((part) => {
    const number = part.PartNumber as number
    const known = (stored.get(number) ?? {}) as Readonly<Record<string, unknown>>
    const named = Object.entries(part).map(([name, value]): [string, unknown] => {
      if (!name.startsWith('Checksum') || value === undefined || value === known[name]) return [name, value]
      if (known[name] !== undefined && value === digests.get(number)?.[name]) return [name, known[name]]
      throw new CseError(
        'ERR_S3CSE_CHECKSUM',
        `CompleteMultipartUpload names part ${number} by a ${name} that is not the one in the output of its UploadPart; nothing was sent. Name it by that one: S3 knows the part's ciphertext only. If there is no such output any more, send the part again.`,
      )
    })
    return Object.fromEntries(named)
  })
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
