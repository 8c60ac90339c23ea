import assert from 'node:assert/strict'
import test from 'node:test'
import { createHash } from 'node:crypto'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { startS3, type S3Server } from 's3-cse/testing'
import { send } from './s3-raw.js'

const Bucket = 'bucket'
const s3: S3Server = await startS3({ buckets: [Bucket], memoryBytes: 200_000 })
const client = new S3Client({ ...s3.clientConfig, retryMode: 'standard', maxAttempts: 3 })
const once = new S3Client({ ...s3.clientConfig, maxAttempts: 1 })
const data = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 31) & 255))
test.beforeEach(async () => {
  await s3.put(Bucket, 'a', { body: data })
  await s3.put(Bucket, 'file', { body: Buffer.concat([data, data, data]) })
  await once.send(new DeleteObjectCommand({ Bucket, Key: 'w' }))
  s3.requests.length = 0
  assert.deepEqual(s3.faults, [], 'the test before left a fault')
})
test.after(async () => {
  client.destroy()
  once.destroy()
  await s3.close()
})

const read = async (from = once, Key = 'a'): Promise<Buffer> => {
  const { Body } = await from.send(new GetObjectCommand({ Bucket, Key }))
  return Buffer.from((await Body?.transformToByteArray()) ?? [])
}
const write = (from = once, Body: Uint8Array = data): Promise<unknown> =>
  from.send(new PutObjectCommand({ Bucket, Key: 'w', Body }))
const statuses = (): (number | undefined)[] => s3.requests.map((request) => request.status)

test('an error status is answered so often, and a retry sends the same body', async () => {
  s3.fail({ status: 500, times: 2 })
  await write(client)
  assert.deepEqual(statuses(), [500, 500, 200])
  assert.deepEqual(
    s3.requests.map((request) => request.attempt),
    [1, 2, 3],
  )
  for (const request of s3.requests) assert.deepEqual(Buffer.from(request.body ?? []), data)
  assert.equal(s3.requests[0]?.errorCode, 'InternalError')
})

test('an injected error does not carry the operation out', async () => {
  s3.faults.push({ status: 503 })
  assert.equal((await send(s3, { method: 'DELETE', path: '/bucket/a' })).code, 'SlowDown')
  assert.equal(s3.requests.at(-1)?.errorCode, 'SlowDown')
  assert.ok(s3.keys(Bucket).includes('a'))
  s3.fail({ status: 403, code: 'Mine' })
  await assert.rejects(write(), { name: 'Mine' })
  assert.ok(!s3.keys(Bucket).includes('w'))
})

test('faults match requests, the first that does is taken', async () => {
  const never = { match: () => false, status: 500 }
  s3.fail(never, { match: (request) => request.operation === 'HeadObject', status: 404 }, { status: 418, code: 'Tea' })
  await assert.rejects(once.send(new HeadObjectCommand({ Bucket, Key: 'a' })), { name: 'NotFound' })
  await assert.rejects(read(), { name: 'Tea' })
  assert.deepEqual(await read(), data)
  assert.deepEqual(s3.faults.splice(0), [never])
})

test('a reset before, during and after the request', async () => {
  const reset = /ECONNRESET|EPIPE|socket hang up/
  s3.fail({ reset: 'before' })
  await assert.rejects(read(), reset)
  s3.fail({ reset: { afterRequestBytes: 50_000 } })
  await assert.rejects(write(), reset)
  assert.ok(s3.requests.at(-1)!.bodyLength < data.length)
  s3.fail({ reset: { afterRequestBytes: 1e9 } })
  await assert.rejects(write(), reset)
  s3.fail({ reset: { afterRequestBytes: 0 } })
  await assert.rejects(read(), reset)
  assert.ok(!s3.keys(Bucket).includes('w'))
  s3.fail({ reset: { afterResponseBytes: 0 } })
  await assert.rejects(write(), reset)
  assert.ok(s3.keys(Bucket).includes('w'), 'the operation was carried out')
  assert.deepEqual(statuses(), [undefined, undefined, undefined, undefined, undefined])
  s3.fail({ reset: { afterResponseBytes: 50_000 } })
  await assert.rejects(read(), /ECONNRESET|aborted/)
  s3.fail({ reset: 'before' })
  assert.deepEqual(await read(client), data)
})

