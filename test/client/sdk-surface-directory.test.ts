/** Directory buckets: sessions, ETags that are no MD5, consecutive part numbers. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'

import {
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  RenameObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'

import { download, encryptionInfo } from '../../src/index.js'
import { code } from '../support/errors.js'
import { pattern, world } from '../support/world.js'

const directory = 'files--use1-az4--x-s3'
const w = await world({ buckets: [directory, 'bucket'] })
const client = w.client()
const MIB = 1024 * 1024
const folder = await mkdtemp(join(tmpdir(), 's3-cse-test-'))
after(() => rm(folder, { recursive: true }))

const put = (Key: string, Body: unknown, more: object = {}, Bucket = directory) =>
  client.send(new PutObjectCommand({ Bucket, Key, Body: Body as string, ...more }))
async function read(Key: string, more: object = {}, from: S3Client = client, Bucket = directory): Promise<Buffer> {
  const { Body } = await from.send(new GetObjectCommand({ Bucket, Key, ...more }))
  return Buffer.from((await Body?.transformToByteArray()) ?? [])
}
async function stored(key: string) {
  const object = await w.s3.object(directory, key)
  assert.ok(object !== undefined, key)
  return object
}

describe('directory buckets', () => {
  it('put, head, get, delete', async () => {
    const plaintext = pattern(100_000)
    const { ETag } = await put('a', plaintext, { Metadata: { own: 'value' } })
    assert.ok(!Buffer.from((await stored('a')).body).includes(plaintext.subarray(0, 32)))
    const head = await client.send(new HeadObjectCommand({ Bucket: directory, Key: 'a' }))
    assert.deepEqual([head.ContentLength, head.Metadata, head.ETag], [100_000, { own: 'value' }, ETag])
    assert.equal(head.StorageClass, 'EXPRESS_ONEZONE')
    const output = await client.send(new GetObjectCommand({ Bucket: directory, Key: 'a' }))
    assert.ok(encryptionInfo(output) !== undefined)
    assert.deepEqual(Buffer.from((await output.Body?.transformToByteArray()) ?? []), plaintext)
    const used = w.s3.requests.filter(({ operation }) => /^(Put|Head|Get)Object$/.test(operation))
    assert.ok(used.every(({ headers }) => headers['x-amz-s3session-token'] !== undefined))
    await client.send(new DeleteObjectCommand({ Bucket: directory, Key: 'a' }))
    assert.equal(await w.s3.object(directory, 'a'), undefined)
    await assert.rejects(read('a'), (error: Error) => error.name === 'NoSuchKey')
  })

  it('conditional writes by an ETag that is no MD5', async () => {
    const { ETag } = await put('conditional', 'first', { IfNoneMatch: '*' })
    await assert.rejects(put('conditional', 'x', { IfNoneMatch: '*' }), { name: 'PreconditionFailed' })
    await put('conditional', 'second', { IfMatch: ETag })
    await assert.rejects(put('conditional', 'x', { IfMatch: ETag }), { name: 'PreconditionFailed' })
    assert.equal((await read('conditional')).toString(), 'second')
    await assert.rejects(read('conditional', { IfMatch: ETag }), { name: 'PreconditionFailed' })
  })

  it('several parts by Upload', async () => {
    for (const size of [5 * MIB, 12 * MIB + 1, 15 * MIB]) {
      const plaintext = pattern(size)
      const upload = new Upload({ client, params: { Bucket: directory, Key: 'parts', Body: plaintext } })
      await upload.done()
      assert.equal((await stored('parts')).size, size + 16)
      assert.ok((await read('parts')).equals(plaintext))
    }
    assert.deepEqual(w.s3.uploads(directory), [])
  })

  it('ranges', async () => {
    const plaintext = pattern(3 * MIB)
    await put('ranges', plaintext)
    const Range = 'bytes=1000001-1000100'
    await assert.rejects(read('ranges', { Range }), code('ERR_S3CSE_RANGE_REFUSED'))
    for (const rangeReads of ['unauthenticated', 'whole-object'] as const) {
      const ranged = w.client({ rangeReads })
      assert.deepEqual(await read('ranges', { Range }, ranged), plaintext.subarray(1_000_001, 1_000_101))
      await assert.rejects(read('ranges', { Range: `bytes=${3 * MIB}-` }, ranged), { name: 'InvalidRange' })
    }
  })

  it('download', async () => {
    const plaintext = pattern(20 * MIB)
    await put('large', plaintext)
    const file = join(folder, 'file')
    await download(client, { Bucket: directory, Key: 'large' }, file)
    assert.ok((await readFile(file)).equals(plaintext))
    await rm(file)
  })

  it('copies within the bucket, out of it and into it', async () => {
    await put('source', 'copied', { Metadata: { own: 'value' } })
    const copy = (Bucket: string, Key: string, CopySource: string, more: object = {}) =>
      client.send(new CopyObjectCommand({ Bucket, Key, CopySource, ...more }))
    await copy(directory, 'copy', `${directory}/source`)
    await copy('bucket', 'copy', `${directory}/source`)
    await copy(directory, 'back', 'bucket/copy')
    assert.equal((await read('copy')).toString(), 'copied')
    assert.equal((await read('back')).toString(), 'copied')
    assert.equal((await read('copy', {}, client, 'bucket')).toString(), 'copied')
    const CopySourceIfMatch = '"other"'
    await assert.rejects(copy(directory, 'copy', `${directory}/source`, { CopySourceIfMatch }), {
      name: 'PreconditionFailed',
    })
  })

  it('RenameObject keeps the envelope', async () => {
    await put('old', 'renamed')
    const rename = (Key: string, RenameSource: string) =>
      client.send(new RenameObjectCommand({ Bucket: directory, Key, RenameSource, DestinationIfNoneMatch: '*' }))
    await rename('new', 'old')
    assert.equal((await read('new')).toString(), 'renamed')
    await put('old', 'another')
    await assert.rejects(rename('new', 'old'), { name: 'PreconditionFailed' })
    assert.equal((await read('new')).toString(), 'renamed')
  })

  it('DeleteObjects, conditions of DeleteObject, lists', async () => {
    for (const key of ['d/1', 'd/2', 'd/3']) await put(key, 'x')
    const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: directory, Prefix: 'd/' }))
    assert.equal(Contents?.length, 3)
    await assert.rejects(
      client.send(new DeleteObjectCommand({ Bucket: directory, Key: 'd/1', IfMatchSize: 1 })),
      { name: 'PreconditionFailed' }, // the stored size is the ciphertext's
    )
    await client.send(new DeleteObjectCommand({ Bucket: directory, Key: 'd/1', IfMatchSize: 17 }))
    const Objects = [{ Key: 'd/2' }, { Key: 'd/3' }]
    await client.send(new DeleteObjectsCommand({ Bucket: directory, Delete: { Objects } }))
    const left = await client.send(new ListObjectsV2Command({ Bucket: directory, Prefix: 'd/' }))
    assert.equal(left.KeyCount, 0)
  })

  it('a body that breaks off, and a changed one, fail', async () => {
    await put('broken', pattern(MIB))
    const match = ({ operation }: { operation: string }) => operation === 'GetObject'
    w.s3.fail({ match, reset: { afterResponseBytes: 500_000 } })
    await assert.rejects(read('broken'))
    await w.s3.tamper(directory, 'broken', (object) => {
      object.body[5] = (object.body[5] ?? 0) ^ 1
      return undefined
    })
    await assert.rejects(read('broken'), code('ERR_S3CSE_DECRYPTION_FAILED'))
  })

  it('what directory buckets refuse reaches the caller as the error that it is', async () => {
    await assert.rejects(put('tagged', 'x', { Tagging: 'a=b' }), { name: 'NotImplemented' })
    await assert.rejects(put('class', 'x', { StorageClass: 'STANDARD' }), { name: 'InvalidStorageClass' })
    assert.deepEqual(
      w.s3.keys(directory).filter((key) => /tagged|class/.test(key)),
      [],
    )
  })

  it('without sessions nothing is read or written', async () => {
    const sessionless = w.client({}, { disableS3ExpressSessionAuth: true })
    const wanted = { name: 'AccessDenied' }
    await assert.rejects(sessionless.send(new PutObjectCommand({ Bucket: directory, Key: 's', Body: 'x' })), wanted)
    await assert.rejects(read('new', {}, sessionless), wanted)
  })
})
