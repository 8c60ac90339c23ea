/**
 * Format V2, for readers that do not know V3 yet (older versions of the official clients), and the three steps from V2 to
 * V3: each is a value of `commitmentPolicy`, and any two that follow each other understand each other's objects.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { aesKeyring, encryptedView, encryptionInfo, PolicyError, type CommitmentPolicy } from 's3-cse'
import { startS3 } from 's3-cse/testing'

const server = await startS3({ buckets: ['my-bucket'] })
const client = new S3Client(server.clientConfig)
const keyring = aesKeyring({ wrappingKey: randomBytes(32) })
const withPolicy = (commitmentPolicy: CommitmentPolicy): S3Client =>
  encryptedView(client, { keyring, commitmentPolicy })

async function put(s3: S3Client, Key: string): Promise<string | undefined> {
  const output = await s3.send(new PutObjectCommand({ Bucket: 'my-bucket', Key, Body: 'hello' }))
  return encryptionInfo(output)?.envelope?.version
}

async function get(s3: S3Client, Key: string): Promise<string | undefined> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'my-bucket', Key }))
  return Body?.transformToString()
}

// 1. Writes V2, reads both.
const first = withPolicy('FORBID_ENCRYPT_ALLOW_DECRYPT')
assert.equal(await put(first, 'older'), 'V2')

// 2. Once every reader knows V3: writes V3, reads both.
const second = withPolicy('REQUIRE_ENCRYPT_ALLOW_DECRYPT')
assert.equal(await put(second, 'newer'), 'V3')
for (const s3 of [first, second]) {
  assert.equal(await get(s3, 'older'), 'hello')
  assert.equal(await get(s3, 'newer'), 'hello')
}

// 3. Once no V2 object is left: V3 only. This is the default.
const third = withPolicy('REQUIRE_ENCRYPT_REQUIRE_DECRYPT')
assert.equal(await get(third, 'newer'), 'hello')
await assert.rejects(get(third, 'older'), PolicyError)

const names = async (key: string): Promise<string> =>
  Object.keys((await server.object('my-bucket', key))?.metadata ?? {}).join(', ')
console.log(`V2: ${await names('older')}\nV3: ${await names('newer')}`)

client.destroy()
await server.close()
