import assert from 'node:assert/strict'
import { createCipheriv, createHash, type CipherGCMTypes } from 'node:crypto'
import { describe, test } from 'node:test'
import { budget } from '../../src/bytes/budget.js'
import { resources } from '../../src/bytes/resources.js'
import { headerKey } from '../../src/formats/esdk/header-auth.js'
import { singleEnd, singleOpener, SINGLE_START_LENGTH } from '../../src/formats/esdk/single-opener.js'
import { serialiseContext } from '../../src/keyrings/context-bytes.js'
import type { Opener } from '../../src/message/opener.js'
import { streamedRead } from '../../src/message/streamed-read.js'
import { SLICE_LENGTH, verifiedRead } from '../../src/message/verified-read.js'
import { cryptoRuntime as nodeRuntime } from '../../src/runtime/node-crypto.js'
import { nodeEcdsa } from '../../src/runtime/node-ecdsa.js'
import type { Spool } from '../../src/runtime/runtime.js'
import { cryptoRuntime as webRuntime } from '../../src/runtime/web-crypto.js'
import { webEcdsa } from '../../src/runtime/web-ecdsa.js'
import { code } from '../support/errors.js'
import { esdkNegatives, esdkVectors, messageOf } from '../support/esdk-vectors.js'
import {
  bytes,
  chunkings,
  collect,
  headerOf,
  messageFor,
  PUBLIC_KEY,
  sourceIn,
  unwrap,
  type Collected,
} from './esdk-signed-support.js'

const RUNTIMES = [
  ['node:crypto', nodeRuntime, nodeEcdsa],
  ['WebCrypto', webRuntime, webEcdsa],
] as const
const failed = code('ERR_S3CSE_DECRYPTION_FAILED')
const refused = code('ERR_S3CSE_CONFIG')

interface Opening {
  readonly required?: Readonly<Record<string, string>> | undefined
  readonly runtime?: (typeof RUNTIMES)[number]
  /** Default: the message's. */
  readonly sealedLength?: number | undefined
}

async function openerOf(message: Uint8Array, dataKey: Uint8Array, opening: Opening = {}): Promise<Opener> {
  const { required = {}, runtime = RUNTIMES[0] } = opening
  const [, { aes }, ecdsa] = runtime
  const header = headerOf(message)
  const key = await headerKey(header, dataKey, serialiseContext(required)!)
  const text = header.context.find(([name]) => name === PUBLIC_KEY)?.[1]
  const { signature } = header.suite
  const verifier = signature && (await ecdsa.verifier(signature.curve, Buffer.from(text!, 'base64')))
  const sealedLength = 'sealedLength' in opening ? opening.sealedLength : message.length
  const start = message.subarray(header.length, header.length + SINGLE_START_LENGTH)
  return singleOpener({
    aes: await aes(key),
    header,
    start,
    sealedLength,
    verifier,
  })
}

type Way = 'memory' | 'spool' | 'twice' | 'streamed' | 'absorbed'
const WAYS: readonly Way[] = ['memory', 'spool', 'twice', 'streamed', 'absorbed']

interface Reading extends Collected {
  /** Bytes that were spooled. */
  readonly spooled: number
}

/** As an object is read: verified before it is given out, or as it comes ('streamed', 'absorbed' without a streaming cipher). */
async function read(
  opener: Opener,
  message: Uint8Array,
  {
    way,
    next = () => 70_000,
    again = message,
    range,
  }: {
    way: Way
    next?: () => number
    again?: Uint8Array
    range?: { start: number; end: number }
  },
): Promise<Reading> {
  const held = resources()
  held.hold(() => opener.destroy())
  const file = Buffer.alloc(message.length)
  let spooled = 0
  const spool: Spool = {
    async write(data) {
      file.set(data, spooled)
      spooled += data.length
    },
    async read(offset, into) {
      into.set(file.subarray(offset, offset + into.length))
    },
    close: async () => undefined,
  }
  const options = { opener, upstream: sourceIn(message, next), sealedLength: message.length, range, resources: held }
  if (way === 'streamed') return { ...(await collect(streamedRead(options))), spooled }
  if (way === 'absorbed') {
    const without: Opener = { ...opener }
    delete without.stream
    return { ...(await collect(streamedRead({ ...options, opener: without }))), spooled }
  }
  const source = verifiedRead({
    ...options,
    memory: budget(way === 'memory' ? 2 ** 30 : 0),
    disk: budget(2 ** 30),
    createSpool: way === 'spool' ? async () => spool : undefined,
    reread: async () => sourceIn(again, next),
  })
  return { ...(await collect(source)), spooled }
}

