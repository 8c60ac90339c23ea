import { PutBucketVersioningCommand, PutObjectCommand, S3 } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { describe, it } from 'node:test'

import { addEncryption, aesKeyring, download, encryptedView, encryptionInfo, requestOptions } from '../../src/index.js'
import type { DownloadProgress, EncryptionOptions, Format } from '../../src/index.js'
import { s3ec } from '../../src/formats/s3ec/s3ec.js'
import { code } from '../support/errors.js'
import { Bucket, pattern, put, world } from '../support/world.js'
import { folder, PART, part, partsOf } from './download-support.js'

const w = await world()
const f = folder(w)
const client = w.client()
const plaintext = pattern(5 * PART + 777)

const versions = [
  ['V2', w.client({ commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' })],
  ['V3', client],
] as const

describe('download', () => {
  for (const [version, reader] of versions) {
    it(`puts the plaintext at the destination, whatever its length (${version})`, async () => {
      const around = [1, 2, 3].flatMap((parts) => [-17, -16, -15, -8, -1, 0, 1].map((by) => parts * PART + by))
      for (const length of [0, 1, 15, 16, 17, ...around]) {
        const bytes = plaintext.subarray(0, length)
        await put(reader, 'length', bytes)
        w.s3.requests.length = 0
        const result = await f.get(reader, 'length')
        assert.ok((await f.content()).equals(bytes), String(length))
        assert.equal(result.ContentLength, length)
        assert.deepEqual(await f.names(), ['file'])
        const ranges = f.ranges()
        // A tag that is not in the first response as a whole is asked for alone.
        if (length > PART - 16 && length <= PART)
          assert.deepEqual(ranges, [`0-${PART - 1}`, `${length}-${length + 15}`])
        else assert.equal(ranges.length, Math.max(1, Math.ceil(length / PART)))
      }
    })
  }

  it('asks for a small object once, and for a large one in parts of the size that was given', async () => {
    await put(client, 'small', 'x')
    await download(client, { Bucket, Key: 'small' }, f.path)
    assert.deepEqual(f.ranges(), [`0-${16 * 1024 * 1024 - 1}`])
    await put(client, 'large', plaintext)
    w.s3.requests.length = 0
    await f.get(client, 'large')
    assert.deepEqual(f.ranges(), partsOf(plaintext.length + 16))
  })

  it('returns what GetObject returns, of the plaintext', async () => {
    await put(client, 'result', plaintext, {
      Metadata: { own: 'yes' },
      ContentType: 'text/x',
      CacheControl: 'no-store',
    })
    const result = await f.get(client, 'result')
    assert.deepEqual(result.Metadata, { own: 'yes' })
    assert.equal(result.ContentType, 'text/x')
    assert.equal(result.CacheControl, 'no-store')
    assert.equal(result.ETag, (await w.stored('result')).etag)
    assert.equal(result.ContentLength, plaintext.length)
    assert.equal(result.resumedBytes, 0)
    assert.ok(!('Body' in result) && !('ContentRange' in result))
    const info = encryptionInfo(result)
    assert.ok(info !== undefined)
    assert.equal(info.status, 'encrypted')
    assert.equal(info.envelope?.version, 'V3')
    assert.equal(info.authentication, 'verified')
    assert.equal(info.storedLength, plaintext.length + 16)
  })

  it('sends with every request what belongs to the object, and conditions with the first only', async () => {
    await put(client, 'members', plaintext)
    const { etag } = await w.stored('members')
    w.s3.requests.length = 0
    await f.get(
      client,
      'members',
      {},
      { RequestPayer: 'requester', IfNoneMatch: '"other"', IfUnmodifiedSince: new Date() },
    )
    const gets = w.s3.requests.filter(({ operation }) => operation === 'GetObject')
    assert.equal(gets.length, 6)
    assert.ok(gets.every(({ headers }) => headers['x-amz-request-payer'] === 'requester'))
    assert.deepEqual(
      gets.map(({ headers }) => headers['if-match']),
      [undefined, ...Array<string>(5).fill(etag)],
    )
    for (const name of ['if-none-match', 'if-unmodified-since']) {
      assert.deepEqual(
        gets.map(({ headers }) => headers[name] !== undefined),
        [true, false, false, false, false, false],
      )
    }
  })

  it('reads the version that was asked for, and keeps to the one that it has found', async () => {
    await w.plain.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }))
    try {
      const { VersionId } = await put(client, 'versions', plaintext)
      await put(client, 'versions', 'newer')
      w.s3.requests.length = 0
      const older = await f.get(client, 'versions', {}, VersionId === undefined ? {} : { VersionId })
      assert.ok((await f.content()).equals(plaintext))
      assert.equal(older.VersionId, VersionId)

      await put(client, 'versions', plaintext)
      w.s3.requests.length = 0
      let overwritten = false
      const end = w.s3.onRequest(async (request) => {
        if (overwritten || !part(2)(request)) return
        overwritten = true
        await put(client, 'versions', 'newest')
      })
      const current = await f.get(client, 'versions')
      end()
      assert.ok(overwritten)
      assert.ok((await f.content()).equals(plaintext))
      const asked = w.s3.requests
        .filter(({ operation }) => operation === 'GetObject')
        .map(({ query }) => query.versionId)
      assert.deepEqual(asked, [undefined, ...Array<string | undefined>(5).fill(current.VersionId)])
    } finally {
      await w.plain.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Suspended' } }))
    }
  })

  it('reports bytes of plaintext, up to all of them', async () => {
    for (const length of [0, 10, plaintext.length]) {
      await put(client, 'progress', plaintext.subarray(0, length))
      const seen: DownloadProgress[] = []
      await f.get(client, 'progress', { onProgress: (progress) => seen.push(progress) })
      assert.deepEqual(seen.at(-1), { loaded: length, total: length })
      assert.equal(seen.length, Math.max(1, Math.ceil(length / PART)))
    }
  })

  it('takes the options of the request, and works with views and the aggregated client', async () => {
    const other = aesKeyring({ wrappingKey: new Uint8Array(32).fill(8) })
    await client.send(
      new PutObjectCommand(requestOptions({ Bucket, Key: 'other', Body: plaintext }, { keyring: other })),
    )
    await assert.rejects(f.get(client, 'other'), code('ERR_S3CSE_DECRYPTION_FAILED'))
    await download(client, requestOptions({ Bucket, Key: 'other' }, { keyring: other }), f.path, { partSize: PART })
    assert.ok((await f.content()).equals(plaintext))

    const aggregated = addEncryption(new S3(w.s3.clientConfig), { keyring: other })
    await f.get(aggregated, 'other')
    await f.get(encryptedView(w.plain, { keyring: other }), 'other')
    aggregated.destroy()
  })

  it('does not gather listeners on a signal, however many requests there are at a time', async () => {
    await put(client, 'many', pattern(40 * PART))
    const warnings: Error[] = []
    const warned = (warning: Error) => void warnings.push(warning)
    process.on('warning', warned)
    await f.get(client, 'many', { concurrency: 40, signal: new AbortController().signal })
    // Warnings are emitted a tick later.
    await new Promise(setImmediate)
    process.off('warning', warned)
    assert.deepEqual(
      warnings.filter(({ name }) => name === 'MaxListenersExceededWarning'),
      [],
    )
  })

  it('has several downloads to one place succeed, the last of which stays', async () => {
    const others = Array.from({ length: 4 }, (_, index) => Buffer.alloc(plaintext.length, index))
    for (const [index, bytes] of others.entries()) await put(client, `same-${index}`, bytes)
    for (const resume of [false, true]) {
      await Promise.all(others.map((_, index) => f.get(client, `same-${index}`, { resume })))
      const content = await f.content()
      assert.ok(others.some((bytes) => bytes.equals(content)))
      assert.deepEqual(await f.names(), ['file'])
    }
  })
})

