import assert from 'node:assert/strict'
import test from 'node:test'
import {
  CopyObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  S3Client,
  UploadPartCopyCommand,
  type UploadPartCopyCommandInput,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { startS3, type S3Server } from 's3-cse/testing'
import { checksumOf } from '../../src/testing/s3-checksums.js'
import { begin, Bucket, data, etagOfParts, first, last, md5, PART, rejects } from './s3-multipart-support.js'

const s3: S3Server = await startS3({ buckets: [Bucket] })
const client = new S3Client(s3.clientConfig)
test.after(async () => {
  client.destroy()
  await s3.close()
})
await new Upload({ client, params: { Bucket, Key: 'source', Body: data } }).done()
const CopySource = `${Bucket}/source`

test('a copy of a multipart object is not in parts', async () => {
  const done = await client.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource }))
  const copy = (await s3.object(Bucket, 'copy'))!
  assert.equal(copy.etag, `"${md5(data).toString('hex')}"`)
  const result = done.CopyObjectResult!
  assert.equal(result.ETag, copy.etag)
  assert.deepEqual(copy.checksums, { crc32: checksumOf('crc32', data) })
  assert.deepEqual([copy.checksumType, copy.partSizes], ['FULL_OBJECT', undefined])
  assert.deepEqual([result.ChecksumCRC32, result.ChecksumType], [copy.checksums.crc32, 'FULL_OBJECT'])
  assert.ok(data.equals(copy.body))
  const { PartsCount } = await client.send(new HeadObjectCommand({ Bucket, Key: 'copy', PartNumber: 1 }))
  assert.equal(PartsCount, undefined)
  assert.match((await s3.object(Bucket, 'source'))!.etag, /-3"$/)
  await client.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource, ChecksumAlgorithm: 'SHA256' }))
  const hashed = (await s3.object(Bucket, 'copy'))!
  assert.deepEqual([hashed.etag, hashed.checksums], [copy.etag, { sha256: checksumOf('sha256', data) }])
})

test('UploadPartCopy, whole and in ranges, across the parts of its source', async () => {
  const upload = await begin(client, 'copied', { ChecksumAlgorithm: 'SHA256' })
  const copy = async (PartNumber: number, more: Partial<UploadPartCopyCommandInput> = {}) => {
    const at = { Bucket, Key: 'copied', UploadId: upload.id, CopySource, PartNumber }
    const { CopyPartResult } = await client.send(new UploadPartCopyCommand({ ...at, ...more }))
    return { PartNumber, ETag: CopyPartResult!.ETag!, ChecksumSHA256: CopyPartResult!.ChecksumSHA256! }
  }
  const one = await copy(1, { CopySourceRange: `bytes=10-${PART + 109}` })
  const two = await copy(2)
  const range = data.subarray(10, PART + 110)
  assert.equal(one.ETag, `"${md5(range).toString('hex')}"`)
  assert.equal(one.ChecksumSHA256, checksumOf('sha256', range))
  const done = await upload.complete([one, two])
  assert.equal(done.ETag, etagOfParts(range, data))
  assert.ok(Buffer.concat([range, data]).equals((await s3.object(Bucket, 'copied'))!.body))
  assert.equal(s3.requests.filter(({ operation }) => operation === 'UploadPartCopy').length, 2)
})

test('copies of parts that cannot be are refused', async () => {
  const upload = await begin(client, 'refused')
  const copy = (more: object): Promise<unknown> => {
    const at = { Bucket, Key: 'refused', UploadId: upload.id, CopySource, PartNumber: 1 }
    return client.send(new UploadPartCopyCommand({ ...at, ...more }))
  }
  for (const range of [`bytes=0-${data.length}`, 'bytes=0-', 'bytes=-5', 'bytes=5-4', 'bytes=1-2,4-5', '0-1']) {
    await rejects(copy({ CopySourceRange: range }), 'InvalidArgument', 400)
  }
  await rejects(copy({ PartNumber: 10_001 }), 'InvalidArgument', 400)
  await rejects(copy({ UploadId: 'none' }), 'NoSuchUpload', 404)
  await rejects(copy({ CopySource: `${Bucket}/none` }), 'NoSuchKey', 404)
  await rejects(copy({ CopySourceIfMatch: '"0"' }), 'PreconditionFailed', 412)
  assert.deepEqual(s3.uploads(Bucket)[0]?.parts, [])
})

test('nothing can be read of bodies that are discarded but their lengths', async () => {
  const fast = await startS3({ buckets: [Bucket], discardBodies: true })
  const own = new S3Client({ ...fast.clientConfig, maxAttempts: 1 })
  await new Upload({ client: own, params: { Bucket, Key: 'a', Body: Buffer.concat([first, last]) } }).done()
  const { ContentLength, ETag } = await own.send(new HeadObjectCommand({ Bucket, Key: 'a' }))
  assert.deepEqual([ContentLength, ETag], [PART + 1000, etagOfParts(first, last)])
  await rejects(own.send(new GetObjectCommand({ Bucket, Key: 'a' })), 'InternalError', 500)
  await assert.rejects(fast.object(Bucket, 'a'), /discarded/)
  own.destroy()
  await fast.close()
})
