// CreateMultipartUpload, UploadPart and CompleteMultipartUpload by hand: parts in any order, again, and wrong.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { beforeEach, describe, it } from 'node:test'
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { FetchHttpHandler } from '@smithy/fetch-http-handler'

import { encryptionInfo, requestOptions } from '../../src/index.js'
import { checksumOf } from '../../src/testing/s3-checksums.js'
import { versions } from '../attacks/support.js'
import { code } from '../support/errors.js'
import { Bucket, read, world } from '../support/world.js'
import { assertStored, begin, existing, MIB, PART, plaintext, recordingKeyring } from './multipart-support.js'

const w = await world({ etag: 'random', verifyPayload: false, recordBodyBytes: 0 })
const recording = recordingKeyring()
const client = w.client({ keyring: recording }, { maxAttempts: 1 })
const state = (message?: RegExp) => code('ERR_S3CSE_UPLOAD_STATE', message)

const total = plaintext(2 * PART + 300)
const [first, second, last] = [total.subarray(0, PART), total.subarray(PART, 2 * PART), total.subarray(2 * PART)]
const partSize = { partSize: PART }

beforeEach(() => {
  w.s3.requests.length = 0
  w.s3.faults.length = 0
  recording.dataKeys.length = 0
})

/** Nothing reaches S3 while this runs. */
async function silently(step: () => Promise<unknown>): Promise<void> {
  w.s3.requests.length = 0
  await step()
  assert.deepEqual(
    w.s3.requests.map(({ operation }) => operation),
    [],
  )
}

describe('parts in any order', () => {
  for (const [version, commitmentPolicy] of versions) {
    it(`${version}, with a partSize: the short last part first`, async () => {
      const client = w.client({ keyring: recording, commitmentPolicy })
      const upload = await begin(client, 'any', {}, partSize)
      await upload.part(3, last)
      await upload.part(2, second)
      await upload.part(1, first)
      const output = await upload.complete()
      await assertStored(w, 'any', recording.dataKeys[0], total)
      assert.deepEqual((await w.stored('any')).partSizes, [PART, PART, 316])
      assert.equal(encryptionInfo(output)?.envelope?.version, version)
      assert.ok((await read(client, 'any')).equals(total))
    })
  }

  it('without a partSize: those that come early wait for the lengths of those before', async () => {
    const upload = await begin(client, 'early')
    await Promise.all([upload.part(3, last), upload.part(1, first), upload.part(2, second)])
    await upload.complete()
    await assertStored(w, 'early', recording.dataKeys[0], total)
  })

  it('without a partSize, and alone: an error after uploadPartWait, and the part can be sent later', async () => {
    const client = w.client({ keyring: recording, uploadPartWait: 20 })
    const upload = await begin(client, 'late')
    await silently(() => assert.rejects(upload.part(2, second), state(/Part 2 waited 20 ms for part 1.*partSize/)))
    await upload.part(1, first)
    await upload.part(2, second)
    await upload.part(3, last)
    await upload.complete()
    await assertStored(w, 'late', recording.dataKeys[0], total)
  })

  it('an empty object, and an empty last part', async () => {
    const empty = await begin(client, 'empty')
    const output = await empty.part(1, '')
    assert.equal(encryptionInfo(output)?.storedLength, 16)
    await empty.complete()
    await assertStored(w, 'empty', recording.dataKeys[0], Buffer.alloc(0))
    assert.equal((await read(client, 'empty')).length, 0)
    const upload = await begin(client, 'empty')
    await upload.part(1, first)
    await upload.part(2, '')
    await upload.complete()
    await assertStored(w, 'empty', recording.dataKeys[1], first)
  })

  it('bodies of every kind', async () => {
    const text = 'grüße '.repeat(1000)
    const bytes = Buffer.from(text)
    const array = new Uint8Array(bytes)
    const kinds: readonly [unknown, object?][] = [
      [text],
      [array.buffer],
      [new DataView(array.buffer)],
      [new Blob([bytes])],
      [Readable.from([bytes]), { ContentLength: bytes.length }],
      [new Blob([bytes]).stream(), { ContentLength: bytes.length }],
    ]
    for (const [Body, more] of kinds) {
      const upload = await begin(client, 'kind')
      await upload.part(1, Body, more)
      await upload.complete()
      assert.equal((await read(client, 'kind')).toString(), text)
    }
    const upload = await begin(client, 'kind')
    for (const Body of [{}, 5, true]) {
      await silently(() => assert.rejects(upload.part(1, Body), code('ERR_S3CSE_CONFIG', /cannot be encrypted/)))
    }
    await silently(() => assert.rejects(upload.part(1, 'four', { ContentLength: 5 }), code('ERR_S3CSE_BODY_LENGTH')))
  })

  it('with the fetch handler, streams are collected, within maxBufferedBytes', async () => {
    const fetching = { requestHandler: new FetchHttpHandler() as never }
    const client = w.client({ keyring: recording, maxBufferedBytes: PART }, fetching)
    const upload = await begin(client, 'fetch')
    await upload.part(1, Readable.from([first]), { ContentLength: PART })
    await silently(() =>
      assert.rejects(
        upload.part(2, Readable.from([second, 'x']), { ContentLength: PART + 1 }),
        code('ERR_S3CSE_BODY_TOO_LARGE', /sends no streams/),
      ),
    )
    await upload.part(2, second)
    await upload.part(3, Readable.from([last]), { ContentLength: last.length })
    await upload.complete()
    await assertStored(w, 'fetch', recording.dataKeys[0], total)
  })

  it('bytes beyond maxBufferedBytes are sealed as they are sent; a short last part is held all the same', async () => {
    const client = w.client({ keyring: recording, maxBufferedBytes: 0 })
    const upload = await begin(client, 'held', {}, partSize)
    await upload.part(2, last)
    await upload.part(1, first)
    await upload.complete()
    await assertStored(w, 'held', recording.dataKeys[0], Buffer.concat([first, last]))
  })
})

