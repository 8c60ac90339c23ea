import assert from 'node:assert/strict'
import test from 'node:test'
import {
  CopyObjectCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
  type S3ServiceException,
} from '@aws-sdk/client-s3'
import { startS3, type S3Server } from 's3-cse/testing'
import { begin, rejects } from './s3-multipart-support.js'
import { send } from './s3-raw.js'

const Bucket = 'bucket'
// In files, which go with their versions and not before.
const s3: S3Server = await startS3({
  buckets: [Bucket, 'plain', 'suspended', 'deleted', 'listed', 'changed'],
  memoryBytes: 0,
})
const client = new S3Client(s3.clientConfig)
test.after(async () => {
  client.destroy()
  await s3.close()
})

const versioning = (Status: 'Enabled' | 'Suspended', bucket = Bucket): Promise<unknown> =>
  client.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status } }))
async function put(Key: string, Body: string, bucket = Bucket): Promise<string | undefined> {
  return (await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body }))).VersionId
}
async function read(Key: string, VersionId?: string, bucket = Bucket): Promise<string | undefined> {
  const { Body } = await client.send(
    new GetObjectCommand({ Bucket: bucket, Key, ...(VersionId === undefined ? {} : { VersionId }) }),
  )
  return Body?.transformToString()
}
const remove = (Key: string, VersionId?: string, bucket = Bucket) =>
  client.send(new DeleteObjectCommand({ Bucket: bucket, Key, ...(VersionId === undefined ? {} : { VersionId }) }))

test('a bucket without versioning has the version null and never says so', async () => {
  const status = await client.send(new GetBucketVersioningCommand({ Bucket: 'plain' }))
  assert.equal(status.Status, undefined)
  assert.equal(await put('a', '1', 'plain'), undefined)
  assert.equal(await put('a', '2', 'plain'), undefined)
  assert.equal(await read('a', 'null', 'plain'), '2')
  const head = await client.send(new HeadObjectCommand({ Bucket: 'plain', Key: 'a' }))
  assert.equal(head.VersionId, undefined)
  await rejects(read('a', 'x'.repeat(32), 'plain'), 'NoSuchVersion', 404)
  const deleted = await remove('a', undefined, 'plain')
  assert.deepEqual([deleted.DeleteMarker, deleted.VersionId], [undefined, undefined])
  await rejects(read('a', 'null', 'plain'), 'NoSuchVersion', 404)
  await client.send(new DeleteBucketCommand({ Bucket: 'plain' }))
})

test('every write makes a version, and each can be read', async () => {
  const before = await put('a', 'before')
  assert.equal(before, undefined)
  await versioning('Enabled')
  assert.equal((await client.send(new GetBucketVersioningCommand({ Bucket }))).Status, 'Enabled')
  const one = await put('a', 'one')
  const two = await put('a', 'two')
  assert.ok(one !== undefined && two !== undefined && one !== two)
  assert.deepEqual(await Promise.all([read('a'), read('a', one), read('a', two), read('a', 'null')]), [
    'two',
    'one',
    'two',
    'before',
  ])
  const current = await client.send(new GetObjectCommand({ Bucket, Key: 'a', Range: 'bytes=0-0' }))
  assert.equal(current.VersionId, two)
  await current.Body?.transformToByteArray()
  const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'a', VersionId: one }))
  assert.deepEqual([head.VersionId, head.ContentLength], [one, 3])
  const upload = await begin(client, 'a')
  const list = [{ PartNumber: 1, ETag: (await upload.part(1, 'three')).ETag! }]
  const three = (await upload.complete(list)).VersionId
  assert.ok(three !== undefined)
  const four = await put('a', 'four')
  assert.equal((await upload.complete(list)).VersionId, three, 'the version of before is still there')
  assert.deepEqual([await read('a'), await read('a', three)], ['four', 'three'])
  assert.equal(Buffer.from((await s3.object(Bucket, 'a', one))!.body).toString(), 'one')
  assert.equal((await s3.object(Bucket, 'a'))!.versionId, four)
  assert.equal(await s3.object(Bucket, 'a', 'none'), undefined)
})

test('versions that are not there, and what cannot be one', async () => {
  await rejects(read('a', 'x'.repeat(32)), 'NoSuchVersion', 404)
  await rejects(read('a', 'no version'), 'InvalidArgument', 400)
  await rejects(remove('a', 'no version'), 'InvalidArgument', 400)
  assert.equal((await remove('a', 'x'.repeat(32))).VersionId, 'x'.repeat(32))
  assert.equal(await read('a'), 'four')
})

