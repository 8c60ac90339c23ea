// What is not protected: somebody who can write to the bucket puts an old version of an object back.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import {
  CopyObjectCommand,
  DeleteObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'

import { requestOptions } from '../../src/index.js'
import { kmsKeyring } from '../../src/kms.js'
import { code } from '../support/errors.js'
import { Bucket, get, put, world } from '../support/world.js'
import { kmsWorld } from './support.js'

const w = await world()
const VersioningConfiguration = { Status: 'Enabled' as const }
await w.plain.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }))
const { kms, client: kmsClient } = await kmsWorld()
const keyring = kmsKeyring({ client: kmsClient, keyId: kms.createKey().arn })

const clients = [
  ['by default', w.client()],
  ['bound to its place', w.client({ keyring, bind: true })],
] as const

for (const [what, client] of clients) {
  describe(`row 11: rollback, ${what}`, () => {
    it('an old version put back is read without a word, and only VersionId tells', async () => {
      const first = await put(client, 'price', '100')
      const second = await put(client, 'price', '200')
      const before = await get(client, 'price')
      assert.deepEqual([await before.Body!.transformToString(), before.VersionId], ['200', second.VersionId])

      const CopySource = `${Bucket}/price?versionId=${first.VersionId}`
      await w.plain.send(new CopyObjectCommand({ Bucket, Key: 'price', CopySource }))
      const copied = await get(client, 'price')
      assert.equal(await copied.Body!.transformToString(), '100')
      assert.ok(copied.VersionId !== undefined && ![first.VersionId, second.VersionId].includes(copied.VersionId))

      // Or by deleting what came after it.
      for (const VersionId of [copied.VersionId, second.VersionId]) {
        await w.plain.send(new DeleteObjectCommand({ Bucket, Key: 'price', VersionId }))
      }
      const uncovered = await get(client, 'price')
      assert.deepEqual([await uncovered.Body!.transformToString(), uncovered.VersionId], ['100', first.VersionId])
    })

    it('who keeps the VersionId of a write reads that one, or an error', async () => {
      const kept = await put(client, 'kept', '200')
      await put(client, 'kept', '100')
      const { VersionId } = kept
      assert.equal(await (await get(client, 'kept', { VersionId })).Body!.transformToString(), '200')
      await w.plain.send(new DeleteObjectCommand({ Bucket, Key: 'kept', VersionId }))
      await assert.rejects(get(client, 'kept', { VersionId }), { name: 'NoSuchVersion' })
    })
  })
}

it('row 11: a version number in the encryption context, kept elsewhere, shows it', async () => {
  const client = w.client({ keyring })
  const at = (version: string) => ({ encryptionContext: { version } })
  const first = await client.send(putWith('1'))
  await client.send(putWith('2'))
  const CopySource = `${Bucket}/numbered?versionId=${first.VersionId}`
  await w.plain.send(new CopyObjectCommand({ Bucket, Key: 'numbered', CopySource }))
  const input = requestOptions({ Bucket, Key: 'numbered' }, at('2'))
  await assert.rejects(get(client, 'numbered', input), code('ERR_S3CSE_CONTEXT_MISMATCH'))

  function putWith(version: string) {
    return new PutObjectCommand(requestOptions({ Bucket, Key: 'numbered', Body: version }, at(version)))
  }
})
