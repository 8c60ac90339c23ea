import { FetchHttpHandler } from '@smithy/fetch-http-handler'
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, it } from 'node:test'

import { PutObjectCommand } from '@aws-sdk/client-s3'

import { crc32, crc32c, crc64nvme } from '../../src/bytes/crc.js'
import { aesKeyring, encryptionInfo, requestOptions } from '../../src/index.js'
import type { Keyring } from '../../src/index.js'
import { code } from '../support/errors.js'
import { Bucket, keyring, pattern, put, read, world } from '../support/world.js'

const w = await world()

const base64 = (bytes: Uint8Array | Promise<Uint8Array>) => Buffer.from(bytes as Uint8Array).toString('base64')

async function* chunks(bytes: Buffer, size: number) {
  for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size)
}

describe('bodies', () => {
  const body = pattern(200_001)
  const bodies: [name: string, make: () => unknown, plaintext: Buffer][] = [
    ['string', () => 'grüße', Buffer.from('grüße')],
    ['empty string', () => '', Buffer.alloc(0)],
    ['undefined', () => undefined, Buffer.alloc(0)],
    ['Buffer', () => body, body],
    ['Uint8Array view', () => new Uint8Array(body.buffer, body.byteOffset + 5, 100), body.subarray(5, 105)],
    ['Uint16Array', () => new Uint16Array(10).fill(0x4142), Buffer.alloc(20, 'BA')],
    ['DataView', () => new DataView(new ArrayBuffer(20), 3, 7), Buffer.alloc(7)],
    ['ArrayBuffer', () => new Uint8Array(body).buffer, body],
    ['SharedArrayBuffer', () => new SharedArrayBuffer(33), Buffer.alloc(33)],
    ['Blob', () => new Blob([body]), body],
    ['File', () => new File([body], 'name.bin'), body],
    ['Readable of unknown length', () => Readable.from(chunks(body, 1000)), body],
    ['Readable of strings', () => Readable.from(['abc', 'def']), Buffer.from('abcdef')],
    ['empty Readable', () => Readable.from([]), Buffer.alloc(0)],
    ['ReadableStream', () => new Blob([body]).stream(), body],
    ['async generator', () => chunks(body, 7001), body],
  ]
  for (const [name, make, plaintext] of bodies) {
    it(`stores and returns a ${name}`, async () => {
      const client = w.client()
      await put(client, 'body', make())
      const stored = await w.stored('body')
      assert.equal(stored.size, plaintext.length + 16)
      if (plaintext.length >= 16) assert.ok(!Buffer.from(stored.body).includes(plaintext.subarray(0, 16)))
      assert.deepEqual(await read(client, 'body'), plaintext)
    })
  }

  it('streams a file and a Readable with ContentLength, in chunks of 64 KiB and more', async () => {
    const client = w.client()
    const directory = await mkdtemp(join(tmpdir(), 's3-cse-test-'))
    try {
      for (const length of [0, 1, 65_535, 65_536, 65_537, 131_072, 300_000]) {
        const bytes = pattern(length)
        const path = join(directory, 'file')
        await writeFile(path, bytes)
        for (const [stream, more] of [
          [createReadStream(path), {}],
          [createReadStream(path, { highWaterMark: 999 }), {}],
          [Readable.from(chunks(bytes, 50_000)), { ContentLength: length }],
          [Readable.from(chunks(bytes, 777)), { ContentLength: length }],
          [chunks(bytes, 100_000), { ContentLength: length }],
        ] as const) {
          w.s3.requests.length = 0
          await put(client, 'file', stream, more)
          const sizes = w.s3.requests[0]?.chunkSizes ?? []
          assert.ok(sizes.length > 1, 'not sent as a stream')
          assert.equal(sizes.at(-1), 0)
          assert.ok(
            sizes.slice(0, -2).every((size) => size >= 65_536),
            `chunks ${sizes.join()}`,
          )
          assert.ok((sizes.at(-2) ?? 0) > (length === 0 ? 15 : 16), `the tag stands alone in ${sizes.join()}`)
          assert.deepEqual(await read(client, 'file'), bytes)
        }
      }
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  it('streams bytes beyond maxBufferedBytes', async () => {
    const client = w.client({ maxBufferedBytes: 100_000 })
    const bytes = pattern(2_500_000)
    w.s3.requests.length = 0
    await put(client, 'large', bytes)
    assert.ok((w.s3.requests[0]?.chunkSizes.length ?? 0) > 2)
    assert.deepEqual(await read(client, 'large'), bytes)
  })

  it('streams a Blob beyond maxBufferedBytes and collects one within it', async () => {
    const client = w.client({ maxBufferedBytes: 100_000 })
    for (const [length, streamed] of [
      [100_000, false],
      [100_001, true],
    ] as const) {
      w.s3.requests.length = 0
      await put(client, 'blob', new Blob([pattern(length)]))
      assert.equal((w.s3.requests[0]?.chunkSizes.length ?? 0) > 0, streamed)
      assert.deepEqual(await read(client, 'blob'), pattern(length))
    }
  })

  it('refuses what is no body, before anything is sent', async () => {
    const client = w.client()
    w.s3.requests.length = 0
    for (const body of [5, true, { a: 1 }, [1, 2], Symbol('s')]) {
      await assert.rejects(put(client, 'x', body), code('ERR_S3CSE_CONFIG', /type/))
    }
    assert.equal(w.s3.requests.length, 0)
  })

  it('names Upload when a body of unknown length is too large, and destroys it', async () => {
    const client = w.client({ maxBufferedBytes: 1000 })
    w.s3.requests.length = 0
    const stream = Readable.from(chunks(pattern(5000), 400))
    await assert.rejects(put(client, 'x', stream), code('ERR_S3CSE_BODY_TOO_LARGE', /Upload/))
    assert.ok(stream.destroyed)
    assert.equal(w.s3.requests.length, 0)
    await put(client, 'x', Readable.from(chunks(pattern(1000), 400)))
    assert.deepEqual(await read(client, 'x'), pattern(1000))
  })

  it('refuses more than one PUT takes, before anything is read or sent', async () => {
    const client = w.client()
    w.s3.requests.length = 0
    const stream = new Readable({ read: () => assert.fail('the body was read') })
    await assert.rejects(
      put(client, 'x', stream, { ContentLength: 5 * 1024 ** 3 - 15 }),
      code('ERR_S3CSE_BODY_TOO_LARGE', /multipart/),
    )
    assert.ok(stream.destroyed)
    await assert.rejects(
      put(client, 'x', new Readable({ read: () => undefined }), { ContentLength: 2 ** 36 }),
      code('ERR_S3CSE_BODY_TOO_LARGE'),
    )
    assert.equal(w.s3.requests.length, 0)
  })

  it('refuses a stream that was read before', async () => {
    const stream = Readable.from([pattern(10)])
    await stream.toArray()
    await assert.rejects(put(w.client(), 'x', stream), code('ERR_S3CSE_CONFIG', /read to its end/))
  })
})

describe('fetch request handler', () => {
  it('collects every body up to the limit, and reads web streams back', async () => {
    const client = w.client({ maxBufferedBytes: 300_000 }, { requestHandler: new FetchHttpHandler() })
    const bytes = pattern(250_000)
    for (const body of [
      bytes,
      new Blob([bytes]),
      Readable.from(chunks(bytes, 9999)),
      new Blob([bytes]).stream(),
      chunks(bytes, 1000),
    ]) {
      await put(client, 'fetched', body)
      assert.deepEqual(await read(client, 'fetched'), bytes)
    }
    for (const body of [
      pattern(300_001),
      new Blob([pattern(300_001)]),
      Readable.from(chunks(pattern(300_001), 5000)),
    ]) {
      await assert.rejects(put(client, 'fetched', body), code('ERR_S3CSE_BODY_TOO_LARGE', /request handler/))
    }
    await assert.rejects(
      put(client, 'fetched', Readable.from(chunks(pattern(10), 5)), { ContentLength: 300_001 }),
      code('ERR_S3CSE_BODY_TOO_LARGE', /request handler/),
    )
  })
})

describe('lengths', () => {
  it('refuses a declared length that is not the body, and stores nothing', async () => {
    const client = w.client()
    for (const [length, declared] of [
      [10, 11],
      [10, 9],
      [200_000, 200_001],
      [200_000, 199_999],
      [131_072, 65_536],
      [65_536, 131_072],
    ] as const) {
      const bytes = pattern(length)
      for (const body of [bytes, new Blob([bytes]), Readable.from(chunks(bytes, 5000)), chunks(bytes, 70_000)]) {
        await assert.rejects(
          put(client, 'wrong-length', body, { ContentLength: declared }),
          code('ERR_S3CSE_BODY_LENGTH'),
        )
      }
    }
    assert.equal(await w.s3.object(Bucket, 'wrong-length'), undefined)
    await assert.rejects(put(client, 'x', 'a', { ContentLength: -1 }), code('ERR_S3CSE_CONFIG', /ContentLength/))
  })

  it('takes the right length for every kind of body', async () => {
    const client = w.client({}, { requestChecksumCalculation: 'WHEN_REQUIRED' })
    const bytes = pattern(150_000)
    for (const body of [bytes, Readable.from(chunks(bytes, 5000)), chunks(bytes, 70_000)]) {
      await put(client, 'right', body, { ContentLength: bytes.length })
      assert.deepEqual(await read(client, 'right'), bytes)
    }
  })
})

describe('failures of the source', () => {
  for (const requestChecksumCalculation of ['WHEN_SUPPORTED', 'WHEN_REQUIRED'] as const) {
    for (const [when, good] of [
      ['at once', 0],
      ['after some bytes', 100_000],
      ['above the limit for 100-continue', 3_000_000],
    ] as const) {
      it(`${requestChecksumCalculation}: rejects with the error of a stream that fails ${when}; nothing is stored`, async () => {
        const client = w.client({}, { requestChecksumCalculation })
        const failure = new Error('tape is torn')
        const source = Readable.from(
          (async function* () {
            yield* chunks(pattern(good), 30_000)
            throw failure
          })(),
        )
        await assert.rejects(put(client, 'torn', source, { ContentLength: 10_000_000 }), failure)
        assert.ok(source.destroyed)
        assert.equal(await w.s3.object(Bucket, 'torn'), undefined)
        await put(client, 'after', 'the client still works')
        assert.equal((await read(client, 'after')).toString(), 'the client still works')
      })
    }
  }

  it('rejects with the error of a stream of unknown length, and of a missing file', async () => {
    const client = w.client()
    const failing = (async function* () {
      yield 'abc'
      throw new Error('no more')
    })()
    await assert.rejects(put(client, 'torn', failing), /no more/)
    await assert.rejects(put(client, 'torn', createReadStream('/does/not/exist')), { code: 'ENOENT' })
    assert.equal(await w.s3.object(Bucket, 'torn'), undefined)
  })

  it('destroys the source when the request fails before the body is asked for', async () => {
    const refusing: Keyring = {
      wrap: () => Promise.reject(new Error('HSM is away')),
      unwrap: () => undefined,
    }
    const source = Readable.from(chunks(pattern(1_000_000), 10_000))
    await assert.rejects(put(w.client({ keyring: refusing }), 'x', source, { ContentLength: 1_000_000 }), /HSM is away/)
    assert.ok(source.destroyed)
    const other = Readable.from(chunks(pattern(1_000_000), 10_000))
    const nobody = w.client({}, { credentials: () => Promise.reject(new Error('no credentials')) })
    await assert.rejects(put(nobody, 'x', other, { ContentLength: 1_000_000 }), /no credentials/)
    assert.ok(other.destroyed)
  })

  it('destroys the source when S3 refuses, and when the connection breaks', async () => {
    const client = w.client()
    for (const fault of [{ status: 403, code: 'AccessDenied' }, { reset: { afterRequestBytes: 100_000 } }] as const) {
      w.s3.fail(fault)
      const source = Readable.from(chunks(pattern(1_000_000), 10_000))
      await assert.rejects(put(client, 'refused', source, { ContentLength: 1_000_000 }))
      assert.ok(source.destroyed)
    }
    assert.equal(await w.s3.object(Bucket, 'refused'), undefined)
  })
})

describe('abort', () => {
  it('rejects with AbortError and destroys the source, whether streaming, collecting or waiting for the keyring', async () => {
    const stuck = () => {
      const stream = new Readable({ read: () => undefined })
      stream.push(pattern(100_000))
      return stream
    }
    const waiting: Keyring = {
      wrap: ({ signal }) =>
        new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error))),
      unwrap: () => undefined,
    }
    for (const [client, more] of [
      [w.client(), { ContentLength: 1_000_000 }],
      [w.client(), {}],
      [w.client({ keyring: waiting }), { ContentLength: 1_000_000 }],
    ] as const) {
      const source = stuck()
      const controller = new AbortController()
      const sending = client.send(new PutObjectCommand({ Bucket, Key: 'aborted', Body: source, ...more }), {
        abortSignal: controller.signal,
      })
      setTimeout(() => controller.abort(), 30)
      await assert.rejects(sending, { name: 'AbortError' })
      assert.ok(source.destroyed)
    }
    assert.equal(await w.s3.object(Bucket, 'aborted'), undefined)
  })

  it('asks neither keyring nor S3 when it was aborted before', async () => {
    const unused: Keyring = { wrap: () => assert.fail('asked'), unwrap: () => assert.fail('asked') }
    w.s3.requests.length = 0
    const sending = w
      .client({ keyring: unused })
      .send(new PutObjectCommand({ Bucket, Key: 'aborted', Body: 'x' }), { abortSignal: AbortSignal.abort() })
    await assert.rejects(sending, { name: 'AbortError' })
    assert.equal(w.s3.requests.length, 0)
  })
})