describe('a part again', () => {
  it('with the same bytes, after success, after failure, and twice at once', async () => {
    const upload = await begin(client, 'again')
    await upload.part(1, first)
    await upload.part(1, Buffer.from(first))
    w.s3.fail({ match: ({ query }) => query.partNumber === '2', status: 500 })
    await assert.rejects(upload.part(2, second), { name: 'InternalError' })
    await upload.part(2, second)
    await Promise.all([upload.part(3, last), upload.part(3, last), upload.part(1, first)])
    // Which of them S3 has is what S3 says.
    await upload.part(3, last)
    await upload.complete((await upload.list()).map((part, index) => (index === 0 ? part : upload.parts()[index]!)))
    await assertStored(w, 'again', recording.dataKeys[0], total)
  })

  it('with other bytes or another length is refused, and nothing is sent', async () => {
    const upload = await begin(client, 'other', {}, partSize)
    const changed = Buffer.from(first)
    changed[PART - 1]! ^= 1
    w.s3.fail({ match: ({ query }) => query.partNumber === '1', status: 500 })
    await assert.rejects(upload.part(1, first), { name: 'InternalError' })
    await silently(() => assert.rejects(upload.part(1, changed), state(/other bytes/)))
    await silently(() => assert.rejects(upload.part(1, first.subarray(1)), state(/other bytes/)))
    await upload.part(1, first)
    await upload.part(2, last)
    await silently(() => assert.rejects(upload.part(1, changed), state(/other bytes/)))
    await silently(() => assert.rejects(upload.part(2, 'x'.repeat(last.length)), state(/other bytes/)))
    await upload.complete()
    await assertStored(w, 'other', recording.dataKeys[0], Buffer.concat([first, last]))
  })

  it('as a stream with another end: what is the same may leave, the rest does not, and nothing is stored', async () => {
    const upload = await begin(client, 'stream', {}, partSize)
    const changed = Buffer.from(first)
    changed[PART - 1]! ^= 1
    await upload.part(1, first)
    const { parts } = w.s3.uploads(Bucket).find(({ uploadId }) => uploadId === upload.id)!
    w.s3.requests.length = 0
    const sending = upload.part(1, Readable.from([changed]), { ContentLength: PART })
    await assert.rejects(sending, state(/other bytes/))
    const [request] = w.s3.requests
    assert.ok(request === undefined || (request.status === undefined && request.bodyLength <= 4 * MIB))
    assert.deepEqual(w.s3.uploads(Bucket).find(({ uploadId }) => uploadId === upload.id)?.parts, parts)
    await upload.part(1, Readable.from([first]), { ContentLength: PART })
    await upload.complete()
    await assertStored(w, 'stream', recording.dataKeys[0], first)
  })

  it('is the same ciphertext when the SDK repeats it', async () => {
    const retrying = w.client({ keyring: recording }, { maxAttempts: 3 })
    const upload = await begin(retrying, 'sdk')
    w.s3.fail({ match: ({ query }) => query.partNumber === '1', status: 503, times: 1 })
    w.s3.fail({ match: ({ query }) => query.partNumber === '2', reset: { afterRequestBytes: 100 } })
    await upload.part(1, first)
    await upload.part(2, last)
    await upload.complete()
    await assertStored(w, 'sdk', recording.dataKeys[0], Buffer.concat([first, last]))
    assert.equal(w.s3.requests.filter(({ operation }) => operation === 'UploadPart').length, 4)
  })

  it('after the last one, or short before others', async () => {
    const upload = await begin(client, 'last')
    await upload.part(1, first)
    await upload.part(2, last)
    await silently(() => assert.rejects(upload.part(3, 'more'), state(/cannot follow part 2/)))
    await silently(() => assert.rejects(upload.part(1, 'short'), state(/other bytes/)))
    const sized = await begin(client, 'last', {}, partSize)
    await sized.part(2, second)
    await silently(() => assert.rejects(sized.part(1, 'short'), state(/too few/)))
    await silently(() =>
      assert.rejects(sized.part(1, plaintext(PART + 1)), code('ERR_S3CSE_BODY_LENGTH', /partSize says/)),
    )
    for (const number of [0, 10_001, 1.5, undefined]) {
      await silently(() => assert.rejects(sized.part(number as number, first), code('ERR_S3CSE_CONFIG', /PartNumber/)))
    }
  })

  it('a partSize belongs to the creation', async () => {
    const upload = await begin(client, 'size', {}, partSize)
    const input = { Bucket, Key: 'size', UploadId: upload.id, PartNumber: 1, Body: first }
    const sized = (size: number, id = upload.id) =>
      client.send(new UploadPartCommand(requestOptions({ ...input, UploadId: id }, { partSize: size })))
    await sized(PART)
    await silently(() => assert.rejects(sized(PART + 1), code('ERR_S3CSE_CONFIG', /cannot be 5242881 now/)))
    const other = await begin(client, 'size')
    await silently(() => assert.rejects(sized(PART, other.id), code('ERR_S3CSE_CONFIG', /when the upload is created/)))
  })
})

