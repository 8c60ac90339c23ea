import assert from 'node:assert/strict'
import test from 'node:test'
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectTorrentCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  PutObjectCommand,
  S3Client,
  type S3ServiceException,
} from '@aws-sdk/client-s3'
import { startS3, type S3Server } from 's3-cse/testing'
import { send } from './s3-raw.js'

const Bucket = 'bucket'
const s3: S3Server = await startS3({ buckets: [Bucket] })
const client = new S3Client(s3.clientConfig)
test.after(async () => {
  client.destroy()
  await s3.close()
})

const rejects = (promise: Promise<unknown>, name: string, status: number): Promise<void> =>
  assert.rejects(promise, (error: S3ServiceException) => {
    assert.equal(error.name, name)
    assert.equal(error.$metadata.httpStatusCode, status)
    return true
  })
const md5 = (data: string | Uint8Array): string => `"${createHash('md5').update(data).digest('hex')}"`

test('what was put comes back, with its ETag, checksum, metadata and date', async () => {
  const put = await client.send(
    new PutObjectCommand({ Bucket, Key: 'a', Body: 'hello', Metadata: { One: ' x ', two: '' } }),
  )
  const got = await client.send(new GetObjectCommand({ Bucket, Key: 'a' }))
  assert.equal(await got.Body?.transformToString(), 'hello')
  assert.equal(put.ETag, md5('hello'))
  assert.equal(put.ChecksumCRC32, 'NhCmhg==')
  assert.equal(got.ETag, put.ETag)
  assert.equal(got.ChecksumCRC32, put.ChecksumCRC32)
  assert.equal(got.ChecksumType, 'FULL_OBJECT')
  assert.deepEqual(got.Metadata, { one: 'x', two: '' })
  assert.equal(got.ContentLength, 5)
  assert.equal(got.ContentType, 'application/octet-stream') // the SDK's own; see below for S3's
  assert.ok(Math.abs(Date.now() - (got.LastModified?.getTime() ?? 0)) < 60_000)
  assert.match(got.$metadata.requestId ?? '', /^[0-9A-F]{16}$/)
})

test('checksums are returned only with x-amz-checksum-mode, and a plain PUT has CRC64NVME and the default type', async () => {
  await send(s3, { method: 'PUT', path: '/bucket/plain', body: '123456789' })
  const silent = await send(s3, { method: 'HEAD', path: '/bucket/plain' })
  assert.equal(silent.headers['content-type'], 'binary/octet-stream')
  assert.deepEqual(
    Object.keys(silent.headers).filter((name) => name.includes('checksum')),
    [],
  )
  const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'plain', ChecksumMode: 'ENABLED' }))
  assert.equal(head.ChecksumCRC64NVME, 'rosUhgp5mIg=')
  const range = await client.send(
    new GetObjectCommand({ Bucket, Key: 'plain', Range: 'bytes=0-1', ChecksumMode: 'ENABLED' }),
  )
  assert.equal(range.ChecksumCRC64NVME, undefined)
  assert.equal(await range.Body?.transformToString(), '12')
})

for (const ChecksumAlgorithm of ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const) {
  test(`${ChecksumAlgorithm} is verified and stored, from a header and from a trailer`, async () => {
    const Key = ChecksumAlgorithm
    const data = Buffer.alloc(100_000, 'x')
    const member = `Checksum${ChecksumAlgorithm}` as const
    const whole = await client.send(new PutObjectCommand({ Bucket, Key, Body: data, ChecksumAlgorithm }))
    assert.ok(whole[member])
    const stream = Readable.from([data.subarray(0, 65536), data.subarray(65536)])
    const streamed = await client.send(
      new PutObjectCommand({ Bucket, Key, Body: stream, ContentLength: data.length, ChecksumAlgorithm }),
    )
    assert.equal(streamed[member], whole[member])
    const got = await client.send(new GetObjectCommand({ Bucket, Key }))
    assert.equal(got[member], whole[member])
    assert.deepEqual(Buffer.from((await got.Body?.transformToByteArray()) ?? []), data)
    assert.equal(Object.values((await s3.object(Bucket, Key))?.checksums ?? {})[0], whole[member])
  })
}

