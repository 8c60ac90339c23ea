import assert from 'node:assert/strict'
import {
  CopyObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  SelectObjectContentCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { aesKeyring, encryptionInfo } from '../../src/index.js'
import { bytesOf, code, exists, put, read, s3Error } from './support-objects.js'
import { check } from './support.js'

const v2 = { commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' } as const
const otherKey = aesKeyring({ wrappingKey: bytesOf(32) })

check('errors: a plain object is refused', async (t) => {
  const at = { Bucket: t.Bucket, Key: t.key() }
  await put(t.plain, at, 'plain text')
  await assert.rejects(read(t.client(), at), code('ERR_S3CSE_NOT_ENCRYPTED'))
})

check('errors: a plain object may be allowed', async (t) => {
  const at = { Bucket: t.Bucket, Key: t.key() }
  await put(t.plain, at, 'plain text', { Metadata: { own: 'value' } })
  const client = t.client({ passthrough: ({ Key, Metadata }) => Key === at.Key && Metadata.own === 'value' })
  const output = await client.send(new GetObjectCommand(at))
  assert.equal(await output.Body!.transformToString(), 'plain text')
  assert.deepEqual([encryptionInfo(output)?.status, output.ContentLength], ['plain', 10])
})

for (const [format, options] of [
  ['V3', {}],
  ['V2', v2],
] as const) {
  check(`errors: another AES key, ${format}`, async (t) => {
    const at = { Bucket: t.Bucket, Key: t.key() }
    await put(t.client(options), at, 'text')
    const other = t.client({ ...options, keyring: otherKey })
    await assert.rejects(read(other, at), code('ERR_S3CSE_DECRYPTION_FAILED'))
  })
}

check('errors: an object without key commitment is refused by default', async (t) => {
  const at = { Bucket: t.Bucket, Key: t.key() }
  await put(t.client(v2), at, 'text')
  await assert.rejects(read(t.client(), at), code('ERR_S3CSE_POLICY'))
  const allowing = t.client({ commitmentPolicy: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT' })
  assert.equal((await read(allowing, at)).toString(), 'text')
})

check('errors: an object over maxObjectBytes is refused', async (t) => {
  const at = { Bucket: t.Bucket, Key: t.key() }
  await put(t.client(), at, bytesOf(1000))
  await assert.rejects(read(t.client({ maxObjectBytes: 1015 }), at), code('ERR_S3CSE_POLICY'))
  assert.equal((await read(t.client({ maxObjectBytes: 1016 }), at)).length, 1000)
})

check('errors: commands that would bypass encryption are refused', async (t) => {
  const client = t.client()
  const at = { Bucket: t.Bucket, Key: t.key() }
  await put(client, at, 'text')
  const CopySource = `${t.Bucket}/${at.Key}`
  const copied = new UploadPartCopyCommand({ ...at, CopySource, PartNumber: 1, UploadId: 'any' })
  await assert.rejects(client.send(copied), code('ERR_S3CSE_UNSUPPORTED_COMMAND'))
  const selected = new SelectObjectContentCommand({
    ...at,
    Expression: 'select * from s3object',
    ExpressionType: 'SQL',
    InputSerialization: { CSV: {} },
    OutputSerialization: { CSV: {} },
  })
  await assert.rejects(client.send(selected), code('ERR_S3CSE_UNSUPPORTED_COMMAND'))
})

check("errors: an envelope among the caller's metadata is refused", async (t) => {
  const at = { Bucket: t.Bucket, Key: t.key() }
  await assert.rejects(put(t.client(), at, 'text', { Metadata: { 'x-amz-i': 'AAAA' } }), code('ERR_S3CSE_CONFIG'))
  assert.equal(await exists(t.plain, at), false)
})

check('errors: an object that is not there', async (t) => {
  const at = { Bucket: t.Bucket, Key: t.key() }
  await assert.rejects(read(t.client(), at), s3Error(404, 'NoSuchKey'))
})

check('errors: a bucket that is not there', async (t) => {
  const at = { Bucket: `${t.Bucket}-not-there`, Key: t.key() }
  await assert.rejects(put(t.client(), at, 'text'), s3Error(404, 'NoSuchBucket'))
  await assert.rejects(read(t.client(), at), s3Error(404, 'NoSuchBucket'))
})

check('errors: a copy from what is not there', async (t) => {
  const CopySource = `${t.Bucket}/${t.key('missing')}`
  const copied = t.client().send(new CopyObjectCommand({ Bucket: t.Bucket, Key: t.key(), CopySource }))
  await assert.rejects(copied, (error: unknown) => s3Error(404)(error))
})

check('errors: an abort ends the request', async (t) => {
  const at = { Bucket: t.Bucket, Key: t.key() }
  const abort = new AbortController()
  const running = t.client().send(new PutObjectCommand({ ...at, Body: bytesOf(1000) }), { abortSignal: abort.signal })
  abort.abort()
  await assert.rejects(running, { name: 'AbortError' })
  assert.equal(await exists(t.plain, at), false)
})

check('errors: another secret is refused by S3', async (t) => {
  const at = { Bucket: t.Bucket, Key: t.key() }
  const credentials = { accessKeyId: 'test', secretAccessKey: 'another secret' }
  await assert.rejects(put(t.client({}, { credentials }), at, 'text'), s3Error(403, 'SignatureDoesNotMatch'))
})

check(
  'errors: another KMS key',
  async (t) => {
    const at = { Bucket: t.Bucket, Key: t.key() }
    await put(t.client({ keyring: await t.kmsKeyring() }), at, 'text')
    const keyId = (await t.kmsKey()).replace(/[^/]+$/, '00000000-0000-4000-8000-000000000000')
    const reading = read(t.client({ keyring: await t.kmsKeyring({ keyId }) }), at)
    await assert.rejects(reading, (error: unknown) => {
      assert.match((error as { code?: string }).code ?? '', /^ERR_S3CSE_KMS$/)
      return true
    })
  },
  { uses: 'both' },
)
