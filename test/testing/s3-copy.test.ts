import assert from 'node:assert/strict'
import test from 'node:test'
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCopyCommand,
  type CopyObjectCommandInput,
  type PutObjectCommandInput,
} from '@aws-sdk/client-s3'
import { startS3, type S3Request, type S3Server } from 's3-cse/testing'
import { begin, Bucket, md5, rejects } from './s3-multipart-support.js'
import { send } from './s3-raw.js'

const time = new Date('2026-01-01T00:00:00Z')
const s3: S3Server = await startS3({ buckets: [Bucket], now: () => time })
const client = new S3Client(s3.clientConfig)
test.after(async () => {
  client.destroy()
  await s3.close()
})
const put = (Key: string, Body: string, more: Partial<PutObjectCommandInput> = {}) =>
  client.send(new PutObjectCommand({ Bucket, Key, Body, ...more }))
const copy = (from: string, Key: string, more: Partial<CopyObjectCommandInput> = {}, of = client) =>
  of.send(new CopyObjectCommand({ Bucket, Key, CopySource: `${Bucket}/${from}`, ...more }))
const head = (Key: string) => client.send(new HeadObjectCommand({ Bucket, Key }))
const text = async (Key: string) => Buffer.from((await s3.object(Bucket, Key))!.body).toString()
const MetadataDirective = 'REPLACE'

test('what a copy keeps of its source, and what never', async () => {
  await put('source', 'x', {
    CacheControl: 'no-store',
    ContentType: 'text/x',
    Metadata: { a: 'b' },
    WebsiteRedirectLocation: '/elsewhere',
    ServerSideEncryption: 'aws:kms',
    SSEKMSKeyId: 'key',
    BucketKeyEnabled: true,
    StorageClass: 'STANDARD_IA',
  })
  const source = await head('source')
  assert.deepEqual([source.WebsiteRedirectLocation, source.SSEKMSKeyId], ['/elsewhere', 'key'])
  assert.deepEqual([source.ServerSideEncryption, source.BucketKeyEnabled], ['aws:kms', true])
  for (const more of [{}, { MetadataDirective, CacheControl: 'no-store', Metadata: { a: 'b' } }] as const) {
    const { ServerSideEncryption } = await copy('source', 'copy', more)
    assert.equal(ServerSideEncryption, undefined)
    const made = await head('copy')
    assert.deepEqual([made.CacheControl, made.Metadata], ['no-store', { a: 'b' }])
    assert.deepEqual([made.WebsiteRedirectLocation, made.StorageClass], [undefined, undefined])
    assert.deepEqual([made.ServerSideEncryption, made.SSEKMSKeyId, made.BucketKeyEnabled], Array(3).fill(undefined))
  }
  const own = await copy('source', 'copy', { WebsiteRedirectLocation: '/own', ServerSideEncryption: 'AES256' })
  const made = await head('copy')
  assert.deepEqual([made.WebsiteRedirectLocation, made.ContentType], ['/own', 'text/x'])
  assert.deepEqual([made.ServerSideEncryption, own.ServerSideEncryption], ['AES256', 'AES256'])
})

test('website redirects and encryption make a copy onto itself legal', async () => {
  await put('self', 'x', { WebsiteRedirectLocation: '/a', Tagging: 'a=b' })
  await rejects(copy('self', 'self', { TaggingDirective: 'REPLACE', ACL: 'public-read' }), 'InvalidRequest', 400)
  await copy('self', 'self', { WebsiteRedirectLocation: '/b' })
  assert.equal((await head('self')).WebsiteRedirectLocation, '/b')
  await copy('self', 'self', { ServerSideEncryption: 'AES256' })
  assert.equal((await head('self')).WebsiteRedirectLocation, undefined)
})

test('headers of encryption and redirects are checked', async () => {
  await rejects(put('b', 'x', { WebsiteRedirectLocation: 'a' }), 'InvalidRedirectLocation', 400)
  await rejects(put('b', 'x', { ServerSideEncryption: 'nope' as 'AES256' }), 'InvalidArgument', 400)
  await rejects(put('b', 'x', { SSEKMSKeyId: 'key' }), 'InvalidArgument', 400)
  await rejects(put('b', 'x', { ServerSideEncryption: 'AES256', SSEKMSKeyId: 'key' }), 'InvalidArgument', 400)
  const SSECustomerKey = 'k'.repeat(32)
  const both = { SSECustomerAlgorithm: 'AES256', SSECustomerKey, ServerSideEncryption: 'AES256' } as const
  await rejects(put('b', 'x', both), 'InvalidArgument', 400)
  await rejects(copy('self', 'b', { ExpectedSourceBucketOwner: '210987654321' }), 'AccessDenied', 403)
  assert.equal(s3.keys(Bucket).includes('b'), false)
})

test('the ETag of a copy is the MD5 again, except under a KMS key', async () => {
  const plain = `"${md5(Buffer.from('x')).toString('hex')}"`
  const kms = { ServerSideEncryption: 'aws:kms' } as const
  const { ETag } = await put('e', 'x', kms)
  assert.notEqual(ETag, plain)
  const again = await copy('e', 'e', { ...kms, MetadataDirective })
  assert.notEqual(again.CopyObjectResult?.ETag, ETag)
  assert.notEqual(again.CopyObjectResult?.ETag, plain)
  assert.equal((await copy('e', 'e', { MetadataDirective })).CopyObjectResult?.ETag, plain)
})