test('keys may hold any characters', async () => {
  const keys = [
    'a b',
    'a+b',
    'a%20b',
    'ü/ö',
    '日本/語',
    '😀',
    "!'()*",
    'x//y',
    'x/../y',
    'a&b=c?d#e',
    '%',
    'tab\there',
    '~._-',
  ]
  for (const Key of keys) {
    await client.send(new PutObjectCommand({ Bucket, Key, Body: Key }))
    const got = await client.send(new GetObjectCommand({ Bucket, Key }))
    assert.equal(await got.Body?.transformToString(), Key)
    assert.equal(s3.requests.at(-1)?.key, Key)
    assert.ok(s3.keys(Bucket).includes(Key), Key)
  }
  const plus = await send(s3, { path: '/bucket/a+b', signedPath: '/bucket/a b' })
  assert.equal(plus.text, 'a b') // S3 takes an unescaped plus in a path for a blank
})

test('keys are limited to 1024 bytes of UTF-8', async () => {
  await client.send(new PutObjectCommand({ Bucket, Key: 'é'.repeat(512), Body: '' }))
  await rejects(client.send(new PutObjectCommand({ Bucket, Key: 'é'.repeat(513), Body: '' })), 'KeyTooLongError', 400)
})

test('system headers are stored and returned, aws-chunked is not', async () => {
  const Expires = new Date('2031-02-03T04:05:06Z')
  const input = {
    ContentType: 'text/plain',
    ContentEncoding: 'gzip',
    CacheControl: 'no-store',
    ContentDisposition: 'attachment',
    ContentLanguage: 'de',
    StorageClass: 'STANDARD_IA',
  } as const
  const Body = Readable.from([Buffer.from('hello')])
  await client.send(
    new PutObjectCommand({ Bucket, Key: 'headers', Body, ContentLength: 5, Expires, Tagging: 'a=1&b=2', ...input }),
  )
  assert.equal(s3.requests.at(-1)?.headers['content-encoding'], 'gzip,aws-chunked')
  const got = await client.send(new GetObjectCommand({ Bucket, Key: 'headers' }))
  await got.Body?.transformToByteArray()
  for (const [name, value] of Object.entries(input)) assert.equal(got[name as keyof typeof input], value)
  assert.equal(got.ExpiresString, Expires.toUTCString())
  assert.equal(got.TagCount, 2)
  const Plain = Readable.from([Buffer.from('hello')])
  await client.send(new PutObjectCommand({ Bucket, Key: 'headers', Body: Plain, ContentLength: 5 }))
  const plain = await client.send(new HeadObjectCommand({ Bucket, Key: 'headers' }))
  assert.equal(plain.ContentEncoding, undefined)
  assert.equal(plain.StorageClass, undefined)
  await rejects(
    client.send(new PutObjectCommand({ Bucket, Key: 'x', Body: '', StorageClass: 'NOPE' as 'STANDARD' })),
    'InvalidStorageClass',
    400,
  )
})

test('response-* parameters override headers', async () => {
  await s3.put(Bucket, 'override', { body: 'x', headers: { 'Content-Type': 'a/b' } })
  const got = await client.send(
    new GetObjectCommand({
      Bucket,
      Key: 'override',
      ResponseContentType: 'c/d',
      ResponseContentLanguage: 'fr',
      ResponseCacheControl: 'private',
      ResponseContentDisposition: 'inline',
      ResponseContentEncoding: 'br',
    }),
  )
  assert.equal(await got.Body?.transformToString(), 'x')
  assert.deepEqual(
    [got.ContentType, got.ContentLanguage, got.CacheControl, got.ContentDisposition, got.ContentEncoding],
    ['c/d', 'fr', 'private', 'inline', 'br'],
  )
})

test('copies keep or replace metadata, and only a changed object may be copied onto itself', async () => {
  await client.send(
    new PutObjectCommand({
      Bucket,
      Key: 'src ü+',
      Body: 'copied',
      Metadata: { m: '1' },
      ContentType: 'a/b',
      StorageClass: 'STANDARD_IA',
    }),
  )
  const CopySource = `/${Bucket}/${encodeURIComponent('src ü+')}`
  const copied = await client.send(
    new CopyObjectCommand({ Bucket, Key: 'dst', CopySource, Metadata: { ignored: '1' } }),
  )
  assert.equal(copied.CopyObjectResult?.ETag, md5('copied'))
  assert.ok(copied.CopyObjectResult.ChecksumCRC32)
  const kept = await client.send(new HeadObjectCommand({ Bucket, Key: 'dst' }))
  assert.deepEqual([kept.Metadata, kept.ContentType, kept.StorageClass], [{ m: '1' }, 'a/b', undefined])
  await client.send(
    new CopyObjectCommand({ Bucket, Key: 'dst', CopySource, MetadataDirective: 'REPLACE', Metadata: { n: '2' } }),
  )
  const replaced = await client.send(new HeadObjectCommand({ Bucket, Key: 'dst' }))
  assert.deepEqual([replaced.Metadata, replaced.ContentType], [{ n: '2' }, 'binary/octet-stream'])
  const self = { Bucket, Key: 'dst', CopySource: `${Bucket}/dst` }
  await rejects(client.send(new CopyObjectCommand(self)), 'InvalidRequest', 400)
  await client.send(new CopyObjectCommand({ ...self, MetadataDirective: 'REPLACE' }))
  const hashed = await client.send(new CopyObjectCommand({ ...self, Key: 'dst2', ChecksumAlgorithm: 'SHA256' }))
  assert.equal(hashed.CopyObjectResult?.ChecksumSHA256, createHash('sha256').update('copied').digest('base64'))
  assert.equal(Buffer.from((await s3.object(Bucket, 'dst2'))!.body).toString(), 'copied')
})

