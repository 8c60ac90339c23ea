/** CreateMultipartUpload, UploadPart, AbortMultipartUpload. */
import { isAlgorithm } from './s3-checksums.js'
import { isCombinable } from './s3-crc-combine.js'
import { S3Error } from './s3-error.js'
import { MAX_OBJECT_BYTES, xmlAnswer, type Answer, type Exchange } from './s3-exchange.js'
import { encryptionHeaders } from './s3-metadata.js'
import { planPayload } from './s3-payload.js'
import {
  dropUpload,
  newUploadId,
  partNumberOf,
  setPart,
  uploadIdOf,
  uploadOf,
  type Part,
  type PendingUpload,
} from './s3-pending.js'
import { describedBy } from './s3-properties.js'
import { receive } from './s3-receive.js'
import { release } from './s3-body.js'
import { checkPartKey, customerKey, customerKeyHeaders } from './s3-ssec.js'
import { etagFrom, hasMd5Etag, type Bucket } from './s3-store.js'
import type { S3ChecksumAlgorithm } from './s3-types.js'

type Headers = Readonly<Record<string, string>>

export function createMultipartUpload(x: Exchange, bucketName: string, key: string): Answer {
  const bucket = x.store.bucket(bucketName)
  const upload: PendingUpload = {
    id: newUploadId(),
    key,
    initiated: x.settings.now(),
    described: describedBy(x, bucket),
    checksum: announcedChecksum(x.headers),
    parts: new Map(),
  }
  bucket.uploads.set(upload.id, upload)
  const answer = xmlAnswer('InitiateMultipartUploadResult', { Bucket: bucketName, Key: key, UploadId: upload.id })
  return { ...answer, headers: { ...answer.headers, ...announcedHeaders(upload) } }
}

/** What CreateMultipartUpload says about the checksums to come. CRCs may be over all bytes; CRC64NVME always is. */
function announcedChecksum(headers: Headers): PendingUpload['checksum'] {
  const name = headers['x-amz-checksum-algorithm']
  const wanted = headers['x-amz-checksum-type']?.toUpperCase()
  if (name === undefined) {
    if (wanted === undefined) return undefined
    throw new S3Error(
      'InvalidRequest',
      'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
    )
  }
  const algorithm = name.toLowerCase()
  if (!isAlgorithm(algorithm)) {
    throw new S3Error(
      'InvalidRequest',
      'Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]',
    )
  }
  const type = wanted ?? (algorithm === 'crc64nvme' ? 'FULL_OBJECT' : 'COMPOSITE')
  if (type !== 'FULL_OBJECT' && type !== 'COMPOSITE') {
    throw new S3Error('InvalidRequest', 'Value for x-amz-checksum-type header is invalid.')
  }
  if (type === 'FULL_OBJECT' ? !isCombinable(algorithm) : algorithm === 'crc64nvme') {
    throw new S3Error(
      'InvalidRequest',
      `The ${type} checksum type cannot be used with the ${algorithm} checksum algorithm.`,
    )
  }
  return { algorithm, type }
}

function announcedHeaders({ checksum, described }: PendingUpload): Record<string, string> {
  return {
    ...encryptionHeaders(described.headers),
    ...customerKeyHeaders(described.customerKey),
    ...(checksum === undefined
      ? {}
      : { 'x-amz-checksum-algorithm': checksum.algorithm.toUpperCase(), 'x-amz-checksum-type': checksum.type }),
  }
}

export async function uploadPart(x: Exchange, bucketName: string, key: string): Promise<Answer> {
  const bucket = x.store.bucket(bucketName)
  const number = partNumberOf(x)
  const id = uploadIdOf(x)
  const upload = uploadOf(bucket, key, id)
  const plan = planPayload(x.headers, x.authorization.payloadHash, { needsLength: true, limit: MAX_OBJECT_BYTES })
  const sent = plan.checksum?.algorithm
  checkPartChecksum(upload, sent)
  const { customerKey: ownKey } = upload.described
  checkPartKey(customerKey(x.headers), ownKey)
  const writer = await x.store.writer(plan.length)
  let part: Part
  try {
    const { md5, checksums } = await receive(x, plan, writer, defaultChecksums(x, upload))
    const etag = etagFrom(x.settings.etag === 'md5' && hasMd5Etag(upload.described) ? md5 : undefined)
    part = { number, body: await writer.finish(), etag, checksums, lastModified: x.settings.now() }
  } catch (error) {
    await writer.discard()
    throw error
  }
  await storePart(x, bucket, upload, part)
  const value = sent === undefined ? undefined : part.checksums[sent]
  return {
    status: 200,
    headers: {
      etag: part.etag,
      ...(sent === undefined || value === undefined ? {} : { [`x-amz-checksum-${sent}`]: value }),
      ...encryptionHeaders(upload.described.headers),
      ...customerKeyHeaders(ownKey),
    },
  }
}

/** A part must bring the checksum that the upload announced. Without an announcement it may bring any. */
function checkPartChecksum({ checksum }: PendingUpload, sent: S3ChecksumAlgorithm | undefined): void {
  if (checksum === undefined || checksum.algorithm === sent) return
  throw new S3Error(
    'InvalidRequest',
    `Checksum Type mismatch occurred, expected checksum Type: ${checksum.algorithm}, actual checksum Type: ${sent ?? 'null'}`,
  )
}

/** What S3 computes of each part though nobody sent it: an object without announced checksums gets its CRC64NVME. */
export function defaultChecksums(x: Exchange, upload: PendingUpload): S3ChecksumAlgorithm[] {
  if (upload.checksum !== undefined) return [upload.checksum.algorithm]
  return x.settings.verifyPayload ? ['crc64nvme'] : []
}

/** The checksums of a part that lists and reads show: those that the upload announced. */
export function announcedChecksums(upload: PendingUpload, part: Part): Part['checksums'] {
  return upload.checksum === undefined ? {} : part.checksums
}

/** Makes a finished part the upload's, unless the upload ended while its body arrived. */
export async function storePart(x: Exchange, bucket: Bucket, upload: PendingUpload, part: Part): Promise<void> {
  try {
    if (x.store.bucket(bucket.name) !== bucket) throw new S3Error('NoSuchBucket')
    uploadOf(bucket, upload.key, upload.id)
  } catch (error) {
    await release(part.body)
    throw error
  }
  await setPart(upload, part)
}

export async function abortMultipartUpload(x: Exchange, bucketName: string, key: string): Promise<Answer> {
  const bucket = x.store.bucket(bucketName)
  await dropUpload(bucket, uploadOf(bucket, key, uploadIdOf(x)))
  return { status: 204, headers: {} }
}
