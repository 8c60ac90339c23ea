/** CompleteMultipartUpload. */
import { createHash } from 'node:crypto'
import { release, retain } from './s3-body.js'
import { receiveXml } from './s3-buckets.js'
import { base64, checkChecksumValue, planChecksum, runningDigests, ALGORITHMS } from './s3-checksums.js'
import { chosenParts, listedParts } from './s3-complete-list.js'
import { writeCondition } from './s3-conditions.js'
import { combineCrcs } from './s3-crc-combine.js'
import { checkConsecutive } from './s3-directory.js'
import { S3Error } from './s3-error.js'
import { xmlAnswer, type Answer, type Exchange } from './s3-exchange.js'
import { isMarker, versionsOf, writtenVersionHeaders } from './s3-history.js'
import { encryptionHeaders } from './s3-metadata.js'
import { checksumElements } from './s3-objects.js'
import { announcedChecksums } from './s3-multipart.js'
import { dropUpload, uploadIdOf, uploadOf, type Part, type PendingUpload } from './s3-pending.js'
import { withoutChecksums } from './s3-payload.js'
import { joinBodies, pieces } from './s3-segments.js'
import { checkPartKey, customerKey, customerKeyHeaders } from './s3-ssec.js'
import { checksumTypeOf, type Bucket, type Completed, type Entry, type NewEntry } from './s3-store.js'
import type { S3ChecksumAlgorithm } from './s3-types.js'

/** So many complete uploads are remembered, for repeated requests. */
const MAX_COMPLETED = 1000

export async function completeMultipartUpload(x: Exchange, bucketName: string, key: string): Promise<Answer> {
  const bucket = x.store.bucket(bucketName)
  const id = uploadIdOf(x)
  const listed = listedParts(await receiveXml(x, withoutChecksums(x.headers)))
  checkConsecutive(bucketName, listed)
  const fingerprint = JSON.stringify(listed)
  const repeated = repeatedAnswer(x, bucket, key, fingerprint)
  if (repeated !== undefined) return repeated
  const upload = uploadOf(bucket, key, id)
  const parts = chosenParts(upload, listed)
  checkSize(x, parts)
  const given = customerKey(x.headers)
  if (given !== undefined) checkPartKey(given, upload.described.customerKey)
  const checksum = objectChecksum(upload, parts)
  await checkGivenChecksum(x, upload, parts, checksum)
  // From here to set() nothing may wait: another request may have changed the upload or the object meanwhile.
  if (x.store.bucket(bucketName) !== bucket) throw new S3Error('NoSuchBucket')
  uploadOf(bucket, key, id)
  if (parts.some((part) => upload.parts.get(part.number) !== part)) throw new S3Error('InvalidPart')
  writeCondition(x.headers, key, bucket.objects.get(key))
  const sent: NewEntry = {
    body: joinBodies(parts.map((part) => part.body)),
    etag: multipartEtag(parts),
    ...upload.described,
    ...checksum,
    parts: parts.map((part) => ({ size: part.body.size, checksums: announcedChecksums(upload, part) })),
    uploadId: id,
    // (Amazon S3 User Guide, system-defined object metadata: the date of a multipart object is that of its initiation.)
    lastModified: upload.initiated,
  }
  const dropped = dropUpload(bucket, upload, parts)
  const { entry, released } = x.store.set(bucket, key, sent)
  const answer = answerOf(x, bucket, key, entry)
  remember(x, id, { fingerprint, answer })
  await Promise.all([dropped, released])
  return answer
}

function answerOf(x: Exchange, bucket: Bucket, key: string, entry: Entry): Answer {
  const answer = xmlAnswer('CompleteMultipartUploadResult', {
    Location: `http://${x.headers.host ?? ''}/${bucket.name}/${key}`,
    Bucket: bucket.name,
    Key: key,
    ETag: entry.etag,
    ...checksumElements(entry),
    ChecksumType: checksumTypeOf(entry),
  })
  return {
    ...answer,
    headers: {
      ...answer.headers,
      ...writtenVersionHeaders(entry),
      ...encryptionHeaders(entry.headers),
      ...customerKeyHeaders(entry.customerKey),
    },
  }
}

