import assert from 'node:assert/strict'
import { createCipheriv } from 'node:crypto'
import { describe, test } from 'node:test'
import { runtime } from '#runtime'
import { resources } from '../../src/bytes/resources.js'
import { frameOpener } from '../../src/formats/esdk/frame-opener.js'
import { frameSealer } from '../../src/formats/esdk/frame-sealer.js'
import { bodyAad, frameIv } from '../../src/formats/esdk/frames.js'
import { openFrames, openRegularFrame } from '../../src/formats/esdk/open-frames.js'
import type { Opener } from '../../src/message/opener.js'
import { rangedRead, sealedRange } from '../../src/message/ranged-read.js'
import { roomFor } from '../../src/message/segment-room.js'
import type { PositionalSealer } from '../../src/message/sealer.js'
import type { Aes, ByteSource } from '../../src/runtime/runtime.js'
import { pattern, RUNTIMES } from '../crypto/helpers.js'
import { code } from '../support/errors.js'

const F = 100
const FULL = F + 32
const key = new Uint8Array(32).fill(5)
const messageId = new Uint8Array(32).fill(6)
const header = new Uint8Array(50).fill(7)
const failed = code('ERR_S3CSE_DECRYPTION_FAILED')
const impossible = (length: number): Error => new RangeError(`no message has ${length} bytes`)

async function sealer(aes?: Aes): Promise<PositionalSealer> {
  return frameSealer({ aes: aes ?? (await runtime.aes(key)), key, messageId, frameLength: F, header })
}
async function opener(aes?: Aes, footerLength = 0): Promise<Opener> {
  const fields = { messageId, frameLength: F, length: header.length }
  return frameOpener({ aes: aes ?? (await runtime.aes(key)), header: fields, impossible, footerLength })
}
function sourceOf(bytes: Uint8Array, chunk: number): ByteSource {
  let at = 0
  return {
    async next() {
      if (at >= bytes.length) return undefined
      at += chunk
      return bytes.slice(at - chunk, at)
    },
    cancel: () => undefined,
  }
}

/** Answers later, and looks only then at what it was given. */
async function late(): Promise<Aes> {
  const aes = await runtime.aes(key)
  const later = (): Promise<void> => new Promise(setImmediate)
  return {
    ...aes,
    async gcmEncrypt(...given) {
      await later()
      return aes.gcmEncrypt(...given)
    },
    async gcmDecrypt(...given) {
      await later()
      return aes.gcmDecrypt(...given)
    },
  }
}

const plaintext = pattern(5 * F + 30)
const whole = Buffer.from(await (await sealer()).sealWhole(plaintext))

