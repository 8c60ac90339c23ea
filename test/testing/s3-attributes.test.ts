import assert from 'node:assert/strict'
import { after, it } from 'node:test'

import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectAttributesCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
  type GetObjectAttributesCommandInput,
} from '@aws-sdk/client-s3'
import { createHash } from 'node:crypto'
import { startS3 } from 's3-cse/testing'
import { send } from './s3-raw.js'

const Bucket = 'bucket'
const directory = 'files--use1-az4--x-s3'
const s3 = await startS3({ buckets: [Bucket, 'versions', directory] })
const client = new S3Client({ ...s3.clientConfig, maxAttempts: 1 })
after(async () => {
  client.destroy()
  await s3.close()
})

const ALL = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize'] as const
const named = (name: string) => (error: unknown) => {
  assert.equal((error as Error).name, name, String(error))
  return true
}
async function attributes(Key: string, more: Partial<GetObjectAttributesCommandInput> = {}) {
  const { $metadata, ...rest } = await client.send(
    new GetObjectAttributesCommand({ Bucket, Key, ObjectAttributes: [...ALL], ...more }),
  )
  assert.equal($metadata.httpStatusCode, 200)
  return rest
}

async function upload(Key: string, sizes: readonly number[], more: object = {}) {
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key, ...more }))
  const Parts = []
  for (const [i, size] of sizes.entries()) {
    const part = { PartNumber: i + 1, Body: Buffer.alloc(size, i) }
    const sent = await client.send(new UploadPartCommand({ Bucket, Key, UploadId, ...part, ...more }))
    Parts.push({ PartNumber: part.PartNumber, ETag: sent.ETag, ChecksumSHA256: sent.ChecksumSHA256 })
  }
  const complete = { Bucket, Key, UploadId, MultipartUpload: { Parts } }
  return { Parts, ...(await client.send(new CompleteMultipartUploadCommand(complete))) }
}

const MIB = 1024 * 1024

it('tells what was asked for, and nothing else', async () => {
  const { ETag, ChecksumCRC32 } = await client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'text' }))
  const { LastModified, ...all } = await attributes('a')
  assert.ok(LastModified instanceof Date)
  assert.deepEqual(all, {
    ETag: ETag?.replaceAll('"', ''),
    Checksum: { ChecksumCRC32, ChecksumType: 'FULL_OBJECT' },
    StorageClass: 'STANDARD',
    ObjectSize: 4,
  })
  for (const name of ['ETag', 'Checksum', 'StorageClass', 'ObjectSize'] as const) {
    const { LastModified: same, ...one } = await attributes('a', { ObjectAttributes: [name] })
    assert.deepEqual(one, { [name]: all[name] })
    assert.deepEqual(same, LastModified)
  }
})

it('refuses unknown attributes, and none', async () => {
  await assert.rejects(attributes('a', { ObjectAttributes: ['Size' as never] }), named('InvalidArgument'))
  assert.equal((await send(s3, { path: '/bucket/a?attributes=' })).code, 'InvalidArgument')
  await assert.rejects(attributes('nothing'), named('NoSuchKey'))
})

it('lists parts, in pages, where they have checksums', async () => {
  const sizes = [5 * MIB, 6 * MIB, 1]
  const { Parts } = await upload('parts', sizes, { ChecksumAlgorithm: 'SHA256' })
  const { ObjectParts, Checksum, ObjectSize } = await attributes('parts')
  const expected = sizes.map((Size, i) => ({ PartNumber: i + 1, Size, ChecksumSHA256: Parts[i]?.ChecksumSHA256 }))
  assert.deepEqual(ObjectParts, {
    TotalPartsCount: 3,
    PartNumberMarker: '0',
    NextPartNumberMarker: '3',
    MaxParts: 1000,
    IsTruncated: false,
    Parts: expected,
  })
  assert.equal(ObjectSize, 11 * MIB + 1)
  assert.equal(Checksum?.ChecksumType, 'COMPOSITE')
  assert.match(Checksum.ChecksumSHA256 ?? '', /-3$/)
  const first = await attributes('parts', { MaxParts: 2 })
  assert.deepEqual(first.ObjectParts?.Parts, expected.slice(0, 2))
  assert.equal(first.ObjectParts.IsTruncated, true)
  const PartNumberMarker = first.ObjectParts.NextPartNumberMarker!
  const next = await attributes('parts', { MaxParts: 2, PartNumberMarker })
  assert.deepEqual([next.ObjectParts?.Parts, next.ObjectParts?.IsTruncated], [expected.slice(2), false])
})

it('only counts them where they have none', async () => {
  const plain = new S3Client({ ...s3.clientConfig, requestChecksumCalculation: 'WHEN_REQUIRED' })
  const { UploadId } = await plain.send(new CreateMultipartUploadCommand({ Bucket, Key: 'bare' }))
  const part = { Bucket, Key: 'bare', UploadId, PartNumber: 1 }
  const { ETag } = await plain.send(new UploadPartCommand({ ...part, Body: 'text' }))
  const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] }
  await plain.send(new CompleteMultipartUploadCommand({ Bucket, Key: 'bare', UploadId, MultipartUpload }))
  plain.destroy()
  assert.deepEqual((await attributes('bare')).ObjectParts, { TotalPartsCount: 1 })
})

it('of a version; a delete marker has none', async () => {
  const of = { Bucket: 'versions' }
  const VersioningConfiguration = { Status: 'Enabled' } as const
  await client.send(new PutBucketVersioningCommand({ ...of, VersioningConfiguration }))
  const { VersionId } = await client.send(new PutObjectCommand({ ...of, Key: 'v', Body: 'first' }))
  const second = await client.send(new PutObjectCommand({ ...of, Key: 'v', Body: 'second!' }))
  assert.deepEqual((await attributes('v', of)).VersionId, second.VersionId)
  const old = await attributes('v', { ...of, VersionId })
  assert.deepEqual([old.ObjectSize, old.VersionId], [5, VersionId])
  const marker = await client.send(new DeleteObjectCommand({ ...of, Key: 'v' }))
  await assert.rejects(attributes('v', of), named('NoSuchKey'))
  await assert.rejects(attributes('v', { ...of, VersionId: marker.VersionId }), named('MethodNotAllowed'))
  await assert.rejects(attributes('v', { ...of, VersionId: 'x'.repeat(32) }), named('NoSuchVersion'))
})

it('of an SSE-C object only with its key', async () => {
  const key = Buffer.alloc(32, 1)
  const customer = (bytes: Buffer) => ({
    SSECustomerAlgorithm: 'AES256',
    SSECustomerKey: bytes.toString('base64'),
    SSECustomerKeyMD5: createHash('md5').update(bytes).digest('base64'),
  })
  await client.send(new PutObjectCommand({ Bucket, Key: 'c', Body: 'text', ...customer(key) }))
  assert.equal((await attributes('c', customer(key))).ObjectSize, 4)
  await assert.rejects(attributes('c'), named('InvalidRequest'))
  await assert.rejects(attributes('c', customer(Buffer.alloc(32, 2))), named('AccessDenied'))
  await assert.rejects(attributes('a', customer(key)), named('InvalidRequest'))
})

it('of a directory bucket', async () => {
  await client.send(new PutObjectCommand({ Bucket: directory, Key: 'a', Body: 'text' }))
  const { StorageClass, ObjectSize } = await attributes('a', { Bucket: directory })
  assert.deepEqual([StorageClass, ObjectSize], ['EXPRESS_ONEZONE', 4])
})
