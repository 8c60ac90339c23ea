import assert from 'node:assert/strict'
import test from 'node:test'
import {
  CopyObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  RestoreObjectCommand,
  S3Client,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { startS3, type S3Server } from 's3-cse/testing'
import { begin, Bucket, rejects } from './s3-multipart-support.js'

let time = new Date('2026-01-01T12:00:00Z')
const s3: S3Server = await startS3({ buckets: [Bucket], now: () => time })
const client = new S3Client(s3.clientConfig)
test.after(async () => {
  client.destroy()
  await s3.close()
})
const get = async (Key: string) => {
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }))
  return Body!.transformToString()
}
const copy = (from: string, more: object = {}) =>
  client.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/${from}`, ...more }))
const restore = async (Key: string, Days?: number) => {
  const { $metadata } = await client.send(new RestoreObjectCommand({ Bucket, Key, RestoreRequest: { Days } }))
  return $metadata.httpStatusCode
}

test('an archived object is readable only while it is restored', async () => {
  for (const StorageClass of ['GLACIER', 'DEEP_ARCHIVE'] as const) {
    time = new Date('2026-01-01T12:00:00Z')
    const Key = StorageClass
    await client.send(new PutObjectCommand({ Bucket, Key, Body: 'frozen', StorageClass }))
    const head = () => client.send(new HeadObjectCommand({ Bucket, Key }))
    const upload = await begin(client, 'm')
    const copyPart = () =>
      client.send(
        new UploadPartCopyCommand({
          Bucket,
          Key: 'm',
          UploadId: upload.id,
          PartNumber: 1,
          CopySource: `bucket/${Key}`,
        }),
      )
    const refused = async (): Promise<void> => {
      assert.deepEqual([(await head()).StorageClass, (await head()).Restore], [StorageClass, undefined])
      await rejects(get(Key), 'InvalidObjectState', 403, { StorageClass })
      await rejects(copy(Key), 'InvalidObjectState', 403)
      await rejects(copyPart(), 'InvalidObjectState', 403)
    }
    await refused()
    assert.equal(await restore(Key, 2), 202)
    const { Restore, ETag } = await head()
    assert.equal(Restore, 'ongoing-request="false", expiry-date="Sun, 04 Jan 2026 00:00:00 GMT"')
    assert.deepEqual((await s3.object(Bucket, Key))?.restoredUntil, new Date('2026-01-04T00:00:00Z'))
    assert.equal(await get(Key), 'frozen')
    await copyPart()
    await copy(Key)
    const copied = await client.send(new HeadObjectCommand({ Bucket, Key: 'copy' }))
    assert.deepEqual([copied.StorageClass, copied.Restore, copied.ETag], [undefined, undefined, ETag])
    assert.equal(await restore(Key, 5), 200)
    time = new Date('2026-01-07T00:00:00Z')
    await refused()
  }
})

test('what is written to an archive, and what is not archived', async () => {
  await s3.put(Bucket, 'seeded', { body: 'x', headers: { 'X-Amz-Storage-Class': 'GLACIER' } })
  await rejects(get('seeded'), 'InvalidObjectState', 403)
  await s3.put(Bucket, 'plain', { body: 'x', headers: { 'x-amz-storage-class': 'GLACIER_IR' } })
  assert.equal(await get('plain'), 'x')
  await rejects(restore('plain', 1), 'InvalidObjectState', 403)
  await rejects(restore('none', 1), 'NoSuchKey', 404)
  for (const days of [undefined, 0, 1.5]) await rejects(restore('seeded', days), 'MalformedXML', 400)
  await copy('plain', { StorageClass: 'GLACIER' })
  await rejects(get('copy'), 'InvalidObjectState', 403)
})
