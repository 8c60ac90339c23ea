import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { runtime } from '#runtime'
import { frameOpener } from '../../src/formats/esdk/frame-opener.js'
import { frameSealer } from '../../src/formats/esdk/frame-sealer.js'
import { authenticateHeader } from '../../src/formats/esdk/header-auth.js'
import { parseHeader } from '../../src/formats/esdk/header.js'
import { serialiseContext } from '../../src/keyrings/context-bytes.js'
import { rangedRead, sealedRange } from '../../src/message/ranged-read.js'
import { streamedRead } from '../../src/message/streamed-read.js'
import { resources } from '../../src/bytes/resources.js'
import type { Opener } from '../../src/message/opener.js'
import type { PositionalSealer } from '../../src/message/sealer.js'
import type { ByteSource } from '../../src/runtime/runtime.js'
import { code } from '../support/errors.js'
import { esdkVectors, messageOf } from '../support/esdk-vectors.js'

const key = new Uint8Array(32).fill(5)
const messageId = new Uint8Array(32).fill(6)
const header = new Uint8Array(100).fill(7)
const impossible = (length: number): Error => new Error(`no message has ${length} bytes`)

async function sealer(frameLength: number): Promise<PositionalSealer> {
  return frameSealer({ aes: await runtime.aes(key), key, messageId, frameLength, header })
}
async function opener(frameLength: number): Promise<Opener> {
  return frameOpener({
    aes: await runtime.aes(key),
    header: { messageId, frameLength, length: header.length },
    impossible,
  })
}
function bytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 255)
}
function sourceOf(message: Uint8Array, chunk: number): ByteSource {
  let at = 0
  return {
    async next() {
      if (at >= message.length) return undefined
      at += chunk
      return message.slice(at - chunk, at)
    },
    cancel: () => undefined,
  }
}
async function collect(source: ByteSource): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for (let chunk = await source.next(); chunk !== undefined; chunk = await source.next()) chunks.push(chunk)
  return Buffer.concat(chunks)
}

test('pieces in any order are the message that is sealed whole, and it reads back in chunks of any length', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 50 }),
      fc.nat(400),
      fc.integer({ min: 1, max: 97 }),
      fc.integer({ min: 1, max: 4 }),
      async (frameLength, length, chunk, frames) => {
        const plaintext = bytes(length)
        const whole = Buffer.from(await (await sealer(frameLength)).sealWhole(plaintext))
        const parts = await sealer(frameLength)
        assert.equal(whole.length, parts.sealedLength(length))
        const step = frames * frameLength
        const offsets = Array.from({ length: Math.max(1, Math.ceil(length / step)) }, (_, i) => i * step).reverse()
        const message = Buffer.alloc(whole.length)
        header.forEach((byte, i) => (message[i] = byte))
        for (const offset of offsets) {
          const last = offset + step >= length
          const { sealed, state } = await parts.sealPiece(offset, plaintext.subarray(offset, offset + step), last)
          assert.equal(state.length, 16)
          message.set(sealed, parts.sealedOffset(offset))
        }
        assert.deepEqual(await parts.trailer(length), new Uint8Array(0))
        assert.ok(message.equals(whole))

        const options = { opener: await opener(frameLength), sealedLength: whole.length, resources: resources() }
        assert.equal(options.opener.plaintextLength(whole.length), length)
        const read = await collect(streamedRead({ ...options, upstream: sourceOf(whole, chunk) }))
        assert.ok(read.equals(plaintext))
      },
    ),
    { numRuns: 150 },
  )
})

test('a range needs its frames only, and one that reaches the end the final frame as well', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 400 }),
      fc.nat(400),
      fc.nat(400),
      async (frameLength, length, a, b) => {
        const [start, end] = [Math.min(a, b) % length, Math.min(length, Math.max(a, b) + 1)]
        if (start >= end) return
        const plaintext = bytes(length)
        const message = Buffer.from(await (await sealer(frameLength)).sealWhole(plaintext))
        const reader = await opener(frameLength)
        const sealed = sealedRange(reader, message.length, { start, end })
        const frames = Math.ceil(end / frameLength) - Math.floor(start / frameLength)
        const most = frames * (frameLength + 32) + frameLength + 40
        assert.ok(sealed.end - sealed.start <= most, `${sealed.end - sealed.start} of ${most}`)
        const upstream = sourceOf(message.subarray(sealed.start, sealed.end), 33)
        const range = { opener: reader, sealedLength: message.length, range: { start, end }, sealed }
        const read = await collect(rangedRead({ ...range, upstream, resources: resources() }))
        assert.ok(read.equals(plaintext.subarray(start, end)))
      },
    ),
    { numRuns: 200 },
  )
})

