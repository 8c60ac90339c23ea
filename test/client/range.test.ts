import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'

import { GetObjectCommand, HeadObjectCommand, S3ServiceException } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'

import { encryptionInfo, requestOptions } from '../../src/index.js'
import type { EncryptionOptions } from '../../src/index.js'
import { code } from '../support/errors.js'
import { Bucket, get, pattern, put, read, world } from '../support/world.js'

const w = await world()
const plaintext = pattern(200)

const unauthenticated: Partial<EncryptionOptions> = { rangeReads: 'unauthenticated' }
const whole: Partial<EncryptionOptions> = { rangeReads: 'whole-object' }
const modes: readonly [name: string, options: Partial<EncryptionOptions>][] = [
  ['unauthenticated', unauthenticated],
  ['whole object', whole],
  ['whole object, spooled', { ...whole, maxBufferedBytes: 0 }],
  ['whole object, read twice', { ...whole, maxBufferedBytes: 0, spool: false }],
  ['whole object, delayed', { ...whole, delayedAuthentication: true }],
]
const versions = [
  ['V2', 'FORBID_ENCRYPT_ALLOW_DECRYPT'],
  ['V3', 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT'],
] as const

/** The Range of each GetObject since this was emptied. */
const ranges = (): (string | undefined)[] =>
  w.s3.requests.filter(({ operation }) => operation === 'GetObject').map(({ headers }) => headers.range)

beforeEach(() => {
  w.s3.faults.length = 0
  w.s3.requests.length = 0
})

async function part(client: S3Client, key: string, Range: string) {
  const output = await get(client, key, { Range })
  return { ...output, bytes: Buffer.from(await output.Body!.transformToByteArray()), info: encryptionInfo(output) }
}

/** The members of an error that are the same in each. */
function shapeOf(error: unknown): object {
  assert.ok(error instanceof Error)
  const { $metadata, RequestId, ...members } = Object.fromEntries(Object.entries(error)) as Record<string, unknown>
  assert.equal(typeof RequestId, 'string')
  const { httpStatusCode } = $metadata as Record<string, unknown>
  const { message } = error
  const properties = Object.keys($metadata as object).sort()
  return {
    ...members,
    message,
    httpStatusCode,
    properties,
    text: String(error),
    is: error instanceof S3ServiceException,
  }
}

async function caught(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => assert.fail('no error'),
    (error: unknown) => error,
  )
}

