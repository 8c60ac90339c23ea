import assert from 'node:assert/strict'
import test from 'node:test'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  ListPartsCommand,
  S3Client,
  UploadPartCommand,
  type CompletedPart,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { startS3, type S3Server } from 's3-cse/testing'
import { begin, Bucket, data, first, last, PART, rejects, second } from './s3-multipart-support.js'
import { send, type Raw } from './s3-raw.js'

const s3: S3Server = await startS3({ buckets: [Bucket, 'other'] })
const client = new S3Client({ ...s3.clientConfig, maxAttempts: 2 })
test.after(async () => {
  client.destroy()
  await s3.close()
})

test('part numbers are 1 to 10,000', async () => {
  const upload = await begin(client, 'numbers')
  for (const number of [0, -1, 10_001]) {
    await rejects(upload.part(number, 'x'), 'InvalidArgument', 400, { ArgumentValue: number })
  }
  const raw = (partNumber: string): Promise<{ code: string | undefined; status: number }> =>
    send(s3, { method: 'PUT', path: `/bucket/numbers?partNumber=${partNumber}&uploadId=${upload.id}`, body: 'x' })
  for (const number of ['', 'x', '1.5', '1e3']) assert.equal((await raw(number)).code, 'InvalidArgument', number)
  assert.equal((await raw('10000')).status, 200)
  await upload.abort()
})

test('an upload is known by its bucket, key and id together', async () => {
  const { id, key, ...upload } = await begin(client, 'mine')
  const one = { PartNumber: 1, ETag: (await upload.part(1, 'x')).ETag! }
  const mine = { Bucket, Key: key, UploadId: id }
  const unknown = { ...mine, UploadId: `${id.slice(0, -1)}${id.endsWith('a') ? 'b' : 'a'}` }
  for (const other of [{ ...mine, Bucket: 'other' }, { ...mine, Key: 'other' }, unknown]) {
    const MultipartUpload = { Parts: [one] }
    await rejects(client.send(new UploadPartCommand({ ...other, PartNumber: 1, Body: 'x' })), 'NoSuchUpload', 404)
    const complete = client.send(new CompleteMultipartUploadCommand({ ...other, MultipartUpload }))
    await rejects(complete, 'NoSuchUpload', 404)
    await rejects(client.send(new ListPartsCommand(other)), 'NoSuchUpload', 404)
    await rejects(client.send(new AbortMultipartUploadCommand(other)), 'NoSuchUpload', 404)
  }
  assert.deepEqual(s3.uploads(Bucket)[0]?.parts.length, 1)
  await upload.complete([one])
  assert.deepEqual(s3.keys('other'), [])
  assert.throws(() => s3.uploads('none'), { code: 'NoSuchBucket' })
})

test('the list of parts must be well formed, ascending and true', async () => {
  const upload = await begin(client, 'list')
  const [one, two] = [await upload.part(1, first), await upload.part(2, second)].map(({ ETag }, i) => ({
    PartNumber: i + 1,
    ETag: ETag!,
  }))
  assert.ok(one !== undefined && two !== undefined)
  const refused: [CompletedPart[], string, object?][] = [
    [[], 'MalformedXML'],
    [[{ PartNumber: 1 }], 'MalformedXML'],
    [[two, one], 'InvalidPartOrder'],
    [[one, one], 'InvalidPartOrder'],
    [[one, { ...two, PartNumber: 3 }], 'InvalidPart', { PartNumber: 3 }],
    [[one, { ...two, ETag: one.ETag }], 'InvalidPart', { PartNumber: 2, UploadId: upload.id }],
    [[{ ...one, PartNumber: 0 }], 'InvalidArgument'],
  ]
  for (const [list, name, more] of refused) await rejects(upload.complete(list), name, 400, more)
  const post = async (body: string, more: Partial<Raw> = {}): Promise<string | undefined> =>
    (await send(s3, { method: 'POST', path: `/bucket/list?uploadId=${upload.id}`, body, ...more })).code
  const part = `<Part><PartNumber>1</PartNumber><ETag>${one.ETag}</ETag></Part>`
  assert.equal(await post(''), 'MalformedXML')
  assert.equal(await post('<CompleteMultipartUpload>'), 'MalformedXML')
  assert.equal(await post(`<Other>${part}</Other>`), 'MalformedXML')
  assert.equal(await post(`<CompleteMultipartUpload><P/>${part}</CompleteMultipartUpload>`), 'MalformedXML')
  const number = part.replace('>1<', '>one<')
  assert.equal(await post(`<CompleteMultipartUpload>${number}</CompleteMultipartUpload>`), 'MalformedXML')
  const many = Array.from({ length: 10_001 }, (_, i) => part.replace('>1<', `>${i + 1}<`)).join('')
  assert.equal(await post(`<CompleteMultipartUpload>${many}</CompleteMultipartUpload>`), 'MalformedXML')
  assert.ok(!s3.keys(Bucket).includes('list'))
  await upload.complete([one, two])
})

