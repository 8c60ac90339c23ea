/**
 * Reads a mail that the Simple Email Service stored, encrypted, in a bucket. S3 and KMS run inside this program; the mail
 * is put there as the service does it: format V2, AES-256-GCM, the data key under the wrap `kms` with the service's own
 * encryption context.
 */
import assert from 'node:assert/strict'
import { createCipheriv, randomBytes } from 'node:crypto'
import { GenerateDataKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { addEncryption, encryptionInfo, inspect, PolicyError, sesMail } from 's3-cse'
import { kmsKeyring } from 's3-cse/kms'
import { startKms, startS3 } from 's3-cse/testing'

const server = await startS3({ buckets: ['mail'] })
const kmsServer = await startKms()
const kms = new KMSClient(kmsServer.clientConfig)
const { arn: keyId } = kmsServer.createKey()
const object = { Bucket: 'mail', Key: 'inbox/o3vrnil0e2ic28trm7dfhrc2v0clambda4nbp0g1' }

/** What the service does. */
async function deliver(message: string): Promise<void> {
  const context = {
    'aws:ses:message-id': 'o3vrnil0e2ic28trm7dfhrc2v0clambda4nbp0g1',
    'aws:ses:rule-name': 'store-everything',
    'aws:ses:source-account': '111122223333',
    kms_cmk_id: keyId,
  }
  const { Plaintext, CiphertextBlob } = await kms.send(
    new GenerateDataKeyCommand({ KeyId: keyId, KeySpec: 'AES_256', EncryptionContext: context }),
  )
  assert.ok(Plaintext !== undefined && CiphertextBlob !== undefined)
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', Plaintext, iv)
  const body = Buffer.concat([cipher.update(message), cipher.final(), cipher.getAuthTag()])
  const metadata = {
    'x-amz-key-v2': Buffer.from(CiphertextBlob).toString('base64'),
    'x-amz-iv': iv.toString('base64'),
    'x-amz-cek-alg': 'AES/GCM/NoPadding',
    'x-amz-wrap-alg': 'kms',
    'x-amz-tag-len': '128',
    'x-amz-matdesc': JSON.stringify(context),
    'x-amz-unencrypted-content-length': String(message.length),
  }
  await server.put(object.Bucket, object.Key, { body, metadata })
}

await deliver('From: alice@example.com\r\nTo: bob@example.com\r\nSubject: lunch\r\n\r\nAt noon?\r\n')

const keyring = kmsKeyring({ client: kms, keyId })
const mailbox = addEncryption(new S3Client(server.clientConfig), { keyring, ...sesMail() })
const output = await mailbox.send(new GetObjectCommand(object))
const message = (await output.Body?.transformToString()) ?? ''
const rule = encryptionInfo(output)?.envelope?.context['aws:ses:rule-name'] ?? ''
assert.match(message, /^Subject: lunch\r$/m)
assert.equal(rule, 'store-everything')
console.log(message.trim())
console.log(`\nstored by rule ${rule}, as KMS has authenticated`)

// A client with default settings refuses such objects, and says what would be needed.
const strict = addEncryption(new S3Client(server.clientConfig), { keyring })
await assert.rejects(strict.send(new GetObjectCommand(object)), (error: unknown) => {
  assert.ok(error instanceof PolicyError)
  console.log(`\nby default: ${error.message}`)
  return true
})
const { facts } = await inspect(strict, object)
console.log('\ninspect:', facts)

for (const client of [mailbox, strict, kms]) client.destroy()
await Promise.all([server.close(), kmsServer.close()])
