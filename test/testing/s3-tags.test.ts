import assert from 'node:assert/strict'
import test from 'node:test'
import {
  CopyObjectCommand,
  DeleteObjectTaggingCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  S3Client,
  type Tag,
} from '@aws-sdk/client-s3'
import { startS3, type S3Server } from 's3-cse/testing'
import { checksumOf } from '../../src/testing/s3-checksums.js'
import { begin, Bucket, rejects } from './s3-multipart-support.js'
import { send } from './s3-raw.js'

const s3: S3Server = await startS3({ buckets: [Bucket, 'versioned'] })
const client = new S3Client(s3.clientConfig)
test.after(async () => {
  client.destroy()
  await s3.close()
})
const put = (Key: string, Tagging?: string) => client.send(new PutObjectCommand({ Bucket, Key, Body: 'x', Tagging }))
const tagsOf = async (Key: string) => (await client.send(new GetObjectTaggingCommand({ Bucket, Key }))).TagSet
const setTags = (TagSet: Tag[], Key = 'a') =>
  client.send(new PutObjectTaggingCommand({ Bucket, Key, Tagging: { TagSet } }))
const copy = (Key: string, more: object = {}) =>
  client.send(new CopyObjectCommand({ Bucket, Key, CopySource: `${Bucket}/source`, ...more }))

test('tags come with the object, and are counted by reads', async () => {
  await put('a', 'one=1&t%C3%BCr=a%2Bb+c&empty=')
  assert.deepEqual(await tagsOf('a'), [
    { Key: 'one', Value: '1' },
    { Key: 'tür', Value: 'a+b c' },
    { Key: 'empty', Value: '' },
  ])
  assert.equal((await client.send(new HeadObjectCommand({ Bucket, Key: 'a' }))).TagCount, 3)
  const got = await client.send(new GetObjectCommand({ Bucket, Key: 'a' }))
  assert.equal(await got.Body!.transformToString(), 'x')
  assert.equal(got.TagCount, 3)
  assert.deepEqual((await s3.object(Bucket, 'a'))?.tags, { one: '1', tür: 'a+b c', empty: '' })
  await put('a')
  assert.deepEqual(await tagsOf('a'), [])
  assert.equal((await client.send(new HeadObjectCommand({ Bucket, Key: 'a' }))).TagCount, undefined)
  const upload = await begin(client, 'm', { Tagging: 'k=v' })
  const { ETag } = await upload.part(1, 'x')
  await upload.complete([{ PartNumber: 1, ETag: ETag! }])
  assert.deepEqual(await tagsOf('m'), [{ Key: 'k', Value: 'v' }])
})

test('they are changed and removed without a new object', async () => {
  const { ETag } = await put('a', 'one=1')
  const before = await s3.object(Bucket, 'a')
  const TagSet = [{ Key: 'a/b:c', Value: 'd@e' }]
  await setTags(TagSet)
  assert.deepEqual(await tagsOf('a'), TagSet)
  assert.deepEqual(await s3.object(Bucket, 'a'), { ...before, tags: { 'a/b:c': 'd@e' } })
  assert.equal((await client.send(new HeadObjectCommand({ Bucket, Key: 'a' }))).ETag, ETag)
  const { $metadata } = await client.send(new DeleteObjectTaggingCommand({ Bucket, Key: 'a' }))
  assert.equal($metadata.httpStatusCode, 204)
  assert.deepEqual(await tagsOf('a'), [])
  await rejects(tagsOf('none'), 'NoSuchKey', 404)
  await rejects(setTags([], 'none'), 'NoSuchKey', 404)
  await rejects(client.send(new DeleteObjectTaggingCommand({ Bucket, Key: 'none' })), 'NoSuchKey', 404)
})

test('each version has its own', async () => {
  const at = { Bucket: 'versioned', Key: 'v' }
  await client.send(
    new PutBucketVersioningCommand({ Bucket: at.Bucket, VersioningConfiguration: { Status: 'Enabled' } }),
  )
  const { VersionId } = await client.send(new PutObjectCommand({ ...at, Body: '1', Tagging: 'v=1' }))
  const { VersionId: second } = await client.send(new PutObjectCommand({ ...at, Body: '2' }))
  const TagSet = [{ Key: 'v', Value: 'one' }]
  const changed = await client.send(new PutObjectTaggingCommand({ ...at, VersionId, Tagging: { TagSet } }))
  assert.equal(changed.VersionId, VersionId)
  const got = await client.send(new GetObjectTaggingCommand({ ...at, VersionId }))
  assert.deepEqual([got.TagSet, got.VersionId], [TagSet, VersionId])
  const current = await client.send(new GetObjectTaggingCommand(at))
  assert.deepEqual([current.TagSet, current.VersionId], [[], second])
  const removed = await client.send(new DeleteObjectTaggingCommand({ ...at, VersionId }))
  assert.equal(removed.VersionId, VersionId)
  assert.deepEqual((await s3.object(at.Bucket, at.Key, VersionId))?.tags, {})
  assert.equal((await s3.object(at.Bucket, at.Key))?.versionId, second)
})