test('copies that cannot be are refused', async () => {
  await s3.put(Bucket, 'src', { body: 'x' })
  const copy = (more: object): Promise<unknown> =>
    client.send(new CopyObjectCommand({ Bucket, Key: 'no', CopySource: `${Bucket}/src`, ...more }))
  await rejects(copy({ CopySource: `${Bucket}/none` }), 'NoSuchKey', 404)
  await rejects(copy({ CopySource: 'none/src' }), 'NoSuchBucket', 404)
  await rejects(copy({ CopySource: 'bucket' }), 'InvalidArgument', 400)
  await rejects(copy({ CopySource: `${Bucket}/src?versionId=1` }), 'InvalidArgument', 400)
  await rejects(copy({ CopySource: `${Bucket}/src?other=1` }), 'InvalidArgument', 400)
  await rejects(copy({ MetadataDirective: 'NOPE' }), 'InvalidArgument', 400)
  await rejects(copy({ CopySourceIfMatch: '"0"' }), 'PreconditionFailed', 412)
  await rejects(copy({ CopySourceIfNoneMatch: md5('x') }), 'PreconditionFailed', 412)
  await rejects(copy({ ChecksumAlgorithm: 'MD5' }), 'InvalidRequest', 400)
  await rejects(copy({ Key: 'src', MetadataDirective: 'REPLACE', IfNoneMatch: '*' }), 'PreconditionFailed', 412)
  assert.ok(!s3.keys(Bucket).includes('no'))
})

test('deletes one, several, quietly, and what is not there', async () => {
  const Keys = ['d1', 'd2 &<>"', 'd3\r\n']
  for (const key of Keys) await s3.put(Bucket, key, { body: 'x' })
  await client.send(new DeleteObjectCommand({ Bucket, Key: 'd1' }))
  await client.send(new DeleteObjectCommand({ Bucket, Key: 'd1' }))
  const objects = Keys.map((Key) => ({ Key }))
  const loud = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: objects } }))
  assert.deepEqual(
    loud.Deleted?.map((one) => one.Key),
    Keys,
  )
  const quiet = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Quiet: true, Objects: objects } }))
  assert.equal(quiet.Deleted, undefined)
  assert.deepEqual(
    s3.keys(Bucket).filter((key) => /^d\d/.test(key)),
    [],
  )
  const version = await client.send(
    new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: 'plain', VersionId: 'v' }] } }),
  )
  assert.equal(version.Errors?.[0]?.Code, 'NoSuchVersion')
  const conditional = { Key: 'plain', Size: 1 }
  const refused = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [conditional] } }))
  assert.equal(refused.Errors?.[0]?.Code, 'NotImplemented')
  assert.ok(s3.keys(Bucket).includes('plain'))
  const many = Array.from({ length: 1001 }, (_, i) => ({ Key: `k${i}` }))
  await rejects(client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: many } })), 'MalformedXML', 400)
  const bySize = new DeleteObjectCommand({ Bucket, Key: 'plain', IfMatchSize: 1 })
  await rejects(client.send(bySize), 'NotImplemented', 501)
})

