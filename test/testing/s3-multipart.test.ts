import assert from 'node:assert/strict'
import test from 'node:test'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { startS3, type S3Server } from 's3-cse/testing'
import { memoryBody } from '../../src/testing/s3-body.js'
import { bodyReader, joinBodies, readBody } from '../../src/testing/s3-segments.js'
import {
  begin,
  Bucket,
  type Begun,
  data,
  etagOfParts,
  first,
  last,
  PART,
  rejects,
  second,
} from './s3-multipart-support.js'

const directory = await mkdtemp(join(tmpdir(), 's3-multipart-test-'))
const s3: S3Server = await startS3({ buckets: [Bucket, 'other'], directory })
const client = new S3Client({ ...s3.clientConfig, maxAttempts: 2 })
test.after(async () => {
  client.destroy()
  await s3.close()
  assert.deepEqual(await readdir(directory), [])
  await rm(directory, { recursive: true })
})

async function eventually(check: () => boolean): Promise<void> {
  for (let i = 0; !check(); i++) {
    if (i > 1000) throw new Error('it did not happen')
    await sleep(10)
  }
}
const files = async (): Promise<number> =>
  (await readdir(directory, { recursive: true, withFileTypes: true })).filter((one) => one.isFile()).length
const stored = async (key: string): Promise<Buffer> => Buffer.from((await s3.object(Bucket, key))!.body)
async function read(key: string, more: object = {}): Promise<Buffer> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: key, ...more }))
  return Buffer.from(await Body!.transformToByteArray())
}

test('Upload of lib-storage', async () => {
  s3.requests.length = 0
  const params = { Bucket, Key: 'upload', Body: data, ContentType: 'a/b', Metadata: { m: '1' } }
  const done = await new Upload({ client, params, partSize: PART }).done()
  assert.equal(done.ETag, etagOfParts(first, second, last))
  const object = await s3.object(Bucket, 'upload')
  assert.ok(data.equals(object!.body))
  assert.deepEqual([object!.partSizes, object!.metadata], [[PART, PART, 1000], { m: '1' }])
  assert.equal(object!.headers['content-type'], 'a/b')
  const parts = s3.requests.filter((request) => request.operation === 'UploadPart')
  assert.deepEqual(parts.map((request) => Number(request.query.partNumber)).sort(), [1, 2, 3])
  const others = s3.requests.map((request) => request.operation).filter((name) => name !== 'UploadPart')
  assert.deepEqual(others, ['CreateMultipartUpload', 'CompleteMultipartUpload'])
  assert.ok(data.equals(await read('upload')))
})

test('parts in any order, replaced, left out, with gaps between their numbers', async () => {
  const before = await files()
  const upload = await begin(client, 'raw', { Metadata: { a: 'b' } })
  const three = await upload.part(10_000, last)
  const old = await upload.part(1, second)
  const unused = await upload.part(4, second)
  const one = await upload.part(1, first)
  assert.notEqual(old.ETag, one.ETag)
  const two = await upload.part(7, second)
  assert.deepEqual(s3.uploads(Bucket), [
    {
      key: 'raw',
      uploadId: upload.id,
      parts: [
        { number: 1, size: PART, etag: one.ETag },
        { number: 4, size: PART, etag: unused.ETag },
        { number: 7, size: PART, etag: two.ETag },
        { number: 10_000, size: 1000, etag: three.ETag },
      ],
    },
  ])
  assert.ok(!s3.keys(Bucket).includes('raw'))
  assert.equal((await files()) - before, 3, 'parts lie in files, the replaced one is gone')
  const stale = [{ PartNumber: 1, ETag: old.ETag! }]
  await rejects(upload.complete(stale), 'InvalidPart', 400)
  const list = [
    { PartNumber: 1, ETag: one.ETag! },
    { PartNumber: 7, ETag: two.ETag!.replaceAll('"', '') },
    { PartNumber: 10_000, ETag: three.ETag! },
  ]
  const done = await upload.complete(list)
  assert.equal(done.ETag, etagOfParts(first, second, last))
  assert.deepEqual([done.Bucket, done.Key, done.Location], [Bucket, 'raw', `${s3.endpoint}/bucket/raw`])
  assert.ok(data.equals(await stored('raw')))
  assert.equal((await files()) - before, 2, 'the parts are the object, and those that it does not name are gone')
  assert.deepEqual(s3.uploads(Bucket), [])
  await client.send(new DeleteObjectCommand({ Bucket, Key: 'raw' }))
  assert.equal(await files(), before)
})