/** The answer of before, as long as the object that it made is there. */
function repeatedAnswer(x: Exchange, bucket: Bucket, key: string, fingerprint: string): Answer | undefined {
  const id = uploadIdOf(x)
  const before = x.store.completed.get(id)
  if (before?.fingerprint !== fingerprint || !isStored(bucket, key, id)) return undefined
  return before.answer
}

function isStored(bucket: Bucket, key: string, uploadId: string): boolean {
  return versionsOf(bucket, key).some((version) => !isMarker(version) && version.uploadId === uploadId)
}

function remember(x: Exchange, id: string, completed: Completed): void {
  const { completed: all } = x.store
  all.set(id, completed)
  const [oldest] = all.keys()
  if (all.size > MAX_COMPLETED && oldest !== undefined) all.delete(oldest)
}

function checkSize(x: Exchange, parts: readonly Part[]): void {
  const announced = x.headers['x-amz-mp-object-size']
  const size = parts.reduce((sum, { body }) => sum + body.size, 0)
  if (announced === undefined || announced === String(size)) return
  throw new S3Error(
    'InvalidRequest',
    `The provided 'x-amz-mp-object-size' header value ${announced} does not match what was computed: ${size}`,
  )
}

/** S3's ETag of a multipart object: the MD5 of the MD5s of its parts, and how many they are. */
function multipartEtag(parts: readonly Part[]): string {
  const hash = createHash('md5')
  for (const { etag } of parts) hash.update(etag.replaceAll('"', ''), 'hex')
  return `"${hash.digest('hex')}-${parts.length}"`
}

function objectChecksum(upload: PendingUpload, parts: readonly Part[]): Pick<Entry, 'checksums' | 'checksumType'> {
  const { algorithm, type } = upload.checksum ?? { algorithm: 'crc64nvme', type: 'FULL_OBJECT' }
  const of = parts.map(({ checksums, body }) => ({ checksum: checksums[algorithm], size: body.size }))
  const all = of.filter((one): one is { checksum: string; size: number } => one.checksum !== undefined)
  if (all.length < of.length) return { checksums: {} } // verifyPayload is false
  if (type === 'FULL_OBJECT') return { checksums: { [algorithm]: combineCrcs(algorithm, all) }, checksumType: type }
  const digest = ALGORITHMS[algorithm].start()
  for (const { checksum } of all) digest.update(Buffer.from(checksum, 'base64'))
  return { checksums: { [algorithm]: `${base64(digest.digest())}-${parts.length}` }, checksumType: type }
}

/** The checksum that the request itself carries, if it does: BadDigest unless it is that of the object. */
async function checkGivenChecksum(
  x: Exchange,
  upload: PendingUpload,
  parts: readonly Part[],
  { checksums }: Pick<Entry, 'checksums'>,
): Promise<void> {
  const { algorithm, type } = upload.checksum ?? { algorithm: 'crc64nvme' as const, type: 'FULL_OBJECT' as const }
  const { 'x-amz-checksum-type': givenType = type, ...headers } = x.headers
  if (givenType !== type) {
    throw new S3Error(
      'InvalidRequest',
      `The upload was created using the ${type} checksum mode. The complete request must use the same checksum mode.`,
    )
  }
  const given = planChecksum(headers, [])
  if (given?.expected === undefined) return
  if (given.algorithm !== algorithm) {
    throw new S3Error(
      'InvalidRequest',
      `Checksum Type mismatch occurred, expected checksum Type: ${algorithm}, actual checksum Type: ${given.algorithm}`,
    )
  }
  const bare = given.expected.replace(/-\d+$/, '')
  checkChecksumValue(algorithm, bare)
  const value = checksums[algorithm] ?? (await checksumOfParts(algorithm, parts))
  if (given.expected === value || (type === 'COMPOSITE' && given.expected === value.replace(/-\d+$/, ''))) return
  throw new S3Error('BadDigest', `The ${algorithm} you specified did not match the calculated checksum.`)
}

async function checksumOfParts(algorithm: S3ChecksumAlgorithm, parts: readonly Part[]): Promise<string> {
  const body = joinBodies(parts.map((part) => retain(part.body)))
  const digests = runningDigests([algorithm])
  try {
    for await (const piece of pieces(body)) digests.update(piece)
  } finally {
    await release(body)
  }
  return digests.finish()[algorithm] ?? ''
}
