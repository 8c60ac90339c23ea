import assert from 'node:assert/strict'
import test from 'node:test'
import {
  ChecksumAlgorithm,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  S3Client,
  type CompletedPart,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { startS3, type S3ChecksumAlgorithm, type S3Server } from 's3-cse/testing'
import { checksumOf } from '../../src/testing/s3-checksums.js'
import { combineCrcs } from '../../src/testing/s3-crc-combine.js'
import { begin, Bucket, first, last, rejects, type Begun } from './s3-multipart-support.js'
import { chunks, send } from './s3-raw.js'

const s3: S3Server = await startS3({ buckets: [Bucket] })
const client = new S3Client(s3.clientConfig)
test.after(async () => {
  client.destroy()
  await s3.close()
})

const whole = Buffer.concat([first, last])
const upper = (name: S3ChecksumAlgorithm): ChecksumAlgorithm => name.toUpperCase() as ChecksumAlgorithm
const member = (name: S3ChecksumAlgorithm): 'ChecksumCRC32' => `Checksum${name.toUpperCase()}` as 'ChecksumCRC32'
/** S3's composite checksum: that of the raw checksums of the parts. */
const composite = (name: S3ChecksumAlgorithm, parts: readonly Uint8Array[]): string => {
  const raw = Buffer.concat(parts.map((part) => Buffer.from(checksumOf(name, part), 'base64')))
  return `${checksumOf(name, raw)}-${parts.length}`
}

async function sendParts(upload: Begun, name: S3ChecksumAlgorithm, listed = true): Promise<CompletedPart[]> {
  const list: CompletedPart[] = []
  for (const [i, body] of [first, last].entries()) {
    const part = await upload.part(i + 1, body, { ChecksumAlgorithm: upper(name) })
    const value = part[member(name)]
    assert.equal(value, checksumOf(name, body))
    list.push({ PartNumber: i + 1, ETag: part.ETag!, ...(listed ? { [member(name)]: value } : {}) })
  }
  return list
}

test('composite checksums', async () => {
  for (const name of ['crc32', 'crc32c', 'sha1', 'sha256'] as const) {
    const upload = await begin(client, name, { ChecksumAlgorithm: upper(name) })
    const list = await sendParts(upload, name)
    const expected = composite(name, [first, last])
    const done = await upload.complete(list, { ChecksumType: 'COMPOSITE', [member(name)]: expected })
    assert.deepEqual([done[member(name)], done.ChecksumType], [expected, 'COMPOSITE'])
    const at = { Bucket, Key: name, ChecksumMode: 'ENABLED' as const }
    const head = await client.send(new HeadObjectCommand(at))
    assert.deepEqual([head[member(name)], head.ChecksumType], [expected, 'COMPOSITE'])
    const { Body } = await client.send(new GetObjectCommand(at))
    assert.equal((await Body!.transformToByteArray()).length, whole.length)
    const part = await client.send(new HeadObjectCommand({ ...at, PartNumber: 2 }))
    assert.equal(part[member(name)], checksumOf(name, last))
    const { checksums, checksumType } = (await s3.object(Bucket, name))!
    assert.deepEqual([checksums, checksumType], [{ [name]: expected }, 'COMPOSITE'])
  }
  const { Contents } = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'sha256' }))
  assert.deepEqual([Contents?.[0]?.ChecksumAlgorithm, Contents?.[0]?.ChecksumType], [['SHA256'], 'COMPOSITE'])
})

