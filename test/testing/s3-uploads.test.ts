import assert from 'node:assert/strict'
import test from 'node:test'
import { createHash } from 'node:crypto'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { startS3, type S3Server } from 's3-cse/testing'
import { checksumOf } from '../../src/testing/s3-checksums.js'
import { chunks, send, sha256, signed, signedChunks, type Raw, type RawAnswer } from './s3-raw.js'

const s3: S3Server = await startS3({ buckets: ['bucket'] })
test.after(() => s3.close())

const crc32 = (text: string): string => checksumOf('crc32', Buffer.from(text))
const put = (raw: Partial<Raw>): Promise<RawAnswer> => send(s3, { method: 'PUT', path: '/bucket/refused', ...raw })
/** Sends, expects this error, and that nothing is stored. */
async function refused(raw: Partial<Raw>, code: string, status = 400): Promise<RawAnswer> {
  const answer = await put(raw)
  assert.deepEqual([answer.code, answer.status], [code, status])
  assert.equal(await s3.object('bucket', 'refused'), undefined)
  assert.equal(s3.requests.at(-1)?.errorCode, code)
  assert.equal(s3.requests.at(-1)?.status, status)
  return answer
}
const unsigned = (decoded: number, body: Buffer, headers: Record<string, string> = {}): Partial<Raw> => ({
  payloadHash: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
  headers: {
    'content-encoding': 'aws-chunked',
    'x-amz-decoded-content-length': String(decoded),
    'x-amz-trailer': 'x-amz-checksum-crc32',
    ...headers,
  },
  body,
})
const trailer = (length: number): Record<string, string> => ({ 'x-amz-checksum-crc32': crc32('a'.repeat(length)) })

test('the payload hash is verified', async () => {
  await refused({ body: 'hello', payloadHash: sha256('other') }, 'XAmzContentSHA256Mismatch')
  await refused({ body: 'hello', payloadHash: 'nonsense' }, 'InvalidArgument')
  assert.equal((await put({ path: '/bucket/ok', body: 'hello' })).status, 200)
  assert.equal((await put({ path: '/bucket/ok', body: 'hello', payloadHash: 'UNSIGNED-PAYLOAD' })).status, 200)
})

test('Content-MD5 is verified', async () => {
  const md5 = (text: string): string => createHash('md5').update(text).digest('base64')
  await refused({ body: 'hello', headers: { 'content-md5': md5('other') } }, 'BadDigest')
  await refused({ body: 'hello', headers: { 'content-md5': 'AAAA' } }, 'InvalidDigest')
  assert.equal((await put({ path: '/bucket/ok', body: 'hello', headers: { 'content-md5': md5('hello') } })).status, 200)
})

test('checksum headers are verified, one at most', async () => {
  for (const name of ['crc32', 'crc32c', 'crc64nvme', 'sha1', 'sha256'] as const) {
    const header = `x-amz-checksum-${name}`
    await refused({ body: 'hello', headers: { [header]: checksumOf(name, Buffer.from('other')) } }, 'BadDigest')
    await refused({ body: 'hello', headers: { [header]: 'AAA=' } }, 'InvalidRequest')
    const right = { [header]: checksumOf(name, Buffer.from('hello')) }
    assert.equal((await put({ path: '/bucket/ok', body: 'hello', headers: right })).headers[header], right[header])
  }
  const one = { 'x-amz-checksum-crc32': crc32('hello') }
  const two = { ...one, 'x-amz-checksum-sha1': checksumOf('sha1', Buffer.from('hello')) }
  await refused({ body: 'hello', headers: two }, 'InvalidRequest')
  await refused({ body: 'hello', headers: { ...one, 'x-amz-checksum-type': 'COMPOSITE' } }, 'InvalidRequest')
  await refused({ body: 'hello', headers: { ...one, 'x-amz-sdk-checksum-algorithm': 'SHA1' } }, 'InvalidRequest')
  await refused({ body: 'hello', headers: { 'x-amz-sdk-checksum-algorithm': 'CRC32' } }, 'InvalidRequest')
  await refused({ body: 'hello', headers: { 'x-amz-checksum-xxhash64': 'AAAAAAAAAAA=' } }, 'NotImplemented', 501)
})