describe('digests that the caller gives with a part', () => {
  const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('base64')
  it('are verified over the plaintext, and replaced', async () => {
    const strict = await world()
    const client = strict.client()
    const given: readonly [object, object][] = [
      [{}, { ContentMD5: md5(last) }],
      [{}, { ChecksumCRC32C: checksumOf('crc32c', last) }],
      [{ ChecksumAlgorithm: 'SHA256' }, { ChecksumSHA256: checksumOf('sha256', last), ContentMD5: md5(last) }],
      [{ ChecksumAlgorithm: 'CRC64NVME' }, { ContentMD5: md5(last) }],
    ]
    for (const [create, digest] of given) {
      const upload = await begin(client, 'digest', create)
      for (const body of [last, Readable.from([last])]) {
        strict.s3.requests.length = 0
        await upload.part(1, body, { ...digest, ContentLength: last.length })
        const sent = JSON.stringify(strict.s3.requests.map(({ headers, trailers }) => [headers, trailers]))
        for (const value of Object.values(digest)) assert.ok(!sent.includes(value as string))
      }
      await upload.complete()
      assert.ok((await read(client, 'digest')).equals(last))
    }
  })

  it('that are wrong refuse the part before anything is sent, and it can be sent again', async () => {
    const upload = await begin(client, 'digest')
    for (const digest of [
      { ContentMD5: md5(first) },
      { ChecksumCRC32: 'AAAAAA==' },
      { ChecksumSHA1: 'not base64' },
      { ChecksumCRC32: checksumOf('crc32', last), ChecksumAlgorithm: 'SHA1' },
    ]) {
      await silently(() => assert.rejects(upload.part(1, last, digest), code('ERR_S3CSE_CHECKSUM')))
    }
    // Nothing of it was encrypted: the part may even be another one.
    await upload.part(1, second)
    await upload.complete()
    await assertStored(w, 'digest', recording.dataKeys[0], second)
  })

  it('of a stream are verified before its last bytes are sent', async () => {
    const upload = await begin(client, 'digest')
    const body = plaintext(PART + 500_000)
    const sending = upload.part(1, Readable.from([body]), { ContentLength: body.length, ContentMD5: md5(first) })
    await assert.rejects(sending, code('ERR_S3CSE_CHECKSUM', /not the digest/))
    assert.deepEqual(w.s3.uploads(Bucket).find(({ uploadId }) => uploadId === upload.id)?.parts, [])
    await upload.part(1, Readable.from([body]), { ContentLength: body.length, ContentMD5: md5(body) })
    await upload.complete()
    await assertStored(w, 'digest', recording.dataKeys[0], body)
  })
})

