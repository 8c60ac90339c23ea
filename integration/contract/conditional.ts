import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { DeleteObjectCommand, GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { bytesOf, MIB, put, read, s3Error } from './support-objects.js'
import { check } from './support.js'

const failed = s3Error(412, 'PreconditionFailed')

check('conditional: PutObject with IfNoneMatch *', async (t) => {
  const client = t.client()
  const at = { Bucket: t.Bucket, Key: t.key() }
  await put(client, at, 'first', { IfNoneMatch: '*' })
  await assert.rejects(put(client, at, 'second', { IfNoneMatch: '*' }), failed)
  assert.equal((await read(client, at)).toString(), 'first')
})

check('conditional: PutObject of a stream with IfNoneMatch *', async (t) => {
  const client = t.client()
  const at = { Bucket: t.Bucket, Key: t.key() }
  // Few enough for the sockets between: a server that answers before it has read a body may well reset the connection.
  const stream = Readable.from([bytesOf(10_000)], { objectMode: false })
  await put(client, at, 'first')
  const [refused] = await Promise.allSettled([put(client, at, stream, { IfNoneMatch: '*', ContentLength: 10_000 })])
  assert.equal((await read(client, at)).toString(), 'first')
  await assert.rejects(async () => {
    if (refused.status === 'rejected') throw refused.reason
  }, failed)
})

check('conditional: PutObject with IfMatch', async (t) => {
  const client = t.client()
  const at = { Bucket: t.Bucket, Key: t.key() }
  const first = await put(client, at, 'first')
  await put(client, at, 'second', { IfMatch: first.ETag })
  await assert.rejects(put(client, at, 'third', { IfMatch: first.ETag }), failed)
  assert.equal((await read(client, at)).toString(), 'second')
})

check('conditional: PutObject with IfMatch of what is not there', async (t) => {
  const at = { Bucket: t.Bucket, Key: t.key() }
  await assert.rejects(put(t.client(), at, 'text', { IfMatch: '"other"' }), s3Error(404, 'NoSuchKey'))
})

check('conditional: CompleteMultipartUpload with IfNoneMatch *', async (t) => {
  const client = t.client()
  const at = { Bucket: t.Bucket, Key: t.key() }
  const upload = (fill: number): Promise<unknown> => {
    const Body = Buffer.alloc(6 * MIB, fill)
    return new Upload({ client, params: { ...at, Body, IfNoneMatch: '*' } }).done()
  }
  await upload(1)
  await assert.rejects(upload(2), failed)
  assert.equal((await read(client, at))[0], 1)
})

check('conditional: GetObject with IfMatch', async (t) => {
  const client = t.client()
  const at = { Bucket: t.Bucket, Key: t.key() }
  const { ETag } = await put(client, at, 'text')
  assert.equal((await read(client, at, { IfMatch: ETag })).toString(), 'text')
  await assert.rejects(read(client, at, { IfMatch: '"other"' }), failed)
})

check('conditional: GetObject and HeadObject with IfNoneMatch', async (t) => {
  const client = t.client()
  const at = { Bucket: t.Bucket, Key: t.key() }
  const { ETag } = await put(client, at, 'text')
  assert.equal((await read(client, at, { IfNoneMatch: '"other"' })).toString(), 'text')
  for (const Command of [GetObjectCommand, HeadObjectCommand] as const) {
    await assert.rejects(client.send(new Command({ ...at, IfNoneMatch: ETag })), s3Error(304))
  }
})

check('conditional: GetObject by time', async (t) => {
  const client = t.client()
  const at = { Bucket: t.Bucket, Key: t.key() }
  await put(client, at, 'text')
  const past = new Date('2001-01-01T00:00:00Z')
  assert.equal((await read(client, at, { IfModifiedSince: past })).toString(), 'text')
  await assert.rejects(read(client, at, { IfUnmodifiedSince: past }), failed)
})

check('conditional: ETags of outputs are those of S3', async (t) => {
  const client = t.client()
  const at = { Bucket: t.Bucket, Key: t.key() }
  const { ETag } = await put(client, at, 'text')
  const [ours, plain] = [await client.send(new HeadObjectCommand(at)), await t.plain.send(new HeadObjectCommand(at))]
  assert.deepEqual([ours.ETag, plain.ETag], [ETag, ETag])
})

check('conditional: DeleteObject with IfMatch', async (t) => {
  const client = t.client()
  const at = { Bucket: t.Bucket, Key: t.key() }
  const { ETag } = await put(client, at, 'text')
  await assert.rejects(client.send(new DeleteObjectCommand({ ...at, IfMatch: '"other"' })), failed)
  assert.equal((await read(client, at)).toString(), 'text')
  await client.send(new DeleteObjectCommand({ ...at, IfMatch: ETag }))
  await assert.rejects(read(client, at), s3Error(404, 'NoSuchKey'))
})