test('full-object checksums', async () => {
  for (const name of ['crc32', 'crc32c', 'crc64nvme'] as const) {
    const upload = await begin(client, `full-${name}`, {
      ChecksumAlgorithm: upper(name),
      ...(name === 'crc64nvme' ? {} : { ChecksumType: 'FULL_OBJECT' }),
    })
    const list = await sendParts(upload, name, false)
    const expected = checksumOf(name, whole)
    const other = { [member(name)]: checksumOf(name, last) }
    await rejects(upload.complete(list, { ChecksumType: 'FULL_OBJECT', ...other }), 'BadDigest', 400)
    await rejects(upload.complete(list, { [member(name)]: 'AAA=' }), 'InvalidRequest', 400)
    await rejects(upload.complete(list, { ChecksumType: 'COMPOSITE' }), 'InvalidRequest', 400)
    const another = name === 'crc32' ? 'crc32c' : 'crc32'
    const elsewhere = { [member(another)]: checksumOf(another, whole) }
    await rejects(upload.complete(list, elsewhere), 'InvalidRequest', 400)
    const done = await upload.complete(list, { ChecksumType: 'FULL_OBJECT', [member(name)]: expected })
    assert.deepEqual([done[member(name)], done.ChecksumType], [expected, 'FULL_OBJECT'])
    // The SDK verifies it while it reads.
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: `full-${name}` }))
    assert.equal((await Body!.transformToByteArray()).length, whole.length)
  }
})

test('without an algorithm an object gets its CRC64NVME, and its parts may bring what they like', async () => {
  const upload = await begin(client, 'default')
  const one = await upload.part(1, first, { ChecksumAlgorithm: 'SHA1' })
  const two = await upload.part(2, last)
  assert.deepEqual([one.ChecksumSHA1, two.ChecksumCRC32], [checksumOf('sha1', first), checksumOf('crc32', last)])
  const list = [one, two].map(({ ETag }, i) => ({ PartNumber: i + 1, ETag: ETag! }))
  // As servers answer it: the list names checksums that were not announced.
  const named = [{ ...list[0]!, ChecksumSHA1: one.ChecksumSHA1! }, list[1]!]
  await rejects(upload.complete(named), 'InvalidPart', 400)
  const wrong = { ChecksumCRC64NVME: checksumOf('crc64nvme', last) }
  await rejects(upload.complete(list, wrong), 'BadDigest', 400)
  const expected = checksumOf('crc64nvme', whole)
  const done = await upload.complete(list, { ChecksumCRC64NVME: expected })
  assert.deepEqual([done.ChecksumCRC64NVME, done.ChecksumType], [expected, 'FULL_OBJECT'])
})

test('what the server did not compute it computes where a request brings it', async () => {
  const fast = await startS3({ buckets: [Bucket], verifyPayload: false })
  const own = new S3Client(fast.clientConfig)
  const upload = await begin(own, 'a')
  const list = []
  for (const [i, body] of [first, last].entries()) {
    list.push({ PartNumber: i + 1, ETag: (await upload.part(i + 1, body)).ETag! })
  }
  await rejects(upload.complete(list, { ChecksumCRC64NVME: checksumOf('crc64nvme', last) }), 'BadDigest', 400)
  const done = await upload.complete(list, { ChecksumCRC64NVME: checksumOf('crc64nvme', whole) })
  assert.equal(done.ChecksumType, undefined)
  own.destroy()
  await fast.close()
})