describe('uploads that are not there', () => {
  it('another id, bucket or key, and none at all', async () => {
    const upload = await begin(client, 'mine')
    const strangers = [existing(client, 'mine', 'unknown'), existing(client, 'other', upload.id)]
    strangers.push(existing(client, 'mine', undefined as never), existing(w.client(), 'mine', upload.id))
    for (const stranger of strangers) {
      await silently(() => assert.rejects(stranger.part(1, 'x'), state(/Nothing is known of the upload/)))
      await silently(() =>
        assert.rejects(stranger.complete([{ PartNumber: 1, ETag: '"x"' }]), state(/Nothing is known/)),
      )
    }
    const elsewhere = { Bucket: 'another', Key: 'mine', UploadId: upload.id }
    await silently(() =>
      assert.rejects(client.send(new UploadPartCommand({ ...elsewhere, PartNumber: 1, Body: 'x' })), state()),
    )
    await silently(() =>
      assert.rejects(client.send(new CompleteMultipartUploadCommand({ ...elsewhere, MultipartUpload: {} })), state()),
    )
    // A stream is given back.
    const body = Readable.from(['x'])
    await silently(() => assert.rejects(strangers[0]!.part(1, body, { ContentLength: 1 }), state()))
    assert.ok(body.destroyed)
  })

  it('aborted: later parts are refused, those under way end, and nobody hears of it twice', async () => {
    const unhandled: unknown[] = []
    const listen = (reason: unknown) => unhandled.push(reason)
    process.on('unhandledRejection', listen)
    const upload = await begin(client, 'aborted')
    w.s3.fail({ match: ({ query }) => query.partNumber === '1', delayMs: 60 })
    const waiting = upload.part(3, last)
    const sending = upload.part(1, first)
    const ends = [assert.rejects(waiting, state(/aborted/)), assert.rejects(sending, { name: 'NoSuchUpload' })]
    while (!w.s3.requests.some(({ operation }) => operation === 'UploadPart')) await new Promise(setImmediate)
    await upload.abort()
    await Promise.all(ends)
    await silently(() => assert.rejects(upload.part(2, second), state(/Nothing is known/)))
    await silently(() => assert.rejects(upload.complete([{ PartNumber: 1 }]), state(/Nothing is known/)))
    await assert.rejects(upload.abort(), { name: 'NoSuchUpload' })
    await new Promise(setImmediate)
    process.off('unhandledRejection', listen)
    assert.deepEqual(unhandled, [])
  })

  it('an Abort that fails forgets nothing; one that S3 knows nothing of does', async () => {
    const upload = await begin(client, 'kept')
    w.s3.fail({ match: ({ operation }) => operation === 'AbortMultipartUpload', status: 500 })
    await assert.rejects(upload.abort(), { name: 'InternalError' })
    await upload.part(1, last)
    await existing(w.plain, 'kept', upload.id).abort()
    await assert.rejects(upload.abort(), { name: 'NoSuchUpload' })
    await silently(() => assert.rejects(upload.part(1, last), state(/Nothing is known/)))
  })

  it('forgotten after uploadStateMaxAge, but not while a part is under way', async () => {
    const forgetful = w.client({ uploadStateMaxAge: 30 }, { maxAttempts: 1 })
    const upload = await begin(forgetful, 'old')
    w.s3.fail({ match: ({ query }) => query.partNumber === '1', delayMs: 150 })
    await upload.part(1, last)
    await upload.complete()
    // (Twice: one timer sets another.)
    const later = async () => {
      for (const milliseconds of [60, 20]) await new Promise((resolve) => setTimeout(resolve, milliseconds))
    }
    const other = await begin(forgetful, 'old')
    await later()
    await silently(() => assert.rejects(other.part(1, last), state(/forgotten \(uploadStateMaxAge\)/)))
    const used = await begin(forgetful, 'old')
    await used.part(1, last)
    await later()
    await silently(() => assert.rejects(used.complete(), state(/Nothing is known/)))
  })
})