test('delete markers hide a key until they are deleted', async () => {
  const version = await put('d', 'hidden')
  const marker = await remove('d')
  assert.equal(marker.DeleteMarker, true)
  assert.ok(!s3.keys(Bucket).includes('d'))
  assert.equal(await s3.object(Bucket, 'd'), undefined)
  const at = { Bucket, Key: 'd' }
  const header = (error: S3ServiceException, name: string): string | undefined => error.$response?.headers[name]
  const hidden = (name: string, status: number) => (error: S3ServiceException) => {
    assert.deepEqual([error.name, error.$metadata.httpStatusCode], [name, status])
    assert.deepEqual(
      [header(error, 'x-amz-delete-marker'), header(error, 'x-amz-version-id')],
      ['true', marker.VersionId],
    )
    return true
  }
  await assert.rejects(client.send(new GetObjectCommand(at)), hidden('NoSuchKey', 404))
  await assert.rejects(client.send(new HeadObjectCommand(at)), hidden('NotFound', 404))
  const VersionId = marker.VersionId!
  await assert.rejects(client.send(new GetObjectCommand({ ...at, VersionId })), (error: S3ServiceException) => {
    assert.equal(header(error, 'allow'), 'DELETE')
    return hidden('MethodNotAllowed', 405)(error)
  })
  assert.equal(await read('d', version), 'hidden')
  const second = await remove('d')
  assert.notEqual(second.VersionId, VersionId)
  for (const one of [VersionId, second.VersionId!]) {
    const gone = await remove('d', one)
    assert.deepEqual([gone.DeleteMarker, gone.VersionId], [true, one])
  }
  assert.equal(await read('d'), 'hidden')
  const never = await remove('never')
  assert.equal(never.DeleteMarker, true)
})

test('deleting versions uncovers the one before', async () => {
  const [one, two, three] = [await put('u', '1'), await put('u', '2'), await put('u', '3')]
  const gone = await remove('u', two)
  assert.deepEqual([gone.DeleteMarker, gone.VersionId], [undefined, two])
  await rejects(read('u', two), 'NoSuchVersion', 404)
  assert.equal(await read('u'), '3')
  await remove('u', three)
  assert.equal(await read('u'), '1')
  await remove('u', one)
  await rejects(read('u'), 'NoSuchKey', 404)
})

test('conditions of writes are about the current version, and a delete marker is none', async () => {
  const { ETag } = await client.send(new PutObjectCommand({ Bucket, Key: 'c', Body: '1' }))
  await put('c', '2')
  const write = (more: object): Promise<unknown> =>
    client.send(new PutObjectCommand({ Bucket, Key: 'c', Body: '3', ...more }))
  await rejects(write({ IfMatch: ETag }), 'PreconditionFailed', 412)
  await remove('c')
  await rejects(write({ IfMatch: ETag }), 'NoSuchKey', 404)
  await write({ IfNoneMatch: '*' })
})

test('copies of versions', async () => {
  const [one, two] = [await put('s', 'one'), await put('s', 'two')]
  const copy = (versionId: string | undefined, Key = 't') =>
    client.send(new CopyObjectCommand({ Bucket, Key, CopySource: `/${Bucket}/s?versionId=${versionId ?? ''}` }))
  const copied = await copy(one)
  assert.equal(copied.CopySourceVersionId, one)
  assert.ok(copied.VersionId !== undefined && copied.VersionId !== one)
  assert.equal(await read('t'), 'one')
  await copy(one, 's')
  assert.deepEqual([await read('s'), await read('s', two)], ['one', 'two'])
  await rejects(copy('x'.repeat(32)), 'NoSuchVersion', 404)
  await rejects(copy(''), 'InvalidArgument', 400)
  const marker = await remove('s')
  await rejects(copy(marker.VersionId), 'InvalidRequest', 400)
  await rejects(client.send(new CopyObjectCommand({ Bucket, Key: 't', CopySource: `${Bucket}/s` })), 'NoSuchKey', 404)
})

test('suspended: the version null is replaced, the others stay', async () => {
  await versioning('Enabled', 'suspended')
  const kept = await put('a', 'kept', 'suspended')
  await versioning('Suspended', 'suspended')
  assert.equal(await put('a', '1', 'suspended'), undefined)
  await put('a', '2', 'suspended')
  assert.deepEqual([await read('a', 'null', 'suspended'), await read('a', kept, 'suspended')], ['2', 'kept'])
  const head = await client.send(new HeadObjectCommand({ Bucket: 'suspended', Key: 'a' }))
  assert.equal(head.VersionId, 'null')
  const marker = await remove('a', undefined, 'suspended')
  assert.deepEqual([marker.DeleteMarker, marker.VersionId], [true, 'null'])
  await rejects(read('a', 'null', 'suspended'), 'MethodNotAllowed', 405)
  await put('a', '3', 'suspended')
  const { Versions, DeleteMarkers } = await client.send(new ListObjectVersionsCommand({ Bucket: 'suspended' }))
  assert.deepEqual([Versions?.map((one) => one.VersionId), DeleteMarkers], [['null', kept], undefined])
})

test('DeleteObjects with and without versions', async () => {
  const [one, two] = [await put('m', '1'), await put('m', '2')]
  const Objects = [{ Key: 'm', VersionId: one! }, { Key: 'm' }, { Key: 'm', VersionId: 'x'.repeat(32) }]
  const { Deleted = [], Errors = [] } = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }))
  assert.deepEqual(Deleted[0], { Key: 'm', VersionId: one })
  assert.deepEqual([Deleted.length, Deleted[1]?.DeleteMarker], [2, true])
  assert.deepEqual([Errors.length, Errors[0]?.Code, Errors[0]?.VersionId], [1, 'NoSuchVersion', 'x'.repeat(32)])
  const marker = Deleted[1]?.DeleteMarkerVersionId
  const again = await client.send(
    new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: 'm', VersionId: marker! }] } }),
  )
  assert.deepEqual(again.Deleted, [{ Key: 'm', VersionId: marker, DeleteMarker: true, DeleteMarkerVersionId: marker }])
  assert.equal(await read('m', two), '2')
})