test('a truncated body ends early though Content-Length was full', async () => {
  for (const key of ['a', 'file']) {
    for (const n of [0, 10_000]) {
      s3.fail({ truncateBody: n })
      const { Body, ContentLength } = await once.send(new GetObjectCommand({ Bucket, Key: key }))
      assert.equal(ContentLength, key === 'a' ? 100_000 : 300_000)
      let bytes = 0
      await assert.rejects(async () => {
        for await (const part of Body as AsyncIterable<Buffer>) bytes += part.length
      }, /aborted|ECONNRESET/)
      assert.equal(bytes, n)
    }
  }
})

test('headers lie or are missing', async () => {
  s3.fail({
    status: 206,
    headers: {
      'Content-Range': 'bytes 0-99999/123456',
      ETag: '"lie"',
      'x-amz-meta-planted': 'yes',
      'last-modified': undefined,
    },
  })
  const got = await once.send(new GetObjectCommand({ Bucket, Key: 'a' }))
  await got.Body?.transformToByteArray()
  assert.deepEqual(
    [got.$metadata.httpStatusCode, got.ContentRange, got.ETag, got.Metadata, got.LastModified],
    [206, 'bytes 0-99999/123456', '"lie"', { planted: 'yes' }, undefined],
  )
  assert.equal(s3.requests.at(-1)?.status, 206)
  s3.fail({ headers: { 'content-length': '100001' } })
  await assert.rejects(read(), /aborted|ECONNRESET/)
  s3.fail({ headers: { 'content-length': '5' } })
  const short = await send(s3, { path: '/bucket/a' }).catch((error: unknown) => error)
  assert.ok(short instanceof Error || (short as { text: string }).text.length === 5)
  s3.fail({ headers: { 'content-length': undefined } })
  const chunked = await send(s3, { path: '/bucket/a' })
  assert.deepEqual([chunked.headers['content-length'], chunked.headers['transfer-encoding']], [undefined, 'chunked'])
  assert.equal(chunked.text.length, 100_000)
  assert.deepEqual(await read(), data)
})

test('a replaced body has the old ETag, and checksums of its own unless they are kept', async () => {
  const { etag } = (await s3.object(Bucket, 'a'))!
  await write() // with the SDK's CRC32
  s3.fail({ body: Buffer.from('other') })
  const got = await once.send(new GetObjectCommand({ Bucket, Key: 'a' }))
  assert.deepEqual([await got.Body?.transformToString(), got.ETag, got.ContentLength], ['other', etag, 5])
  s3.fail({ body: (stored) => stored.map((byte) => byte ^ 1) })
  assert.deepEqual(
    await read(once, 'w'),
    data.map((byte) => byte ^ 1),
  )
  s3.fail({ body: (stored) => stored.map((byte) => byte ^ 1), keepChecksums: true })
  await assert.rejects(read(once, 'w'), /Checksum mismatch/)
  assert.deepEqual(await read(once, 'w'), data)
})

test('many reads over one connection leave nothing behind on it', async () => {
  const warnings: Error[] = []
  const onWarning = (warning: Error): void => void warnings.push(warning)
  process.on('warning', onWarning)
  for (let i = 0; i < 30; i++) await read(once, 'file')
  process.off('warning', onWarning)
  assert.deepEqual(
    warnings.filter((warning) => warning.name === 'MaxListenersExceededWarning'),
    [],
  )
})

test('delayed and slow answers are overtaken by others', async () => {
  for (const fault of [{ delayMs: 100 }, { chunkBytes: 20_000, pauseMs: 25 }]) {
    for (const key of ['a', 'file']) {
      const order: string[] = []
      s3.fail(fault)
      const late = read(once, key).then((body) => order.push(`late ${body.length}`))
      while (s3.faults.length > 0) await new Promise((resolve) => setTimeout(resolve, 1))
      const early = read(once, key).then(() => order.push('early'))
      await Promise.all([late, early])
      assert.deepEqual(order, ['early', `late ${key === 'a' ? 100_000 : 300_000}`])
    }
  }
})