describe('hangs of others', () => {
  it('an abort ends the wait for a keyring that never answers, and wipes what comes too late', async () => {
    let answer: (() => void) | undefined
    const dataKeys: Uint8Array[] = []
    const silent: Keyring = {
      async wrap(request) {
        const result = await keyring.wrap(request)
        dataKeys.push(result.dataKey)
        await new Promise<void>((resolve) => (answer = resolve))
        return result
      },
      unwrap: () => undefined,
    }
    const source = Readable.from(chunks(pattern(100), 10))
    const controller = new AbortController()
    const sending = w
      .client({ keyring: silent })
      .send(new PutObjectCommand({ Bucket, Key: 'x', Body: source, ContentLength: 100 }), {
        abortSignal: controller.signal,
      })
    setTimeout(() => controller.abort(), 20)
    await assert.rejects(sending, { name: 'AbortError' })
    assert.ok(source.destroyed)
    answer?.()
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.deepEqual(dataKeys[0], new Uint8Array(32))
  })

  it('an abort ends the wait for a generator that never goes on', async () => {
    async function* stuck() {
      yield 'abc'
      await new Promise(() => undefined)
    }
    for (const more of [{}, { ContentLength: 1000 }]) {
      const controller = new AbortController()
      const Body = stuck() as unknown as string
      const sending = w
        .client()
        .send(new PutObjectCommand({ Bucket, Key: 'x', Body, ...more }), { abortSignal: controller.signal })
      setTimeout(() => controller.abort(), 20)
      await assert.rejects(sending, { name: 'AbortError' })
    }
  })
})