test('ListObjectVersions by key, newest first, in pages', async () => {
  await versioning('Enabled', 'listed')
  const a = [await put('a', '1', 'listed'), await put('a', '2', 'listed')].reverse()
  const b = await put('b/x y', '1', 'listed')
  const { VersionId: hidden } = await remove('b/x y', undefined, 'listed')
  const c = await put('c', '1', 'listed')
  const list = (more: object = {}) => client.send(new ListObjectVersionsCommand({ Bucket: 'listed', ...more }))
  const all = await list()
  assert.deepEqual(
    all.Versions?.map((one) => [one.Key, one.VersionId, one.IsLatest, one.Size]),
    [
      ['a', a[0], true, 1],
      ['a', a[1], false, 1],
      ['b/x y', b, false, 1],
      ['c', c, true, 1],
    ],
  )
  assert.deepEqual(
    all.DeleteMarkers?.map((one) => [one.Key, one.VersionId, one.IsLatest]),
    [['b/x y', hidden, true]],
  )
  const pages: (string | undefined)[][] = []
  let markers: object | undefined = {}
  while (markers !== undefined) {
    const page: Awaited<ReturnType<typeof list>> = await list({ MaxKeys: 2, ...markers })
    pages.push([...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])].map((one) => one.VersionId))
    const { NextKeyMarker: KeyMarker, NextVersionIdMarker: VersionIdMarker } = page
    markers = page.IsTruncated === true ? { KeyMarker, VersionIdMarker } : undefined
  }
  assert.deepEqual(pages, [a, [b, hidden], [c]])
  const ids = ({ Versions }: Awaited<ReturnType<typeof list>>) => Versions?.map((one) => one.VersionId)
  assert.deepEqual(ids(await list({ KeyMarker: 'a' })), [b, c])
  assert.deepEqual(ids(await list({ KeyMarker: 'a', VersionIdMarker: a[0] })), [a[1], b, c])
  assert.deepEqual(ids(await list({ KeyMarker: 'c' })), undefined)
  const encoded = await list({ Prefix: 'b/', EncodingType: 'url' })
  assert.deepEqual(
    encoded.Versions?.map((one) => one.Key),
    ['b/x+y'],
  )
  await rejects(list({ VersionIdMarker: c }), 'InvalidArgument', 400)
  await rejects(list({ Delimiter: '/' }), 'NotImplemented', 501)
})

test('a bucket with versions cannot be deleted', async () => {
  await versioning('Enabled', 'deleted')
  const version = await put('a', '1', 'deleted')
  const marker = await remove('a', undefined, 'deleted')
  const removal = (): Promise<unknown> => client.send(new DeleteBucketCommand({ Bucket: 'deleted' }))
  await rejects(removal(), 'BucketNotEmpty', 409)
  await remove('a', version, 'deleted')
  await rejects(removal(), 'BucketNotEmpty', 409)
  await remove('a', marker.VersionId, 'deleted')
  await removal()
})

test('tests may seed and tamper: a change is a new version, rot is not', async () => {
  await versioning('Enabled', 'changed')
  await s3.put('changed', 'a', { body: 'one' })
  const { versionId: one } = (await s3.object('changed', 'a'))!
  await s3.tamper('changed', 'a', () => ({ body: Buffer.from('two') }))
  const { versionId: two } = (await s3.object('changed', 'a'))!
  assert.notEqual(one, two)
  await s3.tamper('changed', 'a', () => ({ body: Buffer.from('rot') }), { keepChecksums: true })
  assert.deepEqual([await read('a', one, 'changed'), (await s3.object('changed', 'a'))!.versionId], ['one', two])
  assert.equal(Buffer.from((await s3.object('changed', 'a'))!.body).toString(), 'rot')
})

test('PutBucketVersioning takes Enabled and Suspended', async () => {
  const request = async (body: string): Promise<string | undefined> =>
    (await send(s3, { method: 'PUT', path: '/bucket?versioning', body })).code
  const xml = (content: string): string => `<VersioningConfiguration>${content}</VersioningConfiguration>`
  assert.equal(await request(''), 'MalformedXML')
  assert.equal(await request(xml('<Status>On</Status>')), 'MalformedXML')
  assert.equal(await request('<Other><Status>Enabled</Status></Other>'), 'MalformedXML')
  assert.equal(await request(xml('<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>')), 'NotImplemented')
  assert.equal(await request(xml('<Status>Enabled</Status>')), undefined)
  const none = client.send(new GetBucketVersioningCommand({ Bucket: 'none' }))
  await rejects(none, 'NoSuchBucket', 404)
})
