// The server answers with a range, a length or a body that was not asked for. Nothing that differs from the whole object is given out, and parts are never asked for.
import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'

import { HeadObjectCommand } from '@aws-sdk/client-s3'

import { CseError } from '../../src/index.js'
import type { CseErrorCode } from '../../src/index.js'
import type { S3Fault } from '../../src/testing/index.js'
import { code } from '../support/errors.js'
import { Bucket, get, pattern, put, read, world } from '../support/world.js'
import { assertRefused, modes, outcomeOf } from './support.js'

const w = await world()
const plaintext = pattern(150_000)
const stored = plaintext.length + 16

/** Clients that take the body's checksums from the response, and clients that leave everything to this library. */
const readers = modes.flatMap(([mode, options]) =>
  (['WHEN_SUPPORTED', 'WHEN_REQUIRED'] as const).map((responseChecksumValidation) => ({
    mode,
    verifies: mode !== 'delayed',
    checksums: responseChecksumValidation === 'WHEN_SUPPORTED',
    client: w.client(options, { responseChecksumValidation }),
  })),
)

interface Lie {
  readonly name: string
  readonly fault: S3Fault
  /** `undefined`: an error of the transport, or of the SDK's checksums, about bytes that did not arrive. */
  readonly expected?: CseErrorCode
}

const shown = (body: (stored: Uint8Array) => Uint8Array): S3Fault => ({ body })
const unexpected: CseErrorCode = 'ERR_S3CSE_RESPONSE_UNEXPECTED'
const failed: CseErrorCode = 'ERR_S3CSE_DECRYPTION_FAILED'
const invalid: CseErrorCode = 'ERR_S3CSE_ENVELOPE_INVALID'

const ranges = ['bytes 0-150015/150016', 'bytes 16-31/150016', 'bytes */150016', 'bytes 0-15/*', 'x']
const lies: readonly Lie[] = [
  ...ranges.flatMap((range) =>
    [200, 206].map((status) => ({
      name: `${status} with Content-Range ${range}`,
      fault: { status, headers: { 'content-range': range } },
      expected: unexpected,
    })),
  ),
  {
    name: 'half of the object as a range',
    fault: { ...shown((all) => all.subarray(0, 75_008)), status: 206, headers: { 'content-range': ranges[0] } },
    expected: unexpected,
  },
  {
    name: 'half of the object as 206 without Content-Range',
    fault: { ...shown((all) => all.subarray(75_008)), status: 206 },
    expected: failed,
  },
  { name: 'no Content-Length', fault: { headers: { 'content-length': undefined } }, expected: unexpected },
  { name: 'Content-Length one too long', fault: { headers: { 'content-length': String(stored + 1) } } },
  { name: 'Content-Length far too long', fault: { headers: { 'content-length': String(40 * 1024 ** 3) } } },
  {
    name: 'Content-Length longer than any message',
    fault: { headers: { 'content-length': String(2 ** 40) } },
    expected: invalid,
  },
  ...[0, 1, 75_000, stored - 16, stored - 1].map((bytes) => ({
    name: `a body that ends after ${bytes} bytes`,
    fault: { truncateBody: bytes },
  })),
  { name: 'a connection that is reset', fault: { reset: { afterResponseBytes: 100_000 } } },
  ...[1, 16, 75_000, stored - 16].map((bytes) => ({
    name: `${bytes} bytes less, all headers fitting`,
    fault: shown((all) => all.subarray(0, -bytes)),
    expected: failed,
  })),
  ...[0, 1, 15].map((bytes) => ({
    name: `${bytes} bytes, all headers fitting`,
    fault: shown((all) => all.subarray(0, bytes)),
    expected: invalid,
  })),
  ...[1, 16, 1000].map((bytes) => ({
    name: `${bytes} bytes more, all headers fitting`,
    fault: shown((all) => Buffer.concat([all, all.subarray(0, bytes)])),
    expected: failed,
  })),
  {
    name: 'the object without its first byte, and one more at its end',
    fault: shown((all) => Buffer.concat([all.subarray(1), all.subarray(0, 1)])),
    expected: failed,
  },
  { name: 'zeros', fault: shown((all) => new Uint8Array(all.length)), expected: failed },
  {
    name: 'the plaintext itself',
    fault: shown(() => Buffer.concat([plaintext, Buffer.alloc(16)])),
    expected: failed,
  },
]