for (const runtime of RUNTIMES) {
  describe(`messages of others without frames on ${runtime[0]}`, () => {
    test('every vector opens, in chunks of any length', async () => {
      let count = 0
      for (const vector of esdkVectors) {
        if (vector.contentType === 'framed') continue
        const message = messageOf(vector)
        const dataKey = Buffer.from(vector.dataKey, 'hex')
        const isRight = (plaintext: Uint8Array): void =>
          assert.equal(createHash('sha256').update(plaintext).digest('hex'), vector.plaintextSha256, vector.id)
        const opening = { required: vector.requiredEncryptionContext, runtime }
        const whole = await openerOf(message, dataKey, opening)
        assert.equal(singleEnd(headerOf(message), message), message.length - vector.footerLength)
        assert.equal(whole.plaintextLength(message.length), vector.plaintextLength, vector.id)
        assert.throws(() => whole.plaintextLength(message.length + 1), failed)
        isRight(await whole.openWhole(message))
        const open = await openerOf(message, dataKey, { ...opening, sealedLength: undefined })
        isRight(await open.openWhole(message))
        for (const next of chunkings()) {
          for (const way of ['memory', 'streamed', 'absorbed'] as const) {
            const { given, error } = await read(await openerOf(message, dataKey, opening), message, { way, next })
            assert.ifError(error)
            isRight(given)
          }
        }
        count++
      }
      assert.ok(count > 50, String(count))
    })

    test('every changed one is refused, and nothing of it is given out', async () => {
      let count = 0
      for (const vector of esdkNegatives) {
        if (!['body', 'signature', 'trailing'].includes(vector.stage)) continue
        const message = messageOf(vector)
        const header = headerOf(message)
        if (header.frameLength > 0) continue
        const dataKey = unwrap(header, vector.use)!
        for (const next of chunkings()) {
          const { given, error } = await openerOf(message, dataKey, { runtime }).then(
            (opener) => read(opener, message, { way: 'memory', next }),
            (refusal: unknown) => ({ given: Buffer.alloc(0), error: refusal }),
          )
          failed(error)
          assert.equal(given.length, 0, vector.id)
        }
        // Also for who does not know how long it is.
        await assert.rejects(async () => {
          const opener = await openerOf(message, dataKey, { runtime, sealedLength: undefined })
          await opener.openWhole(message)
        }, failed)
        count++
      }
      assert.ok(count >= 20, String(count))
    })

    test('odd ones that are right open', async () => {
      let count = 0
      for (const vector of esdkNegatives) {
        const message = messageOf(vector)
        if (vector.expect !== 'accept' || headerOf(message).frameLength > 0) continue
        const plaintext = await (
          await openerOf(message, unwrap(headerOf(message), vector.use)!, { runtime })
        ).openWhole(message)
        assert.deepEqual(plaintext, bytes(plaintext.length), vector.id)
        count++
      }
      assert.ok(count >= 3, String(count))
    })
  })
}

interface Single {
  readonly message: Buffer
  readonly dataKey: Uint8Array
  readonly plaintext: Uint8Array
  /** Where the content begins. */
  readonly contentAt: number
  readonly signed: boolean
}