test('unsigned chunks with a trailer are decoded and recorded', async () => {
  const body = chunks([8192, 10], trailer(8202))
  const answer = await put({ path: '/bucket/chunked', ...unsigned(8202, body) })
  assert.equal(answer.status, 200)
  const record = s3.requests.at(-1)
  assert.deepEqual(record?.chunkSizes, [8192, 10, 0])
  assert.deepEqual(record.trailers, trailer(8202))
  assert.deepEqual([record.bodyLength, record.body?.length], [8202, 8202])
  const stored = await s3.object('bucket', 'chunked')
  assert.equal(Buffer.from(stored!.body).toString(), 'a'.repeat(8202))
  assert.equal(stored?.headers['content-encoding'], undefined)
})

test('chunks may be cut anywhere on the way', async () => {
  const body = chunks([8192, 8200, 3], trailer(16395))
  const raw = { method: 'PUT', path: '/bucket/cut', ...unsigned(16395, body) }
  const { headers } = signed(s3, raw)
  const head = Object.entries({ ...headers, 'content-length': String(body.length), connection: 'close' })
  const { port } = new URL(s3.endpoint)
  const socket = connect(Number(port), '127.0.0.1').setNoDelay()
  socket.write(`PUT /bucket/cut HTTP/1.1\r\n${head.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`)
  const cuts = [1, 5, 6, 8197, 8198, 8199, 8200, body.length - 30, body.length - 3, body.length - 1, body.length]
  let from = 0
  for (const to of cuts) {
    socket.write(body.subarray(from, to))
    from = to
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  const parts: Buffer[] = []
  for await (const part of socket) parts.push(part as Buffer)
  assert.match(Buffer.concat(parts).toString(), /^HTTP\/1.1 200 /)
  assert.equal((await s3.object('bucket', 'cut'))?.size, 16395)
})

test('only the last chunk may be under 8192 bytes', async () => {
  const answer = await refused(unsigned(8202, chunks([10, 8192], trailer(8202))), 'InvalidChunkSizeError', 403)
  assert.match(answer.text, /<Chunk>1<\/Chunk><BadChunkSize>10<\/BadChunkSize>/)
  await refused(unsigned(16383, chunks([8192, 8191, 0 + 8192], trailer(16383))), 'InvalidChunkSizeError', 403)
  assert.equal((await put({ path: '/bucket/ok', ...unsigned(1, chunks([1], trailer(1))) })).status, 200)
  assert.equal((await put({ path: '/bucket/ok', ...unsigned(0, chunks([], trailer(0))) })).status, 200)
})

test('an SDK stream of small pieces is refused with InvalidChunkSizeError', async () => {
  const client = new S3Client(s3.clientConfig)
  const Body = Readable.from([Buffer.alloc(100), Buffer.alloc(100)])
  await assert.rejects(
    client.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'refused', Body, ContentLength: 200 })),
    {
      name: 'InvalidChunkSizeError',
    },
  )
  client.destroy()
})

test('the decoded length must be right', async () => {
  await refused(unsigned(11, chunks([10], trailer(10))), 'IncompleteBody')
  const longer = await refused(unsigned(9, chunks([10], trailer(10))), 'IncompleteBody')
  assert.match(longer.text, /longer than its declared length/)
  await refused(unsigned(10, chunks([10], trailer(10)), { 'x-amz-decoded-content-length': 'x' }), 'InvalidArgument')
})

