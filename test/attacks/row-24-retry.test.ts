// Keystream reuse through a retry: a source that has changed since the first attempt is refused, before a byte of it leaves.
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { beforeEach, describe, it } from 'node:test'

import type { S3Fault } from '../../src/testing/index.js'
import { assertStored, begin, PART, plaintext, recordingKeyring, type Begun } from '../client/multipart-support.js'
import { code } from '../support/errors.js'
import { world } from '../support/world.js'
import { versions } from './support.js'

const w = await world({ etag: 'random', verifyPayload: false, recordBodyBytes: 8 * 1024 * 1024 })
const length = PART + 700_001
const body = plaintext(length)
const MIB = 1024 * 1024

function changed(at: number): Buffer {
  const bytes = Buffer.from(body)
  bytes[at]! ^= 0x80
  return bytes
}
async function* chunks(bytes: Uint8Array, end?: Error) {
  for (let at = 0; at < bytes.length; at += 50_000) yield bytes.subarray(at, at + 50_000)
  await Promise.resolve()
  if (end !== undefined) throw end
}

/** How the first attempt failed: of the bytes up to `sealed` something may have left. */
const failures: readonly [what: string, sealed: number, attempt: (upload: Begun) => Promise<unknown>][] = [
  ['S3 answered with an error', length, (upload) => failing({ status: 500 }, () => upload.part(1, body))],
  [
    'the answer was lost',
    length,
    (upload) => failing({ reset: { afterResponseBytes: 0 } }, () => upload.part(1, body)),
  ],
  [
    'the connection broke',
    length,
    (upload) => failing({ reset: { afterRequestBytes: 1e6 } }, () => upload.part(1, body)),
  ],
  [
    'its stream broke',
    2 * MIB,
    (upload) => {
      const source = Readable.from(chunks(body.subarray(0, 3_000_000), new Error('gone')))
      return upload.part(1, source, { ContentLength: length })
    },
  ],
]
function failing(fault: S3Fault, step: () => Promise<unknown>): Promise<unknown> {
  w.s3.fail({ match: ({ operation }) => operation === 'UploadPart', ...fault })
  return step()
}

beforeEach(() => {
  w.s3.requests.length = 0
  w.s3.faults.length = 0
})

for (const [version, commitmentPolicy] of versions) {
  const recording = recordingKeyring()
  const client = w.client({ keyring: recording, commitmentPolicy }, { maxAttempts: 1 })
  describe(version, () => {
    for (const [what, sealed, attempt] of version === 'V3' ? failures : failures.slice(-1)) {
      it(`after an attempt where ${what}`, async () => {
        recording.dataKeys.length = 0
        const upload = await begin(client, 'retry')
        await assert.rejects(attempt(upload))
        const sent = Buffer.from(w.s3.requests.at(-1)?.body ?? '')
        w.s3.requests.length = 0
        const other = code('ERR_S3CSE_UPLOAD_STATE', /other bytes than before/)
        for (const at of [1_500_000, length - 1]) {
          if (at >= sealed) continue
          await assert.rejects(upload.part(1, changed(at)), other)
          await assert.rejects(upload.part(1, changed(at).subarray(0, length - 1)), other)
          assert.equal(w.s3.requests.length, 0)
          // Of a stream what is the same may leave again, and nothing from the change on.
          await assert.rejects(upload.part(1, Readable.from(chunks(changed(at))), { ContentLength: length }), other)
          for (const { body: bytes, bodyLength, status } of w.s3.requests.splice(0)) {
            assert.equal(status, undefined)
            assert.ok(bodyLength <= at)
            const [one, two] = [sent, Buffer.from(bytes ?? '')]
            assert.ok(one.subarray(0, two.length).equals(two.subarray(0, one.length)))
          }
        }
        await upload.part(1, body)
        await upload.complete()
        await assertStored(w, 'retry', recording.dataKeys[0], body)
      })
    }

    it('after success, and by two at once', async () => {
      recording.dataKeys.length = 0
      const upload = await begin(client, 'retry')
      const both = await Promise.allSettled([upload.part(1, body), upload.part(1, changed(3_000_000))])
      assert.deepEqual(
        both.map(({ status }) => status),
        ['fulfilled', 'rejected'],
      )
      w.s3.requests.length = 0
      await assert.rejects(upload.part(1, changed(5)), code('ERR_S3CSE_UPLOAD_STATE'))
      assert.equal(w.s3.requests.length, 0)
      await upload.complete()
      await assertStored(w, 'retry', recording.dataKeys[0], body)
    })

    it('bytes that change while they are being sent are those that were encrypted', async () => {
      recording.dataKeys.length = 0
      const upload = await begin(client, 'retry')
      const own = Buffer.from(body)
      const sending = failing({ status: 500 }, () => upload.part(1, own))
      await new Promise(setImmediate)
      own.fill(0)
      await assert.rejects(sending)
      w.s3.requests.length = 0
      await assert.rejects(upload.part(1, own), code('ERR_S3CSE_UPLOAD_STATE'))
      assert.equal(w.s3.requests.length, 0)
      await upload.part(1, body)
      await upload.complete()
      await assertStored(w, 'retry', recording.dataKeys[0], body)
    })
  })
}
