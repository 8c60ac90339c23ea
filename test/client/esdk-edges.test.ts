// Where messages, other formats and plain objects meet; conditions, races, aborts and what may be too much.
import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { CopyObjectCommand, GetObjectCommand, HeadObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'

import { decrypt, decryptStream, encrypt, encryptStream, esdk, openRange } from '../../src/esdk.js'
import type { EsdkOptions } from '../../src/esdk.js'
import {
  aesKeyring,
  download,
  encryptionInfo,
  inspect,
  multiKeyring,
  plaintextSizes,
  requestOptions,
  s3ec,
} from '../../src/index.js'
import type { EncryptionOptions, Keyring } from '../../src/index.js'
import { severalFormats } from '../../src/formats/several.js'
import { peekable } from '../../src/bytes/peekable.js'
import { sourceOfBytes } from '../../src/bytes/body.js'
import type { S3Request } from '../../src/testing/index.js'
import { code } from '../support/errors.js'
import { esdkVectors, messageOf } from '../support/esdk-vectors.js'
import { Bucket, get, keyring as s3ecKeyring, pattern, put, read, world } from '../support/world.js'
import { folder } from './download-support.js'

const w = await world()
const files = folder(w)
const F = 1000
const body = pattern(20 * F + 7)
const keyring: Keyring = aesKeyring({ wrappingKey: new Uint8Array(32).fill(9), keyNamespace: 'test', keyName: 'one' })

function esdkClient(options: EsdkOptions = {}, more: Partial<EncryptionOptions> = {}, config: object = {}): S3Client {
  return w.client({ keyring, format: esdk({ frameLength: F, ...options }), ...more }, config)
}
async function ranged(client: S3Client, Key: string, Range: string, more: object = {}): Promise<Buffer> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key, Range, ...more }))
  return Buffer.from((await Body?.transformToByteArray()) ?? [])
}
async function foreign(Key: string, client = esdkClient()): Promise<void> {
  await put(client, 'source-of-foreign', body)
  const { body: message } = await w.stored('source-of-foreign')
  await put(w.plain, Key, Buffer.from(message))
}

beforeEach(() => {
  w.s3.requests.length = 0
  w.s3.faults.length = 0
})

describe('a client that reads another format only', () => {
  it('says so, takes nothing for plain, and copies nothing without its envelope', async () => {
    const v3 = w.client({ keyring })
    await put(v3, 'v3', body)
    await put(esdkClient(), 'message', body)
    const cases: [S3Client, string, RegExp][] = [
      [esdkClient({}, { passthrough: () => true }), 'v3', /alsoRead: \[s3ec\(\)\]/],
      [w.client({ keyring, passthrough: () => true }), 'message', /alsoRead: \[esdk\(\)\]/],
    ]
    for (const [client, key, message] of cases) {
      await assert.rejects(read(client, key), code('ERR_S3CSE_ENVELOPE_INVALID', message))
      const head = await client.send(new HeadObjectCommand({ Bucket, Key: key }))
      assert.equal(encryptionInfo(head)?.status, 'unknown')
      const copy = { Bucket, Key: 'copy', CopySource: `${Bucket}/${key}`, Metadata: { color: 'red' } }
      await assert.rejects(
        client.send(new CopyObjectCommand({ ...copy, MetadataDirective: 'REPLACE' })),
        code('ERR_S3CSE_ENVELOPE_INVALID'),
      )
    }
  })

  it('and an object with the metadata of two is refused', async () => {
    const v3 = w.client({ keyring })
    await put(v3, 'two', body)
    await w.s3.tamper(Bucket, 'two', ({ metadata }) => ({ metadata: { ...metadata, 's3-cse-esdk': '' } }))
    for (const client of [w.client({ keyring, alsoRead: [esdk()] }), esdkClient({}, { alsoRead: [s3ec()] })]) {
      await assert.rejects(read(client, 'two'), code('ERR_S3CSE_ENVELOPE_INVALID'))
    }
    const both = severalFormats(s3ec(), [esdk()])
    const { metadata } = await w.stored('two')
    assert.throws(
      () => both.recognise(metadata, { bucket: Bucket, key: 'two' }),
      code('ERR_S3CSE_ENVELOPE_INVALID', /several/),
    )
  })
})

