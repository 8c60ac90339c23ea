import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'

import {
  CopyObjectCommand,
  CreateBucketCommand,
  GetObjectCommand,
  HeadBucketCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { request } from 'node:http'
import { startS3 } from 's3-cse/testing'
import { collect, send, signed, type Raw } from './s3-raw.js'

const directory = 'files--use1-az4--x-s3'
const s3 = await startS3({
  buckets: ['bucket', '127.0.0', 'dotted.bucket', 'other', directory],
  accessPoints: { point: 'bucket', lost: 'nowhere' },
})
const client = new S3Client({ ...s3.virtualHostConfig(), maxAttempts: 1 })
after(async () => {
  client.destroy()
  await s3.close()
})

const arn = (name: string): string => `arn:aws:s3:us-east-1:111122223333:accesspoint/${name}`
const named = (name: string) => (error: unknown) => {
  assert.equal((error as Error).name, name, String(error))
  return true
}
const put = (Bucket: string, Key: string, Body = 'text') => client.send(new PutObjectCommand({ Bucket, Key, Body }))
const get = async (Bucket: string, Key: string) =>
  (await client.send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToString()

/** A request that is signed for a host and sent with it. */
function hosted(host: string, raw: Raw) {
  const { headers } = signed(s3, { ...raw, headers: { host, ...raw.headers } })
  const { hostname, port } = new URL(s3.endpoint)
  return new Promise<Awaited<ReturnType<typeof send>>>((resolve, reject) => {
    request({ hostname, port, method: raw.method ?? 'GET', path: raw.path, headers, agent: false })
      .on('error', reject)
      .on('response', (response) => void collect(response).then(resolve, reject))
      .end(raw.body)
  })
}

describe('virtual-hosted style', () => {
  it('takes the bucket from the host, and all of the path for the key', async () => {
    for (const Bucket of ['bucket', 'dotted.bucket', directory]) {
      s3.requests.length = 0
      await put(Bucket, 'bucket/ä b+c', 'inside')
      assert.equal(await get(Bucket, 'bucket/ä b+c'), 'inside')
      assert.deepEqual(s3.keys(Bucket), ['bucket/ä b+c'])
      const { headers, path, bucket } = s3.requests.at(-1)!
      assert.equal(headers.host, `${Bucket}.s3.localhost:${new URL(s3.endpoint).port}`)
      assert.ok(!path.startsWith(`/${Bucket}`) || Bucket === 'bucket')
      assert.equal(bucket, Bucket)
    }
    const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: 'bucket' }))
    assert.equal(Contents?.length, 1)
    await client.send(new HeadBucketCommand({ Bucket: 'bucket' }))
  })

  it('a bucket that does not exist is one all the same', async () => {
    await assert.rejects(put('missing', 'key'), named('NoSuchBucket'))
    await client.send(new CreateBucketCommand({ Bucket: 'created' }))
    await put('created', 'key')
    assert.deepEqual(s3.keys('created'), ['key'])
  })

  it('signatures are over the host that was sent', async () => {
    await put('bucket', 'host')
    const { port } = new URL(s3.endpoint)
    const { headers } = signed(s3, { path: '/host', headers: { host: `bucket.s3.localhost:${port}` } })
    const moved = await send(s3, { path: '/host', sign: false, headers: { ...headers, host: 'other.s3.localhost' } })
    assert.equal(moved.code, 'SignatureDoesNotMatch')
  })

  it('in other hosts only buckets that exist are looked for', async () => {
    await put('bucket', 'a')
    assert.equal((await hosted('bucket.example.com', { path: '/a' })).status, 200)
    assert.equal((await hosted('dotted.bucket.example.com', { path: '/a' })).code, 'NoSuchKey')
    assert.equal((await hosted('BUCKET.s3.us-east-1.amazonaws.com', { path: '/a' })).status, 200)
    assert.equal((await hosted('absent.s3.us-east-1.amazonaws.com', { path: '/a' })).code, 'NoSuchBucket')
    for (const host of ['localhost:1', 'example.com', 's3.localhost', '127.0.0.1:80', '[::1]:80', 'bucket']) {
      assert.equal((await hosted(host, { path: '/bucket/a' })).status, 200, host)
    }
  })

  it('presigned', async () => {
    await put('bucket', 'presigned', 'text')
    const url = new URL(await getSignedUrl(client, new GetObjectCommand({ Bucket: 'bucket', Key: 'presigned' })))
    assert.equal(url.hostname, 'bucket.s3.localhost')
    const answer = await new Promise<Awaited<ReturnType<typeof send>>>((resolve, reject) => {
      const { hostname, port } = new URL(s3.endpoint)
      const headers = { host: url.host }
      request({ hostname, port, path: `${url.pathname}${url.search}`, headers, agent: false })
        .on('response', (response) => void collect(response).then(resolve, reject))
        .end()
    })
    assert.deepEqual([answer.status, answer.text], [200, 'text'])
  })
})

describe('access points', () => {
  it('are their bucket', async () => {
    await put(arn('point'), 'through', 'a point')
    assert.equal(await get('bucket', 'through'), 'a point')
    assert.equal(await get(arn('point'), 'through'), 'a point')
    assert.match(s3.requests.at(-1)?.headers.host ?? '', /^point-111122223333\.s3\.localhost:/)
    assert.equal(s3.requests.at(-1)?.bucket, 'bucket')
  })

  it('others do not exist', async () => {
    await assert.rejects(put(arn('unknown'), 'a'), named('NoSuchBucket'))
    await assert.rejects(put(arn('lost'), 'a'), named('NoSuchBucket'))
  })

  it('can be the source of a copy', async () => {
    await put('bucket', 'dir/ä', 'source')
    const source = (name: string, key: string) => `${arn(name)}/object/${encodeURIComponent(key)}`
    const copy = (CopySource: string) =>
      client.send(new CopyObjectCommand({ Bucket: 'other', Key: 'copy', CopySource }))
    for (const one of [source('point', 'dir/ä'), encodeURIComponent(`${arn('point')}/object/dir/ä`)]) {
      await copy(one)
      assert.equal(await get('other', 'copy'), 'source')
    }
    await assert.rejects(copy(source('unknown', 'dir/ä')), named('NoSuchBucket'))
    await assert.rejects(copy(source('point', 'absent')), named('NoSuchKey'))
    await assert.rejects(copy(`${arn('point')}/dir`), named('NoSuchBucket'))
  })
})