test('the framing must be right to the last byte', async () => {
  const good = chunks([10], trailer(10)).toString()
  const broken = [
    good.slice(0, -2), // the empty line at the end
    good.slice(0, 8), // in the middle of the chunk
    good.replace('a\r\n', 'b\r\n'), // too long a size
    good.replace('a\r\n', '9\r\n'), // too short a size
    good.replace('a\r\n', 'z\r\n'),
    good.replace('a\r\n', `a;chunk-signature=${'0'.repeat(64)}\r\n`),
    `${good}more`,
  ]
  for (const text of broken) await refused(unsigned(10, Buffer.from(text)), 'IncompleteBody')
  const overlong = await refused(unsigned(9, Buffer.from(good.replace('a\r\n', '9\r\n'))), 'IncompleteBody')
  assert.match(overlong.text, /longer than its header says/)
  assert.match((await refused(unsigned(10, Buffer.alloc(5000, '0')), 'IncompleteBody')).text, /too long/)
  await refused(unsigned(10, chunks([10], {})), 'MalformedTrailerError')
  await refused(unsigned(10, chunks([10], { ...trailer(10), 'x-other': '1' })), 'MalformedTrailerError')
  await refused(unsigned(10, chunks([10], { 'x-amz-checksum-sha1': 'x' })), 'MalformedTrailerError')
  await refused(unsigned(10, Buffer.from(good.replace('crc32:', 'crc32;'))), 'MalformedTrailerError')
})

test('checksums in trailers are verified, and do not mix with headers', async () => {
  await refused(unsigned(10, chunks([10], trailer(11))), 'BadDigest')
  await refused(unsigned(10, chunks([10], { 'x-amz-checksum-crc32': 'AAA=' })), 'InvalidRequest')
  const both = { 'x-amz-checksum-sha1': checksumOf('sha1', Buffer.from('a'.repeat(10))) }
  await refused(unsigned(10, chunks([10], trailer(10)), both), 'InvalidRequest')
  await refused(unsigned(10, chunks([10], trailer(10)), { 'x-amz-trailer': '' }), 'InvalidRequest')
  await refused({ body: 'hello', headers: { 'x-amz-trailer': 'x-amz-checksum-crc32' } }, 'InvalidRequest')
})

