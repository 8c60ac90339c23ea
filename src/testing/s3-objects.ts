/** PutObject, GetObject, HeadObject. */
import { requireChecksum } from './s3-buckets.js'
import { isDiscarded, nullWriter, release, retain } from './s3-body.js'
import { failed, rangeOf, readCondition, writeCondition } from './s3-conditions.js'
import { S3Error } from './s3-error.js'
import { MAX_OBJECT_BYTES, type Answer, type Exchange } from './s3-exchange.js'
import { shownEntry } from './s3-faults.js'
import { entryOf, versionHeaders, writtenVersionHeaders } from './s3-history.js'
import { checkReadable } from './s3-archive.js'
import { encryptionHeaders, metadataHeaders } from './s3-metadata.js'
import { askedPart } from './s3-part-range.js'
import { planPayload, withoutChecksums, type PayloadPlan } from './s3-payload.js'
import { describedBy, propertyHeaders } from './s3-properties.js'
import { receive } from './s3-receive.js'
import { checkReadKey, customerKey, customerKeyHeaders } from './s3-ssec.js'
import { checksumTypeOf, etagFrom, hasMd5Etag, type Entry, type NewEntry } from './s3-store.js'
import type { S3ChecksumAlgorithm, S3Operation } from './s3-types.js'

export async function putObject(x: Exchange, bucketName: string, key: string): Promise<Answer> {
  const bucket = x.store.bucket(bucketName)
  const described = describedBy(x, bucket)
  const plan = planPayload(x.headers, x.authorization.payloadHash, { needsLength: true, limit: MAX_OBJECT_BYTES })
  if (described.lock !== undefined) requireChecksum(x)
  writeCondition(x.headers, key, bucket.objects.get(key))
  const writer = await x.store.writer(plan.length)
  let sent: NewEntry
  try {
    const { md5, checksums } = await receive(x, plan, writer, defaultChecksum(x, plan))
    const etag = etagFrom(x.settings.etag === 'md5' && hasMd5Etag(described) ? md5 : undefined)
    sent = { ...described, body: await writer.finish(), etag, checksums, lastModified: x.settings.now() }
  } catch (error) {
    await writer.discard()
    throw error
  }
  // Another request may have stored the key in the meantime. From here to set() nothing may wait.
  try {
    if (x.store.bucket(bucketName) !== bucket) throw new S3Error('NoSuchBucket')
    writeCondition(x.headers, key, bucket.objects.get(key))
  } catch (error) {
    await release(sent.body)
    throw error
  }
  const { entry, released } = x.store.set(bucket, key, sent)
  await released
  return {
    status: 200,
    headers: {
      etag: entry.etag,
      ...writtenVersionHeaders(entry),
      ...checksumHeaders(entry),
      ...encryptionHeaders(entry.headers),
      ...customerKeyHeaders(entry.customerKey),
    },
  }
}

/** Without any checksum S3 computes this one itself. */
function defaultChecksum(x: Exchange, plan: PayloadPlan): S3ChecksumAlgorithm[] {
  return plan.checksum === undefined && x.settings.verifyPayload ? ['crc64nvme'] : []
}

/** The operations whose checksum headers are about the body of the request. */
const ABOUT_BODY: ReadonlySet<S3Operation> = new Set([
  'PutObject',
  'UploadPart',
  'DeleteObjects',
  'PutBucketVersioning',
])

/** Reads an upload to its end and forgets it, so that `requests` shows it though a fault is the answer. */
export async function dropBody(x: Exchange): Promise<void> {
  try {
    const headers = ABOUT_BODY.has(x.record.operation) ? x.headers : withoutChecksums(x.headers)
    const plan = planPayload(headers, x.authorization.payloadHash, { needsLength: false, limit: Infinity })
    await receive(x, plan, nullWriter())
  } catch (error) {
    if (!(error instanceof S3Error)) throw error
  }
}

const OVERRIDES: Readonly<Record<string, string>> = {
  'response-content-type': 'content-type',
  'response-content-language': 'content-language',
  'response-expires': 'expires',
  'response-cache-control': 'cache-control',
  'response-content-disposition': 'content-disposition',
  'response-content-encoding': 'content-encoding',
}

/** GetObject; HeadObject is the same answer without its body. */
export async function getObject(x: Exchange, bucketName: string, key: string): Promise<Answer> {
  const bucket = x.store.bucket(bucketName)
  const entry = await shownEntry(entryOf(bucket, key, x.query.get('versionId')), x.fault)
  try {
    checkReadKey(customerKey(x.headers), entry.customerKey)
    const condition = readCondition(x.headers, entry)
    if (condition === 'failed') failed(x.headers['if-match'] === undefined ? 'If-Unmodified-Since' : 'If-Match')
    const validators = {
      etag: entry.etag,
      'last-modified': entry.lastModified.toUTCString(),
      ...versionHeaders(bucket, entry),
    }
    if (x.record.method !== 'HEAD') checkReadable(entry, x.settings.now)
    if (condition === 'not-modified') return { status: 304, headers: validators }
    if (isDiscarded(entry.body) && x.record.method !== 'HEAD')
      throw new Error('the bytes of this object were discarded')
    const part = askedPart(x, entry)
    const range = part ?? rangeOf(x.headers.range, entry.body.size)
    const headers: Record<string, string> = {
      ...validators,
      'accept-ranges': 'bytes',
      ...entry.headers,
      ...metadataHeaders(entry.metadata),
      ...propertyHeaders(entry, x.settings.now),
      ...customerKeyHeaders(entry.customerKey),
    }
    for (const [parameter, name] of Object.entries(OVERRIDES)) {
      const value = x.query.get(parameter)
      if (value !== undefined) headers[name] = value
    }
    const { start, end } = range ?? { start: 0, end: entry.body.size }
    if (range !== undefined) headers['content-range'] = `bytes ${start}-${end - 1}/${entry.body.size}`
    if (part !== undefined && entry.parts !== undefined) headers['x-amz-mp-parts-count'] = String(entry.parts.length)
    if (x.headers['x-amz-checksum-mode'] === 'ENABLED' && (range === undefined || part !== undefined)) {
      Object.assign(headers, checksumHeaders({ ...entry, ...part }))
    }
    return { status: range === undefined ? 200 : 206, headers, body: { body: retain(entry.body), start, end } }
  } finally {
    await release(entry.body)
  }
}

export function checksumHeaders(entry: Pick<Entry, 'checksums' | 'checksumType'>): Record<string, string> {
  const headers = Object.fromEntries(
    Object.entries(entry.checksums).map(([algorithm, value]) => [`x-amz-checksum-${algorithm}`, value]),
  )
  const type = checksumTypeOf(entry)
  return type === undefined ? headers : { ...headers, 'x-amz-checksum-type': type }
}

/** The same as elements of XML answers: ChecksumCRC32, … */
export function checksumElements(entry: Pick<Entry, 'checksums'>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(entry.checksums).map(([algorithm, value]) => [`Checksum${algorithm.toUpperCase()}`, value]),
  )
}