describe('what the caller does meanwhile', () => {
  it('an input object that is used again for the next request stores every object', async () => {
    const client = w.client()
    const params = { Bucket, Key: '', Body: '', Metadata: { n: '' } as Record<string, string> }
    const sending = ['a', 'b', 'c'].map((name) => {
      params.Key = `reused-${name}`
      params.Body = name.repeat(10)
      params.Metadata.n = name
      return client.send(new PutObjectCommand(params))
    })
    params.Metadata['x-amz-key-v2'] = 'too late'
    await Promise.all(sending)
    for (const name of ['a', 'b', 'c']) {
      assert.equal((await read(client, `reused-${name}`)).toString(), name.repeat(10))
      assert.equal((await w.stored(`reused-${name}`)).metadata.n, name)
    }
  })
})

describe('success that is none', () => {
  it('a response before the body was read is an error, and the source is destroyed', async () => {
    const requestHandler = {
      metadata: { handlerProtocol: 'http/1.1' },
      handle: async () => ({ response: { statusCode: 200, headers: {}, body: Readable.from([]) } }),
      updateHttpClientConfig: () => undefined,
      httpHandlerConfigs: () => ({}),
    }
    const client = w.client({}, { requestHandler: requestHandler as never })
    const source = Readable.from(chunks(pattern(1000), 10))
    await assert.rejects(
      put(client, 'x', source, { ContentLength: 1000 }),
      code('ERR_S3CSE_RESPONSE_UNEXPECTED', /not read to the end/),
    )
    assert.ok(source.destroyed)
  })
})