describe('download of an object that cannot be decrypted', () => {
  const fails = async (reader: S3Client, key: string, expected: Parameters<typeof code>[0]) => {
    await writeFile(f.path, 'as it was')
    await assert.rejects(f.get(reader, key), code(expected))
    assert.equal(String(await f.content()), 'as it was')
    assert.deepEqual(await f.names(), ['file'])
  }

  it('is refused as GetObject refuses it, before a second request', async () => {
    await put(w.plain, 'plain', plaintext)
    await put(versions[0][1], 'v2', plaintext)
    await put(client, 'encrypted', plaintext)
    w.s3.requests.length = 0
    await fails(client, 'plain', 'ERR_S3CSE_NOT_ENCRYPTED')
    await fails(client, 'v2', 'ERR_S3CSE_POLICY')
    await fails(w.client({ maxObjectBytes: plaintext.length }), 'encrypted', 'ERR_S3CSE_POLICY')
    const wrong = aesKeyring({ wrappingKey: new Uint8Array(32) })
    await fails(w.client({ keyring: wrong }), 'encrypted', 'ERR_S3CSE_DECRYPTION_FAILED')
    // One more for the instruction file that the plain object does not have.
    assert.deepEqual(
      w.s3.requests.map(({ key }) => key),
      ['plain', 'plain.instruction', 'v2', 'encrypted', 'encrypted'],
    )
    await assert.rejects(f.get(client, 'missing'), { name: 'NoSuchKey' })
    await assert.rejects(f.get(client, 'encrypted', {}, { IfMatch: '"other"' }), { name: 'PreconditionFailed' })
  })
})

