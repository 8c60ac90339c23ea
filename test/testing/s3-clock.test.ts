import assert from 'node:assert/strict'
import test from 'node:test'
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  ListPartsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { startS3, type S3Server } from 's3-cse/testing'
import { begin } from './s3-multipart-support.js'

const Bucket = 'bucket'
const at = (seconds: number): Date => new Date(Date.UTC(2020, 0, 1) + seconds * 1000)
let time = at(0)
const s3: S3Server = await startS3({ buckets: [Bucket], now: () => time })
const client = new S3Client(s3.clientConfig)
test.after(async () => {
  client.destroy()
  await s3.close()
})
const Key = 'key'
const put = () => client.send(new PutObjectCommand({ Bucket, Key, Body: '' }))

test('what is stored has the times of the clock, in whole seconds', async () => {
  const buckets = await client.send(new ListBucketsCommand({}))
  assert.deepEqual(buckets.Buckets?.[0]?.CreationDate, at(0))
  await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }))
  time = at(10.999)
  const { VersionId: first } = await put()
  time = at(5)
  await s3.put(Bucket, Key, { body: 'seeded' })
  time = at(20)
  const marker = await client.send(new DeleteObjectCommand({ Bucket, Key }))
  time = at(30)
  const { VersionId: last, ETag } = await put()
  assert.ok(ETag !== undefined)
  const list = await client.send(new ListObjectVersionsCommand({ Bucket, Prefix: Key }))
  assert.deepEqual(
    list.Versions?.map(({ LastModified, IsLatest }) => [LastModified, IsLatest]),
    [
      [at(30), true],
      [at(5), false],
      [at(10), false],
    ],
  )
  assert.deepEqual([list.Versions[0]?.VersionId, list.Versions[2]?.VersionId], [last, first])
  assert.deepEqual(
    list.DeleteMarkers?.map(({ LastModified, VersionId }) => [LastModified, VersionId]),
    [[at(20), marker.VersionId]],
  )
  const old = { Bucket, Key, VersionId: first }
  const [head, got] = [await client.send(new HeadObjectCommand(old)), await client.send(new GetObjectCommand(old))]
  await got.Body?.transformToByteArray()
  for (const one of [head, got]) assert.deepEqual([one.LastModified, one.VersionId, one.ETag], [at(10), first, ETag])
  const { Contents } = await client.send(new ListObjectsV2Command({ Bucket }))
  assert.deepEqual(Contents?.[0]?.LastModified, at(30))
  time = at(40.5)
  const copied = await client.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/${Key}` }))
  assert.deepEqual(copied.CopyObjectResult?.LastModified, at(40))
  assert.deepEqual((await s3.object(Bucket, 'copy'))?.lastModified, at(40))
})

test('an object from a multipart upload has the time at which the upload began', async () => {
  time = at(100)
  const upload = await begin(client, 'parts')
  time = at(110.2)
  const { ETag } = await upload.part(1, 'part')
  const of = { Bucket, Key: 'parts', UploadId: upload.id }
  time = at(115)
  await client.send(new UploadPartCopyCommand({ ...of, PartNumber: 2, CopySource: `${Bucket}/${Key}` }))
  const { Parts, UploadId } = await client.send(new ListPartsCommand(of))
  assert.deepEqual(
    Parts?.map(({ LastModified }) => LastModified),
    [at(110), at(115)],
  )
  const { Uploads } = await client.send(new ListMultipartUploadsCommand({ Bucket }))
  assert.deepEqual([Uploads?.[0]?.UploadId, Uploads?.[0]?.Initiated], [UploadId, at(100)])
  time = at(120)
  await upload.complete([{ PartNumber: 1, ETag }])
  assert.deepEqual((await client.send(new HeadObjectCommand({ Bucket, Key: 'parts' }))).LastModified, at(100))
})

test('without a clock of its own it is now', async () => {
  await using own = await startS3({ buckets: [Bucket] })
  const before = Math.floor(Date.now() / 1000) * 1000
  await own.put(Bucket, Key, { body: '' })
  const stored = (await own.object(Bucket, Key))!.lastModified.getTime()
  assert.ok(stored >= before && stored <= Date.now())
  assert.equal(stored % 1000, 0)
})
