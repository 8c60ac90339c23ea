import assert from 'node:assert/strict'
import test from 'node:test'
import {
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
  type S3ServiceException,
} from '@aws-sdk/client-s3'
import { startS3, type S3Server } from 's3-cse/testing'
import { send } from './s3-raw.js'

const Bucket = 'bucket'
const s3: S3Server = await startS3({ buckets: [Bucket], memoryBytes: 15 })
const client = new S3Client(s3.clientConfig)
const digits = '0123456789'
await s3.put(Bucket, 'digits', { body: digits })
await s3.put(Bucket, 'file', { body: digits.repeat(2) })
await s3.put(Bucket, 'empty', {})
test.after(async () => {
  client.destroy()
  await s3.close()
})

const status = (code: number) => (error: S3ServiceException) => {
  assert.equal(error.$metadata.httpStatusCode, code)
  return true
}

test('ranges', async () => {
  const cases: [range: string, contentRange: string | undefined, body: string][] = [
    ['bytes=0-0', 'bytes 0-0/10', '0'],
    ['bytes=2-5', 'bytes 2-5/10', '2345'],
    ['bytes=7-', 'bytes 7-9/10', '789'],
    ['bytes=7-99', 'bytes 7-9/10', '789'],
    ['bytes=0-9223372036854775807', 'bytes 0-9/10', digits],
    ['bytes=-3', 'bytes 7-9/10', '789'],
    ['bytes=-99', 'bytes 0-9/10', digits],
    ['bytes=5-2', undefined, digits],
    ['bytes=0-1,3-4', undefined, digits],
    ['bytes=-', undefined, digits],
    ['bytes=a-b', undefined, digits],
    ['0-1', undefined, digits],
    ['items=0-1', undefined, digits],
  ]
  for (const [Range, contentRange, body] of cases) {
    const got = await client.send(new GetObjectCommand({ Bucket, Key: 'digits', Range }))
    assert.equal(got.ContentRange, contentRange, Range)
    assert.equal(got.$metadata.httpStatusCode, contentRange === undefined ? 200 : 206)
    assert.equal(got.ContentLength, body.length)
    assert.equal(await got.Body?.transformToString(), body)
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'digits', Range }))
    assert.equal(head.ContentLength, body.length)
  }
  const file = await client.send(new GetObjectCommand({ Bucket, Key: 'file', Range: 'bytes=8-11' }))
  assert.equal(await file.Body?.transformToString(), '8901')
})

test('ranges that cannot be satisfied are 416', async () => {
  for (const [key, range, size] of [
    ['digits', 'bytes=10-', 10],
    ['digits', 'bytes=10-20', 10],
    ['digits', 'bytes=-0', 10],
    ['empty', 'bytes=0-', 0],
    ['empty', 'bytes=-0', 0],
  ] as const) {
    const answer = await send(s3, { path: `/bucket/${key}`, headers: { range } })
    assert.deepEqual(
      [answer.status, answer.code, answer.headers['content-range']],
      [416, 'InvalidRange', `bytes */${size}`],
    )
    assert.match(answer.text, new RegExp(`<ActualObjectSize>${size}</ActualObjectSize>`))
  }
  const suffix = await client.send(new GetObjectCommand({ Bucket, Key: 'empty', Range: 'bytes=-5' }))
  assert.equal(suffix.$metadata.httpStatusCode, 200)
  assert.equal(await suffix.Body?.transformToString(), '')
})

test('conditional reads', async () => {
  const { ETag, LastModified } = await client.send(new HeadObjectCommand({ Bucket, Key: 'digits' }))
  const before = new Date(LastModified!.getTime() - 5000)
  const get = async (more: object): Promise<string | undefined> =>
    (await client.send(new GetObjectCommand({ Bucket, Key: 'digits', ...more }))).Body?.transformToString()
  const head = (more: object): Promise<unknown> =>
    client.send(new HeadObjectCommand({ Bucket, Key: 'digits', ...more }))
  for (const good of [
    { IfMatch: ETag },
    { IfMatch: '*' },
    { IfMatch: `"0", ${ETag!}` },
    { IfMatch: ETag!.replaceAll('"', '') },
    { IfNoneMatch: '"0"' },
    { IfModifiedSince: before },
    { IfUnmodifiedSince: LastModified },
    { IfMatch: ETag, IfUnmodifiedSince: before },
    { IfNoneMatch: '"0"', IfModifiedSince: LastModified },
  ]) {
    assert.equal(await get(good), digits, JSON.stringify(good))
    await head(good)
  }
  for (const bad of [{ IfMatch: '"0"' }, { IfUnmodifiedSince: before }, { IfMatch: '"0"', Range: 'bytes=99-' }]) {
    await assert.rejects(get(bad), status(412))
    await assert.rejects(get(bad), { name: 'PreconditionFailed' })
    await assert.rejects(head(bad), status(412))
  }
  for (const same of [{ IfNoneMatch: ETag }, { IfNoneMatch: '*' }, { IfModifiedSince: LastModified }]) {
    await assert.rejects(get(same), status(304))
    await assert.rejects(head(same), status(304))
  }
  const bare = await send(s3, { path: '/bucket/digits', headers: { 'if-none-match': ETag! } })
  assert.deepEqual([bare.status, bare.text, bare.headers.etag], [304, '', ETag])
  assert.equal((await send(s3, { path: '/bucket/digits', headers: { 'if-modified-since': 'nonsense' } })).status, 200)
})

test('conditional writes', async () => {
  const put = (more: object, Key = 'conditional'): Promise<{ ETag?: string | undefined }> =>
    client.send(new PutObjectCommand({ Bucket, Key, Body: 'x', ...more }))
  await assert.rejects(put({ IfMatch: '"0"' }), { name: 'NoSuchKey' })
  const { ETag } = await put({ IfNoneMatch: '*' })
  await assert.rejects(put({ IfNoneMatch: '*' }), { name: 'PreconditionFailed' })
  await assert.rejects(put({ IfMatch: '"0"' }), { name: 'PreconditionFailed' })
  await put({ IfMatch: ETag })
  const headers = { expect: '100-continue', 'content-length': '5', 'if-none-match': '*' }
  const early = await send(s3, { method: 'PUT', path: '/bucket/conditional', body: 'hello', headers })
  assert.deepEqual([early.code, s3.requests.at(-1)?.bodyLength], ['PreconditionFailed', 0])
  await assert.rejects(put({ IfNoneMatch: ETag }), { name: 'NotImplemented' })
})

test('of two conditional writes at the same time one wins, even if both began before', async () => {
  const raw = (body: string) =>
    send(s3, { method: 'PUT', path: '/bucket/race', body: body.repeat(20), headers: { 'if-none-match': '*' } })
  const end = s3.onRequest(async () => new Promise((resolve) => setTimeout(resolve, 5)))
  const answers = await Promise.all(['a', 'b', 'c', 'd'].map(raw))
  end()
  assert.deepEqual(answers.map((answer) => answer.status).sort(), [200, 412, 412, 412])
})