test('every part but the last has at least 5 MiB', async () => {
  const upload = await begin(client, 'small')
  const list: CompletedPart[] = []
  for (const [i, body] of [first, first.subarray(1), last].entries()) {
    list.push({ PartNumber: i + 1, ETag: (await upload.part(i + 1, body)).ETag! })
  }
  await rejects(upload.complete(list), 'EntityTooSmall', 400, {
    ProposedSize: PART - 1,
    MinSizeAllowed: PART,
    PartNumber: 2,
    ETag: list[1]?.ETag?.replaceAll('"', ''),
  })
  assert.equal(s3.uploads(Bucket)[0]?.parts.length, 3)
  await upload.complete(list.slice(0, 2))
})

test('x-amz-mp-object-size is the sum of the parts', async () => {
  const upload = await begin(client, 'size')
  const list = [
    { PartNumber: 1, ETag: (await upload.part(1, first)).ETag! },
    { PartNumber: 2, ETag: (await upload.part(2, last)).ETag! },
  ]
  await rejects(upload.complete(list, { MpuObjectSize: PART + 999 }), 'InvalidRequest', 400)
  await upload.complete(list, { MpuObjectSize: PART + 1000 })
})

test('conditions hold when the upload is completed', async () => {
  const complete = async (more: object): Promise<unknown> => {
    const upload = await begin(client, 'conditional')
    return upload.complete([{ PartNumber: 1, ETag: (await upload.part(1, 'x')).ETag! }], more)
  }
  await rejects(complete({ IfMatch: '"a"' }), 'NoSuchKey', 404)
  await complete({ IfNoneMatch: '*' })
  const { etag } = (await s3.object(Bucket, 'conditional'))!
  await rejects(complete({ IfNoneMatch: '*' }), 'PreconditionFailed', 412)
  await rejects(complete({ IfMatch: '"a"' }), 'PreconditionFailed', 412)
  assert.equal(s3.uploads(Bucket).length, 3, 'an upload that was refused can be completed later')
  await complete({ IfMatch: etag })
})

test('metadata, storage class and unknown headers are checked when the upload is created', async () => {
  const Metadata = { a: 'x'.repeat(2048) }
  await rejects(begin(client, 'm', { Metadata }), 'MetadataTooLarge', 400)
  await rejects(begin(client, 'm', { ObjectLockLegalHoldStatus: 'ON' }), 'InvalidRequest', 400)
  await rejects(begin(client, 'm', { StorageClass: 'NOPE' as 'STANDARD' }), 'InvalidStorageClass', 400)
  const accepted = await begin(client, 'm', { RequestPayer: 'requester', ExpectedBucketOwner: '123456789012' })
  const requester = { RequestPayer: 'requester', ExpectedBucketOwner: '123456789012' } as const
  const { ETag } = await accepted.part(1, 'x', requester)
  await rejects(accepted.part(2, 'x', { ExpectedBucketOwner: '210987654321' }), 'AccessDenied', 403)
  await accepted.complete([{ PartNumber: 1, ETag: ETag! }], requester)
  const post = await send(s3, { method: 'POST', path: '/bucket/m?other' })
  assert.equal(post.code, 'NotImplemented')
})