test('there are limits', async () => {
  await put('a')
  const many = (n: number): Tag[] => Array.from({ length: n }, (_, i) => ({ Key: `k${i}`, Value: 'v' }))
  await setTags(many(10))
  await rejects(setTags(many(11)), 'BadRequest', 400)
  await setTags([{ Key: '𝔎'.repeat(128), Value: '𝔳'.repeat(256) }])
  await rejects(setTags([{ Key: 'k'.repeat(129), Value: '' }]), 'InvalidTag', 400)
  await rejects(setTags([{ Key: 'k', Value: 'v'.repeat(257) }]), 'InvalidTag', 400)
  await rejects(setTags([{ Key: '', Value: 'v' }]), 'InvalidTag', 400)
  await rejects(setTags([{ Key: 'k', Value: '#' }]), 'InvalidTag', 400)
  await rejects(setTags([{ Key: 'k?', Value: 'v' }]), 'InvalidTag', 400)
  await rejects(setTags([{ Key: 'aws:k', Value: 'v' }]), 'InvalidTag', 400)
  await rejects(setTags([...many(1), ...many(1)]), 'InvalidTag', 400)
  await rejects(put('b', 'a=1&a=2'), 'InvalidArgument', 400)
  await rejects(put('b', 'a=%ff'), 'InvalidArgument', 400)
  await rejects(put('b', '=v'), 'InvalidTag', 400)
  await rejects(put('b', Array.from({ length: 11 }, (_, i) => `k${i}=v`).join('&')), 'BadRequest', 400)
  assert.equal(s3.keys(Bucket).includes('b'), false)
  const raw = { method: 'PUT', path: '/bucket/a?tagging', body: '<Tagging><TagSet/></Tagging>' }
  assert.equal((await send(s3, raw)).code, 'InvalidRequest', 'no checksum')
  const checked = (body: string) =>
    send(s3, { ...raw, body, headers: { 'x-amz-checksum-crc32': checksumOf('crc32', Buffer.from(body)) } })
  for (const body of ['', '<Tagging/>', '<TagSet/>', '<Tagging><TagSet><Tag><Key>k</Key></Tag></TagSet></Tagging>']) {
    assert.equal((await checked(body)).code, 'MalformedXML', body)
  }
})

test('a copy takes them over, unless it brings its own', async () => {
  await put('source', 'one=1&two=2')
  const all = [
    { Key: 'one', Value: '1' },
    { Key: 'two', Value: '2' },
  ]
  await copy('c')
  assert.deepEqual(await tagsOf('c'), all)
  await copy('c', { MetadataDirective: 'REPLACE', Metadata: {} })
  assert.deepEqual(await tagsOf('c'), all)
  await copy('c', { Tagging: 'new=3' })
  assert.deepEqual(await tagsOf('c'), all, 'x-amz-tagging needs its directive')
  await copy('c', { TaggingDirective: 'REPLACE', Tagging: 'new=3' })
  assert.deepEqual(await tagsOf('c'), [{ Key: 'new', Value: '3' }])
  await copy('c', { TaggingDirective: 'REPLACE' })
  assert.deepEqual(await tagsOf('c'), [])
  await rejects(copy('c', { TaggingDirective: 'MOVE' }), 'InvalidArgument', 400)
  await rejects(copy('source', { TaggingDirective: 'REPLACE', Tagging: 'a=b' }), 'InvalidRequest', 400)
})

test('tests seed them, and tampering leaves them', async () => {
  await s3.put(Bucket, 'seeded', { body: 'x', tags: { a: 'b' } })
  assert.deepEqual(await tagsOf('seeded'), [{ Key: 'a', Value: 'b' }])
  await s3.tamper(Bucket, 'seeded', () => ({ body: new Uint8Array(1) }))
  await s3.tamper(Bucket, 'seeded', () => ({ body: new Uint8Array(2) }), { keepChecksums: true })
  assert.deepEqual(await tagsOf('seeded'), [{ Key: 'a', Value: 'b' }])
})
