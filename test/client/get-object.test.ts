import { FetchHttpHandler } from '@smithy/fetch-http-handler'
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterEach, beforeEach, describe, it } from 'node:test'

import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3'

import { aesKeyring, encryptionInfo, requestOptions } from '../../src/index.js'
import type { EncryptionOptions, Keyring, PlainObject } from '../../src/index.js'
import { code } from '../support/errors.js'
import { Bucket, bodyOf, get, keyring, pattern, put, read, world } from '../support/world.js'

const w = await world()
const MIB = 1024 * 1024

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 's3-cse-test-'))
  w.s3.faults.length = 0
})
afterEach(() => rm(directory, { recursive: true }))

/** How many descriptors of this process are temporary files of `directory`. */
async function openFiles(): Promise<number> {
  const links = await Promise.all(
    (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
  )
  return links.filter((path) => path.startsWith(directory)).length
}

/** Waits until something holds that happens soon, but not at once. */
async function eventually(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  assert.fail(`never: ${what}`)
}

/** Every way in which GetObject releases plaintext. */
const modes: [name: string, options: Partial<EncryptionOptions>][] = [
  ['in memory', {}],
  ['spooled', { maxBufferedBytes: 0 }],
  ['read twice', { maxBufferedBytes: 0, spool: false }],
  ['delayed', { delayedAuthentication: true }],
]
const client = (options: Partial<EncryptionOptions> = {}) =>
  w.client(options.spool === undefined ? { spool: { directory }, ...options } : options)

describe('plaintext', () => {
  for (const [name, options] of modes) {
    it(`${name}: comes back at every size`, async () => {
      const reader = client(options)
      for (const length of [0, 1, 15, 16, 17, 65_536, MIB - 16, MIB - 1, MIB, MIB + 1, 3 * MIB, 3 * MIB + 5]) {
        await put(reader, 'size', pattern(length))
        const output = await get(reader, 'size')
        assert.equal(output.ContentLength, length)
        assert.deepEqual(Buffer.from(await output.Body!.transformToByteArray()), pattern(length))
      }
      await eventually(async () => (await openFiles()) === 0, 'the files are closed')
    })

    it(`${name}: through a fetch request handler, as a ReadableStream`, async () => {
      const fetching = w.client({ spool: { directory }, ...options }, { requestHandler: new FetchHttpHandler() })
      for (const length of [0, 100, 2 * MIB + 7]) {
        await put(w.client(), 'fetched', pattern(length))
        const { Body } = await get(fetching, 'fetched')
        assert.ok(Body instanceof ReadableStream)
        assert.deepEqual(Buffer.from(await Body.transformToByteArray()), pattern(length))
      }
    })

    it(`${name}: arrives from slow connections in small pieces`, async () => {
      const reader = client(options)
      await put(reader, 'slow', pattern(300_000))
      w.s3.fail({ chunkBytes: 7001, pauseMs: 1, times: 2 })
      assert.deepEqual(await read(reader, 'slow'), pattern(300_000))
    })
  }

  it('Body has the methods of the SDK’s', async () => {
    const reader = client()
    await put(reader, 'mixin', 'grüße')
    assert.equal(await (await get(reader, 'mixin')).Body?.transformToString(), 'grüße')
    const web = (await get(reader, 'mixin')).Body?.transformToWebStream()
    assert.equal(await new Response(web).text(), 'grüße')
    const { Body } = await get(reader, 'mixin')
    await Body?.transformToString()
    await assert.rejects(async () => Body?.transformToString(), /already been transformed/)
  })

  it('the output says what the plaintext is; the rest is in encryptionInfo', async () => {
    const reader = client()
    const { ETag } = await put(reader, 'output', pattern(1000), {
      Metadata: { color: 'red' },
      ContentType: 'text/x',
      CacheControl: 'no-store',
    })
    const output = await get(reader, 'output')
    output.Body?.transformToByteArray().catch(() => undefined)
    assert.equal(output.ContentLength, 1000)
    assert.deepEqual(output.Metadata, { color: 'red' })
    assert.equal(output.ETag, ETag)
    assert.equal(output.ContentType, 'text/x')
    assert.equal(output.CacheControl, 'no-store')
    assert.deepEqual(
      Object.keys(output).filter((name) => name.startsWith('Checksum')),
      [],
    )
    const info = encryptionInfo(output)
    assert.equal(info?.status, 'encrypted')
    assert.equal(info.storedLength, 1016)
    assert.ok(info.checksums.ChecksumCRC32)
    assert.deepEqual(info.envelope?.wrapAlgorithm, 'AES/GCM')
    assert.equal(info.envelope.keyCommitment, true)
    assert.deepEqual(Object.keys(info.metadata).sort(), ['x-amz-3', 'x-amz-c', 'x-amz-d', 'x-amz-i', 'x-amz-w'])
    assert.equal(encryptionInfo({}), undefined)
  })
})

describe('verification', () => {
  const flip = (key: string, at: number) =>
    w.s3.tamper(Bucket, key, (object) => {
      object.body[at]! ^= 1
    })

  for (const [name, options] of modes) {
    it(`${name}: a changed bit is an error from Body, and only delayed reads give anything out before`, async () => {
      const reader = client(options)
      for (const [length, at] of [
        [5, 0],
        [5, 20],
        [200_000, 199_999],
        [3 * MIB, 0],
        [3 * MIB, 3 * MIB + 15],
      ] as const) {
        await put(reader, 'flipped', pattern(length))
        await flip('flipped', at)
        const output = await get(reader, 'flipped')
        let released = 0
        await assert.rejects(
          pipeline(
            bodyOf(output),
            new Writable({
              write(chunk: Buffer, _, done) {
                released += chunk.length
                done()
              },
            }),
          ),
          code('ERR_S3CSE_DECRYPTION_FAILED'),
        )
        assert.equal(released, name === 'delayed' ? length : 0)
      }
      await eventually(async () => (await openFiles()) === 0, 'the files are closed')
      await put(reader, 'after', 'x')
      assert.equal((await read(reader, 'after')).toString(), 'x')
    })

    it(`${name}: passes transport errors unchanged, and gives back what it held`, async () => {
      const reader = client(options)
      await put(reader, 'broken', pattern(3 * MIB))
      for (const fault of [{ truncateBody: 2 * MIB }, { reset: { afterResponseBytes: 2 * MIB } }] as const) {
        w.s3.fail(fault)
        const { Body } = await get(reader, 'broken')
        await assert.rejects(Body!.transformToByteArray(), (error: Error & { code?: string }) => {
          assert.doesNotMatch(error.code ?? '', /S3CSE_DECRYPTION/)
          return true
        })
      }
      // Rotten bytes under the checksum of the good ones: the SDK sees it first.
      await w.s3.tamper(Bucket, 'broken', (o) => void (o.body[5]! ^= 1), { keepChecksums: true })
      await assert.rejects(read(reader, 'broken'), /Checksum mismatch/)
      await eventually(async () => (await openFiles()) === 0, 'the files are closed')
    })
  }

  it('a second read of another body than the first is an error, and nothing of it is given out', async () => {
    const reader = client({ maxBufferedBytes: 0, spool: false })
    await put(reader, 'twice', pattern(3 * MIB))
    let gets = 0
    const stop = w.s3.onRequest(({ operation }) => {
      if (operation === 'GetObject' && ++gets === 2) {
        w.s3.fail({ body: (stored) => stored.map((byte, i) => (i === MIB + 5 ? byte ^ 1 : byte)) })
      }
    })
    const chunks: Buffer[] = []
    await assert.rejects(async () => {
      for await (const chunk of bodyOf(await get(reader, 'twice'))) chunks.push(chunk as Buffer)
    }, code('ERR_S3CSE_DECRYPTION_FAILED'))
    stop()
    assert.equal(gets, 2)
    assert.deepEqual(Buffer.concat(chunks), pattern(MIB))
  })

  it('pins the second read to the first one’s ETag', async () => {
    const reader = client({ maxBufferedBytes: 0, spool: false })
    await put(reader, 'pinned', pattern(2 * MIB))
    let gets = 0
    const stop = w.s3.onRequest(async ({ operation, headers }) => {
      if (operation !== 'GetObject') return
      if (++gets === 2) {
        assert.ok(headers['if-match'])
        await w.s3.put(Bucket, 'pinned', { body: 'something else' })
      }
    })
    await assert.rejects(read(reader, 'pinned'), { name: 'PreconditionFailed' })
    stop()
    assert.equal(gets, 2)
  })
})

describe('limits', () => {
  it('what does not fit in the memory budget is spooled, and the budget comes back', async () => {
    const reader = client({ maxBufferedBytes: 3 * MIB })
    await put(reader, 'two', pattern(2 * MIB))
    const first = bodyOf(await get(reader, 'two'))
    const second = bodyOf(await get(reader, 'two'))
    assert.equal(await openFiles(), 0)
    first.read()
    await eventually(() => first.readableLength > 0, 'the first is verified')
    assert.equal(await openFiles(), 0)
    second.read()
    await eventually(() => second.readableLength > 0, 'the second is verified')
    assert.equal(await openFiles(), 1)
    assert.deepEqual(Buffer.concat(await first.toArray()), pattern(2 * MIB))
    assert.deepEqual(Buffer.concat(await second.toArray()), pattern(2 * MIB))
    await eventually(async () => (await openFiles()) === 0, 'the file is closed')
    const third = bodyOf(await get(reader, 'two'))
    third.read()
    await eventually(() => third.readableLength > 0, 'the third is verified')
    assert.equal(await openFiles(), 0)
    third.destroy()
  })

  it('maxObjectBytes and spool.maxBytes are checked against Content-Length before anything is read', async () => {
    await put(client(), 'limit', pattern(100_000))
    await assert.rejects(get(client({ maxObjectBytes: 100_015 }), 'limit'), code('ERR_S3CSE_POLICY', /maxObjectBytes/))
    assert.deepEqual(await read(client({ maxObjectBytes: 100_016 }), 'limit'), pattern(100_000))
    const small = { maxBufferedBytes: 1000, spool: { directory, maxBytes: 100_015 } }
    await assert.rejects(get(client(small), 'limit'), code('ERR_S3CSE_SPOOL', /spool\.maxBytes/))
    assert.deepEqual(await read(client({ ...small, delayedAuthentication: true }), 'limit'), pattern(100_000))
  })

  it('spool.maxBytes holds for all reads together, and comes back', async () => {
    const reader = client({ maxBufferedBytes: 0, spool: { directory, maxBytes: 150_000 } })
    await put(reader, 'limit', pattern(100_000))
    const first = bodyOf(await get(reader, 'limit'))
    first.read()
    await eventually(() => first.readableLength > 0, 'the first is verified')
    await assert.rejects(read(reader, 'limit'), code('ERR_S3CSE_SPOOL', /under way/))
    first.destroy()
    await eventually(async () => (await openFiles()) === 0, 'the file is closed')
    assert.deepEqual(await read(reader, 'limit'), pattern(100_000))
  })

  it('a directory that cannot be used is an error from Body, and the response is given back', async () => {
    const reader = client({ maxBufferedBytes: 0, spool: { directory: join(directory, 'missing') } })
    await put(reader, 'limit', pattern(1000))
    await assert.rejects(read(reader, 'limit'), code('ERR_S3CSE_SPOOL', /created/))
  })
})

describe('nothing before it is read, nothing left behind', () => {
  it('an unread Body takes no memory of the budget and no file', async () => {
    const reader = client({ maxBufferedBytes: 100_000 })
    await put(reader, 'unread', pattern(90_000))
    const unread = await Promise.all(Array.from({ length: 5 }, () => get(reader, 'unread')))
    assert.equal(await openFiles(), 0)
    const sixth = bodyOf(await get(reader, 'unread'))
    sixth.read()
    await eventually(() => sixth.readableLength > 0, 'verified')
    assert.equal(await openFiles(), 0)
    for (const output of [...unread, { Body: sixth }]) (output.Body as { destroy(): void }).destroy()
  })

  for (const [name, options] of modes) {
    it(`${name}: a destroyed Body gives back file, budget and socket`, async () => {
      const reader = w.client(
        { spool: { directory }, ...options },
        { requestHandler: { httpAgent: { maxSockets: 2 } } },
      )
      await put(reader, 'destroyed', pattern(4 * MIB))
      for (let i = 0; i < 6; i++) {
        const body = bodyOf(await get(reader, 'destroyed'))
        if (i % 3 === 1) body.read()
        if (i % 3 === 2) {
          body.read()
          await eventually(() => body.readableLength > 0, 'some plaintext')
        }
        body.destroy()
      }
      await eventually(async () => (await openFiles()) === 0, 'the files are closed')
      assert.equal((await read(reader, 'destroyed')).length, 4 * MIB)
    })

    it(`${name}: an abort ends Body with AbortError at every stage`, async () => {
      const reader = client(options)
      await put(reader, 'aborted', pattern(4 * MIB))
      for (const stage of ['unread', 'reading', 'released'] as const) {
        if (stage === 'reading') w.s3.fail({ chunkBytes: 65_536, pauseMs: 20 })
        const controller = new AbortController()
        const { Body } = await reader.send(new GetObjectCommand({ Bucket, Key: 'aborted' }), {
          abortSignal: controller.signal,
        })
        const body = bodyOf({ Body } as never)
        const failed = new Promise<Error>((resolve) => body.once('error', resolve))
        if (stage !== 'unread') body.read()
        if (stage === 'released') await eventually(() => body.readableLength > 0, 'some plaintext')
        controller.abort()
        assert.equal((await failed).name, 'AbortError')
        assert.ok(body.destroyed)
      }
      await eventually(async () => (await openFiles()) === 0, 'the files are closed')
    })
  }

  it('an abort while the keyring is asked rejects, whenever it answers, and gives the socket back', async () => {
    const { signal: shared } = new AbortController()
    for (const ignores of [true, false]) {
      const controller = new AbortController()
      const slow: Keyring = {
        wrap: (r) => keyring.wrap(r),
        async unwrap(request) {
          controller.abort()
          if (ignores) await new Promise(() => undefined)
          return keyring.unwrap(request)
        },
      }
      const reader = w.client({ keyring: slow }, { requestHandler: { httpAgent: { maxSockets: 1 } } })
      await put(reader, 'asked', pattern(1000))
      const command = new GetObjectCommand({ Bucket, Key: 'asked' })
      await assert.rejects(reader.send(command, { abortSignal: controller.signal }), { name: 'AbortError' })
      const { ContentLength } = await reader.send(new HeadObjectCommand({ Bucket, Key: 'asked' }), {
        abortSignal: shared,
      })
      assert.equal(ContentLength, 1000)
    }
  })

  it('an abort of an unread Body without listeners ends nothing but the Body', async () => {
    const reader = client()
    await put(reader, 'aborted', pattern(1000))
    const controller = new AbortController()
    const { Body } = await reader.send(new GetObjectCommand({ Bucket, Key: 'aborted' }), {
      abortSignal: controller.signal,
    })
    controller.abort()
    await new Promise((resolve) => setTimeout(resolve, 20)) // an uncaught error would end the test
    await assert.rejects(Body!.transformToByteArray(), { name: 'AbortError' })
    await assert.rejects(Body!.transformToString(), { name: 'AbortError' })
  })

  for (const [name, options] of modes) {
    it(`${name}: an abort of a web stream is an AbortError too`, async () => {
      const reader = w.client({ spool: { directory }, ...options }, { requestHandler: new FetchHttpHandler() })
      await put(w.client(), 'aborted', pattern(2 * MIB))
      for (const reading of [false, true]) {
        const controller = new AbortController()
        w.s3.fail({ chunkBytes: 65_536, pauseMs: 10 })
        const { Body } = await reader.send(new GetObjectCommand({ Bucket, Key: 'aborted' }), {
          abortSignal: controller.signal,
        })
        const result = reading ? Body!.transformToByteArray() : undefined
        result?.catch(() => undefined)
        await new Promise((resolve) => setTimeout(resolve, 20))
        controller.abort()
        await assert.rejects(result ?? Body!.transformToByteArray(), { name: 'AbortError' })
      }
    })
  }

  it('a Body that is dropped gives its file and budget back when it is collected', async () => {
    const { gc } = globalThis
    assert.ok(gc, 'run with --expose-gc')
    const reader = client({ maxBufferedBytes: 2 * MIB, spool: { directory, maxBytes: 5 * MIB } })
    await put(reader, 'dropped', pattern(4 * MIB))
    await put(reader, 'dropped-small', pattern(2 * MIB - 16))
    const drop = async (key: string) => {
      const body = bodyOf(await get(reader, key))
      body.read()
      await eventually(() => body.readableLength > 0, 'some plaintext')
      return body
    }
    // Held until it was seen that they hold something: they may be collected at any time after.
    const bodies = [await drop('dropped'), await drop('dropped-small')]
    assert.equal(await openFiles(), 1)
    assert.equal(bodies.splice(0).length, 2)
    await eventually(async () => {
      gc()
      return (await openFiles()) === 0
    }, 'the file of a dropped Body is closed')
    // Both budgets are free again: neither read fits beside the dropped ones.
    assert.equal((await read(reader, 'dropped')).length, 4 * MIB)
    const again = bodyOf(await get(reader, 'dropped-small'))
    again.read()
    await eventually(() => again.readableLength > 0, 'verified')
    assert.equal(await openFiles(), 0)
    again.destroy()
  })
})

describe('what is not read', () => {
  it('ranges and parts are refused before anything is sent', async () => {
    w.s3.requests.length = 0
    await assert.rejects(get(client(), 'x', { Range: 'bytes=0-5' }), code('ERR_S3CSE_RANGE_REFUSED', /Range/))
    await assert.rejects(get(client(), 'x', { PartNumber: 1 }), code('ERR_S3CSE_RANGE_REFUSED', /PartNumber/))
    assert.equal(w.s3.requests.length, 0)
  })

  it('a plain object, unless passthrough takes it', async () => {
    await put(w.plain, 'plain', 'not a secret', { Metadata: { a: 'b' } })
    await assert.rejects(get(client(), 'plain'), code('ERR_S3CSE_NOT_ENCRYPTED', /bucket\/plain.*passthrough/))
    const seen: PlainObject[] = []
    const open = client({
      passthrough: (object) => {
        seen.push(object)
        return object.Metadata.a === 'b'
      },
    })
    const output = await get(open, 'plain')
    assert.equal(await output.Body?.transformToString(), 'not a secret')
    assert.equal(encryptionInfo(output)?.status, 'plain')
    assert.ok(output.ChecksumCRC32)
    assert.equal(seen[0]?.Key, 'plain')
    assert.equal(seen[0].Bucket, Bucket)
    assert.equal(seen[0].ContentLength, 12)
    await put(w.plain, 'plain', 'not a secret')
    await assert.rejects(get(open, 'plain'), code('ERR_S3CSE_NOT_ENCRYPTED'))
    const answers: (() => unknown)[] = [
      () => Promise.resolve(true),
      () => Promise.reject(new Error('rejected')),
      () => 'yes',
      () => 1,
      () => undefined,
    ]
    for (const answer of answers) {
      const odd = client({ passthrough: answer as () => boolean })
      await put(w.plain, 'plain', 'not a secret')
      await assert.rejects(get(odd, 'plain'), code('ERR_S3CSE_CONFIG', /passthrough/))
    }
    const failing = client({
      passthrough: () => {
        throw new Error('predicate failed')
      },
    })
    await assert.rejects(get(failing, 'plain'), /predicate failed/)
    await put(open, 'encrypted', 'x')
    assert.equal((await read(open, 'encrypted')).toString(), 'x')
    assert.equal(
      seen.some(({ Key }) => Key === 'encrypted'),
      false,
    )
  })

  it('decides over the object that was asked for, whatever becomes of the input object', async () => {
    await put(w.plain, 'secret', 'plain bytes')
    const open = client({ passthrough: ({ Key }) => Key.startsWith('public/') })
    const params = { Bucket, Key: 'secret' }
    const sending = open.send(new GetObjectCommand(params))
    params.Key = 'public/x'
    await assert.rejects(sending, code('ERR_S3CSE_NOT_ENCRYPTED', /bucket\/secret/))
  })

  it('V2 under the default policy, and keyring errors pass', async () => {
    await put(client({ commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' }), 'v2', 'x')
    await assert.rejects(get(client(), 'v2'), code('ERR_S3CSE_POLICY', /REQUIRE_ENCRYPT_ALLOW_DECRYPT/))
    assert.equal((await read(client({ commitmentPolicy: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT' }), 'v2')).toString(), 'x')
    const away: Keyring = {
      wrap: (r) => keyring.wrap(r),
      unwrap: () => Promise.reject(new Error('HSM is away')),
    }
    await put(client(), 'v3', 'x')
    await assert.rejects(get(client({ keyring: away }), 'v3'), /HSM is away/)
  })

  it('responses that are no answer to the request', async () => {
    const reader = client()
    await put(reader, 'lie', pattern(1000))
    for (const [fault, message] of [
      [{ headers: { 'content-range': 'bytes 0-1015/1016' }, status: 206 }, /Content-Range/],
      [{ headers: { 'content-length': undefined } }, /Content-Length/],
    ] as const) {
      w.s3.fail(fault)
      await assert.rejects(get(reader, 'lie'), code('ERR_S3CSE_RESPONSE_UNEXPECTED', message))
    }
    w.s3.fail({ body: () => pattern(10) })
    await assert.rejects(get(reader, 'lie'), code('ERR_S3CSE_ENVELOPE_INVALID', /10/))
    await put(w.plain, 'huge', 'x', { Metadata: {} })
    w.s3.fail({ headers: { 'x-amz-meta-x-amz-c': '1'.repeat(10_000) } })
    await assert.rejects(get(reader, 'huge'), code('ERR_S3CSE_ENVELOPE_INVALID'))
  })

  it('a missing object is the SDK’s error', async () => {
    await assert.rejects(get(client(), 'missing'), { name: 'NoSuchKey' })
  })
})

describe('per request', () => {
  it('delayedAuthentication and keyring', async () => {
    const other = aesKeyring({ wrappingKey: new Uint8Array(16).fill(3) })
    const reader = client({ keyring: other })
    await put(client(), 'request', pattern(5000))
    const command = new GetObjectCommand(
      requestOptions({ Bucket, Key: 'request' }, { keyring, delayedAuthentication: true }),
    )
    const { Body } = await reader.send(command)
    assert.deepEqual(Buffer.from(await Body!.transformToByteArray()), pattern(5000))
    await assert.rejects(get(reader, 'request'), code('ERR_S3CSE_DECRYPTION_FAILED'))
  })
})

describe('HeadObject', () => {
  const head = (reader = client(), Key = 'head', more = {}) =>
    reader.send(new HeadObjectCommand({ Bucket, Key, ...more }))

  it('shows the plaintext’s length and the caller’s metadata', async () => {
    await put(client(), 'head', pattern(1234), { Metadata: { color: 'red' } })
    const output = await head(client(), 'head', { ChecksumMode: 'ENABLED' })
    assert.equal(output.ContentLength, 1234)
    assert.deepEqual(output.Metadata, { color: 'red' })
    assert.deepEqual(
      Object.keys(output).filter((name) => name.startsWith('Checksum')),
      [],
    )
    assert.equal(encryptionInfo(output)?.status, 'encrypted')
    assert.ok(encryptionInfo(output)?.checksums.ChecksumCRC32)
    await assert.rejects(head(client(), 'head', { Range: 'bytes=0-1' }), code('ERR_S3CSE_RANGE_REFUSED'))
  })

  it('needs no key and no policy', async () => {
    await put(client({ commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' }), 'head', pattern(77))
    const other: Keyring = { wrap: () => assert.fail('asked'), unwrap: () => assert.fail('asked') }
    const output = await head(client({ keyring: other }))
    assert.equal(output.ContentLength, 77)
    assert.equal(encryptionInfo(output)?.envelope?.version, 'V2')
  })

  it('passes plain and damaged objects unchanged, and says which', async () => {
    await put(w.plain, 'head', 'plain', { Metadata: { a: 'b' } })
    const plain = await head()
    assert.equal(plain.ContentLength, 5)
    assert.deepEqual(plain.Metadata, { a: 'b' })
    assert.equal(encryptionInfo(plain)?.status, 'plain')

    await put(client(), 'head', pattern(50))
    await w.s3.tamper(Bucket, 'head', (object) => ({ metadata: { ...object.metadata, 'x-amz-iv': 'AAAA' } }))
    const mixed = await head()
    assert.equal(mixed.ContentLength, 66)
    assert.ok(mixed.Metadata?.['x-amz-c'])
    const info = encryptionInfo(mixed)
    assert.equal(info?.status, 'unknown')
    assert.match(info.problem ?? '', /x-amz-iv/)

    await put(client(), 'head', pattern(50))
    await w.s3.tamper(Bucket, 'head', () => ({ body: pattern(3) }))
    assert.equal(encryptionInfo(await head())?.status, 'unknown')
    await assert.rejects(head(client(), 'missing'), { name: 'NotFound' })
  })
})
