import assert from 'node:assert/strict'
import test from 'node:test'
import { createHash } from 'node:crypto'
import {
  CopyObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { startS3, type S3Server } from 's3-cse/testing'
import { begin, Bucket, data, rejects } from './s3-multipart-support.js'
import { send } from './s3-raw.js'

const s3: S3Server = await startS3({ buckets: [Bucket] })
const client = new S3Client(s3.clientConfig)
test.after(async () => {
  client.destroy()
  await s3.close()
})

const key = (fill: number): { SSECustomerAlgorithm: string; SSECustomerKey: string } => ({
  SSECustomerAlgorithm: 'AES256',
  SSECustomerKey: Buffer.alloc(32, fill).toString('base64'),
})
const keyMd5 = createHash('md5').update(Buffer.alloc(32, 1)).digest('base64')
const source = (fill: number): object => ({
  CopySourceSSECustomerAlgorithm: 'AES256',
  CopySourceSSECustomerKey: Buffer.alloc(32, fill).toString('base64'),
})

test('an object with a customer key is read with that key only', async () => {
  const put = await client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'hello', ...key(1) }))
  assert.deepEqual([put.SSECustomerAlgorithm, put.SSECustomerKeyMD5], ['AES256', keyMd5])
  assert.notEqual(put.ETag, `"${createHash('md5').update('hello').digest('hex')}"`)
  const get = (more: object): Promise<{ Body?: { transformToString(): Promise<string> } }> =>
    client.send(new GetObjectCommand({ Bucket, Key: 'a', ...more }))
  assert.equal(await (await get(key(1))).Body?.transformToString(), 'hello')
  await rejects(get({}), 'InvalidRequest', 400)
  await rejects(get(key(2)), 'AccessDenied', 403)
  const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'a', ...key(1) }))
  assert.equal(head.SSECustomerKeyMD5, keyMd5)
  // (An answer to HEAD has no body with a code.)
  await rejects(client.send(new HeadObjectCommand({ Bucket, Key: 'a' })), 'Unknown', 400)
  await s3.put(Bucket, 'plain', { body: 'x' })
  await rejects(client.send(new GetObjectCommand({ Bucket, Key: 'plain', ...key(1) })), 'InvalidRequest', 400)
})

test('an upload with a customer key wants it with every part', async () => {
  await new Upload({ client, params: { Bucket, Key: 'upload', Body: data, ...key(1) } }).done()
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: 'upload', ...key(1) }))
  assert.ok(data.equals((await Body?.transformToByteArray()) ?? Buffer.alloc(0)))
  await rejects(client.send(new GetObjectCommand({ Bucket, Key: 'upload' })), 'InvalidRequest', 400)
  const upload = await begin(client, 'parts', key(1))
  await rejects(upload.part(1, 'x'), 'InvalidRequest', 400)
  await rejects(upload.part(1, 'x', key(2)), 'InvalidRequest', 400)
  const { ETag, SSECustomerKeyMD5 } = await upload.part(1, 'x', key(1))
  assert.equal(SSECustomerKeyMD5, keyMd5)
  const list = [{ PartNumber: 1, ETag: ETag! }]
  await rejects(upload.complete(list, key(2)), 'InvalidRequest', 400)
  await upload.complete(list)
  const plain = await begin(client, 'plain-parts')
  await rejects(plain.part(1, 'x', key(1)), 'InvalidRequest', 400)
  const copied = { Bucket, Key: 'plain-parts', UploadId: plain.id, PartNumber: 1, CopySource: `${Bucket}/upload` }
  await rejects(client.send(new UploadPartCopyCommand(copied)), 'InvalidRequest', 400)
  await client.send(new UploadPartCopyCommand({ ...copied, ...source(1) }))
  await rejects(client.send(new UploadPartCopyCommand({ ...copied, ...source(1), ...key(1) })), 'InvalidRequest', 400)
  assert.equal(s3.uploads(Bucket)[0]?.parts[0]?.size, data.length)
})

test('copies take the key of the source and a key of their own', async () => {
  const copy = (more: object): Promise<unknown> =>
    client.send(new CopyObjectCommand({ Bucket, Key: 'b', CopySource: `${Bucket}/a`, ...more }))
  await rejects(copy({}), 'InvalidRequest', 400)
  await rejects(copy(source(2)), 'AccessDenied', 403)
  await copy({ ...source(1), ...key(2) })
  await rejects(client.send(new GetObjectCommand({ Bucket, Key: 'b', ...key(1) })), 'AccessDenied', 403)
  await client.send(new HeadObjectCommand({ Bucket, Key: 'b', ...key(2) }))
  await copy(source(1))
  const { etag } = (await s3.object(Bucket, 'b'))!
  assert.equal(etag, `"${createHash('md5').update('hello').digest('hex')}"`)
})

test('the three headers must be there and fit each other', async () => {
  const name = 'x-amz-server-side-encryption-customer-'
  const bytes = Buffer.alloc(32, 1)
  const right = {
    [`${name}algorithm`]: 'AES256',
    [`${name}key`]: bytes.toString('base64'),
    [`${name}key-md5`]: keyMd5,
  }
  const put = async (headers: Record<string, string>): Promise<string | undefined> =>
    (await send(s3, { method: 'PUT', path: '/bucket/refused', body: 'x', headers })).code
  for (const missing of Object.keys(right)) {
    const rest = Object.fromEntries(Object.entries(right).filter(([one]) => one !== missing))
    assert.equal(await put(rest), 'InvalidArgument', missing)
  }
  assert.equal(await put({ ...right, [`${name}algorithm`]: 'AES128' }), 'InvalidEncryptionAlgorithmError')
  const short = {
    [`${name}key`]: 'AAAA',
    [`${name}key-md5`]: createHash('md5').update(Buffer.alloc(3)).digest('base64'),
  }
  assert.equal(await put({ ...right, ...short }), 'InvalidArgument')
  assert.equal(await put({ ...right, [`${name}key`]: Buffer.alloc(32).toString('base64') }), 'InvalidArgument')
  assert.ok(!s3.keys(Bucket).includes('refused'))
  assert.equal(await put(right), undefined)
})