test('a frame is sealed once, and nothing behind the end', async () => {
  const refused = code('ERR_S3CSE_CONFIG')
  const twice = await sealer(10)
  await twice.sealPiece(10, bytes(20), false)
  await assert.rejects(twice.sealPiece(20, bytes(10), false), refused)
  await assert.rejects(twice.sealPiece(0, bytes(15), false), refused)
  await assert.rejects(twice.sealPiece(5, bytes(10), false), refused)
  // The final frame would have the IV of the frame that is there.
  await assert.rejects(twice.sealPiece(0, bytes(10), true), refused)
  await twice.sealPiece(30, bytes(0), true)
  await assert.rejects(twice.sealPiece(30, bytes(10), false), refused)
  await assert.rejects(twice.sealPiece(30, bytes(0), true), refused)
  assert.throws(() => twice.trailer(30), refused)
  await twice.join(0, 10, new Uint8Array(16))
  await twice.trailer(30)
  await assert.rejects(twice.sealPiece(40, bytes(10), false), refused)
  const state = (await twice.sealAgain(10, bytes(20), false)).state
  assert.deepEqual((await twice.sealAgain(10, bytes(20), false)).state, state)
  const other = bytes(20)
  other[19]! ^= 1
  assert.notDeepEqual((await twice.sealAgain(10, other, false)).state, state)
  assert.notDeepEqual((await twice.sealAgain(0, bytes(20), false)).state, state)
  twice.destroy()
  await assert.rejects(twice.sealAgain(10, bytes(20), false), refused)
  const small = await sealer(1)
  assert.throws(() => small.sealedLength(2 ** 32), code('ERR_S3CSE_BODY_TOO_LARGE'))
})

test('no change of a message is given out, and none at its end', async () => {
  const message = Buffer.from(await (await sealer(10)).sealWhole(bytes(25)))
  const reader = await opener(10)
  const failed = code('ERR_S3CSE_DECRYPTION_FAILED')
  for (let at = header.length; at < message.length; at++) {
    const changed = Buffer.from(message)
    changed[at]! ^= 1
    await assert.rejects(async () => reader.openWhole(changed), failed, String(at))
  }
  for (const end of [message.length - 45, message.length - 1, header.length + 42]) {
    await assert.rejects(async () => reader.openWhole(message.subarray(0, end)), failed)
  }
  const swapped = Buffer.from(message)
  swapped.set(message.subarray(100, 142), 142)
  swapped.set(message.subarray(142, 184), 100)
  await assert.rejects(async () => reader.openWhole(swapped), failed)
  assert.throws(() => reader.plaintextLength(header.length + 39), /no message/)
})

test('messages of others are opened by ranges as well', async () => {
  for (const vector of esdkVectors) {
    if (vector.contentType !== 'framed' || vector.footerLength > 0 || vector.plaintextLength < 2) continue
    const message = messageOf(vector)
    const result = parseHeader(message, { maxEncryptedDataKeys: 64, maxHeaderLength: 1 << 20 })
    assert.ok('header' in result)
    const required = serialiseContext(vector.requiredEncryptionContext ?? {})!
    const aes = await authenticateHeader(result.header, Buffer.from(vector.dataKey, 'hex'), required)
    const reader = frameOpener({ aes, header: result.header, impossible })
    const range = { start: 1, end: vector.plaintextLength }
    const sealed = sealedRange(reader, message.length, range)
    const upstream = sourceOf(message.subarray(sealed.start, sealed.end), 1000)
    const options = {
      opener: reader,
      sealedLength: message.length,
      range,
      sealed,
      upstream,
      resources: resources(),
    }
    assert.ok((await collect(rangedRead(options))).equals(bytes(vector.plaintextLength).subarray(1)), vector.id)
  }
})