test('conditions on the source and on the destination; a 412 says which', async () => {
  const { ETag = '' } = await put('source', '1')
  await put('target', '2')
  const { ETag: target = '' } = await head('target')
  const past = new Date(time.getTime() - 1000)
  const answer = async (headers: Record<string, string>) => {
    const sent = { 'x-amz-copy-source': `${Bucket}/source`, ...headers }
    const { status, text: xml } = await send(s3, { method: 'PUT', path: `/${Bucket}/target`, headers: sent })
    return [status, /<Condition>(.*)<\/Condition>/.exec(xml)?.[1]]
  }
  const from = 'x-amz-copy-source-'
  for (const [name, bad] of [
    [`${from}If-Match`, target],
    [`${from}If-None-Match`, ETag],
    [`${from}If-Modified-Since`, time.toUTCString()],
    [`${from}If-Unmodified-Since`, past.toUTCString()],
    ['If-Match', ETag],
    ['If-None-Match', '*'],
  ] as const) {
    assert.deepEqual(await answer({ [name.toLowerCase()]: bad }), [412, name])
    assert.equal(await text('target'), '2')
  }
  await rejects(copy('source', 'absent', { IfMatch: '*' }), 'NoSuchKey', 404)
  await copy('source', 'target', { CopySourceIfMatch: ETag, IfMatch: target, CopySourceIfNoneMatch: target })
  await copy('source', 'target', { CopySourceIfModifiedSince: past, CopySourceIfUnmodifiedSince: time, IfMatch: ETag })
  await copy('source', 'target', { CopySourceIfMatch: ETag, CopySourceIfUnmodifiedSince: past })
  await copy('source', 'new', { IfNoneMatch: '*' })
  assert.equal(await text('target'), '1')
})

test('onCopy runs between the read and the write, and the copy has what was read', async () => {
  const { ETag } = await put('self', 'old', { Metadata: { a: 'old' } })
  const seen: S3Request[] = []
  const end = s3.onCopy(async (request) => {
    seen.push(request)
    end()
    await put('self', 'new', { Metadata: { a: 'new' } })
  })
  // No condition on the destination: the write in between is lost.
  await copy('self', 'self', { CopySourceIfMatch: ETag, MetadataDirective, Metadata: { a: 'copied' } })
  assert.deepEqual(
    seen.map(({ operation, key }) => [operation, key]),
    [['CopyObject', 'self']],
  )
  assert.deepEqual([await text('self'), (await head('self')).Metadata], ['old', { a: 'copied' }])
  const stop = s3.onCopy(() => s3.put(Bucket, 'self', { body: 'newer' }))
  await rejects(
    copy('self', 'self', { CopySourceIfMatch: ETag, IfMatch: ETag, MetadataDirective }),
    'PreconditionFailed',
    412,
  )
  assert.equal(await text('self'), 'newer')
  await rejects(copy('self', 'self', { CopySourceIfMatch: ETag, MetadataDirective }), 'PreconditionFailed', 412)
  stop()
  const { ETag: newer } = await head('self')
  await copy('self', 'self', { CopySourceIfMatch: newer, IfMatch: newer, MetadataDirective, Metadata: { a: 'kept' } })
  assert.deepEqual((await head('self')).Metadata, { a: 'kept' })
  assert.equal(seen.length, 1)
})

test('onCopy runs in UploadPartCopy, too', async () => {
  await put('source', 'old')
  const upload = await begin(client, 'parts')
  const at = { Bucket, Key: 'parts', UploadId: upload.id, PartNumber: 1, CopySource: `${Bucket}/source` }
  const end = s3.onCopy(async ({ operation }) => {
    assert.equal(operation, 'UploadPartCopy')
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'source' }))
    await s3.put(Bucket, 'parts', { body: 'meanwhile' })
  })
  const { CopyPartResult } = await client.send(new UploadPartCopyCommand(at))
  end()
  const part = { PartNumber: 1, ETag: CopyPartResult!.ETag! }
  await rejects(upload.complete([part], { IfNoneMatch: '*' }), 'PreconditionFailed', 412)
  await upload.complete([part], { IfMatch: (await head('parts')).ETag })
  assert.equal(await text('parts'), 'old')
})

test('a hook that throws is a 500, and nothing is copied', async () => {
  await put('source', 'x')
  const upload = await begin(client, 'm')
  const end = s3.onCopy(() => {
    throw new Error('the hook failed')
  })
  const once = new S3Client({ ...s3.clientConfig, maxAttempts: 1 })
  await rejects(copy('source', 'failed', {}, once), 'InternalError', 500)
  const at = { Bucket, Key: 'm', UploadId: upload.id, PartNumber: 1, CopySource: `${Bucket}/source` }
  await rejects(once.send(new UploadPartCopyCommand(at)), 'InternalError', 500)
  end()
  once.destroy()
  assert.equal(await s3.object(Bucket, 'failed'), undefined)
  assert.deepEqual(s3.uploads(Bucket).at(-1)?.parts, [])
})

test('a server that closes does not wait for a hook', async () => {
  const own = await startS3({ buckets: [Bucket] })
  const reader = new S3Client({ ...own.clientConfig, maxAttempts: 1 })
  await own.put(Bucket, 'a', { body: 'x' })
  const reached = new Promise<void>((resolve) => {
    own.onCopy(() => {
      resolve()
      return new Promise(() => undefined)
    })
  })
  const copied = assert.rejects(copy('a', 'b', {}, reader))
  await reached
  await own.close()
  await copied
  reader.destroy()
})

test('a 409 can be scheduled', async () => {
  await put('source', 'x')
  s3.fail({ match: ({ operation }) => operation === 'CopyObject', status: 409, code: 'ConditionalRequestConflict' })
  await rejects(copy('source', 'conflict', { IfNoneMatch: '*' }), 'ConditionalRequestConflict', 409)
  await copy('source', 'conflict', { IfNoneMatch: '*' })
})