test('DeleteObjects needs a checksum and well-formed XML of a bearable size', async () => {
  const body = '<Delete><Object><Key>plain</Key></Object></Delete>'
  const post = (text: string, headers: Record<string, string>) =>
    send(s3, { method: 'POST', path: '/bucket?delete', body: text, headers })
  const digest = (text: string): { 'content-md5': string } => ({
    'content-md5': createHash('md5').update(text).digest('base64'),
  })
  assert.equal((await post(body, {})).code, 'InvalidRequest')
  assert.equal((await post(body, digest('other'))).code, 'BadDigest')
  assert.equal((await post('<Delete>', digest('<Delete>'))).code, 'MalformedXML')
  assert.equal((await post('<Delete/>', digest('<Delete/>'))).code, 'MalformedXML')
  const long = ' '.repeat(2 * 1024 * 1024) + body
  assert.equal((await post(long, digest(long))).code, 'MaxMessageLengthExceeded')
  assert.ok(s3.keys(Bucket).includes('plain'))
  assert.equal((await post(body, digest(body))).status, 200)
  assert.ok(!s3.keys(Bucket).includes('plain'))
})

test('buckets are made, found, listed and removed', async () => {
  await client.send(new CreateBucketCommand({ Bucket: 'second' }))
  await client.send(new CreateBucketCommand({ Bucket: 'second' })) // in us-east-1 only
  assert.equal((await client.send(new HeadBucketCommand({ Bucket: 'second' }))).BucketRegion, 'us-east-1')
  const listed = await client.send(new ListBucketsCommand({}))
  assert.deepEqual(
    listed.Buckets?.map((one) => one.Name),
    ['bucket', 'second'],
  )
  await s3.put('second', 'x', { body: '' })
  await rejects(client.send(new DeleteBucketCommand({ Bucket: 'second' })), 'BucketNotEmpty', 409)
  await client.send(new DeleteObjectCommand({ Bucket: 'second', Key: 'x' }))
  await client.send(new DeleteBucketCommand({ Bucket: 'second' }))
  await rejects(client.send(new HeadBucketCommand({ Bucket: 'second' })), 'NotFound', 404)
  await rejects(client.send(new CreateBucketCommand({ Bucket: 'Not_Allowed' })), 'InvalidBucketName', 400)
  await assert.rejects(startS3({ buckets: ['Not_Allowed'] }), TypeError)
})

test('other regions have their own rules for creating buckets', async () => {
  const other = await startS3({ region: 'eu-central-1' })
  const far = new S3Client(other.clientConfig)
  try {
    await far.send(new CreateBucketCommand({ Bucket })) // the SDK adds the location
    await rejects(far.send(new CreateBucketCommand({ Bucket })), 'BucketAlreadyOwnedByYou', 409)
    const CreateBucketConfiguration = { LocationConstraint: 'us-west-2' } as const
    await rejects(
      far.send(new CreateBucketCommand({ Bucket: 'third', CreateBucketConfiguration })),
      'IllegalLocationConstraintException',
      400,
    )
  } finally {
    far.destroy()
    await other.close()
  }
})

test('what is not there is NoSuchKey, NoSuchBucket, or a bare 404 for HEAD', async () => {
  await rejects(client.send(new GetObjectCommand({ Bucket, Key: 'none' })), 'NoSuchKey', 404)
  await rejects(client.send(new HeadObjectCommand({ Bucket, Key: 'none' })), 'NotFound', 404)
  await rejects(client.send(new GetObjectCommand({ Bucket: 'none', Key: 'a' })), 'NoSuchBucket', 404)
  await rejects(client.send(new PutObjectCommand({ Bucket: 'none', Key: 'a', Body: '' })), 'NoSuchBucket', 404)
  await rejects(client.send(new DeleteObjectCommand({ Bucket: 'none', Key: 'a' })), 'NoSuchBucket', 404)
})

test('everything else is NotImplemented', async () => {
  await s3.put(Bucket, 'a', { body: 'x' })
  await rejects(client.send(new GetObjectTorrentCommand({ Bucket, Key: 'a' })), 'NotImplemented', 501)
  await rejects(
    client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: '', WriteOffsetBytes: 0 })),
    'NotImplemented',
    501,
  )
  assert.equal((await send(s3, { method: 'PATCH', path: '/bucket/a' })).status, 501)
  assert.equal((await send(s3, { path: '/bucket/%ff', signedPath: '/bucket/?' })).code, 'InvalidURI')
  assert.equal(s3.keys(Bucket).includes('a'), true)
})

test('another expected owner is AccessDenied', async () => {
  await s3.put(Bucket, 'owned', { body: '' })
  const get = (ExpectedBucketOwner: string): Promise<unknown> =>
    client.send(new GetObjectCommand({ Bucket, Key: 'owned', ExpectedBucketOwner }))
  await get('123456789012')
  await rejects(get('210987654321'), 'AccessDenied', 403)
})