test('chunk signatures are verified, with and without a trailer', async () => {
  const parts = ['a'.repeat(8192), 'b'.repeat(8192), 'tail']
  const decoded = { 'x-amz-decoded-content-length': String(parts.join('').length) }
  const plain: Partial<Raw> = { payloadHash: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD', headers: decoded }
  const withTrailer: Partial<Raw> = {
    payloadHash: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
    headers: { ...decoded, 'x-amz-trailer': 'x-amz-checksum-crc32' },
  }
  const sum = { 'x-amz-checksum-crc32': crc32(parts.join('')) }
  const make =
    (trailers: Record<string, string>, change: (text: string) => string): NonNullable<Raw['makeBody']> =>
    (scope, seed) =>
      Buffer.from(change(signedChunks(scope, seed, parts, trailers).toString()))
  const same = (text: string): string => text
  assert.equal((await put({ path: '/bucket/signed', ...plain, makeBody: make({}, same) })).status, 200)
  assert.equal(Buffer.from((await s3.object('bucket', 'signed'))!.body).toString(), parts.join(''))
  assert.equal((await put({ path: '/bucket/ok', ...withTrailer, makeBody: make(sum, same) })).status, 200)
  const flip = (text: string): string => text.replace('bbbb', 'bbbc')
  await refused({ ...plain, makeBody: make({}, flip) }, 'SignatureDoesNotMatch', 403)
  const order = (text: string): string => text.replace('tail', 'liat')
  await refused({ ...plain, makeBody: make({}, order) }, 'SignatureDoesNotMatch', 403)
  const last = (text: string): string => text.replace(/(\r\n0;chunk-signature=)[0-9a-f]{4}/, '$10000')
  await refused({ ...plain, makeBody: make({}, last) }, 'SignatureDoesNotMatch', 403)
  const trailerSignature = (text: string): string => text.replace(/(trailer-signature:)[0-9a-f]{4}/, '$10000')
  await refused({ ...withTrailer, makeBody: make(sum, trailerSignature) }, 'SignatureDoesNotMatch', 403)
  const noTrailerSignature = (text: string): string => text.replace(/x-amz-trailer-signature:.*\r\n/, '')
  await refused({ ...withTrailer, makeBody: make(sum, noTrailerSignature) }, 'SignatureDoesNotMatch', 403)
  const bare = (text: string): string => text.replace(/;chunk-signature=[0-9a-f]+/g, '')
  await refused({ ...plain, makeBody: make({}, bare) }, 'IncompleteBody')
})

test('verifyPayload: false skips payload hash and chunk signatures, not checksums', async () => {
  const lax = await startS3({ buckets: ['bucket'], verifyPayload: false, etag: 'random' })
  const base = { method: 'PUT', path: '/bucket/a', body: 'hello' }
  const first = await send(lax, { ...base, payloadHash: sha256('other') })
  assert.equal(first.status, 200)
  assert.match(first.headers.etag ?? '', /^"[0-9a-f]{32}"$/)
  assert.notEqual((await send(lax, base)).headers.etag, first.headers.etag)
  const wrong = await send(lax, { ...base, headers: { 'x-amz-checksum-crc32': 'AAAAAA==' } })
  assert.equal(wrong.code, 'BadDigest')
  const md5 = await send(lax, { ...base, headers: { 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' } })
  assert.equal(md5.code, 'BadDigest')
  await lax.close()
})

test('a length is needed', async () => {
  await refused({ body: 'hello', chunkedTransfer: true }, 'MissingContentLength', 411)
  const rest = { 'x-amz-trailer': 'x-amz-checksum-crc32' }
  await refused({ ...unsigned(10, chunks([10], trailer(10))), headers: rest }, 'MissingContentLength', 411)
  const transfer = { ...unsigned(10, chunks([10], trailer(10))), chunkedTransfer: true }
  assert.equal((await put({ path: '/bucket/ok', ...transfer })).status, 200)
})

test('more than 5 GiB is refused by its declared length, before the body is sent', async () => {
  const headers = { 'content-length': String(5 * 1024 ** 3 + 1), expect: '100-continue' }
  await refused({ headers, payloadHash: 'UNSIGNED-PAYLOAD' }, 'EntityTooLarge')
  assert.equal(s3.requests.at(-1)?.bodyLength, 0)
})

test('Expect: 100-continue is answered, unless the request is refused anyway', async () => {
  const headers = { expect: '100-continue', 'content-length': '5' }
  assert.equal((await put({ path: '/bucket/expected', body: 'hello', headers })).status, 200)
  assert.equal((await s3.object('bucket', 'expected'))?.size, 5)
  const answer = await put({ path: '/none/a', body: 'hello', headers: { ...headers, connection: 'keep-alive' } })
  assert.deepEqual([answer.code, answer.headers.connection], ['NoSuchBucket', 'close'])
  assert.equal(s3.requests.at(-1)?.bodyLength, 0)
})

test('an upload that breaks off stores nothing', async () => {
  for (const length of [1000, 6 * 1024 * 1024]) {
    const raw: Raw = { method: 'PUT', path: '/bucket/refused', payloadHash: 'UNSIGNED-PAYLOAD' }
    const { headers } = signed(s3, raw)
    const head = Object.entries({ ...headers, 'content-length': String(length) })
    const socket = connect(Number(new URL(s3.endpoint).port), '127.0.0.1')
    socket.write(`PUT /bucket/refused HTTP/1.1\r\n${head.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`)
    socket.write(Buffer.alloc(length - 1))
    const at = s3.requests.length
    while ((s3.requests[at]?.bodyLength ?? 0) < length - 1) await new Promise((resolve) => setTimeout(resolve, 5))
    socket.destroy()
    // The server's next answer comes after it has seen the end.
    await put({ path: '/bucket/ok', body: 'x' })
    assert.equal(await s3.object('bucket', 'refused'), undefined)
    assert.equal(s3.requests[at]?.status, undefined)
  }
})

test('a failed upload leaves what was there before', async () => {
  await put({ path: '/bucket/before', body: 'first' })
  const answer = await put({ path: '/bucket/before', body: 'second', headers: { 'x-amz-checksum-crc32': 'AAAAAA==' } })
  assert.equal(answer.code, 'BadDigest')
  assert.equal(Buffer.from((await s3.object('bucket', 'before'))!.body).toString(), 'first')
})