describe('ranges of 200 bytes', () => {
  for (const [version, commitmentPolicy] of versions) {
    for (const [mode, options] of modes) {
      it(`${version}, ${mode}`, async () => {
        const client = w.client({ commitmentPolicy, ...options })
        await put(client, 'object', plaintext, { Metadata: { color: 'red' }, ContentType: 'text/x' })
        for (const [Range, start, end, sent] of [
          ['bytes=10-20', 10, 21, 'bytes=0-20'],
          ['bytes=190-300', 190, 200, 'bytes=176-300'],
          ['bytes=40-', 40, 200, 'bytes=32-'],
          ['bytes=-40', 160, 200, 'bytes=-71'],
          ['bytes=0-0', 0, 1, 'bytes=0-0'],
          ['bytes=0-', 0, 200, 'bytes=0-'],
          ['bytes=0-199', 0, 200, 'bytes=0-199'],
          ['bytes=0-9223372036854775807', 0, 200, 'bytes=0-9007199254740991'],
          ['bytes=199-199', 199, 200, 'bytes=192-199'],
          ['bytes=199-215', 199, 200, 'bytes=192-215'],
          ['bytes=15-16', 15, 17, 'bytes=0-16'],
          ['bytes=16-31', 16, 32, 'bytes=16-31'],
          ['bytes=-1', 199, 200, 'bytes=-32'],
          ['bytes=-200', 0, 200, 'bytes=-231'],
          ['bytes=-201', 0, 200, 'bytes=-232'],
          ['bytes=-1000', 0, 200, 'bytes=-1031'],
        ] as const) {
          w.s3.requests.length = 0
          const { bytes, info, ...output } = await part(client, 'object', Range)
          assert.deepEqual(bytes, plaintext.subarray(start, end), Range)
          assert.equal(output.ContentRange, `bytes ${start}-${end - 1}/200`)
          assert.equal(output.ContentLength, end - start)
          assert.equal(output.$metadata.httpStatusCode, 206)
          assert.equal(output.AcceptRanges, 'bytes')
          assert.equal(output.ContentType, 'text/x')
          assert.deepEqual(output.Metadata, { color: 'red' })
          assert.ok(output.ETag)
          assert.equal(info?.status, 'encrypted')
          assert.equal(info.storedLength, 216)
          assert.equal(info.envelope?.version, version)
          const expected = mode === 'unauthenticated' ? 'none' : options.delayedAuthentication ? 'delayed' : 'verified'
          assert.equal(info.authentication, expected)
          const once = mode === 'unauthenticated' ? [sent] : [undefined]
          assert.deepEqual(ranges(), mode.endsWith('twice') ? [undefined, undefined] : once, Range)
          assert.equal(
            Object.keys(output).some((name) => name.startsWith('Checksum')),
            false,
          )
        }
      })

      it(`${version}, ${mode}: what S3 ignores is the whole object, verified`, async () => {
        const client = w.client({ commitmentPolicy, ...options })
        await put(client, 'object', plaintext)
        for (const Range of ['bytes=100-50', '10-20', 'bytes=0-1,5-6', 'bytes=-', 'garbage', '']) {
          const { bytes, info, ...output } = await part(client, 'object', Range)
          assert.deepEqual(bytes, plaintext, Range)
          assert.equal(output.ContentRange, undefined)
          assert.equal(output.ContentLength, 200)
          assert.equal(output.$metadata.httpStatusCode, 200)
          assert.equal(info?.authentication, options.delayedAuthentication ? 'delayed' : 'verified')
        }
        assert.ok(ranges().every((range) => range === undefined))
        await w.s3.tamper(Bucket, 'object', ({ body }) => void (body[3]! ^= 1))
        await assert.rejects(part(client, 'object', 'bytes=100-50'), code('ERR_S3CSE_DECRYPTION_FAILED'))
      })

      it(`${version}, ${mode}: an unsatisfiable range is S3's 416`, async () => {
        const client = w.client({ commitmentPolicy, ...options })
        await put(client, 'object', plaintext)
        await put(w.plain, 'plain', plaintext)
        // Just past the end S3 has the tag; further on it answers itself.
        for (const Range of [
          'bytes=200-',
          'bytes=200-201',
          'bytes=215-215',
          'bytes=216-217',
          'bytes=300-400',
          'bytes=-0',
        ]) {
          const expected = shapeOf(await caught(get(w.plain, 'plain', { Range })))
          assert.deepEqual(shapeOf(await caught(get(client, 'object', { Range }))), expected, Range)
        }
        assert.deepEqual(await read(client, 'object'), plaintext)
      })
    }
  }

  for (const [mode, options] of modes) {
    it(`${mode}: of an empty object only the last bytes, as of S3's`, async () => {
      const client = w.client(options)
      await put(client, 'empty', pattern(0))
      await put(w.plain, 'plain', pattern(0))
      for (const Range of ['bytes=0-', 'bytes=0-0', 'bytes=0-15', 'bytes=16-', 'bytes=-0']) {
        const expected = shapeOf(await caught(get(w.plain, 'plain', { Range })))
        assert.deepEqual(shapeOf(await caught(get(client, 'empty', { Range }))), expected, Range)
      }
      for (const Range of ['bytes=-1', 'bytes=-16', 'bytes=-1000']) {
        const plain = await part(w.plain, 'plain', Range)
        const { bytes, ...output } = await part(client, 'empty', Range)
        assert.equal(bytes.length, 0)
        assert.equal(output.ContentRange, plain.ContentRange)
        assert.equal(output.ContentLength, plain.ContentLength)
        assert.equal(output.$metadata.httpStatusCode, plain.$metadata.httpStatusCode)
      }
    })

    it(`${mode}: conditions and versions are honoured`, async () => {
      const client = w.client(options)
      const { ETag } = await put(client, 'object', plaintext)
      const Range = 'bytes=5-9'
      const output = await get(client, 'object', { Range, IfMatch: ETag })
      assert.deepEqual(Buffer.from(await output.Body!.transformToByteArray()), plaintext.subarray(5, 10))
      await assert.rejects(get(client, 'object', { Range, IfMatch: '"other"' }), { name: 'PreconditionFailed' })
      await assert.rejects(
        get(client, 'object', { Range, IfNoneMatch: ETag }),
        (error: { $metadata?: { httpStatusCode?: number } }) => error.$metadata?.httpStatusCode === 304,
      )
      await assert.rejects(get(client, 'missing', { Range }), { name: 'NoSuchKey' })
    })
  }

  it('the choice can be made for one request', async () => {
    const client = w.client()
    await put(client, 'object', plaintext)
    const input = { Bucket, Key: 'object', Range: 'bytes=20-29' }
    for (const rangeReads of ['unauthenticated', 'whole-object'] as const) {
      const { Body } = await client.send(new GetObjectCommand(requestOptions(input, { rangeReads })))
      assert.deepEqual(Buffer.from(await Body!.transformToByteArray()), plaintext.subarray(20, 30))
    }
    const strict = w.client(whole)
    const refused = strict.send(new GetObjectCommand(requestOptions(input, { rangeReads: 'reject' })))
    await assert.rejects(refused, code('ERR_S3CSE_RANGE_REFUSED'))
  })
})

describe('what is refused before anything is sent', () => {
  it('every Range by default, with the option in the message', async () => {
    for (const Range of ['bytes=0-5', 'bytes=-5', 'bytes=9-5', 'garbage', '']) {
      await assert.rejects(
        get(w.client(), 'x', { Range }),
        code('ERR_S3CSE_RANGE_REFUSED', /Range.*rangeReads.*'whole-object'.*'unauthenticated'/),
      )
    }
    assert.equal(w.s3.requests.length, 0)
  })

  for (const [mode, options] of modes) {
    it(`${mode}: PartNumber, with Range or without, and HeadObject of a part`, async () => {
      const client = w.client(options)
      for (const more of [{ PartNumber: 1 }, { PartNumber: 0 }, { PartNumber: 1, Range: 'bytes=0-5' }]) {
        await assert.rejects(get(client, 'x', more), code('ERR_S3CSE_RANGE_REFUSED', /PartNumber.*Range/))
        const head = new HeadObjectCommand({ Bucket, Key: 'x', ...more })
        await assert.rejects(client.send(head), code('ERR_S3CSE_RANGE_REFUSED', /PartNumber/))
      }
      const head = new HeadObjectCommand({ Bucket, Key: 'x', Range: 'bytes=0-5' })
      await assert.rejects(client.send(head), code('ERR_S3CSE_RANGE_REFUSED', /HeadObject/))
      await assert.rejects(get(client, 'x', { Range: 5 as never }), code('ERR_S3CSE_CONFIG', /Range/))
      assert.equal(w.s3.requests.length, 0)
    })
  }
})
