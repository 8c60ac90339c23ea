/** Multipart uploads that are not complete yet, and the answers of those that are. */
import { randomBytes } from 'node:crypto'
import { release, type StoredBody } from './s3-body.js'
import { S3Error } from './s3-error.js'
import type { Exchange } from './s3-exchange.js'
import type { Bucket, Described } from './s3-store.js'
import type { S3ChecksumAlgorithm, S3Checksums, S3ChecksumType } from './s3-types.js'

export interface Part {
  readonly number: number
  /** The upload holds one reference. */
  readonly body: StoredBody
  /** With quotes. */
  readonly etag: string
  readonly checksums: S3Checksums
  readonly lastModified: Date
}

export interface PendingUpload {
  readonly id: string
  readonly key: string
  readonly initiated: Date
  /** By CreateMultipartUpload. */
  readonly described: Described
  /** What CreateMultipartUpload named, if anything. */
  readonly checksum: { readonly algorithm: S3ChecksumAlgorithm; readonly type: S3ChecksumType } | undefined
  readonly parts: Map<number, Part>
}

export const MIN_PART_BYTES: number = 5 * 1024 ** 2
export const MAX_PARTS = 10_000

export function newUploadId(): string {
  return randomBytes(48).toString('base64url')
}

/** The upload that a request names; NoSuchUpload if it is not pending, or is for another bucket or key. */
export function uploadOf(bucket: Bucket, key: string, id: string): PendingUpload {
  const upload = bucket.uploads.get(id)
  if (upload?.key !== key) throw new S3Error('NoSuchUpload', undefined, { details: { UploadId: id } })
  return upload
}

export function uploadIdOf(x: Exchange): string {
  return x.query.get('uploadId') ?? ''
}

/** InvalidArgument unless it is a whole number from 1 to 10,000. */
export function partNumberOf(x: Exchange): number {
  const text = x.query.get('partNumber') ?? ''
  const number = Number(text)
  if (/^\d{1,9}$/.test(text) && number >= 1 && number <= MAX_PARTS) return number
  throw new S3Error('InvalidArgument', `Part number must be an integer between 1 and ${MAX_PARTS}, inclusive`, {
    details: { ArgumentName: 'partNumber', ArgumentValue: text },
  })
}

/** In the order of their numbers. */
export function sortedParts(upload: PendingUpload): Part[] {
  return [...upload.parts.values()].sort((a, b) => a.number - b.number)
}

/** Takes over the part's reference to its body, and gives up that of the part it replaces. */
export async function setPart(upload: PendingUpload, part: Part): Promise<void> {
  const previous = upload.parts.get(part.number)
  upload.parts.set(part.number, part)
  if (previous !== undefined) await release(previous.body)
}

/** Forgets an upload and all of its parts but those that `keep` names. */
export async function dropUpload(bucket: Bucket, upload: PendingUpload, keep: readonly Part[] = []): Promise<void> {
  bucket.uploads.delete(upload.id)
  const kept = new Set(keep)
  const dropped = [...upload.parts.values()].filter((part) => !kept.has(part))
  upload.parts.clear()
  for (const part of dropped) await release(part.body)
}