test('a part needs its length, 5 GiB at most, and may be chunked', async () => {
  const upload = await begin(client, 'length')
  const path = `/bucket/length?partNumber=1&uploadId=${upload.id}`
  const payloadHash = 'UNSIGNED-PAYLOAD'
  const none = await send(s3, { method: 'PUT', path, payloadHash, body: 'x', chunkedTransfer: true })
  assert.equal(none.code, 'MissingContentLength')
  const huge = { 'content-length': String(5 * 1024 ** 3 + 1), expect: '100-continue' }
  assert.equal((await send(s3, { method: 'PUT', path, payloadHash, headers: huge })).code, 'EntityTooLarge')
  assert.equal(
    (await send(s3, { method: 'PUT', path, body: 'x', payloadHash: 'a'.repeat(64) })).code,
    'XAmzContentSHA256Mismatch',
  )
  assert.deepEqual(s3.uploads(Bucket).find(({ key }) => key === 'length')?.parts, [])
})

test('faults, hooks and records work for the parts of an upload', async () => {
  s3.requests.length = 0
  const isPart = (number: string) => (request: { operation: string; query: Readonly<Record<string, string>> }) =>
    request.operation === 'UploadPart' && request.query.partNumber === number
  s3.fail({ match: isPart('2'), status: 503 }, { match: isPart('1'), reset: { afterRequestBytes: 1000 } })
  s3.fail({ match: ({ operation }) => operation === 'CompleteMultipartUpload', status: 200, code: 'InternalError' })
  const params = { Bucket, Key: 'faults', Body: data }
  await new Upload({ client, params, partSize: PART }).done()
  assert.ok(data.equals((await s3.object(Bucket, 'faults'))!.body))
  const parts = s3.requests.filter(({ operation }) => operation === 'UploadPart')
  const seen = parts.map(({ query, attempt, status }) => [query.partNumber, attempt, status] as const).sort()
  assert.deepEqual(seen, [
    ['1', 1, undefined],
    ['1', 2, 200],
    ['2', 1, 503],
    ['2', 2, 200],
    ['3', 1, 200],
  ])
  const completes = s3.requests.filter(({ operation }) => operation === 'CompleteMultipartUpload')
  assert.deepEqual(
    completes.map(({ errorCode, status }) => [errorCode, status]),
    [
      ['InternalError', 200],
      [undefined, 200],
    ],
  )
  assert.match(new TextDecoder().decode(completes[0]?.body), /<CompleteMultipartUpload/)
  // Its checksum headers are about the object: the body is read and recorded all the same.
  const upload = await begin(client, 'faults')
  const list = [{ PartNumber: 1, ETag: 'x' }]
  s3.fail({ match: ({ operation }) => operation === 'CompleteMultipartUpload', status: 400 })
  await rejects(upload.complete(list, { ChecksumType: 'COMPOSITE' }), 'InjectedFault', 400)
  assert.match(new TextDecoder().decode(s3.requests.at(-1)?.body), /<CompleteMultipartUpload/)
  await upload.abort()
})

test('tamper and lying reads of a multipart object', async () => {
  await s3.tamper(Bucket, 'faults', ({ body }) => ({ body: body.fill(0, PART, PART + 10) }), { keepChecksums: true })
  const rotten = (await s3.object(Bucket, 'faults'))!
  assert.deepEqual(rotten.partSizes, [PART, PART, 1000])
  assert.match(rotten.etag, /-3"$/)
  await s3.tamper(Bucket, 'faults', () => ({ body: new Uint8Array(3) }))
  const changed = (await s3.object(Bucket, 'faults'))!
  assert.deepEqual([changed.partSizes, changed.checksumType, changed.size], [undefined, 'FULL_OBJECT', 3])
  assert.doesNotMatch(changed.etag, /-/)
})

test('random ETags of parts and objects', async () => {
  const fast = await startS3({ buckets: [Bucket], etag: 'random', verifyPayload: false })
  const own = new S3Client(fast.clientConfig)
  const params = { Bucket, Key: 'a', Body: data.subarray(0, PART + 1) }
  const { ETag } = await new Upload({ client: own, params, partSize: PART }).done()
  assert.match(ETag ?? '', /^"[0-9a-f]{32}-2"$/)
  const upload = await begin(own, 'b')
  const done = await upload.complete([{ PartNumber: 1, ETag: (await upload.part(1, 'x')).ETag! }])
  assert.match(done.ETag ?? '', /^"[0-9a-f]{32}-1"$/)
  assert.deepEqual((await fast.object(Bucket, 'b'))!.checksums, {})
  own.destroy()
  await fast.close()
})