beforeEach(async () => {
  w.s3.faults.length = 0
  await put(w.client(), 'object', plaintext)
})

describe('a lie is an error, and verified reads release nothing', () => {
  for (const { name, fault, expected } of lies) {
    it(name, async () => {
      for (const { mode, verifies, client } of readers) {
        w.s3.fail(fault)
        const { released, error } = await outcomeOf(client, 'object')
        assert.ok(error instanceof Error, mode)
        if (expected !== undefined) code(expected)(error)
        else if (error instanceof CseError) assert.equal(error.code, unexpected, mode)
        if (verifies) assert.equal(released.length, 0, mode)
        assert.equal(w.s3.faults.length, 0)
      }
    })
  }

  it('a Content-Length that is too short cuts the object', async () => {
    for (const bytes of [1, 16, 100_000]) {
      for (const { mode, verifies, checksums, client } of readers) {
        w.s3.fail({ headers: { 'content-length': String(stored - bytes) } })
        const { released, error } = await outcomeOf(client, 'object')
        assert.ok(error instanceof Error, mode)
        // Checksums of the response are the SDK's matter, and say the same earlier.
        if (!checksums) code(failed)(error)
        if (verifies) assert.equal(released.length, 0, mode)
      }
    }
  })

  it("another object's body, under this object's envelope", async () => {
    await put(w.client(), 'other', pattern(plaintext.length).reverse())
    const other = await w.stored('other')
    for (const { mode, verifies, client } of readers) {
      w.s3.fail({ body: other.body })
      const outcome = await outcomeOf(client, 'object')
      if (verifies) assertRefused(outcome, failed, mode)
      else code(failed)(outcome.error)
    }
  })

  it("this object's body without its envelope", async () => {
    const { metadata } = await w.stored('object')
    const headers = Object.fromEntries(Object.keys(metadata).map((key) => [`x-amz-meta-${key}`, undefined]))
    for (const { mode, client } of readers) {
      w.s3.fail({ headers })
      assertRefused(await outcomeOf(client, 'object'), 'ERR_S3CSE_NOT_ENCRYPTED', mode)
      w.s3.fail({ headers: { 'x-amz-meta-x-amz-d': undefined } })
      assertRefused(await outcomeOf(client, 'object'), invalid, mode)
    }
  })

  it('a status alone says nothing: with the whole body it is the whole object', async () => {
    for (const { mode, client } of readers) {
      w.s3.fail({ status: 206 })
      assert.deepEqual(
        await outcomeOf(client, 'object'),
        { released: plaintext, error: undefined, fromBody: true },
        mode,
      )
    }
  })
})

describe('parts are not asked for', () => {
  it('Range and PartNumber are refused before anything is sent', async () => {
    w.s3.requests.length = 0
    for (const more of [
      ...['bytes=0-9', 'bytes=5-', 'bytes=-16', 'bytes=0-', 'bytes=9-0', 'bytes=0-1,5-6', 'garbage', ''].map(
        (Range) => ({ Range }),
      ),
      ...[1, 0, 2, 10_000].map((PartNumber) => ({ PartNumber })),
      { Range: 'bytes=0-9', PartNumber: 1 },
    ]) {
      for (const { client } of readers) {
        await assert.rejects(get(client, 'object', more), code('ERR_S3CSE_RANGE_REFUSED'))
        const head = new HeadObjectCommand({ Bucket, Key: 'object', ...more })
        await assert.rejects(client.send(head), code('ERR_S3CSE_RANGE_REFUSED'))
      }
    }
    assert.equal(w.s3.requests.length, 0)
  })

  it('the object is read as a whole afterwards', async () => {
    for (const { client } of readers) assert.deepEqual(await read(client, 'object'), plaintext)
  })
})
