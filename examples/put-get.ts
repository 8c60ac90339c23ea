/**
 * An object under a key of KMS, put and got: the usual case.
 *
 * S3 and KMS run inside this program here. In yours they are `new S3Client({})`, `new KMSClient({})` and the ARN of a key.
 */
import assert from 'node:assert/strict'
import { KMSClient } from '@aws-sdk/client-kms'
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { addEncryption, encryptionInfo } from 's3-cse'
import { kmsKeyring } from 's3-cse/kms'
import { startKms, startS3 } from 's3-cse/testing'

const s3Server = await startS3({ buckets: ['my-bucket'] })
const kmsServer = await startKms()
const keyId = kmsServer.createKey().arn

// The one line that a program needs: everything after it is as without encryption.
const s3 = addEncryption(new S3Client(s3Server.clientConfig), {
  keyring: kmsKeyring({ client: new KMSClient(kmsServer.clientConfig), keyId }),
  // Stored in clear, authenticated by KMS: an object that was moved to another key does not open.
  encryptionContext: ({ Bucket, Key }) => ({ bucket: Bucket, key: Key }),
})

const object = { Bucket: 'my-bucket', Key: 'greeting.txt' }
await s3.send(new PutObjectCommand({ ...object, Body: 'hello', ContentType: 'text/plain', Metadata: { color: 'red' } }))

const output = await s3.send(new GetObjectCommand(object))
assert.equal(await output.Body?.transformToString(), 'hello')
assert.equal(output.ContentLength, 5)
assert.deepEqual(output.Metadata, { color: 'red' }) // yours only; the rest is in encryptionInfo

const info = encryptionInfo(output)
assert.equal(info?.storedLength, 5 + 16)
assert.equal(info.envelope?.keyCommitment, true)

const head = await s3.send(new HeadObjectCommand(object))
assert.equal(head.ContentLength, 5)

const stored = await s3Server.object(object.Bucket, object.Key)
assert.ok(stored !== undefined && !Buffer.from(stored.body).includes('hello'))
console.log(`${object.Key}: ${head.ContentLength} bytes, ${stored.size} bytes stored, under ${keyId}`)

await Promise.all([s3Server.close(), kmsServer.close()])
