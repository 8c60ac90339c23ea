/**
 * Objects that are shared with programs which use the AWS Encryption SDK and a plain S3 client, both ways. Here it is the
 * one for JavaScript; docs/esdk.md has Python and Java beside it.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import {
  AlgorithmSuiteIdentifier,
  buildClient,
  CommitmentPolicy,
  RawAesKeyringNode,
  RawAesWrappingSuiteIdentifier,
} from '@aws-crypto/client-node'
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { aesKeyring, CseError, encryptedView, encryptionInfo, requestOptions, s3ec } from 's3-cse'
import { esdk } from 's3-cse/esdk'
import { startS3 } from 's3-cse/testing'

const Bucket = 'my-bucket'
const server = await startS3({ buckets: [Bucket] })
const plain = new S3Client(server.clientConfig)

// The two names, the key and the encryption context have to be the same on both sides.
const wrappingKey = randomBytes(32)
const names = { keyNamespace: 'example', keyName: '2026' }
const encryptionContext = { tenant: 'a' }

const theirs = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
const theirKeyring = new RawAesKeyringNode({
  ...names,
  unencryptedMasterKey: Uint8Array.from(wrappingKey),
  wrappingSuite: RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
})
const keyring = aesKeyring({ wrappingKey, ...names })
const s3 = encryptedView(plain, { keyring, encryptionContext, format: esdk() })

async function text(Key: string): Promise<string | undefined> {
  const output = await s3.send(new GetObjectCommand({ Bucket, Key }))
  console.log(Key.padEnd(12), encryptionInfo(output)?.envelope?.suite)
  return output.Body?.transformToString()
}

try {
  // From here to there
  await s3.send(new PutObjectCommand({ Bucket, Key: 'ours', Body: 'hello from here' }))
  const { Body } = await plain.send(new GetObjectCommand({ Bucket, Key: 'ours' }))
  const { plaintext, messageHeader } = await theirs.decrypt(theirKeyring, (await Body?.transformToByteArray()) ?? '')
  assert.equal(plaintext.toString(), 'hello from here')
  assert.equal(messageHeader.encryptionContext.tenant, 'a')

  // From there to here: their default is a signed message, with frames of 4 KiB.
  const signed = await theirs.encrypt(theirKeyring, 'hello from there', { encryptionContext })
  await plain.send(new PutObjectCommand({ Bucket, Key: 'signed', Body: signed.result }))
  assert.equal(await text('signed'), 'hello from there')
  const range = { Bucket, Key: 'signed', Range: 'bytes=0-4' }
  const refused: unknown = await s3.send(new GetObjectCommand(range)).catch((error: unknown) => error)
  assert.ok(refused instanceof CseError && refused.code === 'ERR_S3CSE_RANGE_REFUSED')
  const whole = await s3.send(new GetObjectCommand(requestOptions(range, { rangeReads: 'whole-object' })))
  assert.equal(await whole.Body?.transformToString(), 'hello')

  // What is read in ranges should be written without a signature.
  const unsigned = await theirs.encrypt(theirKeyring, 'hello from there', {
    encryptionContext,
    suiteId: AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY,
    frameLength: 64 * 1024,
  })
  await plain.send(new PutObjectCommand({ Bucket, Key: 'unsigned', Body: unsigned.result }))
  assert.equal(await text('unsigned'), 'hello from there')
  const part = await s3.send(new GetObjectCommand({ Bucket, Key: 'unsigned', Range: 'bytes=-5' }))
  assert.equal(await part.Body?.transformToString(), 'there')
  const { ContentLength } = await s3.send(new HeadObjectCommand({ Bucket, Key: 'unsigned' }))
  assert.equal(ContentLength, 'hello from there'.length)

  // Objects of the S3 encryption clients lie in the same bucket.
  const usual = encryptedView(plain, { keyring })
  await usual.send(new PutObjectCommand({ Bucket, Key: 'usual', Body: 'hello again' }))
  const both = encryptedView(plain, { keyring, format: esdk(), alsoRead: [s3ec()] })
  for (const [Key, context] of [
    ['usual', {}],
    ['ours', encryptionContext],
    ['unsigned', encryptionContext],
  ] as const) {
    const input = requestOptions({ Bucket, Key }, { encryptionContext: context })
    const output = await both.send(new GetObjectCommand(input))
    const { format, version } = encryptionInfo(output)?.envelope ?? {}
    console.log(`${Key.padEnd(12)} ${format} ${version}: ${await output.Body?.transformToString()}`)
  }
} finally {
  plain.destroy()
  await server.close()
}