describe('download of a plain object', () => {
  const passing = (seen: unknown[]): Partial<EncryptionOptions> => ({
    passthrough: (object) => seen.push({ ...object, Metadata: { ...object.Metadata } }) > 0,
  })

  it('that passthrough allows is in parts too', async () => {
    await put(w.plain, 'plain', plaintext, { Metadata: { a: 'b' } })
    w.s3.requests.length = 0
    const seen: { ContentLength?: number; Key?: string; Metadata?: unknown }[] = []
    const result = await f.get(w.client({ ...passing(seen), instructionFile: { read: false } }), 'plain')
    assert.ok((await f.content()).equals(plaintext))
    assert.deepEqual(f.ranges(), partsOf(plaintext.length))
    assert.equal(seen.length, 1)
    const [object] = seen
    assert.deepEqual([object?.Key, object?.ContentLength], ['plain', plaintext.length])
    assert.deepEqual(result.Metadata, { a: 'b' })
    assert.equal(result.ContentLength, plaintext.length)
    assert.equal(encryptionInfo(result)?.status, 'plain')
    assert.equal(encryptionInfo(result)?.authentication, 'none')
  })

  it('may be empty', async () => {
    await put(w.plain, 'empty', '')
    const seen: DownloadProgress[] = []
    const result = await f.get(w.client(passing([])), 'empty', { onProgress: (progress) => seen.push(progress) })
    assert.equal((await f.content()).length, 0)
    assert.equal(result.ContentLength, 0)
    assert.deepEqual(seen, [{ loaded: 0, total: 0 }])
    await assert.rejects(f.get(client, 'empty'), code('ERR_S3CSE_NOT_ENCRYPTED'))
  })

  it('without passthrough that says so at once is refused', async () => {
    await put(w.plain, 'plain', plaintext)
    const later = w.client({ passthrough: (() => Promise.resolve(true)) as never })
    await assert.rejects(f.get(later, 'plain'), code('ERR_S3CSE_CONFIG', /passthrough/))
    assert.deepEqual(await f.names(), [])
  })
})

describe('download from a server, or in a format, that knows no parts', () => {
  /** As if the server ignored Range. */
  const ignoring = (): S3Client => {
    const reader = w.client()
    reader.middlewareStack.add(
      (next) => (args) => {
        const { headers } = args.request as { headers: Record<string, string> }
        delete headers.range
        return next(args)
      },
      { step: 'build', priority: 'low' },
    )
    return reader
  }

  it('takes the whole object where the server ignores Range, and asks again if it breaks off', async () => {
    await put(client, 'whole', plaintext)
    w.s3.requests.length = 0
    w.s3.fail({ match: ({ operation }) => operation === 'GetObject', reset: { afterResponseBytes: 200_000 } })
    await f.get(ignoring(), 'whole')
    assert.ok((await f.content()).equals(plaintext))
    assert.deepEqual(f.ranges(), ['all', 'all'])
    const { etag } = await w.stored('whole')
    assert.equal(w.s3.requests.at(-1)?.headers['if-match'], etag)
    await put(client, 'whole', 'short')
    await f.get(ignoring(), 'whole')
    assert.equal(String(await f.content()), 'short')
  })

  /** S3EC, but its openers cannot hash one piece apart from the others, as with a cipher that chains. */
  const inOrder: Format = {
    ...s3ec(),
    recognise(metadata, object) {
      const envelope = s3ec().recognise(metadata, object)
      return (
        envelope && {
          ...envelope,
          async open(request) {
            const opener = await envelope.open(request)
            Reflect.deleteProperty(opener, 'hash')
            return opener
          },
        }
      )
    },
  }

  it('reads in one stream where the format can do no other', async () => {
    const ordered = w.client({ format: inOrder, maxBufferedBytes: 0 })
    await put(client, 'stream', plaintext, { Metadata: { own: 'yes' } })
    w.s3.requests.length = 0
    const seen: DownloadProgress[] = []
    const result = await f.get(ordered, 'stream', { onProgress: (progress) => seen.push(progress) })
    assert.ok((await f.content()).equals(plaintext))
    assert.deepEqual(f.ranges(), ['0-65535', 'all'].sort())
    assert.deepEqual(seen.at(-1), { loaded: plaintext.length, total: plaintext.length })
    assert.equal(result.ContentLength, plaintext.length)
    assert.deepEqual(result.Metadata, { own: 'yes' })
    assert.equal(encryptionInfo(result)?.status, 'encrypted')
    assert.deepEqual(await f.names(), ['file'])
  })

  it('leaves nothing behind if that stream is not right, breaks off or is aborted', async () => {
    await put(client, 'stream', plaintext)
    const ordered = w.client({ format: inOrder, maxBufferedBytes: 0 })
    const second = {
      match: ({ headers }: { headers: Readonly<Record<string, string>> }) => headers.range === undefined,
    }
    for (const fault of [
      { body: (stored: Uint8Array) => Uint8Array.from(stored, (byte, at) => (at === 100_000 ? byte ^ 1 : byte)) },
      { reset: { afterResponseBytes: 100_000 } },
    ]) {
      w.s3.fail({ ...second, ...fault })
      await assert.rejects(f.get(ordered, 'stream'))
      assert.deepEqual(await f.names(), [])
    }
    const controller = new AbortController()
    w.s3.fail({ ...second, chunkBytes: 1000, pauseMs: 20 })
    const delayed = w.client({ format: inOrder, delayedAuthentication: true })
    const onProgress = () => controller.abort()
    await assert.rejects(f.get(delayed, 'stream', { signal: controller.signal, onProgress }), { name: 'AbortError' })
    assert.deepEqual(await f.names(), [])
    await f.get(delayed, 'stream')
  })
})
