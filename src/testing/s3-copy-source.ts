/** The source of a copy: the header that names it, the conditions on it, and what is computed of its bytes. */
import { copySourcePath, type AccessPoints } from './s3-address.js'
import { release, retain } from './s3-body.js'
import { runningDigests, runningHash } from './s3-checksums.js'
import { checkReadable } from './s3-archive.js'
import { copyCondition } from './s3-conditions.js'
import { S3Error } from './s3-error.js'
import { ACCOUNT, MAX_OBJECT_BYTES, type Exchange } from './s3-exchange.js'
import { entryOf, isMarker, versionHeaders, versionsOf } from './s3-history.js'
import { pieces } from './s3-segments.js'
import { checkReadKey, customerKey } from './s3-ssec.js'
import type { Entry } from './s3-store.js'
import type { S3ChecksumAlgorithm, S3Checksums } from './s3-types.js'

export interface CopySource {
  readonly bucket: string
  readonly key: string
  /** As the header names it. */
  readonly versionId: string | undefined
  readonly entry: Entry
  /** For the answer: x-amz-copy-source-version-id. */
  readonly headers: Readonly<Record<string, string>>
}

/** Throws what S3 answers where there is no such source, or it does not fit the conditions or the customer's key. */
export function copySource(x: Exchange): CopySource {
  const from = parse(x.headers['x-amz-copy-source'] ?? '', x.settings.accessPoints)
  if ((x.headers['x-amz-source-expected-bucket-owner'] ?? ACCOUNT) !== ACCOUNT) throw new S3Error('AccessDenied')
  const bucket = x.store.bucket(from.bucket)
  const named = versionsOf(bucket, from.key).find(({ versionId }) => versionId === from.versionId)
  if (named !== undefined && isMarker(named)) {
    throw new S3Error(
      'InvalidRequest',
      'The source of a copy request may not specifically refer to a delete marker by version id.',
    )
  }
  const entry = entryOf(bucket, from.key, from.versionId)
  checkReadKey(customerKey(x.headers, 'x-amz-copy-source-'), entry.customerKey)
  copyCondition(x.headers, entry)
  checkReadable(entry, x.settings.now)
  const { 'x-amz-version-id': versionId } = versionHeaders(bucket, entry)
  return { ...from, entry, headers: versionId === undefined ? {} : { 'x-amz-copy-source-version-id': versionId } }
}

/** `bucket/key` or `/bucket/key`, URL-encoded, with an optional versionId. */
function parse(
  header: string,
  accessPoints: AccessPoints,
): { bucket: string; key: string; versionId: string | undefined } {
  const [, path = '', query] = /^([^?]*)(?:\?(.*))?$/s.exec(header) ?? []
  const found = /^\/?([^/]+)\/(.+)$/s.exec(copySourcePath(decodePath(path), accessPoints))
  const [, bucket, key] = found ?? []
  if (bucket === undefined || key === undefined) {
    throw new S3Error('InvalidArgument', 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey')
  }
  const [, versionId] = /^versionId=(.+)$/s.exec(query ?? '') ?? []
  if (query !== undefined && versionId === undefined) {
    throw new S3Error('InvalidArgument', 'Unsupported copy source parameter.')
  }
  return { bucket, key, versionId: versionId === undefined ? undefined : decodePath(versionId) }
}

/** Percent-decoding as S3 does it in paths: `+` is a blank there, too. InvalidURI where it is not UTF-8. */
export function decodePath(path: string): string {
  try {
    return decodeURIComponent(path.replaceAll('+', '%20'))
  } catch {
    throw new S3Error('InvalidURI')
  }
}

/** InvalidRequest above 5 GiB. */
export function checkCopySize(bytes: number): void {
  if (bytes <= MAX_OBJECT_BYTES) return
  throw new S3Error(
    'InvalidRequest',
    `The specified copy source is larger than the maximum allowable size for a copy source: ${MAX_OBJECT_BYTES}`,
  )
}

/** One pass over stored bytes, which are handed to `take` as well. */
export async function digest(
  entry: Entry,
  range: { readonly start: number; readonly end: number },
  wanted: { readonly md5: boolean; readonly checksums: readonly S3ChecksumAlgorithm[] },
  take?: (piece: Uint8Array) => Promise<void> | undefined,
): Promise<{ md5: Uint8Array | undefined; checksums: S3Checksums }> {
  const md5 = wanted.md5 ? runningHash('md5') : undefined
  const digests = runningDigests(wanted.checksums)
  const body = retain(entry.body)
  try {
    for await (const piece of pieces(body, range.start, range.end)) {
      md5?.update(piece)
      digests.update(piece)
      await take?.(piece)
    }
  } finally {
    await release(body)
  }
  return { md5: md5?.digest(), checksums: digests.finish() }
}