describe('alsoRead', () => {
  it('is checked when the client is set up', () => {
    const wrong: [Partial<EncryptionOptions>, RegExp][] = [
      [{ alsoRead: [s3ec()] }, /'s3ec' is there already/],
      [{ alsoRead: [esdk(), esdk()] }, /'esdk' is there already/],
      [{ alsoRead: esdk() as never }, /array/],
      [{ alsoRead: [{}] as never }, /must be a format/],
      [{ alsoRead: [esdk()], keyring: s3ecKeyring }, /keyNamespace/],
    ]
    for (const [options, message] of wrong) {
      assert.throws(() => w.client({ keyring, ...options }), code('ERR_S3CSE_CONFIG', message))
    }
  })

  it('takes a keyring and a context of a request that one of the formats takes', async () => {
    const client = w.client({ keyring, alsoRead: [esdk()] })
    await put(w.client(), 'of-s3ec', body)
    const withoutNames = requestOptions({ Bucket, Key: 'of-s3ec' }, { keyring: s3ecKeyring })
    const s3ecOutput = await client.send(new GetObjectCommand(withoutNames))
    assert.deepEqual(Buffer.from((await s3ecOutput.Body?.transformToByteArray()) ?? []), body)
    const encryptionContext = { tenant: 'a' }
    await put(esdkClient({}, { encryptionContext }), 'of-esdk', body)
    const several = multiKeyring({ generator: keyring })
    for (const options of [{ encryptionContext }, { encryptionContext, keyring: several }]) {
      const output = await client.send(new GetObjectCommand(requestOptions({ Bucket, Key: 'of-esdk' }, options)))
      assert.deepEqual(Buffer.from((await output.Body?.transformToByteArray()) ?? []), body)
    }
    // What it writes has to fit its own format.
    await assert.rejects(
      put(client, 'x', body, requestOptions({ Bucket, Key: 'x' }, { encryptionContext })),
      code('ERR_S3CSE_CONFIG'),
    )
    await assert.rejects(
      put(client, 'x', body, requestOptions({ Bucket, Key: 'x' }, { keyring: several })),
      code('ERR_S3CSE_CONFIG'),
    )
  })

  it('gives a plain object that begins as a message does to who takes plain objects', async () => {
    const texts = [Buffer.from('AgR4AgR4 is text'), Buffer.from([2, 4, 0x78, 1, 2, 3]), Buffer.alloc(0)]
    for (const text of texts) {
      await put(w.plain, 'begins', text)
      const takes = w.client({ keyring, alsoRead: [esdk()], passthrough: () => true })
      assert.deepEqual(await read(takes, 'begins'), text)
      await files.get(takes, 'begins')
      assert.deepEqual(await files.content(), text)
      if (text.length === 0) continue
      assert.deepEqual(await ranged(takes, 'begins', 'bytes=-3'), text.subarray(-3))
      await assert.rejects(
        read(w.client({ keyring, alsoRead: [esdk()] }), 'begins'),
        code('ERR_S3CSE_ENVELOPE_INVALID'),
      )
    }
    const empty = await get(esdkClient({}, { passthrough: () => true }), 'begins', { Range: 'bytes=-5' })
    assert.equal(empty.ContentLength, 0)
  })
})