describe('text', () => {
  it('is stored whole when it is cut inside a character', async () => {
    const client = w.client()
    const text = 'a😀b😀'
    const units = text.split('')
    async function* generator() {
      yield* units
    }
    const stream = new ReadableStream({
      start(controller) {
        for (const unit of units) controller.enqueue(unit)
        controller.close()
      },
    })
    for (const body of [Readable.from(units), generator(), stream]) {
      await put(client, 'text', body)
      assert.equal((await read(client, 'text')).toString(), text)
    }
    async function* broken() {
      yield '😀'.slice(0, 1)
      yield Uint8Array.of(65)
      yield '😀'.slice(0, 1)
    }
    await put(client, 'text', broken())
    assert.equal((await read(client, 'text')).toString(), '\ufffdA\ufffd')
  })
})

describe('retries', () => {
  it('sends identical ciphertext and envelope again', async () => {
    const client = w.client()
    w.s3.requests.length = 0
    w.s3.fail({ status: 503 }, { reset: { afterRequestBytes: 10 } })
    await put(client, 'retried', pattern(50_000))
    const [first, , third] = w.s3.requests
    assert.equal(w.s3.requests.length, 3)
    assert.deepEqual(first?.body, third?.body)
    for (const name of ['x-amz-meta-x-amz-3', 'x-amz-meta-x-amz-i', 'x-amz-meta-x-amz-d', 'x-amz-checksum-crc32']) {
      assert.ok(first?.headers[name] !== undefined)
      assert.equal(first.headers[name], third?.headers[name])
    }
    assert.deepEqual(await read(client, 'retried'), pattern(50_000))
  })

  it('does not send a stream again', async () => {
    w.s3.requests.length = 0
    w.s3.fail({ status: 503 })
    await assert.rejects(put(w.client(), 'x', Readable.from(chunks(pattern(100), 9)), { ContentLength: 100 }), {
      name: 'SlowDown',
    })
    assert.equal(w.s3.requests.length, 1)
  })
})

