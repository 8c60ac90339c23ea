import assert from 'node:assert/strict'
import { DeleteObjectCommand, DeleteObjectsCommand, GetObjectCommand } from '@aws-sdk/client-s3'
import { exists, put, s3Error } from './support-objects.js'
import { check } from './support.js'

check('delete: an object', async (t) => {
  const client = t.client()
  const at = { Bucket: t.Bucket, Key: t.key() }
  await put(client, at, 'text')
  await client.send(new DeleteObjectCommand(at))
  assert.equal(await exists(t.plain, at), false)
  await assert.rejects(client.send(new GetObjectCommand(at)), s3Error(404, 'NoSuchKey'))
})

check('delete: an object that is not there', async (t) => {
  await t.client().send(new DeleteObjectCommand({ Bucket: t.Bucket, Key: t.key() }))
})

check('delete: several objects at once', async (t) => {
  const client = t.client()
  const keys = [t.key('a b'), t.key('ä&<c>'), t.key('d')]
  for (const Key of keys) await put(client, { Bucket: t.Bucket, Key }, Key)
  const Delete = { Objects: [...keys, t.key('missing')].map((Key) => ({ Key })) }
  const { Deleted = [], Errors = [] } = await client.send(new DeleteObjectsCommand({ Bucket: t.Bucket, Delete }))
  assert.deepEqual(Errors, [])
  assert.equal(Deleted.length, 4)
  for (const Key of keys) assert.equal(await exists(t.plain, { Bucket: t.Bucket, Key }), false)
})

check('delete: what is quiet', async (t) => {
  const client = t.client()
  const at = { Bucket: t.Bucket, Key: t.key() }
  await put(client, at, 'text')
  const Delete = { Objects: [{ Key: at.Key }], Quiet: true }
  const { Deleted = [], Errors = [] } = await client.send(new DeleteObjectsCommand({ Bucket: t.Bucket, Delete }))
  assert.deepEqual([Deleted, Errors], [[], []])
  assert.equal(await exists(t.plain, at), false)
})
