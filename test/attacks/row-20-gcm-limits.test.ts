// AES-GCM's limits: 2^36 - 32 bytes a message, one IV an object, and each block of keystream for one block of plaintext, whatever parts are sent in whatever order.
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, it } from 'node:test'

import { begin, PART, plaintext, type Begun } from '../client/multipart-support.js'
import { code } from '../support/errors.js'
import { Bucket, world } from '../support/world.js'
import { versions } from './support.js'

const GIB = 1024 ** 3
const w = await world({ etag: 'random', verifyPayload: false, recordBodyBytes: 8 * 1024 * 1024 })
const client = w.client({}, { maxAttempts: 1 })
/** A body that is as long as it is said to be, as far as anybody reads it. */
const endless = (): Readable =>
  new Readable({
    read() {
      this.push(plaintext(65_536))
    },
  })

describe('limits', () => {
  async function refused(upload: Begun, number: number, length: number): Promise<void> {
    w.s3.requests.length = 0
    const source = endless()
    const sending = upload.part(number, source, { ContentLength: length })
    await assert.rejects(sending, code('ERR_S3CSE_BODY_TOO_LARGE'))
    assert.equal(w.s3.requests.length, 0)
    assert.ok(source.destroyed)
  }

  it('64 GiB - 32 bytes an object, in parts of one size and in parts that add up', async () => {
    const longest = 64 * GIB - 32
    const sized = await begin(client, 'long', {}, { partSize: 5 * GIB })
    await refused(sized, 13, 5 * GIB)
    await refused(sized, 13, longest - 60 * GIB + 1)
    const added = await begin(client, 'long')
    for (let number = 1; number <= 12; number++) {
      const controller = new AbortController()
      const source = endless()
      const sending = added.part(number, source, { ContentLength: 5 * GIB }, { abortSignal: controller.signal })
      setImmediate(() => controller.abort())
      await assert.rejects(sending, { name: 'AbortError' })
    }
    await refused(added, 13, longest - 60 * GIB + 1)
  })

  it('5 GiB a part, trailer included', async () => {
    await refused(await begin(client, 'long'), 1, 5 * GIB + 1)
    await refused(await begin(client, 'long', {}, { partSize: 5 * GIB }), 2, 5 * GIB - 15)
  })
})

it('no block of keystream masks two blocks of plaintext, in all that ever leaves', async () => {
  const total = plaintext(3 * PART + 999)
  const upload = await begin(client, 'stream', {}, { partSize: PART })
  w.s3.requests.length = 0
  const part = (number: number) => total.subarray((number - 1) * PART, number * PART)
  const stream = (number: number) => upload.part(number, Readable.from([part(number)]), { ContentLength: PART })
  await upload.part(4, part(4))
  w.s3.fail({ reset: { afterRequestBytes: 2_000_000 } }, { status: 500 }, { reset: { afterResponseBytes: 0 } })
  await assert.rejects(stream(3))
  await assert.rejects(stream(3))
  await assert.rejects(upload.part(2, part(2)))
  for (const number of [2, 3]) await assert.rejects(upload.part(number, total.subarray(1, PART + 1)))
  await Promise.all([stream(3), upload.part(2, part(2)), upload.part(1, part(1))])
  await Promise.all([upload.complete(), upload.complete()])
  const bodies = w.s3.requests.filter(({ operation, body }) => operation === 'UploadPart' && body !== undefined)
  assert.ok(bodies.length >= 8)

  const { body } = await w.stored('stream')
  /** The first half of each block of keystream; in the whole object none is there twice. */
  const halves = new BigUint64Array(Math.floor(total.length / 16))
  const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const [sealed, plain] = [view(Uint8Array.from(body)), view(total)]
  for (let i = 0; i < halves.length; i++) halves[i] = sealed.getBigUint64(16 * i) ^ plain.getBigUint64(16 * i)
  halves.sort()
  assert.ok(halves.every((half, index) => index === 0 || half !== halves[index - 1]))
  // What else was sent is a piece of the same ciphertext, at its place.
  for (const { query, body: sent } of bodies) {
    const offset = (Number(query.partNumber) - 1) * PART
    assert.ok(Buffer.from(sent!).equals(Buffer.from(body).subarray(offset, offset + sent!.length)))
  }
})

for (const [version, commitmentPolicy] of versions) {
  describe(version, () => {
    it('each upload has an IV or a message id, and a key, of its own', async () => {
      const client = w.client({ commitmentPolicy })
      const nonces = new Set<string>()
      for (let i = 0; i < 5; i++) {
        const upload = await begin(client, 'once')
        await upload.part(1, 'x')
        await upload.complete()
        const { metadata } = await w.stored('once')
        nonces.add(metadata[version === 'V2' ? 'x-amz-iv' : 'x-amz-i'] ?? '')
        nonces.add(metadata[version === 'V2' ? 'x-amz-key-v2' : 'x-amz-3'] ?? '')
      }
      assert.equal(nonces.size, 10)
      assert.ok(!nonces.has(''))
      const requests = w.s3.requests.filter(({ operation }) => operation === 'UploadPart')
      assert.ok(requests.every(({ headers }) => !Object.keys(headers).some((name) => name.startsWith('x-amz-meta-'))))
      assert.ok(w.s3.keys(Bucket).includes('once'))
    })
  })
}
