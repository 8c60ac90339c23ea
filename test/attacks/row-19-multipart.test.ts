// A retry that encrypts again would use one keystream for different bytes, or send what is left of a stream: a part is encrypted once for a request, and streams are not sent again.
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { beforeEach, describe, it } from 'node:test'

import type { S3Fault, S3Request } from '../../src/testing/index.js'
import { begin, PART, plaintext, recordingKeyring, assertStored } from '../client/multipart-support.js'
import { world } from '../support/world.js'
import { versions } from './support.js'

const w = await world({ recordBodyBytes: 8 * 1024 * 1024, etag: 'random', verifyPayload: false })
const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error() {} }
const first = plaintext(PART)
const last = plaintext(PART + 300_000).subarray(PART)

/** The SDK's retries without its pauses. */
const token = (count: number) => ({ getRetryCount: () => count, getRetryDelay: () => 0 })
const retryStrategy = {
  mode: 'standard',
  acquireInitialRetryToken: async () => token(0),
  refreshRetryTokenForRetry: async (before: { getRetryCount(): number }) => {
    if (before.getRetryCount() >= 9) throw new Error('tried ten times')
    return token(before.getRetryCount() + 1)
  },
  recordSuccess: () => undefined,
}
const isPart = ({ operation }: S3Request) => operation === 'UploadPart'
const faults: readonly S3Fault[] = [
  { match: isPart, status: 503 },
  { match: isPart, status: 500 },
  { match: isPart, reset: 'before' },
  { match: isPart, reset: { afterRequestBytes: 100_000 } },
  { match: isPart, reset: { afterResponseBytes: 0 } },
]

/** Every attempt sent the beginning of one ciphertext. */
function assertSame(attempts: readonly S3Request[]): void {
  const whole = Buffer.from(attempts.at(-1)!.body!)
  for (const { body } of attempts) {
    const sent = Buffer.from(body ?? '')
    assert.ok(sent.equals(whole.subarray(0, sent.length)), 'another ciphertext was sent')
  }
}

beforeEach(() => {
  w.s3.faults.length = 0
  w.s3.requests.length = 0
})

for (const [version, commitmentPolicy] of versions) {
  describe(version, () => {
    it('parts in memory, the trailer and Complete are the same until they arrive', async () => {
      const recording = recordingKeyring()
      const client = w.client({ keyring: recording, commitmentPolicy }, { retryStrategy, logger: quiet })
      const upload = await begin(client, 'retried')
      for (const [number, body] of [
        [1, first],
        [2, first],
      ] as const) {
        w.s3.requests.length = 0
        w.s3.fail(...faults)
        await upload.part(number, body)
        assert.equal(w.s3.requests.length, faults.length + 1)
        assertSame(w.s3.requests)
      }
      w.s3.requests.length = 0
      w.s3.fail(...faults)
      await upload.complete()
      const own = w.s3.requests.filter(isPart)
      assert.equal(own.length, faults.length + 1)
      assertSame(own)
      assert.equal(own.at(-1)?.bodyLength, 16)
      assert.equal(recording.dataKeys.length, 1)
      await assertStored(w, 'retried', recording.dataKeys[0], Buffer.concat([first, first]))
    })

    it('a part that is a stream is sent once, and what the caller sends then is compared with it', async () => {
      const client = w.client({ commitmentPolicy }, { retryStrategy, logger: quiet })
      const upload = await begin(client, 'stream')
      w.s3.requests.length = 0
      for (const fault of version === 'V3' ? faults : faults.slice(-1)) {
        const before = w.s3.requests.length
        w.s3.fail(fault)
        await assert.rejects(upload.part(1, Readable.from([first]), { ContentLength: PART }))
        assert.equal(w.s3.requests.length, before + 1)
      }
      await upload.part(1, Readable.from([first]), { ContentLength: PART })
      assertSame(w.s3.requests)
      await upload.abort()
    })

    it('a redirect to another region sends the same', async () => {
      const client = w.client({ commitmentPolicy }, { followRegionRedirects: true, logger: quiet })
      const upload = await begin(client, 'redirected')
      const redirect: S3Fault = { match: isPart, status: 301, headers: { 'x-amz-bucket-region': 'us-east-1' } }
      w.s3.fail(redirect)
      w.s3.requests.length = 0
      await upload.part(1, last)
      assert.equal(w.s3.requests.filter(isPart).length, 2)
      assertSame(w.s3.requests.filter(isPart))
      const stream = await begin(client, 'redirected')
      w.s3.fail(redirect)
      await assert.rejects(stream.part(1, Readable.from([first]), { ContentLength: PART }))
      await stream.abort()
    })
  })
}