test('a Complete that is repeated gets the same answer until the object is replaced', async () => {
  const upload = await begin(client, 'twice')
  const { ETag } = await upload.part(1, 'hello')
  const list = [{ PartNumber: 1, ETag: ETag! }]
  const done = await upload.complete(list, { IfNoneMatch: '*' })
  await s3.put(Bucket, 'unrelated', { body: '' })
  const again = await upload.complete(list, { IfNoneMatch: '*' })
  assert.deepEqual([again.ETag, again.Location], [done.ETag, done.Location])
  await rejects(upload.complete([{ PartNumber: 2, ETag: ETag! }]), 'NoSuchUpload', 404)
  await s3.put(Bucket, 'twice', { body: 'other' })
  await rejects(upload.complete(list), 'NoSuchUpload', 404)
  assert.equal((await stored('twice')).toString(), 'other')
})

test('an aborted upload leaves nothing, a part that was still under way neither', async () => {
  const before = await files()
  const upload = await begin(client, 'aborted')
  await upload.part(1, first)
  const body = Readable.from(
    (async function* () {
      yield first
      await eventually(() => (s3.requests.at(-1)?.bodyLength ?? 0) > 0)
      await upload.abort()
      yield second
    })(),
  )
  await rejects(upload.part(2, body, { ContentLength: 2 * PART }), 'NoSuchUpload', 404)
  await rejects(upload.part(2, 'x'), 'NoSuchUpload', 404)
  await rejects(upload.complete([{ PartNumber: 1, ETag: 'x' }]), 'NoSuchUpload', 404)
  await rejects(upload.abort(), 'NoSuchUpload', 404)
  assert.equal(await files(), before)
})

test('a bucket that is deleted takes the parts of its uploads along', async () => {
  const before = await files()
  const upload = await begin(client, 'a', { Bucket: 'other' })
  await upload.part(1, first, { Bucket: 'other' })
  assert.equal(await files(), before + 1)
  await client.send(new DeleteBucketCommand({ Bucket: 'other' }))
  assert.equal(await files(), before)
  await client.send(new CreateBucketCommand({ Bucket: 'other' }))
  await rejects(upload.part(1, 'x', { Bucket: 'other' }), 'NoSuchUpload', 404)
})

test('bodies of several are read at any place', async () => {
  const segments = ['abc', '', 'de', 'fghij'].map((text) => memoryBody(Buffer.from(text)))
  const body = joinBodies(segments)
  const reader = bodyReader(body)
  const text = async (start: number, end: number): Promise<string> =>
    Buffer.from(await reader.read(Buffer.alloc(0), start, end)).toString()
  assert.deepEqual([await text(6, 7), await text(4, 10), await text(0, 2), await text(1, 10)], ['g', 'e', 'ab', 'bc'])
  await assert.rejects(text(10, 11), RangeError)
  await reader.close()
  assert.equal(Buffer.from(await readBody(body)).toString(), 'abcdefghij')
  assert.equal(joinBodies([]).size, 0)
})

test('GetObject and HeadObject by part, and ranges across parts', async () => {
  const parts = [first, second, last]
  for (const [i, part] of parts.entries()) {
    const start = i * PART
    const at = { Bucket, Key: 'upload', PartNumber: i + 1, ChecksumMode: 'ENABLED' as const }
    const got = await client.send(new GetObjectCommand(at))
    assert.ok(part.equals(await got.Body!.transformToByteArray()))
    const head = await client.send(new HeadObjectCommand(at))
    for (const one of [got, head]) {
      assert.equal(one.$metadata.httpStatusCode, 206)
      assert.equal(one.ContentRange, `bytes ${start}-${start + part.length - 1}/${data.length}`)
      assert.deepEqual([one.PartsCount, one.ContentLength, one.ETag], [3, part.length, etagOfParts(...parts)])
      assert.equal(one.ChecksumType, 'COMPOSITE')
    }
    assert.equal(got.ChecksumCRC32, head.ChecksumCRC32)
  }
  const by = (PartNumber: number, Key = 'upload', more: object = {}): Promise<unknown> =>
    client.send(new GetObjectCommand({ Bucket, Key, PartNumber, ...more }))
  await rejects(by(4), 'InvalidPartNumber', 416, { ActualPartCount: 3, PartNumberRequested: 4 })
  await rejects(by(0), 'InvalidArgument', 400)
  await rejects(by(10_001), 'InvalidArgument', 400)
  await rejects(by(1, 'upload', { Range: 'bytes=0-1' }), 'InvalidRequest', 400)
  for (const [start, end] of [
    [PART - 1, PART],
    [PART - 1, 2 * PART + 1],
    [PART, 2 * PART - 1],
    [2 * PART + 999, 2 * PART + 999],
    [0, data.length - 1],
  ] as const) {
    const range = { Range: `bytes=${start}-${end}` }
    assert.ok(data.subarray(start, end + 1).equals(await read('upload', range)), range.Range)
  }
  assert.ok(data.subarray(-1001).equals(await read('upload', { Range: 'bytes=-1001' })))
})

