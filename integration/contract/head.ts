import assert from 'node:assert/strict'
import { HeadObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import { aesKeyring, encryptionInfo, inspect, plaintextSizes } from '../../src/index.js'
import { bytesOf, code, MIB, put, s3Error, storedLength } from './support-objects.js'
import { check } from './support.js'

const otherKey = aesKeyring({ wrappingKey: bytesOf(32) })
const v2 = { commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' } as const

for (const [format, options] of [
  ['V3', {}],
  ['V2', v2],
] as const) {
  for (const size of [0, 1, 16, 17, MIB + 5]) {
    check(`head, ${format}: the plaintext's length of ${size} bytes`, async (t) => {
      const client = t.client(options)
      const at = { Bucket: t.Bucket, Key: t.key() }
      await put(client, at, bytesOf(size))
      const output = await client.send(new HeadObjectCommand(at))
      assert.equal(output.ContentLength, size)
      assert.equal(encryptionInfo(output)?.storedLength, size + 16)
      assert.equal(await storedLength(t.plain, at), size + 16)
    })
  }
}

check("head: the user's metadata and properties, and no envelope among them", async (t) => {
  const client = t.client()
  const at = { Bucket: t.Bucket, Key: t.key() }
  await put(client, at, 'text', { Metadata: { own: 'value' }, ContentType: 'text/x-test' })
  const output = await client.send(new HeadObjectCommand(at))
  assert.deepEqual(output.Metadata, { own: 'value' })
  assert.equal(output.ContentType, 'text/x-test')
  const info = encryptionInfo(output)
  assert.deepEqual([info?.status, info?.envelope?.version], ['encrypted', 'V3'])
  const stored = await t.plain.send(new HeadObjectCommand(at))
  assert.deepEqual({ ...info?.metadata, own: 'value' }, stored.Metadata)
})

check('head: of a plain object what S3 says', async (t) => {
  const at = { Bucket: t.Bucket, Key: t.key() }
  await put(t.plain, at, 'plain text', { Metadata: { own: 'value' } })
  const output = await t.client().send(new HeadObjectCommand(at))
  assert.deepEqual([output.ContentLength, encryptionInfo(output)?.status], [10, 'plain'])
  assert.deepEqual(output.Metadata, { own: 'value' })
})

check('head: an object that is not there', async (t) => {
  const at = { Bucket: t.Bucket, Key: t.key() }
  await assert.rejects(t.client().send(new HeadObjectCommand(at)), s3Error(404, 'NotFound'))
})

check('head: Range and PartNumber are refused', async (t) => {
  const client = t.client()
  const at = { Bucket: t.Bucket, Key: t.key() }
  await put(client, at, 'text')
  await assert.rejects(
    client.send(new HeadObjectCommand({ ...at, Range: 'bytes=0-1' })),
    code('ERR_S3CSE_RANGE_REFUSED'),
  )
  await assert.rejects(client.send(new HeadObjectCommand({ ...at, PartNumber: 1 })), code('ERR_S3CSE_RANGE_REFUSED'))
})

check('head: plaintextSizes of a listing', async (t) => {
  const client = t.client()
  const Prefix = t.key('list/')
  const sizes = [0, 1, 17, 5000]
  for (const size of sizes) await put(client, { Bucket: t.Bucket, Key: `${Prefix}${size}` }, bytesOf(size))
  await put(t.plain, { Bucket: t.Bucket, Key: `${Prefix}plain` }, 'plain text')
  const list = await client.send(new ListObjectsV2Command({ Bucket: t.Bucket, Prefix }))
  const found = await plaintextSizes(client, list)
  const expected: [string, number][] = sizes.map((size) => [`${Prefix}${size}`, size])
  assert.deepEqual(new Map([...found].sort()), new Map([...expected, [`${Prefix}plain`, 10] as const].sort()))
})

check('head: inspect says what an object is, without its key', async (t) => {
  const at = { Bucket: t.Bucket, Key: t.key() }
  await put(t.client(v2), at, bytesOf(100), { Metadata: { own: 'value' } })
  const found = await inspect(t.client({ keyring: otherKey }), at)
  assert.equal(found.plaintextLength, 100)
  assert.ok(JSON.stringify(found).includes('AES/GCM/NoPadding'))
})
