import { DeleteObjectCommand, ListObjectsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { it } from 'node:test'

import { plaintextSizes } from '../../src/index.js'
import { code } from '../support/errors.js'
import { counting, otherKey } from '../support/rotate.js'
import { loadVectors } from '../support/vectors.js'
import { Bucket, put, world } from '../support/world.js'

const w = await world()

it('gives the lengths of plaintexts, in the order of the listing, without a key', async () => {
  const writer = w.client()
  await put(writer, 'a', 'x'.repeat(1000))
  await put(w.client({ commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' }), 'b', '')
  await put(w.client({ instructionFile: { write: true } }), 'c', 'x'.repeat(17))
  await put(w.plain, 'd', 'plain')
  await w.s3.put(Bucket, 'e', { body: 'x'.repeat(50), metadata: { 'x-amz-c': '115' } })
  const cbc = loadVectors().find(
    ({ contentAlgorithm, envelope }) => contentAlgorithm.includes('CBC') && envelope === 'metadata',
  )!
  await w.s3.put(Bucket, 'f', { body: cbc.sealed(), metadata: cbc.metadata })
  const reader = counting(otherKey)
  const client = w.client({ keyring: reader })
  const expected = [
    ['a', 1000],
    ['b', 0],
    ['c', 17],
    ['c.instruction', (await w.stored('c.instruction')).size],
    ['d', 5],
    ['e', undefined],
    ['f', undefined],
  ]
  for (const concurrency of [1, 3, 100]) {
    const listing = await client.send(new ListObjectsV2Command({ Bucket }))
    assert.deepEqual([...(await plaintextSizes(client, listing, { concurrency }))], expected)
  }
  const { Contents } = await client.send(new ListObjectsCommand({ Bucket, Prefix: 'a' }))
  assert.deepEqual([...(await plaintextSizes(client, { Bucket, Contents }))], [['a', 1000]])
  assert.deepEqual(reader.calls, [])
})

it('leaves out what is gone, and takes an empty listing', async () => {
  const client = w.client()
  const listing = await client.send(new ListObjectsV2Command({ Bucket }))
  await w.plain.send(new DeleteObjectCommand({ Bucket, Key: 'a' }))
  const sizes = await plaintextSizes(client, listing)
  assert.ok(!sizes.has('a') && sizes.has('b'))
  assert.equal((await plaintextSizes(client, { Bucket })).size, 0)
})

it('asks about no more at a time than it may, and stops where it fails or is told to', async () => {
  const client = w.client()
  const Contents = Array.from({ length: 20 }, (_, index) => ({ Key: `many-${index}` }))
  for (const { Key } of Contents) await put(client, Key, 'x')
  let now = 0
  let most = 0
  const end = w.s3.onRequest(async () => {
    most = Math.max(most, ++now)
    await new Promise((resolve) => setTimeout(resolve, 5))
    now--
  })
  await plaintextSizes(client, { Bucket, Contents }, { concurrency: 4 })
  end()
  assert.ok(most > 1 && most <= 4, `${most}`)
  w.s3.requests.length = 0
  w.s3.fail({ match: ({ key }) => key === 'many-2', status: 403, code: 'AccessDenied' })
  await assert.rejects(plaintextSizes(client, { Bucket, Contents }, { concurrency: 2 }))
  assert.ok(w.s3.requests.length < 10)
  const aborted = plaintextSizes(client, { Bucket, Contents }, { signal: AbortSignal.abort() })
  await assert.rejects(aborted, { name: 'AbortError' })
})

it('mistakes are ERR_S3CSE_CONFIG', async () => {
  const client = w.client()
  await assert.rejects(plaintextSizes(client, {}), code('ERR_S3CSE_CONFIG'))
  for (const concurrency of [0, -1, 1.5, NaN, Infinity]) {
    await assert.rejects(plaintextSizes(client, { Bucket }, { concurrency }), code('ERR_S3CSE_CONFIG'))
  }
  const Contents = [{ Key: 'b' }]
  await assert.rejects(plaintextSizes(w.plain, { Bucket, Contents }), code('ERR_S3CSE_CONFIG'))
})