/** Nobody writes such messages any more; these are made with node:crypto. */
async function single(suiteId: number, length: number): Promise<Single> {
  const made = await messageFor(suiteId, 0)
  const plaintext = bytes(length)
  const start = Buffer.alloc(20)
  start[11] = 1
  start.writeBigUInt64BE(BigInt(length), 12)
  const cipher = createCipheriv(`aes-${made.key.length * 8}-gcm` as CipherGCMTypes, made.key, start.subarray(0, 12))
  const numbers = Buffer.concat([Buffer.of(0, 0, 0, 1), start.subarray(12)])
  cipher.setAAD(Buffer.concat([made.messageId, Buffer.from('AWSKMSEncryptionClient Single Block'), numbers]))
  const content = cipher.update(plaintext)
  cipher.final()
  let message = Buffer.concat([made.header, start, content, cipher.getAuthTag()])
  const signed = made.suite.signature !== undefined
  if (signed) {
    made.signer.update(message)
    const signature = await made.signer.sign()
    message = Buffer.concat([message, Buffer.of(0, signature.length), signature])
  }
  return { message, dataKey: made.dataKey, plaintext, contentAt: made.header.length + 20, signed }
}

const LONG = 2 * SLICE_LENGTH + 12_345

for (const [suiteId, name] of [
  [0x0478, 'an unsigned'],
  [0x0178, 'an unsigned old'],
  [0x0578, 'a signed'],
  [0x0214, 'a signed old'],
] as const) {
  describe(`${name} message without frames that does not fit into memory`, () => {
    let made: Promise<Single> | undefined
    const long = (): Promise<Single> => (made ??= single(suiteId, LONG))
    for (const way of WAYS) {
      test(`is read: ${way}`, async () => {
        const { message, dataKey, plaintext, signed } = await long()
        const { given, error, spooled } = await read(await openerOf(message, dataKey), message, { way })
        assert.ifError(error)
        assert.ok(given.equals(plaintext))
        assert.equal(spooled, way === 'spool' ? LONG : 0)
        const range = { start: SLICE_LENGTH + 5, end: SLICE_LENGTH + 100_000 }
        const part = await read(await openerOf(message, dataKey), message, { way, range })
        assert.ifError(part.error)
        assert.ok(part.given.equals(plaintext.subarray(range.start, range.end)))
        assert.equal(part.spooled, way === 'spool' ? SLICE_LENGTH : 0)
        // Pieces that come in any order cannot be signed.
        const opener = await openerOf(message, dataKey)
        for (const member of ['hash', 'join', 'absorbPlaintext']) assert.equal(member in opener, !signed, member)
      })

      test(`fails at its end when a byte was changed, and gives nothing that was not verified: ${way}`, async () => {
        const { message, dataKey, plaintext, contentAt, signed } = await long()
        const tagAt = contentAt + LONG
        const places = [contentAt, tagAt, tagAt + 15]
        if (signed) places.push(tagAt + 17, tagAt + 40)
        for (const place of places) {
          const changed = Buffer.from(message)
          changed[place]! ^= 1
          const { given, error } = await read(await openerOf(changed, dataKey), changed, { way })
          failed(error)
          // As it comes it is unverified by its name; all of it is given then, and the error.
          assert.equal(given.length, way === 'streamed' || way === 'absorbed' ? plaintext.length : 0, String(place))
        }
      })
    }

    test('what is changed between two readings is not given out', async () => {
      const { message, dataKey, plaintext, contentAt } = await long()
      const again = Buffer.from(message)
      again[contentAt + SLICE_LENGTH + 7]! ^= 1
      const { given, error } = await read(await openerOf(message, dataKey), message, { way: 'twice', again })
      failed(error)
      assert.ok(given.equals(plaintext.subarray(0, SLICE_LENGTH)))
    })
  })
}

