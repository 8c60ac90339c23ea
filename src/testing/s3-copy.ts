/** CopyObject within this server. */
import { release, retain } from './s3-body.js'
import { isAlgorithm } from './s3-checksums.js'
import { writeCondition } from './s3-conditions.js'
import { checkCopySize, copySource, digest } from './s3-copy-source.js'
import { S3Error } from './s3-error.js'
import { xmlAnswer, type Answer, type Exchange } from './s3-exchange.js'
import { writtenVersionHeaders } from './s3-history.js'
import { metadataOf, rejectUnsupported, systemHeaders } from './s3-metadata.js'
import { checksumElements } from './s3-objects.js'
import { customerKey, customerKeyHeaders } from './s3-ssec.js'
import { checksumTypeOf, etagFrom, type Entry, type NewEntry } from './s3-store.js'
import type { S3ChecksumAlgorithm } from './s3-types.js'

export async function copyObject(x: Exchange, bucketName: string, key: string): Promise<Answer> {
  const bucket = x.store.bucket(bucketName)
  rejectUnsupported(x.headers)
  const from = copySource(x)
  const source = from.entry
  checkCopySize(source.body.size)
  const directive = x.headers['x-amz-metadata-directive'] ?? 'COPY'
  if (directive !== 'COPY' && directive !== 'REPLACE') {
    throw new S3Error('InvalidArgument', 'Unknown metadata directive.')
  }
  const own = systemHeaders(x.headers)
  const ownKey = customerKey(x.headers)
  const changes =
    directive === 'REPLACE' || x.headers['x-amz-storage-class'] !== undefined || ownKey !== source.customerKey
  if (!changes && bucketName === from.bucket && key === from.key && from.versionId === undefined) {
    throw new S3Error(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    )
  }
  const described = {
    metadata: directive === 'REPLACE' ? metadataOf(x.headers) : source.metadata,
    headers: directive === 'REPLACE' ? own : copiedHeaders(source.headers, own),
    customerKey: ownKey,
  }
  const body = retain(source.body)
  let copy: NewEntry
  try {
    copy = { ...described, body, ...(await computed(x, source, ownKey)), lastModified: x.settings.now() }
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
    ...customerKeyHeaders(ownKey),
  }
  return { ...answer, headers }
}

// The storage class is that of the request, never that of the source.
function copiedHeaders(source: Readonly<Record<string, string>>, own: Readonly<Record<string, string>>) {
  const headers = { ...source }
  delete headers['x-amz-storage-class']
  const storageClass = own['x-amz-storage-class']
  return storageClass === undefined ? headers : { ...headers, 'x-amz-storage-class': storageClass }
}

/** A copy is not in parts: its ETag and checksum are over all bytes, and are computed where the source's are not. */
async function computed(
  x: Exchange,
  source: Entry,
  customer: string | undefined,
): Promise<Pick<Entry, 'etag' | 'checksums'>> {
  const algorithm = copiedAlgorithm(x.headers['x-amz-checksum-algorithm'], source)
  const known = source.checksumType === 'COMPOSITE' ? undefined : algorithm && source.checksums[algorithm]
  const isMd5 = x.settings.etag === 'md5' && customer === undefined
  const sameEtag = isMd5 && source.parts === undefined && source.customerKey === undefined
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