describe('HeadObject of what has no envelope in its metadata', () => {
  const client = esdkClient()

  it('answers where the body cannot be read, and so do inspect and plaintextSizes', async () => {
    await foreign('archived')
    const refused = {
      status: 403,
      code: 'InvalidObjectState',
      match: ({ operation }: S3Request) => operation === 'GetObject',
    }
    w.s3.fail({ ...refused, times: 3 })
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'archived' }))
    assert.equal(encryptionInfo(head)?.status, 'unknown')
    assert.match(encryptionInfo(head)?.problem ?? '', /InvalidObjectState/)
    assert.equal((await inspect(client, { Bucket, Key: 'archived' })).status, 'unknown')
    const sizes = await plaintextSizes(client, { Bucket, Contents: [{ Key: 'archived' }] })
    assert.deepEqual([...sizes], [['archived', undefined]])
  })

  it('is asked once more where the object was replaced in between', async () => {
    await foreign('replaced')
    let seen = 0
    const end = w.s3.onRequest(async ({ operation, key }) => {
      if (operation === 'GetObject' && key === 'replaced' && seen++ === 0) await put(w.plain, 'replaced', body)
    })
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'replaced' }))
    end()
    assert.equal(encryptionInfo(head)?.status, 'plain')
    assert.equal(head.ContentLength, body.length)
  })

  it('sends nothing when it is presigned', async () => {
    const url = await getSignedUrl(client, new HeadObjectCommand({ Bucket, Key: 'nowhere' }))
    assert.match(url, /nowhere/)
    assert.equal(w.s3.requests.length, 0)
  })
})