test('hooks see requests before they are answered, and may change what is stored', async () => {
  const seen: string[] = []
  const end = s3.onRequest(async (request) => {
    seen.push(`${request.operation} ${request.key ?? ''} ${request.status ?? 'unanswered'}`)
    if (request.operation === 'GetObject') await s3.put(Bucket, 'a', { body: 'swapped' })
  })
  assert.equal((await read()).toString(), 'swapped')
  end()
  await read()
  assert.deepEqual(seen, ['GetObject a unanswered'])
  const failing = s3.onRequest(() => {
    throw new Error('from the hook')
  })
  await assert.rejects(read(), { name: 'InternalError', message: 'from the hook' })
  failing()
})

test('tampering makes ETag and checksums fit, unless they are kept', async () => {
  await once.send(
    new PutObjectCommand({ Bucket, Key: 't', Body: 'hello', Metadata: { a: '1' }, ChecksumAlgorithm: 'SHA256' }),
  )
  await s3.tamper(Bucket, 't', (object) => {
    object.body[0]! ^= 1
    object.metadata.b = '2'
    return undefined
  })
  const got = await once.send(new GetObjectCommand({ Bucket, Key: 't' }))
  assert.equal(await got.Body?.transformToString(), 'iello')
  assert.deepEqual(got.Metadata, { a: '1', b: '2' })
  assert.equal(got.ETag, `"${createHash('md5').update('iello').digest('hex')}"`)
  assert.equal(got.ChecksumSHA256, createHash('sha256').update('iello').digest('base64'))
  await s3.tamper(Bucket, 't', () => ({ body: Buffer.from('rotten') }), { keepChecksums: true })
  const rotten = await once.send(new GetObjectCommand({ Bucket, Key: 't' }))
  assert.equal(rotten.ETag, got.ETag)
  await assert.rejects(rotten.Body!.transformToString(), /Checksum mismatch/)
  await assert.rejects(
    s3.tamper(Bucket, 'none', () => undefined),
    /no object none/,
  )
})

test('objects that are given out are copies', async () => {
  const object = (await s3.object(Bucket, 'a'))!
  object.body.fill(0)
  assert.deepEqual(await read(), data)
  assert.equal(await s3.object(Bucket, 'none'), undefined)
  assert.equal(await s3.object('none', 'a'), undefined)
  await assert.rejects(s3.put('none', 'a', {}), { code: 'NoSuchBucket' })
})

test('the record keeps the latest requests and only small bodies', async () => {
  const small = await startS3({ buckets: [Bucket], recordRequests: 3, recordBodyBytes: 10 })
  for (const [key, body] of Object.entries({ a: 'x', b: 'x', c: '0123456789', d: '0123456789a' })) {
    await send(small, { method: 'PUT', path: `/bucket/${key}?x-id=PutObject`, body })
  }
  assert.deepEqual(
    small.requests.map((one) => [one.key, one.body?.length, one.bodyLength, one.path, one.query['x-id'], one.method]),
    [
      ['b', 1, 1, '/bucket/b', 'PutObject', 'PUT'],
      ['c', 10, 10, '/bucket/c', 'PutObject', 'PUT'],
      ['d', undefined, 11, '/bucket/d', 'PutObject', 'PUT'],
    ],
  )
  await small.close()
})

test('recorded bodies are bounded together', async () => {
  const s = await startS3({
    buckets: [Bucket],
    recordBodyBytes: 1e9,
    memoryBytes: 1e9,
    verifyPayload: false,
    etag: 'random',
  })
  for (const key of ['a', 'b', 'c']) {
    await send(s, {
      method: 'PUT',
      path: `/bucket/${key}`,
      body: Buffer.alloc(30 * 1024 * 1024),
      payloadHash: 'UNSIGNED-PAYLOAD',
    })
  }
  assert.deepEqual(
    s.requests.map((one) => one.body?.length),
    [undefined, 30 * 1024 * 1024, 30 * 1024 * 1024],
  )
  await s.close()
})
