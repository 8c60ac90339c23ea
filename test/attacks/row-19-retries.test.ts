// A retry that encrypts again would use one IV for different bytes, or send what is left of a stream. Ciphertext and envelope are made once; streams are not sent again.
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { beforeEach, describe, it } from 'node:test'

import type { Keyring } from '../../src/index.js'
import type { S3Fault, S3Request } from '../../src/testing/index.js'
import { Bucket, keyring, pattern, put, read, world } from '../support/world.js'
import { versions } from './support.js'

const w = await world({ recordBodyBytes: 8 * 1024 * 1024 })
const plaintext = pattern(300_000)
/** Above the length from which the SDK waits for 100-continue. */
const large = pattern(2_100_000)

async function* chunks(size: number, bytes = plaintext) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error() {} }

/** The SDK's retries without its pauses. */
const retryStrategy = {
  mode: 'standard',
  acquireInitialRetryToken: async () => token(0),
  refreshRetryTokenForRetry: async (last: { getRetryCount(): number }) => {
    if (last.getRetryCount() >= 9) throw new Error('tried ten times')
    return token(last.getRetryCount() + 1)
  },
  recordSuccess: () => undefined,
}
const token = (count: number) => ({ getRetryCount: () => count, getRetryDelay: () => 0 })

const replayable: readonly [name: string, make: () => unknown][] = [
  ['string', () => plaintext.toString('latin1')],
  ['Buffer', () => plaintext],
  ['large Buffer', () => large],
  ['ArrayBuffer', () => new Uint8Array(plaintext).buffer],
  ['Blob', () => new Blob([plaintext])],
  ['stream of unknown length', () => Readable.from(chunks(30_000))],
]
const streams: readonly [name: string, make: () => unknown, length: number][] = [
  ['Readable', () => Readable.from(chunks(30_000)), plaintext.length],
  ['large Readable', () => Readable.from(chunks(30_000, large)), large.length],
  ['ReadableStream', () => new Blob([plaintext]).stream(), plaintext.length],
  ['async iterable', () => chunks(100_000), plaintext.length],
]

const bytesOf = (body: unknown): Buffer =>
  typeof body === 'string' ? Buffer.from(body) : Buffer.isBuffer(body) ? body : plaintext

const faults: readonly [name: string, fault: S3Fault][] = [
  ['503 after the body', { status: 503 }],
  ['500 after the body', { status: 500 }],
  ['a reset before the body', { reset: 'before' }],
  ['a reset after some bytes', { reset: { afterRequestBytes: 100_000 } }],
  ['a reset after all bytes', { reset: { afterRequestBytes: 1e9 } }],
]

/** What is of the message in a request's headers: envelope, length, checksums. Dates, signature and attempt differ. */
function ofMessage({ headers, trailers }: S3Request): Record<string, string> {
  const names = /^(x-amz-meta-|x-amz-checksum-|x-amz-sdk-checksum|x-amz-decoded|content-)/
  return Object.fromEntries(Object.entries({ ...headers, ...trailers }).filter(([name]) => names.test(name)))
}

/** Every attempt sent the beginning of one ciphertext, under one envelope; those that were received whole sent all of it. */
function assertSame(attempts: readonly S3Request[]): void {
  const whole = attempts.at(-1)!
  for (const request of attempts) {
    assert.deepEqual(ofMessage(request), ofMessage(whole))
    const sent = Buffer.from(request.body ?? '')
    assert.ok(sent.equals(Buffer.from(whole.body!).subarray(0, sent.length)), 'another ciphertext was sent')
  }
  assert.equal(whole.body?.length, whole.bodyLength)
}

beforeEach(() => {
  w.s3.faults.length = 0
  w.s3.requests.length = 0
})

for (const [version, commitmentPolicy] of versions) {
  describe(version, () => {
    for (const [name, make] of replayable) {
      it(`a ${name} is encrypted once and sent until it arrives`, async () => {
        let wraps = 0
        const counted: Keyring = {
          wrap: (request) => {
            wraps++
            return keyring.wrap(request)
          },
          unwrap: (request) => keyring.unwrap(request),
        }
        const client = w.client({ keyring: counted, commitmentPolicy }, { retryStrategy, logger: quiet })
        w.s3.fail(...faults.map(([, fault]) => fault))
        const body = make()
        await put(client, 'retried', body)
        const { requests } = w.s3
        assert.equal(requests.length, faults.length + 1)
        assert.equal(wraps, 1)
        assertSame(requests)
        assert.ok(requests.filter((request) => request.bodyLength === bytesOf(body).length + 16).length >= 3)
        assert.ok((await read(client, 'retried')).equals(bytesOf(body)))
        // A second PutObject of the same bytes is another message.
        const first = requests[0]!
        w.s3.requests.length = 0
        await put(client, 'retried', make())
        assert.notDeepEqual(ofMessage(w.s3.requests[0]!), ofMessage(first))
      })
    }

    for (const [name, make, ContentLength] of streams) {
      for (const [when, fault] of faults) {
        it(`a ${name} is not sent again after ${when}`, async () => {
          w.s3.fail(fault)
          const body = make()
          await assert.rejects(
            put(w.client({ commitmentPolicy }, { retryStrategy, logger: quiet }), 'streamed', body, {
              ContentLength,
            }),
          )
          assert.equal(w.s3.requests.length, 1)
          assert.equal(await w.s3.object(Bucket, 'streamed'), undefined)
          if (body instanceof Readable) assert.ok(body.destroyed)
        })
      }
    }
  })
}

describe('followRegionRedirects', () => {
  /** The first PutObject is answered with 301, as by a bucket elsewhere; it names the region that the client has already. */
  const redirect: S3Fault = {
    match: ({ operation }) => operation === 'PutObject',
    status: 301,
    headers: { 'x-amz-bucket-region': 'us-east-1' },
  }
  const redirected = (commitmentPolicy: (typeof versions)[number][1]) =>
    w.client({ commitmentPolicy }, { followRegionRedirects: true, logger: quiet })
  const puts = () => w.s3.requests.filter(({ operation }) => operation === 'PutObject')

  for (const [version, commitmentPolicy] of versions) {
    for (const [name, make] of replayable) {
      it(`${version}: a ${name} arrives with the same ciphertext`, async () => {
        w.s3.fail(redirect)
        const body = make()
        await put(redirected(commitmentPolicy), 'redirected', body)
        assert.equal(puts().length, 2)
        assertSame(puts())
        assert.ok((await read(w.client({ commitmentPolicy }), 'redirected')).equals(bytesOf(body)))
      })
    }

    for (const [name, make, ContentLength] of streams) {
      it(`${version}: a ${name} is a clean error, or arrives; it never becomes an empty object`, async () => {
        const client = w.client({ commitmentPolicy })
        await put(client, 'redirected', 'the object that was there')
        w.s3.requests.length = 0
        w.s3.fail(redirect)
        const sending = put(redirected(commitmentPolicy), 'redirected', make(), { ContentLength })
        await assert.rejects(sending)
        assert.ok(puts().length >= 1)
        // Whatever was stored is a whole message (the fault's 301 comes after the body was stored).
        const found = await read(client, 'redirected')
        assert.ok(
          found.equals(ContentLength === large.length ? large : plaintext) ||
            found.toString() === 'the object that was there',
        )
        for (const request of puts().slice(1)) assert.notEqual(request.status, 200)
      })
    }
  }
})
