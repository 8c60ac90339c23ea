/** CopyObject within this server. */
import { release, retain } from './s3-body.js'
import { isAlgorithm } from './s3-checksums.js'
import { writeCondition } from './s3-conditions.js'
import { checkCopySize, copySource, digest } from './s3-copy-source.js'
import { S3Error } from './s3-error.js'
import { xmlAnswer, type Answer, type Exchange } from './s3-exchange.js'
import { writtenVersionHeaders } from './s3-history.js'
import { copiedHeaders, encryptionHeaders } from './s3-metadata.js'
import { checksumElements } from './s3-objects.js'
import { describedBy } from './s3-properties.js'
import { customerKeyHeaders } from './s3-ssec.js'
import { checksumTypeOf, etagFrom, hasMd5Etag, type Described, type Entry, type NewEntry } from './s3-store.js'
import type { S3ChecksumAlgorithm } from './s3-types.js'

export async function copyObject(x: Exchange, bucketName: string, key: string): Promise<Answer> {
  const bucket = x.store.bucket(bucketName)
  const own = describedBy(x, bucket)
  const from = copySource(x)
  const source = from.entry
  checkCopySize(source.body.size)
  const replaces = directive(x, 'metadata') === 'REPLACE'
  const changes =
    replaces || own.customerKey !== source.customerKey || CHANGES.some((name) => x.headers[name] !== undefined)
  if (!changes && bucketName === from.bucket && key === from.key && from.versionId === undefined) {
    throw new S3Error(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    )
  }
  const described: Described = {
    ...own, // the access control list and the lock, too: they are never those of the source
    ...(replaces ? {} : { metadata: source.metadata, headers: copiedHeaders(source.headers, own.headers) }),
    ...(directive(x, 'tagging') === 'REPLACE' ? {} : { tags: source.tags }),
  }
  const body = retain(source.body)
  let copy: NewEntry
  try {
    copy = { ...described, body, ...(await computed(x, source, described)), lastModified: x.settings.now() }
    await x.settings.afterCopyRead(x.record)
    // Last, with no waiting before set(): another request may have come in between.
    if (x.store.bucket(bucketName) !== bucket) throw new S3Error('NoSuchBucket')
    writeCondition(x.headers, key, bucket.objects.get(key))
  } catch (error) {
    await release(body)
    throw error
  }
  const { entry, released } = x.store.set(bucket, key, copy)
  await released
  const answer = xmlAnswer('CopyObjectResult', {
    LastModified: entry.lastModified.toISOString(),
    ETag: entry.etag,
    ...checksumElements(entry),
    ChecksumType: checksumTypeOf(entry),
  })
  const headers = {
    ...answer.headers,
    ...from.headers,
    ...writtenVersionHeaders(entry),
    ...encryptionHeaders(entry.headers),
    ...customerKeyHeaders(entry.customerKey),
  }
  return { ...answer, headers }
}

/** Beside new metadata and another key: what makes a copy of an object onto itself legal. */
const CHANGES = ['x-amz-storage-class', 'x-amz-website-redirect-location', 'x-amz-server-side-encryption']

function directive(x: Exchange, of: 'metadata' | 'tagging'): string {
  const value = x.headers[`x-amz-${of}-directive`] ?? 'COPY'
  if (value !== 'COPY' && value !== 'REPLACE') throw new S3Error('InvalidArgument', `Unknown ${of} directive.`)
  return value
}

/** A copy is not in parts: its ETag and checksum are over all bytes, and are computed where the source's are not. */
async function computed(x: Exchange, source: Entry, described: Described): Promise<Pick<Entry, 'etag' | 'checksums'>> {
  const algorithm = copiedAlgorithm(x.headers['x-amz-checksum-algorithm'], source)
  const known = source.checksumType === 'COMPOSITE' ? undefined : algorithm && source.checksums[algorithm]
  const isMd5 = x.settings.etag === 'md5' && hasMd5Etag(described)
  const sameEtag = isMd5 && source.parts === undefined && hasMd5Etag(source)
  const wanted = {
    md5: isMd5 && !sameEtag,
    checksums: algorithm === undefined || known !== undefined ? [] : [algorithm],
  }
  const needed = wanted.md5 || wanted.checksums.length > 0
  const made = needed ? await digest(source, { start: 0, end: source.body.size }, wanted) : undefined
  return {
    etag: sameEtag ? source.etag : etagFrom(made?.md5),
    checksums: known === undefined || algorithm === undefined ? (made?.checksums ?? {}) : { [algorithm]: known },
  }
}

/** The algorithm that the request names, or else that of the source. */
function copiedAlgorithm(wanted: string | undefined, source: Entry): S3ChecksumAlgorithm | undefined {
  const algorithm = wanted?.toLowerCase() ?? Object.keys(source.checksums)[0]
  if (algorithm === undefined || isAlgorithm(algorithm)) return algorithm
  throw new S3Error('InvalidRequest', 'Checksum algorithm provided is unsupported.')
}
