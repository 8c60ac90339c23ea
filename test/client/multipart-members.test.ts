// Members of the requests that S3 wants with every part, with ours as well.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { beforeEach, describe, it } from 'node:test'
import { Upload } from '@aws-sdk/lib-storage'

import { encryptionInfo } from '../../src/index.js'
import { ACCOUNT } from '../../src/testing/s3-exchange.js'
import { code } from '../support/errors.js'
import { Bucket, get, put, world } from '../support/world.js'
import { assertStored, begin, PART, plaintext, recordingKeyring } from './multipart-support.js'

const w = await world({ etag: 'random' })
const recording = recordingKeyring()
const client = w.client({ keyring: recording })
const first = plaintext(PART)

beforeEach(() => {
  w.s3.requests.length = 0
  recording.dataKeys.length = 0
})

const partRequests = () => w.s3.requests.filter(({ operation }) => operation === 'UploadPart')

describe('a part of our own is sent as the others are', () => {
  const sse = { SSECustomerAlgorithm: 'AES256', SSECustomerKey: randomBytes(32) as unknown as string }

  it('under the customer’s key (SSE-C), through Upload', async () => {
    await new Upload({ client, params: { Bucket, Key: 'ssec', Body: first, ...sse }, partSize: PART }).done()
    recording.dataKeys.length = 0
    await new Upload({ client, params: { Bucket, Key: 'ssec', Body: plaintext(2 * PART), ...sse } }).done()
    const headers = w.s3.requests.slice(1).map((one) => one.headers['x-amz-server-side-encryption-customer-key-md5'])
    assert.equal(new Set(headers).size, 1)
    assert.ok(headers[0] !== undefined)
    assert.equal(partRequests().length, 3)
    const { Body } = await get(client, 'ssec', sse)
    assert.ok(Buffer.from(await Body!.transformToByteArray()).equals(plaintext(2 * PART)))
    await assertStored(w, 'ssec', recording.dataKeys[0], plaintext(2 * PART))
  })

  it('under the customer’s key, where only the parts name it', async () => {
    const upload = await begin(client, 'ssec', sse)
    await upload.part(1, first, sse)
    await upload.complete()
    await assertStored(w, 'ssec', recording.dataKeys[0], first)
  })

  it('with RequestPayer and ExpectedBucketOwner, of the parts or of Complete', async () => {
    const members = { RequestPayer: 'requester', ExpectedBucketOwner: ACCOUNT }
    for (const [ofParts, ofComplete] of [
      [members, {}],
      [{}, members],
    ]) {
      const upload = await begin(client, 'payer')
      await upload.part(1, first, ofParts)
      w.s3.requests.length = 0
      await upload.complete(undefined, ofComplete)
      const [own] = partRequests()
      assert.equal(own?.headers['x-amz-request-payer'], 'requester')
      assert.equal(own.headers['x-amz-expected-bucket-owner'], ACCOUNT)
    }
  })

  it('with the checksum that was announced, which then names it', async () => {
    for (const algorithm of ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256']) {
      recording.dataKeys.length = 0
      const upload = await begin(client, 'sum', { ChecksumAlgorithm: algorithm })
      const output = await upload.part(1, first)
      const name = `Checksum${algorithm}` as 'ChecksumCRC32'
      assert.equal(typeof output[name], 'string')
      assert.equal(encryptionInfo(output)?.checksums[name], output[name])
      assert.equal(encryptionInfo(output)?.storedLength, PART)
      w.s3.requests.length = 0
      const completed = await upload.complete()
      assert.ok(`x-amz-checksum-${algorithm.toLowerCase()}` in partRequests()[0]!.headers)
      assert.equal(completed[name], undefined)
      const { checksums, checksumType } = await w.stored('sum')
      assert.equal(encryptionInfo(completed)?.checksums[name], Object.values(checksums)[0])
      assert.equal(checksumType, algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE')
      await assertStored(w, 'sum', recording.dataKeys[0], first)
    }
  })

  it('with a checksum that only the parts name', async () => {
    const unchecked = w.client({ keyring: recording }, { requestChecksumCalculation: 'WHEN_REQUIRED' })
    const md5 = createHash('md5').update(first).digest('base64')
    for (const [more, header] of [
      [{ ChecksumAlgorithm: 'SHA256' }, 'x-amz-checksum-sha256'],
      [{ ContentMD5: md5 }, 'x-amz-checksum-crc32'],
    ] as const) {
      recording.dataKeys.length = 0
      const upload = await begin(unchecked, 'parts')
      await upload.part(1, first, more)
      w.s3.requests.length = 0
      await upload.complete()
      // A bucket with object lock takes no part without one.
      assert.ok(header in partRequests()[0]!.headers)
      await assertStored(w, 'parts', recording.dataKeys[0], first)
    }
  })

  it('by nobody else: it takes no part in middleware for plaintext', async () => {
    const upload = await begin(client, 'marked')
    await upload.part(1, first)
    // What a caller builds is encrypted, whatever symbols it has.
    const marked = { [Symbol('s3-cse.stored-bytes')]: true, [Symbol.for('s3-cse.stored-bytes')]: true }
    await put(client, 'marked', 'the plaintext', marked)
    const { body } = await w.stored('marked')
    assert.ok(!Buffer.from(body).includes('plaintext'))
  })
})

/** A handler in place of a server. */
function handlerOf(handle: (request: Request) => Promise<void> | void) {
  const answer = '<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>'
  return {
    metadata: { handlerProtocol: 'http/1.1' },
    async handle(request: Request) {
      await handle(request)
      return { response: { statusCode: 200, headers: { etag: '"e"' }, body: Readable.from([answer]), reason: '' } }
    },
    updateHttpClientConfig: () => undefined,
    httpHandlerConfigs: () => ({}),
    destroy: () => undefined,
  } as never
}
interface Request {
  readonly method: string
  readonly query: object
  readonly headers: Record<string, string>
  readonly body: unknown
}

describe('a stream that nobody reads to its end', () => {
  it('is not stored, whatever the answer says', async () => {
    const length = PART + 1_000_000
    for (const read of [0, 1, 3_000_000]) {
      let body: Readable | undefined
      const requestHandler = handlerOf(async (request) => {
        if (!(request.body instanceof Readable)) return
        body = request.body
        let left = read
        for await (const chunk of body.iterator({ destroyOnReturn: false })) {
          left -= (chunk as Buffer).length
          if (left <= 0) return
        }
      })
      const odd = w.client({}, { requestHandler, requestChecksumCalculation: 'WHEN_REQUIRED' })
      const upload = await begin(odd, 'unread')
      const source = Readable.from([plaintext(length)])
      const sending = upload.part(1, source, { ContentLength: length })
      await assert.rejects(sending, code('ERR_S3CSE_RESPONSE_UNEXPECTED', /body was not read to the end/))
      assert.ok(body?.destroyed)
      assert.ok(source.destroyed)
      // Nothing is known to be stored.
      await assert.rejects(upload.complete([{ PartNumber: 1, ETag: '"e"' }]), code('ERR_S3CSE_UPLOAD_STATE'))
      await upload.abort()
    }
  })

  it('ends with an error when the request does', async () => {
    let body: Readable | undefined
    const requestHandler = handlerOf((request) => {
      if (!(request.body instanceof Readable)) return
      body = request.body
      throw new Error('no way')
    })
    const odd = w.client({}, { requestHandler, maxAttempts: 1, requestChecksumCalculation: 'WHEN_REQUIRED' })
    const upload = await begin(odd, 'unread')
    await assert.rejects(upload.part(1, Readable.from([first]), { ContentLength: PART }), /no way/)
    assert.ok(body?.destroyed)
    assert.equal(body.errored?.message, 'no way')
  })
})

describe('unsignedPayload', () => {
  /** Answers without a server: what is asked here is how the SDK signs for https. */
  const sent: { operation: string; hash: string | undefined; checksum: string | undefined }[] = []
  const requestHandler = handlerOf(async ({ method, query, headers, body }) => {
    if (body instanceof Readable) await finished(body.resume())
    sent.push({
      operation: `${method} ${Object.keys(query).join(' ')}`,
      hash: headers['x-amz-content-sha256'],
      checksum: headers['x-amz-checksum-crc32'] ?? headers['x-amz-trailer'],
    })
  })
  const config = (endpoint: string) => ({ endpoint, requestHandler })

  it('is for bodies in memory over https, on request; the checksum stays', async () => {
    for (const [endpoint, unsignedPayload, hash] of [
      ['https://s3.example', true, /^UNSIGNED-PAYLOAD$/],
      ['https://s3.example', false, /^[0-9a-f]{64}$/],
      ['http://s3.example', true, /^[0-9a-f]{64}$/],
    ] as const) {
      sent.length = 0
      const client = w.client({ unsignedPayload }, config(endpoint))
      const upload = await begin(client, 'unsigned')
      await upload.part(1, first)
      await upload.part(2, Readable.from([first]), { ContentLength: PART })
      await put(client, 'unsigned', 'x')
      const [created, part, stream, object] = sent
      assert.match(created?.hash ?? '', /^[0-9a-f]{64}$/)
      assert.match(part?.hash ?? '', hash)
      assert.match(object?.hash ?? '', hash)
      assert.equal(typeof part?.checksum, 'string')
      // Streams have their checksum behind them, over https without a hash in any case.
      if (endpoint.startsWith('https')) assert.equal(stream?.hash, 'STREAMING-UNSIGNED-PAYLOAD-TRAILER')
      assert.equal(stream?.checksum, 'x-amz-checksum-crc32')
    }
  })
})