test('an object that was not uploaded in parts is its own part 1', async () => {
  await s3.put(Bucket, 'whole', { body: 'hello' })
  const whole = await client.send(new HeadObjectCommand({ Bucket, Key: 'whole', PartNumber: 1 }))
  assert.deepEqual([whole.$metadata.httpStatusCode, whole.PartsCount], [206, undefined])
  assert.equal(whole.ContentRange, 'bytes 0-4/5')
  const two = client.send(new GetObjectCommand({ Bucket, Key: 'whole', PartNumber: 2 }))
  await rejects(two, 'InvalidPartNumber', 416)
  await s3.put(Bucket, 'empty', { body: '' })
  assert.equal((await read('empty', { PartNumber: 1 })).length, 0)
})

test('an upload of one empty part is an empty object', async () => {
  const upload = await begin(client, 'nothing')
  const { ETag } = await upload.part(1, '')
  await upload.complete([{ PartNumber: 1, ETag: ETag! }])
  assert.equal((await read('nothing')).length, 0)
})

test('ListParts in pages', async () => {
  const upload = await begin(client, 'listed', { ChecksumAlgorithm: 'SHA256', StorageClass: 'STANDARD_IA' })
  for (const number of [1, 3, 5]) await upload.part(number, `part ${number}`, { ChecksumAlgorithm: 'SHA256' })
  const list = (more: object = {}) =>
    client.send(new ListPartsCommand({ Bucket, Key: 'listed', UploadId: upload.id, ...more }))
  const all = await list()
  assert.deepEqual(
    all.Parts?.map((part) => [part.PartNumber, part.Size, part.ChecksumSHA256?.length]),
    [1, 3, 5].map((number) => [number, 6, 44]),
  )
  assert.deepEqual([all.IsTruncated, all.ChecksumAlgorithm, all.ChecksumType], [false, 'SHA256', 'COMPOSITE'])
  assert.equal(all.StorageClass, 'STANDARD_IA')
  const page = await list({ MaxParts: 2 })
  assert.deepEqual([page.Parts?.length, page.IsTruncated, page.NextPartNumberMarker], [2, true, '3'])
  const rest = await list({ PartNumberMarker: page.NextPartNumberMarker })
  assert.deepEqual([rest.Parts?.map((part) => part.PartNumber), rest.IsTruncated], [[5], false])
  await rejects(list({ PartNumberMarker: 'x' }), 'InvalidArgument', 400)
  await rejects(list({ MaxParts: -1 }), 'InvalidArgument', 400)
  await rejects(list({ Key: 'upload' }), 'NoSuchUpload', 404)
  await rejects(list({ Bucket: 'other' }), 'NoSuchUpload', 404)
  await upload.abort()
})

test('ListMultipartUploads in pages, by prefix and delimiter', async () => {
  const keys = ['b/1', 'a', 'b/2', 'a', 'c&']
  const begun: Begun[] = []
  for (const key of keys) begun.push(await begin(client, key))
  const list = (more: object = {}) => client.send(new ListMultipartUploadsCommand({ Bucket, ...more }))
  const pages = []
  let markers: object | undefined = {}
  while (markers !== undefined) {
    const page: Awaited<ReturnType<typeof list>> = await list({ MaxUploads: 2, ...markers })
    pages.push(page.Uploads?.map(({ Key, UploadId }) => [Key, UploadId]))
    const { NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = page
    markers = page.IsTruncated === true ? { KeyMarker, UploadIdMarker } : undefined
  }
  const expected = [1, 3, 0, 2, 4].map((i) => [keys[i], begun[i]!.id])
  assert.deepEqual(pages, [expected.slice(0, 2), expected.slice(2, 4), expected.slice(4)])
  const behindKey = await list({ KeyMarker: 'a' })
  assert.deepEqual(
    behindKey.Uploads?.map(({ Key }) => Key),
    ['b/1', 'b/2', 'c&'],
  )
  const prefixed = await list({ Prefix: 'b/', EncodingType: 'url' })
  assert.deepEqual(
    prefixed.Uploads?.map(({ Key }) => Key),
    ['b/1', 'b/2'],
  )
  const folded = await list({ Delimiter: '/', MaxUploads: 3 })
  assert.deepEqual(folded.CommonPrefixes, [{ Prefix: 'b/' }])
  assert.deepEqual([folded.Uploads?.length, folded.NextKeyMarker], [2, 'b/'])
  const afterFolded = await list({ Delimiter: '/', KeyMarker: 'b/' })
  assert.deepEqual(
    afterFolded.Uploads?.map(({ Key }) => Key),
    ['c&'],
  )
  assert.deepEqual(afterFolded.CommonPrefixes, undefined)
  assert.equal((await list({ MaxUploads: 0 })).IsTruncated, false)
  for (const upload of begun) await upload.abort()
})
