/**
 * A key has to be replaced: every object of a bucket comes under a new one, without its body being moved, while the
 * program that writes goes on, with the new key already. If this ends early, it is just run again.
 */
import assert from 'node:assert/strict'
import { KMSClient } from '@aws-sdk/client-kms'
import { GetObjectCommand, paginateListObjectsV2, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { addEncryption, encryptedView, rotateKey } from 's3-cse'
import { kmsKeyring } from 's3-cse/kms'
import { startKms, startS3 } from 's3-cse/testing'

const Bucket = 'my-bucket'
const AT_A_TIME = 8

const server = await startS3({ buckets: [Bucket] })
const kms = await startKms()
const client = new KMSClient(kms.clientConfig)
const [from, to] = [kms.createKey(), kms.createKey()].map(({ arn }) => kmsKeyring({ client, keyId: arn }))
assert.ok(from !== undefined && to !== undefined)

const s3 = addEncryption(new S3Client(server.clientConfig), { keyring: from })
for (let i = 0; i < 50; i++) {
  await s3.send(new PutObjectCommand({ Bucket, Key: `report-${i}`, Body: `number ${i}`, ContentType: 'text/plain' }))
}

const writer = encryptedView(new S3Client(server.clientConfig), { keyring: to })
const writing = writer.send(new PutObjectCommand({ Bucket, Key: 'report-7', Body: 'number 7, second edition' }))

kms.requests.length = 0
const outcomes = new Map<string, number>()
for await (const { Contents = [] } of paginateListObjectsV2({ client: s3, pageSize: 20 }, { Bucket })) {
  const keys = Contents.flatMap(({ Key }) => (Key === undefined ? [] : [Key]))
  const next = async (): Promise<void> => {
    for (let Key = keys.shift(); Key !== undefined; Key = keys.shift()) {
      const { outcome } = await rotateKey(s3, { Bucket, Key, to })
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, next))
}
await writing

const asked = new Map<string, number>()
for (const { operation } of kms.requests) asked.set(operation, (asked.get(operation) ?? 0) + 1)
console.log('outcomes:', Object.fromEntries(outcomes), 'KMS:', Object.fromEntries(asked))

const reader = encryptedView(new S3Client(server.clientConfig), { keyring: to })
for (let i = 0; i < 50; i++) {
  const { Body, ContentType } = await reader.send(new GetObjectCommand({ Bucket, Key: `report-${i}` }))
  assert.equal(await Body?.transformToString(), i === 7 ? 'number 7, second edition' : `number ${i}`)
  assert.equal(ContentType, i === 7 ? 'application/octet-stream' : 'text/plain')
}

for (const one of [s3, writer, reader]) one.destroy()
await server.close()
await kms.close()
