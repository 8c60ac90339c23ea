import assert from 'node:assert/strict'
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { bytesOf, MIB, put, read, s3Error } from './support-objects.js'
import type { At } from './support-objects.js'
import { check } from './support.js'
import type { Place } from './support.js'

const versioned = async (t: Place): Promise<At> => ({ Bucket: await t.versionedBucket(), Key: t.key() })

check('versions: each one is read by its own key', async (t) => {
  const client = t.client()
  const at = await versioned(t)
  const ids: string[] = []
  for (const text of ['first', 'the second', '']) ids.push((await put(client, at, text)).VersionId!)
  assert.equal(new Set(ids).size, 3)
  assert.equal((await read(client, at)).toString(), '')
  for (const [index, text] of ['first', 'the second', ''].entries()) {
    const VersionId = ids[index]!
    assert.equal((await read(client, at, { VersionId })).toString(), text)
    const head = await client.send(new HeadObjectCommand({ ...at, VersionId }))
    assert.deepEqual([head.ContentLength, head.VersionId], [text.length, VersionId])
  }
})

for (const rangeReads of ['whole-object', 'unauthenticated'] as const) {
  check(`versions: a range of an older one, ${rangeReads}`, async (t) => {
    const client = t.client({ rangeReads })
    const at = await versioned(t)
    const { VersionId } = await put(client, at, 'the first of them')
    await put(client, at, 'another')
    const output = await client.send(new GetObjectCommand({ ...at, VersionId, Range: 'bytes=4-8' }))
    assert.equal(await output.Body!.transformToString(), 'first')
    assert.deepEqual([output.ContentRange, output.VersionId], ['bytes 4-8/17', VersionId])
  })
}

check('versions: of uploads in parts', async (t) => {
  const client = t.client()
  const at = await versioned(t)
  const ids: (string | undefined)[] = []
  for (const fill of [1, 2]) {
    const Body = Buffer.alloc(6 * MIB, fill)
    ids.push((await new Upload({ client, params: { ...at, Body } }).done()).VersionId)
  }
  for (const [index, VersionId] of ids.entries()) {
    const bytes = await read(client, at, { VersionId })
    assert.deepEqual([bytes.length, bytes[0]], [6 * MIB, index + 1])
  }
})

check('versions: a delete marker hides the object, and its removal shows it', async (t) => {
  const client = t.client()
  const at = await versioned(t)
  const { VersionId: first } = await put(client, at, 'text')
  const { VersionId, DeleteMarker } = await client.send(new DeleteObjectCommand(at))
  assert.equal(DeleteMarker, true)
  await assert.rejects(read(client, at), s3Error(404, 'NoSuchKey'))
  assert.equal((await read(client, at, { VersionId: first })).toString(), 'text')
  await client.send(new DeleteObjectCommand({ ...at, VersionId }))
  assert.equal((await read(client, at)).toString(), 'text')
})

check('versions: a delete marker itself is not to be read', async (t) => {
  const client = t.client()
  const at = await versioned(t)
  await put(client, at, 'text')
  const { VersionId } = await client.send(new DeleteObjectCommand(at))
  await assert.rejects(read(client, at, { VersionId }), s3Error(405, 'MethodNotAllowed'))
})

check('versions: one is deleted, the others stay', async (t) => {
  const client = t.client()
  const at = await versioned(t)
  const { VersionId: first } = await put(client, at, 'first')
  const { VersionId: second } = await put(client, at, 'second')
  const Delete = { Objects: [{ Key: at.Key, VersionId: second }] }
  await client.send(new DeleteObjectsCommand({ Bucket: at.Bucket, Delete }))
  assert.equal((await read(client, at)).toString(), 'first')
  await assert.rejects(read(client, at, { VersionId: second }), s3Error(404, 'NoSuchVersion'))
  const { Versions = [] } = await client.send(new ListObjectVersionsCommand({ Bucket: at.Bucket, Prefix: at.Key }))
  assert.deepEqual(
    Versions.map(({ VersionId, Size }) => [VersionId, Size]),
    [[first, 21]],
  )
})

check('versions: suspended, the version null is replaced, others stay', async (t) => {
  const client = t.client()
  const at = await versioned(t)
  const { VersionId } = await put(client, at, 'first')
  const set = (Status: 'Enabled' | 'Suspended'): Promise<unknown> =>
    t.plain.send(new PutBucketVersioningCommand({ Bucket: at.Bucket, VersioningConfiguration: { Status } }))
  await set('Suspended')
  try {
    for (const text of ['second', 'third']) await put(client, at, text)
    assert.equal((await read(client, at)).toString(), 'third')
    assert.equal((await read(client, at, { VersionId: 'null' })).toString(), 'third')
    assert.equal((await read(client, at, { VersionId })).toString(), 'first')
  } finally {
    await set('Enabled')
  }
  await put(client, at, bytesOf(10))
  assert.equal((await read(client, at, { VersionId: 'null' })).toString(), 'third')
})