describe('digests of the plaintext', () => {
  const body = pattern(100_000)
  const digests: Record<string, string> = {
    ChecksumCRC32: base64(digest(crc32)),
    ChecksumCRC32C: base64(digest(crc32c)),
    ChecksumCRC64NVME: base64(digest(crc64nvme)),
    ChecksumSHA1: base64(createHash('sha1').update(body).digest()),
    ChecksumSHA256: base64(createHash('sha256').update(body).digest()),
    ContentMD5: base64(createHash('md5').update(body).digest()),
    ChecksumMD5: base64(createHash('md5').update(body).digest()),
  }
  function digest(make: typeof crc32): Uint8Array {
    const running = make()
    running.update(body)
    return running.digest() as Uint8Array
  }

  for (const [member, value] of Object.entries(digests)) {
    it(`${member} is verified and replaced by the ciphertext's`, async () => {
      const client = w.client({}, { requestChecksumCalculation: 'WHEN_REQUIRED' })
      const sent = member.endsWith('MD5') ? 'crc32' : member.slice('Checksum'.length).toLowerCase()
      for (const [bytes, more] of [
        [body, {}],
        [Readable.from(chunks(body, 6000)), { ContentLength: body.length }],
      ] as const) {
        w.s3.requests.length = 0
        await put(client, 'digest', bytes, { [member]: value, ...more })
        const request = w.s3.requests.findLast(({ key }) => key === 'digest')
        const all = JSON.stringify({ ...request?.headers, ...request?.trailers })
        assert.ok(!all.includes(value), `the plaintext's digest was sent: ${all}`)
        const name = `x-amz-checksum-${sent}`
        assert.ok(request?.headers[name] ?? request?.trailers[name], `no ${name} in ${all}`)
        assert.deepEqual(await read(client, 'digest'), body)
      }
      const wrong = base64(Buffer.from(value, 'base64').map((byte) => byte ^ 1))
      for (const [bytes, more] of [
        [body, {}],
        [Readable.from(chunks(body, 6000)), { ContentLength: body.length }],
      ] as const) {
        await assert.rejects(
          put(client, 'bad-digest', bytes, { [member]: wrong, ...more }),
          code('ERR_S3CSE_CHECKSUM', new RegExp(member)),
        )
      }
      assert.equal(await w.s3.object(Bucket, 'bad-digest'), undefined)
    })
  }

  it('refuses what cannot be verified, before anything is sent', async () => {
    const client = w.client()
    w.s3.requests.length = 0
    for (const more of [
      { ChecksumSHA512: base64(Buffer.alloc(64)) },
      { ChecksumXXHASH3: base64(Buffer.alloc(8)) },
      { ChecksumSHA256: 'not base64' },
      { ChecksumSHA256: base64(Buffer.alloc(31)) },
      { ChecksumCRC32: digests.ChecksumCRC32, ChecksumSHA256: digests.ChecksumSHA256 },
      { ChecksumCRC32: digests.ChecksumCRC32, ChecksumAlgorithm: 'SHA256' },
    ]) {
      await assert.rejects(put(client, 'x', body, more), code('ERR_S3CSE_CHECKSUM'))
    }
    assert.equal(w.s3.requests.length, 0)
  })

  it("takes an algorithm that only the client's configuration has", async () => {
    const sha512 = class {
      readonly #hash = createHash('sha512')
      update(data: Uint8Array) {
        this.#hash.update(data)
      }
      digest = async () => this.#hash.digest()
      reset = () => undefined
    }
    const client = w.client({}, { checksumAlgorithms: { SHA512: sha512 } })
    const right = base64(createHash('sha512').update(body).digest())
    const wrong = base64(Buffer.alloc(64))
    await assert.rejects(
      put(client, 'x', body, { ChecksumSHA512: wrong }),
      code('ERR_S3CSE_CHECKSUM', /not the digest/),
    )
    w.s3.requests.length = 0
    await put(client, 'x', body, { ChecksumSHA512: right }).catch(() => undefined) // the server may not know it
    assert.ok(!JSON.stringify(w.s3.requests.map(({ headers }) => headers)).includes(right))
  })
})

