import assert from 'node:assert/strict'
import test from 'node:test'
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
  type ObjectIdentifier,
} from '@aws-sdk/client-s3'
import { startS3, type S3Server } from 's3-cse/testing'
import { rejects } from './s3-multipart-support.js'

const [Bucket, versioned] = ['bucket', 'versioned']
const s3: S3Server = await startS3({ buckets: [Bucket, versioned] })
const client = new S3Client(s3.clientConfig)
test.after(async () => {
  client.destroy()
  await s3.close()
})
await client.send(new PutBucketVersioningCommand({ Bucket: versioned, VersioningConfiguration: { Status: 'Enabled' } }))

const put = (Key: string, Body: string, bucket = Bucket) =>
  client.send(new PutObjectCommand({ Bucket: bucket, Key, Body }))
const remove = (Key: string, IfMatch: string, bucket = Bucket, more: object = {}) =>
  client.send(new DeleteObjectCommand({ Bucket: bucket, Key, IfMatch, ...more }))

test('If-Match deletes the object with that ETag, and no other', async () => {
  const { ETag: one = '' } = await put('a', '1')
  const { ETag: two = '' } = await put('a', '2')
  await rejects(remove('a', one), 'PreconditionFailed', 412)
  assert.deepEqual(s3.keys(Bucket), ['a'])
  await remove('a', two)
  assert.deepEqual(s3.keys(Bucket), [])
  for (const etag of [two, '*']) await rejects(remove('a', etag), 'NoSuchKey', 404)
  await put('a', '3')
  await remove('a', '*')
  const { ETag: four = '' } = await put('a', '4')
  await remove('a', four.replaceAll('"', ''))
  assert.deepEqual(s3.keys(Bucket), [])
})

test('with versions it is about the current one, and a delete marker is none', async () => {
  const { ETag: one = '', VersionId: first } = await put('v', '1', versioned)
  const { ETag: two = '', VersionId: second } = await put('v', '2', versioned)
  await rejects(remove('v', one, versioned), 'PreconditionFailed', 412)
  for (const VersionId of [first, second]) {
    for (const etag of [one, two, '*'])
      await rejects(remove('v', etag, versioned, { VersionId }), 'NotImplemented', 501)
  }
  assert.equal((await s3.object(versioned, 'v'))?.versionId, second)
  const { DeleteMarker, VersionId } = await remove('v', two, versioned)
  assert.equal(DeleteMarker, true)
  for (const etag of [one, two, '*']) await rejects(remove('v', etag, versioned), 'NoSuchKey', 404)
  await client.send(new DeleteObjectCommand({ Bucket: versioned, Key: 'v', VersionId }))
  assert.equal((await s3.object(versioned, 'v'))?.versionId, second)
})

test('DeleteObjects with ETags: each for itself', async () => {
  const { ETag: a } = await put('a', '1')
  await put('b', '1')
  const { VersionId } = await put('c', '1', versioned)
  const many = (Objects: ObjectIdentifier[], bucket = Bucket) =>
    client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects } }))
  const wrong = '"00000000000000000000000000000000"'
  const { Deleted, Errors } = await many([
    { Key: 'a', ETag: a },
    { Key: 'b', ETag: wrong },
    { Key: 'none', ETag: wrong },
    { Key: 'none' },
  ])
  assert.deepEqual(Deleted, [{ Key: 'a' }, { Key: 'none' }])
  assert.deepEqual(
    Errors?.map(({ Key, Code }) => [Key, Code]),
    [
      ['b', 'PreconditionFailed'],
      ['none', 'NoSuchKey'],
    ],
  )
  assert.deepEqual(s3.keys(Bucket), ['b'])
  const both = await many([{ Key: 'c', ETag: '*', VersionId }], versioned)
  assert.equal(both.Errors?.[0]?.Code, 'NotImplemented')
  assert.equal((await s3.object(versioned, 'c'))?.versionId, VersionId)
})

test('a condition that fails under a write at the same moment', async () => {
  const { ETag = '' } = await put('race', '1')
  const stop = s3.onRequest(async ({ operation }) => {
    if (operation !== 'DeleteObject') return
    stop()
    await put('race', '2')
  })
  await rejects(remove('race', ETag), 'PreconditionFailed', 412)
  assert.equal(Buffer.from((await s3.object(Bucket, 'race'))!.body).toString(), '2')
})
