/** CopyObject within this server. */
import { readBody, release, retain } from './s3-body.js'
import { checksumOf, isAlgorithm } from './s3-checksums.js'
import { failed, readCondition, writeCondition } from './s3-conditions.js'
import { S3Error } from './s3-error.js'
import { xmlAnswer, type Answer, type Exchange } from './s3-exchange.js'
import { metadataOf, rejectUnsupported, systemHeaders } from './s3-metadata.js'
import { checksumElements } from './s3-objects.js'
import { entryOf, etagFrom, type Entry } from './s3-store.js'
import type { S3Checksums } from './s3-types.js'

export async function copyObject(x: Exchange, bucketName: string, key: string): Promise<Answer> {
  const bucket = x.store.bucket(bucketName)
  rejectUnsupported(x.headers)
  const from = copySource(x.headers['x-amz-copy-source'] ?? '')
  const source = entryOf(x.store.bucket(from.bucket), from.key)
  const directive = x.headers['x-amz-metadata-directive'] ?? 'COPY'
  if (directive !== 'COPY' && directive !== 'REPLACE') {
    throw new S3Error('InvalidArgument', 'Unknown metadata directive.')
  }
  if (readCondition(x.headers, source, 'x-amz-copy-source-') !== 'met') failed('x-amz-copy-source-If-*')
  const own = systemHeaders(x.headers)
  const changes = directive === 'REPLACE' || x.headers['x-amz-storage-class'] !== undefined
  if (!changes && bucketName === from.bucket && key === from.key) {
    throw new S3Error(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    )
  }
  const metadata = directive === 'REPLACE' ? metadataOf(x.headers) : source.metadata
  const headers = directive === 'REPLACE' ? own : copiedHeaders(source.headers, own)
  const body = retain(source.body)
  let checksums: S3Checksums
  try {
    checksums = await copiedChecksums(x.headers['x-amz-checksum-algorithm'], source)
    // Last, with no waiting before set(): another request may have come in between.
    writeCondition(x.headers, key, bucket.objects.get(key))
  } catch (error) {
    await release(body)
    throw error
  }
  const etag = x.settings.etag === 'md5' ? source.etag : etagFrom(undefined)
  const entry = { body, etag, metadata, headers, checksums, lastModified: new Date() }
  await x.store.set(bucket, key, entry)
  return xmlAnswer('CopyObjectResult', {
    LastModified: entry.lastModified.toISOString(),
    ETag: entry.etag,
    ...checksumElements(entry),
    ChecksumType: Object.keys(checksums).length > 0 ? 'FULL_OBJECT' : undefined,
  })
}

/** `bucket/key` or `/bucket/key`, URL-encoded, with an optional versionId of which only `null` exists here. */
function copySource(header: string): { bucket: string; key: string } {
  const [path = '', query = ''] = header.split('?', 2)
  const found = /^\/?([^/]+)\/(.+)$/s.exec(decodePath(path))
  const [, bucket, key] = found ?? []
  if (bucket === undefined || key === undefined) {
    throw new S3Error('InvalidArgument', 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey')
  }
  if (query !== '' && query !== 'versionId=null') {
    throw new S3Error('NotImplemented', 'Versions are not implemented.')
  }
  return { bucket, key }
}

/** Percent-decoding as S3 does it in paths: `+` is a blank there, too. InvalidURI where it is not UTF-8. */
export function decodePath(path: string): string {
  try {
    return decodeURIComponent(path.replaceAll('+', '%20'))
  } catch {
    throw new S3Error('InvalidURI')
  }
}

// The storage class is that of the request, never that of the source.
function copiedHeaders(source: Readonly<Record<string, string>>, own: Readonly<Record<string, string>>) {
  const headers = { ...source }
  delete headers['x-amz-storage-class']
  const storageClass = own['x-amz-storage-class']
  return storageClass === undefined ? headers : { ...headers, 'x-amz-storage-class': storageClass }
}

async function copiedChecksums(wanted: string | undefined, source: Entry): Promise<S3Checksums> {
  if (wanted === undefined) return source.checksums
  const algorithm = wanted.toLowerCase()
  if (!isAlgorithm(algorithm)) throw new S3Error('InvalidRequest', 'Checksum algorithm provided is unsupported.')
  if (source.checksums[algorithm] !== undefined) return { [algorithm]: source.checksums[algorithm] }
  return { [algorithm]: checksumOf(algorithm, await readBody(source.body)) }
}