describe('metadata', () => {
  it('keeps the caller’s beside the envelope, and refuses envelope keys', async () => {
    const client = w.client()
    const output = await put(client, 'meta', 'x', { Metadata: { Color: 'red' }, ContentType: 'text/plain' })
    const { metadata, headers } = await w.stored('meta')
    assert.deepEqual(Object.keys(metadata).sort(), ['color', 'x-amz-3', 'x-amz-c', 'x-amz-d', 'x-amz-i', 'x-amz-w'])
    assert.equal(headers['content-type'], 'text/plain')
    assert.equal(output.ChecksumCRC32, undefined)
    const info = encryptionInfo(output)
    assert.equal(info?.status, 'encrypted')
    assert.equal(info.envelope?.version, 'V3')
    assert.equal(info.storedLength, 17)
    assert.ok(info.checksums.ChecksumCRC32)
    for (const name of ['x-amz-key-v2', 'X-Amz-I', 'x-amz-matdesc', 'x-amz-key']) {
      await assert.rejects(put(client, 'x', 'x', { Metadata: { [name]: '' } }), code('ERR_S3CSE_CONFIG', /envelope/))
    }
  })

  it('writes V2 with FORBID_ENCRYPT_ALLOW_DECRYPT', async () => {
    const client = w.client({ commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' })
    await put(client, 'v2', 'two')
    const { metadata } = await w.stored('v2')
    assert.deepEqual(Object.keys(metadata).sort(), [
      'x-amz-cek-alg',
      'x-amz-iv',
      'x-amz-key-v2',
      'x-amz-matdesc',
      'x-amz-tag-len',
      'x-amz-wrap-alg',
    ])
    assert.equal((await read(client, 'v2')).toString(), 'two')
  })

  it('refuses metadata that S3 would not store, by the size of both together', async () => {
    const client = w.client()
    w.s3.requests.length = 0
    await assert.rejects(
      put(client, 'x', 'x', { Metadata: { note: 'n'.repeat(1900) } }),
      code('ERR_S3CSE_ENVELOPE_TOO_LARGE', /bucket\/x.*2048.*instructionFile: \{ write: true \}/),
    )
    assert.equal(w.s3.requests.length, 0)
    await put(client, 'x', 'x', { Metadata: { note: 'n'.repeat(1700) } })
  })

  it('does not change the input', async () => {
    const input = {
      Bucket,
      Key: 'input',
      Body: 'x',
      Metadata: { a: 'b' },
      ContentMD5: base64(createHash('md5').update('x').digest()),
    }
    const before = structuredClone(input)
    await w.client().send(new PutObjectCommand(input))
    assert.deepEqual(input, before)
  })
})

describe('request options', () => {
  it('take another keyring for one object', async () => {
    const client = w.client()
    const other = aesKeyring({ wrappingKey: new Uint8Array(32).fill(8) })
    await client.send(
      new PutObjectCommand(requestOptions({ Bucket, Key: 'other', Body: new ArrayBuffer(3) }, { keyring: other })),
    )
    await assert.rejects(read(client, 'other'), code('ERR_S3CSE_DECRYPTION_FAILED'))
    assert.deepEqual(await read(w.client({ keyring: other }), 'other'), Buffer.alloc(3))
  })

  it('refuse mistakes at the call, and a context that nothing authenticates', async () => {
    const input = { Bucket, Key: 'x', Body: 'x' }
    for (const options of [
      { keyrings: keyring },
      { keyring: {} },
      { encryptionContext: { a: 1 } },
      { encryptionContext: [] },
      { delayedAuthentication: 'yes' },
      null,
    ]) {
      assert.throws(() => requestOptions(input, options as never), code('ERR_S3CSE_CONFIG'))
    }
    await assert.rejects(
      w.client().send(new PutObjectCommand(requestOptions(input, { encryptionContext: { a: 'b' } }))),
      code('ERR_S3CSE_CONFIG', /materialsDescription/),
    )
  })

  it('Bucket and Key are needed', async () => {
    await assert.rejects(w.client().send(new PutObjectCommand({ Bucket, Key: '' })), code('ERR_S3CSE_CONFIG', /Key/))
  })

  it('WriteOffsetBytes is refused', async () => {
    await assert.rejects(
      put(w.client(), 'x', 'x', { WriteOffsetBytes: 5 }),
      code('ERR_S3CSE_UNSUPPORTED_COMMAND', /WriteOffsetBytes/),
    )
  })
})