describe('a range of a version whose header is known', () => {
  it('is held to the caller’s own conditions', async () => {
    const client = esdkClient()
    await put(client, 'conditions', body)
    assert.deepEqual(await ranged(client, 'conditions', 'bytes=0-9'), body.subarray(0, 10))
    const old = new Date(Date.now() - 3_600_000)
    const status = (expected: number) => (error: unknown) => {
      assert.equal((error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode, expected)
      return true
    }
    await assert.rejects(ranged(client, 'conditions', 'bytes=0-9', { IfUnmodifiedSince: old }), status(412))
    await assert.rejects(ranged(client, 'conditions', 'bytes=0-9', { IfMatch: '"other"' }), status(412))
    await assert.rejects(ranged(client, 'conditions', 'bytes=0-9', { IfModifiedSince: new Date() }), status(304))
    const { ETag } = await client.send(new HeadObjectCommand({ Bucket, Key: 'conditions' }))
    await assert.rejects(ranged(client, 'conditions', 'bytes=0-9', { IfNoneMatch: ETag }), status(304))
    assert.deepEqual(await ranged(client, 'conditions', 'bytes=5-9', { IfMatch: ETag }), body.subarray(5, 10))
  })

  it('of a message without frames is none', async () => {
    const vector = esdkVectors.find(
      ({ contentType, decryptWith, suite, plaintextLength }) =>
        contentType === 'non-framed' && suite === '0478' && decryptWith.includes('aes-256') && plaintextLength > 300,
    )!
    const { vectorKeys } = await import('../keyrings/esdk-support.js')
    const { namespace, name, key } = vectorKeys['aes-256']!
    const own = aesKeyring({ wrappingKey: Buffer.from(key, 'hex'), keyNamespace: namespace, keyName: name })
    await put(w.plain, 'unframed', messageOf(vector))
    const client = esdkClient({}, { keyring: own, encryptionContext: Object.fromEntries(vector.encryptionContext) })
    const whole = await read(client, 'unframed')
    for (const rangeReads of ['unauthenticated', 'whole-object', 'unauthenticated'] as const) {
      const input = requestOptions({ Bucket, Key: 'unframed', Range: 'bytes=10-19' }, { rangeReads })
      const { Body } = await client.send(new GetObjectCommand(input))
      assert.deepEqual(Buffer.from((await Body?.transformToByteArray()) ?? []), whole.subarray(10, 20))
    }
    const small = esdkClient(
      { frameLength: 100, maxBodySize: 299 },
      { keyring: own, encryptionContext: Object.fromEntries(vector.encryptionContext) },
    )
    await assert.rejects(read(small, 'unframed'), code('ERR_S3CSE_POLICY', /without frames/))
  })
})

describe('an object that is replaced between two requests of one read', () => {
  it('is read as it is then, where nothing has been given out', async () => {
    const signed = { algorithmSuite: 'ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384' } as const
    const second = pattern(5 * F).reverse()
    const v3 = w.client({ keyring, alsoRead: [esdk()] })
    const cases: [string, S3Client, S3Client, object][] = [
      ['a signed message, whole', esdkClient(signed), esdkClient(signed), { rangeReads: 'whole-object' }],
      ['of S3EC, looked at first', v3, w.client({ keyring, alsoRead: [esdk()] }), { rangeReads: 'whole-object' }],
      ['of S3EC, a part', v3, w.client({ keyring, alsoRead: [esdk()] }), { rangeReads: 'unauthenticated' }],
    ]
    for (const [name, writer, reader, options] of cases) {
      await put(writer, 'between', body)
      let seen = 0
      const end = w.s3.onRequest(async ({ operation, key }) => {
        if (operation === 'GetObject' && key === 'between' && seen++ === 1) await put(writer, 'between', second)
      })
      const input = requestOptions({ Bucket, Key: 'between', Range: 'bytes=100-199' }, options)
      const { Body } = await reader.send(new GetObjectCommand(input))
      assert.deepEqual(Buffer.from((await Body?.transformToByteArray()) ?? []), second.subarray(100, 200), name)
      end()
      assert.ok(seen > 2)
    }
    const writer = esdkClient(signed)
    await put(writer, 'between', body)
    let seen = 0
    const end = w.s3.onRequest(async ({ operation, key }) => {
      if (operation === 'GetObject' && key === 'between' && seen++ === 1) await put(writer, 'between', second)
    })
    await assert.rejects(
      download(writer, { Bucket, Key: 'between' }, files.path),
      code('ERR_S3CSE_RESPONSE_UNEXPECTED', /overwritten/),
    )
    end()
  })
})

describe('a server', () => {
  it('that sends the whole object for a range is told apart', async () => {
    const client = esdkClient()
    await put(client, 'ignores', body)
    const { body: message } = await w.stored('ignores')
    w.s3.fail({
      match: ({ operation }) => operation === 'GetObject',
      status: 200,
      headers: { 'content-range': undefined, 'content-length': String(message.length) },
      times: 2,
    })
    await assert.rejects(ranged(client, 'ignores', 'bytes=0-9'), code('ERR_S3CSE_RESPONSE_UNEXPECTED', /ignores Range/))
  })

  it('that stalls in the middle of what is read first does not hold who gives up', { timeout: 30_000 }, async () => {
    await foreign('stalls')
    const client = esdkClient()
    for (const act of [
      (abortSignal: AbortSignal) => client.send(new HeadObjectCommand({ Bucket, Key: 'stalls' }), { abortSignal }),
      (abortSignal: AbortSignal) =>
        client.send(new GetObjectCommand({ Bucket, Key: 'stalls', Range: 'bytes=9000-9009' }), { abortSignal }),
      (signal: AbortSignal) => inspect(client, { Bucket, Key: 'stalls' }, { signal }),
      (signal: AbortSignal) => download(client, { Bucket, Key: 'stalls' }, files.path, { signal }),
    ]) {
      w.s3.fail({ match: ({ operation }) => operation === 'GetObject', chunkBytes: 100, pauseMs: 20_000 })
      const controller = new AbortController()
      const acting = act(controller.signal)
      setTimeout(() => controller.abort(), 200)
      await assert.rejects(acting, { name: 'AbortError' })
      w.s3.faults.length = 0
    }
  })
})

describe('messages without S3 are given up', () => {
  const never: Keyring = {
    algorithms: ['esdk'],
    wrap: () => new Promise(() => undefined),
    unwrap: () => new Promise(() => undefined),
  }
  const abortable = (): AbortSignal => AbortSignal.timeout(50)

  it('while a keyring or a source does not answer', { timeout: 20_000 }, async () => {
    const { message } = await encrypt(body, { keyring })
    const all = async (chunks: AsyncIterable<Uint8Array>): Promise<void> => {
      for await (const chunk of chunks) assert.ok(chunk.length > 0)
    }
    const stuck = { length: message.length, read: () => new Promise<void>(() => undefined) }
    const acts: (() => Promise<unknown>)[] = [
      () => encrypt(body, { keyring: never, signal: abortable() }),
      () => decrypt(message, { keyring: never, signal: abortable() }),
      () => all(encryptStream([body], { keyring: never, signal: abortable() })),
      () => all(decryptStream([message], { keyring: never, signal: abortable() })),
      () => openRange(message, { keyring: never, signal: abortable() }),
      () => openRange(stuck, { keyring, signal: abortable() }),
    ]
    for (const act of acts) await assert.rejects(act(), { name: 'AbortError' })
  })

  it('and what a keyring gives too late is wiped', async () => {
    const dataKeys: Uint8Array[] = []
    let answer: () => void = () => undefined
    const late: Keyring = {
      ...keyring,
      async wrap(request) {
        const result = await keyring.wrap(request)
        dataKeys.push(result.dataKey)
        await new Promise<void>((resolve) => (answer = resolve))
        return result
      },
    }
    const controller = new AbortController()
    const encrypting = encrypt(body, { keyring: late, signal: controller.signal })
    await new Promise((resolve) => setTimeout(resolve, 20))
    controller.abort()
    await assert.rejects(encrypting, { name: 'AbortError' })
    answer()
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.ok(
      dataKeys[0]?.every((byte) => byte === 0),
      'wiped',
    )
  })
})

describe('what may be too much', () => {
  it('frames that could not be read again are not written', async () => {
    assert.throws(() => esdk({ frameLength: 1000, maxBodySize: 999 }), code('ERR_S3CSE_CONFIG', /maxBodySize/))
    const large = w.client({ keyring, format: esdk({ frameLength: 65 * 1024 ** 2 }) })
    await put(large, 'large-frames', body)
    assert.deepEqual(await read(large, 'large-frames'), body)
    await assert.rejects(read(esdkClient(), 'large-frames'), code('ERR_S3CSE_POLICY', /maxBodySize/))
    const few = esdk({ maxBodySize: 500 })
    await put(w.client({ keyring, format: few }), 'few', body)
    assert.deepEqual(await read(w.client({ keyring, format: few }), 'few'), body)
  })

  it('a claimed frame length takes no memory', async () => {
    const claims = w.client({ keyring, format: esdk({ frameLength: 2 ** 32 - 1 }) })
    await put(claims, 'claims', body)
    assert.deepEqual(await ranged(claims, 'claims', 'bytes=5-9'), body.subarray(5, 10))
    assert.deepEqual(await read(claims, 'claims'), body)
    const { body: message } = await w.stored('claims')
    const reader = await openRange(Buffer.from(message), { keyring, maxBodySize: 2 ** 32 })
    assert.deepEqual(Buffer.from(await reader.read(5, 10)), body.subarray(5, 10))
  })

  it('a source that is looked at ends once', async () => {
    let asked = 0
    const source = sourceOfBytes(pattern(10), 4)
    const counted = peekable({ next: () => (asked++, source.next()), cancel: () => undefined })
    assert.equal((await counted.start(100)).length, 10)
    assert.equal((await counted.start(3)).length, 3)
    assert.deepEqual(Buffer.from((await counted.next()) ?? []), pattern(10))
    const before = asked
    assert.equal(await counted.next(), undefined)
    assert.equal(await counted.next(), undefined)
    assert.equal(asked, before)
  })
})