test('an announced checksum must come with each part, and each must be right', async () => {
  const upload = await begin(client, 'strict', { ChecksumAlgorithm: 'SHA256' })
  await rejects(upload.part(1, last, { ChecksumAlgorithm: 'CRC32' }), 'InvalidRequest', 400)
  await rejects(upload.part(1, last, { ChecksumSHA256: checksumOf('sha256', first) }), 'BadDigest', 400)
  const path = `/bucket/strict?partNumber=1&uploadId=${upload.id}`
  assert.equal((await send(s3, { method: 'PUT', path, body: 'x' })).code, 'InvalidRequest')
  const chunked = (value: string): Promise<{ code: string | undefined; status: number }> =>
    send(s3, {
      method: 'PUT',
      path,
      payloadHash: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
      headers: { 'x-amz-decoded-content-length': '10', 'x-amz-trailer': 'x-amz-checksum-sha256' },
      body: chunks([10], { 'x-amz-checksum-sha256': value }),
    })
  assert.equal((await chunked(checksumOf('sha256', last))).code, 'BadDigest')
  assert.deepEqual(s3.uploads(Bucket)[0]?.parts, [])
  const right = checksumOf('sha256', Buffer.from('a'.repeat(10)))
  assert.equal((await chunked(right)).status, 200)
  const [part] = s3.uploads(Bucket)[0]!.parts
  const one = { PartNumber: 1, ETag: part!.etag }
  await rejects(upload.complete([one]), 'InvalidRequest', 400)
  await rejects(upload.complete([{ ...one, ChecksumSHA256: checksumOf('sha256', last) }]), 'InvalidPart', 400)
  await rejects(upload.complete([{ ...one, ChecksumSHA256: right, ChecksumCRC32: 'AAAAAA==' }]), 'InvalidPart', 400)
  await upload.complete([{ ...one, ChecksumSHA256: right }])
})

test('with announced checksums the parts are 1, 2, 3, …', async () => {
  const upload = await begin(client, 'gap', { ChecksumAlgorithm: 'CRC32' })
  const list = []
  for (const [number, body] of [
    [1, first],
    [3, last],
  ] as const) {
    const { ETag, ChecksumCRC32 } = await upload.part(number, body)
    list.push({ PartNumber: number, ETag: ETag!, ChecksumCRC32: ChecksumCRC32! })
  }
  await rejects(upload.complete(list), 'InvalidPartOrder', 400)
  await rejects(upload.complete(list.slice(1)), 'InvalidPartOrder', 400)
  await upload.complete(list.slice(0, 1))
})

test('algorithms and types that do not fit are refused when the upload is created', async () => {
  const create = (more: object): Promise<unknown> => begin(client, 'no', more)
  await rejects(create({ ChecksumType: 'FULL_OBJECT' }), 'InvalidRequest', 400)
  await rejects(create({ ChecksumAlgorithm: 'MD5' }), 'InvalidRequest', 400)
  await rejects(create({ ChecksumAlgorithm: 'SHA1', ChecksumType: 'FULL_OBJECT' }), 'InvalidRequest', 400)
  await rejects(create({ ChecksumAlgorithm: 'SHA256', ChecksumType: 'FULL_OBJECT' }), 'InvalidRequest', 400)
  await rejects(create({ ChecksumAlgorithm: 'CRC64NVME', ChecksumType: 'COMPOSITE' }), 'InvalidRequest', 400)
  await rejects(create({ ChecksumAlgorithm: 'CRC32', ChecksumType: 'OTHER' }), 'InvalidRequest', 400)
})

test('Upload with each algorithm of lib-storage', async () => {
  for (const name of ['CRC32C', 'SHA256'] as const) {
    const params = { Bucket, Key: `upload-${name}`, Body: whole, ChecksumAlgorithm: name }
    const done = await new Upload({ client, params }).done()
    const algorithm = name.toLowerCase() as S3ChecksumAlgorithm
    assert.equal(done[member(algorithm)], composite(algorithm, [first, last]))
  }
})

test('CRCs of parts combine to that of the whole', () => {
  const bytes = Buffer.from('The quick brown fox jumps over the lazy dog')
  for (const name of ['crc32', 'crc32c', 'crc64nvme'] as const) {
    for (const cuts of [[0], [43], [1, 2], [9, 9, 30], [5, 40]]) {
      const parts = [0, ...cuts].map((start, i) => bytes.subarray(start, cuts[i]))
      const known = parts.map((part) => ({ checksum: checksumOf(name, part), size: part.length }))
      assert.equal(combineCrcs(name, known), checksumOf(name, bytes), `${name} cut at ${cuts.join()}`)
    }
  }
  assert.throws(() => combineCrcs('sha1', []), TypeError)
})