describe('frames are sealed and opened', () => {
  test('at once, where the cipher answers at once', async () => {
    assert.ok((await sealer()).seal(0, plaintext, true) instanceof Uint8Array)
    assert.ok((await opener()).open(header.length, whole.subarray(header.length), true) instanceof Uint8Array)
  })

  test('several pieces at a time, by a cipher that answers later, each with its own numbers', async () => {
    const ciphers: [string, () => Promise<Aes>][] = RUNTIMES.map(([name, { aes }]) => [name, async () => aes(key)])
    for (const [name, cipher] of [...ciphers, ['late', late] as const]) {
      const writer = await sealer(await cipher())
      const offsets = [0, 2 * F, 4 * F]
      const pieces = await Promise.all(
        offsets.map((at) => writer.seal(at, plaintext.subarray(at, at + 2 * F), at === 4 * F)),
      )
      assert.ok(Buffer.concat([header, ...pieces]).equals(whole), name)

      const reader = await opener(await cipher())
      const opened = await Promise.all(
        offsets.map((at) => {
          const start = header.length + (at / F) * FULL
          const last = at === 4 * F
          return reader.open(start, whole.subarray(start, last ? undefined : start + 2 * FULL), last)
        }),
      )
      assert.ok(Buffer.concat(opened).equals(plaintext), name)
    }
  })

  test('into memory that has room, and nothing of a piece is left there if one of its frames is wrong', async () => {
    for (const [name, { aes }] of RUNTIMES) {
      const reader = await opener(await aes(key))
      const body = whole.subarray(header.length)
      const room = new Uint8Array(plaintext.length + 10).fill(0xee)
      const opened = await reader.open(header.length, body, true, room)
      assert.equal(opened.buffer, room.buffer, name)
      assert.ok(Buffer.from(opened).equals(plaintext), name)
      assert.ok(
        room.subarray(plaintext.length).every((byte) => byte === 0xee),
        name,
      )
      const small = new Uint8Array(plaintext.length - 1)
      assert.notEqual((await reader.open(header.length, body, true, small)).buffer, small.buffer, name)
      for (const at of [3, 20, FULL + 20, 4 * FULL + 20, 5 * FULL + 30, body.length - 1]) {
        const changed = Buffer.from(body)
        changed[at]! ^= 1
        const into = new Uint8Array(plaintext.length)
        await assert.rejects(async () => reader.open(header.length, changed, true, into), failed)
        assert.ok(
          into.every((byte) => byte === 0),
          `${name}, byte ${at}`,
        )
      }
    }
  })

  test('but no regular frame has the number that marks the final one', async () => {
    const sequence = 0xffffffff
    const cipher = createCipheriv('aes-256-gcm', key, frameIv(sequence))
    cipher.setAAD(bodyAad(messageId, 'regular', sequence, F))
    const content = Buffer.concat([cipher.update(pattern(F)), cipher.final(), cipher.getAuthTag()])
    const frame = Buffer.concat([Buffer.alloc(4, 0xff), frameIv(sequence), content])
    const keys = { aes: await runtime.aes(key), messageId, frameLength: F }
    assert.throws(() => openRegularFrame(keys, sequence, frame), failed)
    assert.throws(() => openFrames(keys, sequence, frame, false), failed)
  })

  test('joined in one room only where what is opened is no view of it', async () => {
    for (const authentication of ['whole', 'none'] as const) {
      assert.equal(roomFor({ authentication, alignment: 16 }, 1000), undefined)
    }
    assert.equal(roomFor(await opener(), 10 * FULL)?.length, FULL)
    // No more than there is: a message may claim any length of its frames.
    assert.equal(roomFor(await opener(), 5)?.length, 5)
    assert.equal(roomFor(await opener(), 0), undefined)
  })
})

describe('frames before a footer', () => {
  const footer = 103
  const signed = Buffer.concat([whole, Buffer.alloc(footer, 1)])

  test('are those of the message without it', async () => {
    const reader = await opener(undefined, footer)
    assert.equal(reader.trailerLength, footer)
    assert.equal(reader.plaintextLength(signed.length), plaintext.length)
    assert.equal(reader.lastLength?.(signed.length), 30 + 40)
    assert.ok(Buffer.from(await reader.openWhole(signed)).equals(plaintext))
    for (const [start, end] of [
      [0, plaintext.length],
      [150, 160],
      [480, plaintext.length],
      [plaintext.length - 1, plaintext.length],
    ] as const) {
      const sealed = sealedRange(reader, signed.length, { start, end })
      const upstream = sourceOf(signed.subarray(sealed.start, sealed.end), 33)
      const options = { opener: reader, sealedLength: signed.length, range: { start, end }, sealed, upstream }
      const source = rangedRead({ ...options, resources: resources() })
      const chunks: Uint8Array[] = []
      for (let chunk = await source.next(); chunk !== undefined; chunk = await source.next()) chunks.push(chunk)
      assert.ok(Buffer.concat(chunks).equals(plaintext.subarray(start, end)), `${start} to ${end}`)
    }
  })

  test('are no message without all of it', async () => {
    const reader = await opener(undefined, footer)
    assert.throws(() => reader.plaintextLength(header.length + footer + 39), RangeError)
    assert.equal(reader.plaintextLength(header.length + footer + 40), 0)
    for (const length of [
      0,
      10,
      header.length,
      footer,
      footer + 1,
      header.length + footer,
      whole.length,
      signed.length - 1,
    ]) {
      await assert.rejects(async () => reader.openWhole(signed.subarray(0, length)), failed, String(length))
    }
  })
})