describe('what is no message without frames', () => {
  test('its start is strict, its lengths have to fit exactly, and its key is wiped', async () => {
    for (const suiteId of [0x0478, 0x0578]) {
      const { message, dataKey, contentAt, signed } = await single(suiteId, 300)
      const at = contentAt - 20
      const changes: ((bytes: Buffer) => void)[] = [
        ...Array.from({ length: 12 }, (_, i) => (buffer: Buffer) => (buffer[at + i]! ^= 1)),
        (buffer) => buffer.writeBigUInt64BE(299n, at + 12),
        (buffer) => buffer.writeBigUInt64BE(301n, at + 12),
        (buffer) => buffer.writeBigUInt64BE(0n, at + 12),
        (buffer) => buffer.writeBigUInt64BE(2n ** 36n - 31n, at + 12),
        (buffer) => buffer.writeBigUInt64BE(2n ** 63n, at + 12),
        (buffer) => buffer.writeBigUInt64BE(2n ** 64n - 1n, at + 12),
      ]
      for (const [index, change] of changes.entries()) {
        const changed = Buffer.from(message)
        change(changed)
        await assert.rejects(async () => (await openerOf(changed, dataKey)).openWhole(changed), failed, String(index))
      }
      for (const length of [0, 1, 19, 20, 35, 36, 335, 336 + 16 - 1]) {
        const cut = message.subarray(0, at + Math.min(length, message.length - at - 1))
        await assert.rejects(async () => (await openerOf(cut, dataKey)).openWhole(cut), failed, String(length))
      }
      const longer = Buffer.concat([message, Buffer.of(0)])
      await assert.rejects(async () => (await openerOf(longer, dataKey)).openWhole(longer), failed)
      const long = Buffer.concat([message, Buffer.alloc(signed ? 3 : 1)])
      await assert.rejects(openerOf(long, dataKey), failed)
      const other = await openerOf(message, dataKey)
      await assert.rejects(async () => other.openWhole(longer), failed)

      let destroyed = 0
      const aes = { ...(await nodeRuntime.aes(new Uint8Array(32))), destroy: () => (destroyed += 1) }
      const header = headerOf(message)
      const start = new Uint8Array(20)
      assert.throws(() => singleOpener({ aes, header, start, sealedLength: message.length }), failed)
      assert.equal(destroyed, 1)
    }
  })

  test('a signed message needs a verifier, and is read once and in order', async () => {
    const { message, dataKey, contentAt } = await single(0x0578, 300)
    const header = headerOf(message)
    const start = message.subarray(contentAt - 20, contentAt)
    const aes = await nodeRuntime.aes(new Uint8Array(32))
    assert.throws(() => singleOpener({ aes, header, start, sealedLength: message.length }), refused)
    const opener = await openerOf(message, dataKey)
    const content = message.subarray(contentAt, contentAt + 300)
    assert.throws(() => opener.absorb!(contentAt + 16, content.subarray(16, 32)), refused)
    await opener.absorb!(contentAt, content.subarray(0, 16))
    assert.throws(() => opener.absorb!(contentAt, content.subarray(0, 16)), refused)
    await assert.rejects(async () => opener.verify!(message.length, message.subarray(contentAt + 300)), failed)
    await opener.absorb!(contentAt + 16, content.subarray(16))
    await opener.verify!(message.length, message.subarray(contentAt + 300))
    await assert.rejects(async () => opener.openWhole(message), refused)
  })

  test('where the length is not known, the end is what comes last', async () => {
    for (const next of chunkings()) {
      for (const length of [0, 1, 300]) {
        const { message, dataKey, plaintext, contentAt } = await single(0x0578, length)
        const open = (): Promise<Opener> => openerOf(message, dataKey, { sealedLength: undefined })
        const all = async (given: Uint8Array): Promise<Buffer> => {
          const opener = await open()
          assert.equal(opener.headerLength, contentAt)
          assert.equal(opener.plaintextLength(0), length)
          const stream = opener.stream!()
          const chunks: Uint8Array[] = []
          const source = sourceIn(given.subarray(contentAt), next)
          for (let chunk = await source.next(); chunk !== undefined; chunk = await source.next()) {
            chunks.push(await stream.update(chunk))
          }
          chunks.push((await stream.final(new Uint8Array(0))) ?? new Uint8Array(0))
          return Buffer.concat(chunks)
        }
        assert.ok((await all(message)).equals(plaintext))
        for (const bad of [
          message.subarray(0, -1),
          message.subarray(0, contentAt + length + 16),
          message.subarray(0, contentAt + length + 15),
          message.subarray(0, contentAt),
          Buffer.concat([message, Buffer.alloc(1)]),
          Buffer.concat([message, Buffer.alloc(400)]),
          Buffer.concat([message.subarray(0, -1), Buffer.of(message.at(-1)! ^ 1)]),
        ]) {
          await assert.rejects(all(bad), failed)
          await assert.rejects(async () => (await open()).openWhole(bad), failed)
        }
      }
    }
  })
})