describe('commands that would break an upload', () => {
  it('UploadPartCopy, WriteOffsetBytes, and all that is presigned', async () => {
    const upload = await begin(client, 'broken')
    const name = { Bucket, Key: 'broken', UploadId: upload.id }
    const copy = new UploadPartCopyCommand({ ...name, PartNumber: 1, CopySource: `${Bucket}/other` })
    const unsupported = code('ERR_S3CSE_UNSUPPORTED_COMMAND')
    await silently(() => assert.rejects(client.send(copy), unsupported))
    const append = new PutObjectCommand({ Bucket, Key: 'broken', Body: 'x', WriteOffsetBytes: 5 })
    await silently(() => assert.rejects(client.send(append), unsupported))
    for (const command of [
      new CreateMultipartUploadCommand({ Bucket, Key: 'broken' }),
      new UploadPartCommand({ ...name, PartNumber: 1, Body: 'x' }),
      new CompleteMultipartUploadCommand({ ...name, MultipartUpload: { Parts: [{ PartNumber: 1 }] } }),
    ]) {
      await silently(() => assert.rejects(getSignedUrl(client as never, command as never), unsupported))
    }
  })

  it('a transfer manager’s workers, which would read the body themselves', async () => {
    const upload = await begin(client, 'worker')
    const { requestHandler } = client.config
    class WorkerHttpHandler {
      readonly metadata = { handlerProtocol: 'http/1.1' }
    }
    client.config.requestHandler = new WorkerHttpHandler() as never
    try {
      await silently(() => assert.rejects(upload.part(1, first), code('ERR_S3CSE_UNSUPPORTED_COMMAND', /WorkerHttp/)))
    } finally {
      client.config.requestHandler = requestHandler
    }
  })

  it('a server that gives no upload id', async () => {
    const odd = w.client()
    const forget = (next: (args: never) => Promise<{ output: { UploadId?: string } }>) => async (args: never) => {
      const result = await next(args)
      delete result.output.UploadId
      return result
    }
    odd.middlewareStack.add(forget as never, { step: 'initialize', priority: 'low' })
    await assert.rejects(begin(odd, 'none'), code('ERR_S3CSE_RESPONSE_UNEXPECTED', /no UploadId/))
  })
})
