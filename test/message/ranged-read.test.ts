import { runtime } from '#runtime'
import { createCipheriv } from 'node:crypto'
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'

import { sourceOfBytes } from '../../src/bytes/body.js'
import { resources } from '../../src/bytes/resources.js'
import { gcmOpener } from '../../src/crypto/gcm-message.js'
import type { Opener } from '../../src/message/opener.js'
import { rangedRead, sealedRange } from '../../src/message/ranged-read.js'
import type { SealedRange } from '../../src/message/ranged-read.js'
import { streamedRead } from '../../src/message/streamed-read.js'
import { code } from '../support/errors.js'
import { pattern } from '../support/world.js'
import { FRAME, framedOpener, framedRangeOpener, framedSealer, HEADER } from './framed.js'

const SEALED_FRAME = FRAME + 16
const TRAILER = 28
const key = new Uint8Array(32).fill(5)
const iv = new Uint8Array(12).fill(6)

interface Outcome {
  readonly released: Buffer
  readonly error: unknown
}

interface Read {
  readonly opener: Opener
  readonly sealedLength: number
  readonly range: { start: number; end: number }
  /** What upstream has, and where that is said to lie. */
  readonly bytes: Uint8Array
  readonly sealed: SealedRange
  readonly chunk?: number
}

async function outcomeOf({ opener, sealedLength, range, bytes, sealed, chunk = 700 }: Read): Promise<Outcome> {
  const held = resources()
  held.hold(() => opener.destroy())
  const upstream = sourceOfBytes(bytes, chunk)
  const source = rangedRead({ opener, sealedLength, range, sealed, upstream, resources: held })
  const chunks: Uint8Array[] = []
  let error: unknown
  try {
    for (let c = await source.next(); c !== undefined; c = await source.next()) {
      assert.ok(c.length > 0)
      chunks.push(Uint8Array.from(c))
    }
  } catch (reason) {
    error = reason
  }
  assert.ok(held.released)
  return { released: Buffer.concat(chunks), error }
}

/** Reads a range from the stored bytes that it needs, and `more` bytes on each side. */
async function readRange(opener: Opener, message: Uint8Array, start: number, end: number, more = 0, chunk = 700) {
  const needed = sealedRange(opener, message.length, { start, end })
  const sealed = { start: Math.max(0, needed.start - more), end: Math.min(message.length, needed.end + more) }
  const bytes = message.subarray(sealed.start, sealed.end)
  return outcomeOf({ opener, sealedLength: message.length, range: { start, end }, bytes, sealed, chunk })
}

const framed = (length: number): Buffer => framedSealer().sealWhole(pattern(length)) as Buffer

function gcmMessage(plaintext: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, iv)
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}
const gcm = async (): Promise<Opener> => gcmOpener({ aes: await runtime.aes(key), iv, aad: new Uint8Array(0) })

const lengths = [0, 1, 15, 16, 17, 999, 1000, 1001, 5000, 66_000, 2_100_000]
/** A length, two places in it, how much more than needed upstream has, and in which pieces. */
const cases = fc.tuple(
  fc.constantFrom(...lengths),
  fc.nat(),
  fc.nat(),
  fc.constantFrom(0, 1, 31, 5000),
  fc.constantFrom(7, 16, 700, 65_536, 3_000_000),
)
const framedMessages = new Map(lengths.map((length) => [length, framed(length)]))
const gcmMessages = new Map(lengths.map((length) => [length, gcmMessage(pattern(length))]))
const longest = pattern(Math.max(...lengths))
function rangeIn(length: number, a: number, b: number): [start: number, end: number] {
  const [x, y] = [a % (length + 1), b % (length + 1)]
  // Mostly short ones: a long one in pieces of one byte takes long.
  return [Math.min(x, y), Math.min(Math.max(x, y), Math.min(x, y) + 70_000)]
}

describe('a range of a format with authenticated frames', () => {
  it('is the slice, for every range, in any chunking', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ([length, a, b, more, chunk]) => {
        const [start, end] = rangeIn(length, a, b)
        const opener = framedRangeOpener()
        const { released, error } = await readRange(opener, framedMessages.get(length)!, start, end, more, chunk)
        assert.equal(error, undefined)
        assert.deepEqual(released, longest.subarray(start, end))
        assert.ok(opener.destroyed())
      }),
      { numRuns: 80 },
    )
  })

  it('needs whole frames, and the trailer where it reaches the end', () => {
    const opener = framedRangeOpener()
    const { length } = framed(5500)
    const needed = (start: number, end: number) => sealedRange(opener, length, { start, end })
    const at = (frame: number) => HEADER.length + frame * SEALED_FRAME
    assert.deepEqual(needed(0, 1), { start: at(0), end: at(1) })
    assert.deepEqual(needed(999, 1001), { start: at(0), end: at(2) })
    assert.deepEqual(needed(2000, 3000), { start: at(2), end: at(3) })
    assert.deepEqual(needed(4999, 5000), { start: at(4), end: at(5) })
    assert.deepEqual(needed(5499, 5500), { start: at(5), end: length })
    assert.equal(at(5) + 516 + TRAILER, length)
  })

  it('gives nothing of a frame that was changed, and all that stands before it', async () => {
    for (const flipped of [0, 500, SEALED_FRAME - 1, SEALED_FRAME, 3 * SEALED_FRAME + 7, 4 * SEALED_FRAME - 1]) {
      for (const chunk of [100, SEALED_FRAME, 1_000_000]) {
        const message = framed(5500)
        message[HEADER.length + flipped]! ^= 1
        const { released, error } = await readRange(framedRangeOpener(), message, 300, 3500, 0, chunk)
        code('ERR_S3CSE_DECRYPTION_FAILED')(error)
        const good = Math.floor(flipped / SEALED_FRAME) * FRAME
        assert.ok(released.length <= Math.max(0, good - 300), `${released.length} bytes before ${flipped}`)
        assert.deepEqual(released, pattern(5500).subarray(300, 300 + released.length))
      }
    }
    const beside = framed(5500)
    beside[HEADER.length + 4 * SEALED_FRAME]! ^= 1
    const { released, error } = await readRange(framedRangeOpener(), beside, 300, 3500)
    assert.equal(error, undefined)
    assert.deepEqual(released, pattern(5500).subarray(300, 3500))
  })

  it('is opened in whole frames, whatever comes at once, and the last one as the last', async () => {
    const message = framed(2_100_500)
    for (const [start, end, last] of [
      [10, 2_100_500, true],
      [10, 2_100_001, true],
      [10, 2_100_000, false],
      [0, 1_999_999, false],
    ] as const) {
      const opener = framedRangeOpener()
      const pieces: { at: number; length: number; last: boolean }[] = []
      const watched: Opener = {
        ...opener,
        open(offset, sealed, isLast) {
          pieces.push({ at: offset - HEADER.length, length: sealed.length, last: isLast })
          return opener.open(offset, sealed, isLast)
        },
      }
      const { released, error } = await readRange(watched, message, start, end, 0, 3_000_000)
      assert.equal(error, undefined)
      assert.deepEqual(released, pattern(2_100_500).subarray(start, end))
      assert.ok(pieces.length > 1)
      assert.ok(pieces.every(({ at, length }) => at % SEALED_FRAME === 0 && length <= 1024 * 1024))
      assert.deepEqual(
        pieces.map((piece) => piece.last),
        pieces.map((_, i) => last && i === pieces.length - 1),
      )
    }
    const held = resources()
    const upstream = sourceOfBytes(message, 3_000_000)
    const whole = streamedRead({ opener: framedOpener(), upstream, sealedLength: message.length, resources: held })
    const chunks: Uint8Array[] = []
    for (let c = await whole.next(); c !== undefined; c = await whole.next()) chunks.push(c)
    assert.deepEqual(Buffer.concat(chunks), pattern(2_100_500))
  })

  it('of frames in another order is an error, and so is a frame of another place', async () => {
    const message = framed(5500)
    const frame = (n: number) =>
      message.subarray(HEADER.length + n * SEALED_FRAME, HEADER.length + (n + 1) * SEALED_FRAME)
    const sealed = sealedRange(framedRangeOpener(), message.length, { start: 1000, end: 3000 })
    for (const bytes of [Buffer.concat([frame(2), frame(1)]), Buffer.concat([frame(1), frame(1)])]) {
      const { released, error } = await outcomeOf({
        opener: framedRangeOpener(),
        sealedLength: message.length,
        range: { start: 1000, end: 3000 },
        bytes,
        sealed,
      })
      code('ERR_S3CSE_DECRYPTION_FAILED')(error)
      assert.ok(released.length <= 1000)
    }
  })

  it('that reaches the end is an error where the message does not end', async () => {
    const whole = framed(5500)
    for (const frames of [0, 1, 3, 5]) {
      const end = HEADER.length + frames * SEALED_FRAME
      for (const message of [
        // Cut between frames, with the trailer of the whole, with one of nothing, and with none.
        Buffer.concat([whole.subarray(0, end), whole.subarray(-TRAILER)]),
        Buffer.concat([whole.subarray(0, end), Buffer.alloc(TRAILER)]),
        whole.subarray(0, end + TRAILER),
      ]) {
        const opener = framedRangeOpener()
        const length = opener.plaintextLength(message.length)!
        const { error } = await readRange(opener, message, Math.max(0, length - 100), length)
        code('ERR_S3CSE_DECRYPTION_FAILED')(error)
      }
    }
  })

  it('from a response that is shorter or longer than it says is an error', async () => {
    const message = framed(5500)
    const [start, end] = [1500, 2500]
    const sealed = sealedRange(framedRangeOpener(), message.length, { start, end })
    const bytes = message.subarray(sealed.start, sealed.end)
    for (const changed of [bytes.subarray(0, -1), bytes.subarray(0, 5), Buffer.concat([bytes, bytes.subarray(0, 1)])]) {
      const read = { opener: framedRangeOpener(), sealedLength: message.length, range: { start, end }, sealed }
      const { error } = await outcomeOf({ ...read, bytes: changed })
      code('ERR_S3CSE_RESPONSE_UNEXPECTED', /shorter|longer/)(error)
    }
    for (const lacking of [
      { start: sealed.start + 1, end: sealed.end },
      { start: sealed.start, end: sealed.end - 1 },
    ]) {
      const read = { opener: framedRangeOpener(), sealedLength: message.length, range: { start, end } }
      const { released, error } = await outcomeOf({ ...read, sealed: lacking, bytes })
      code('ERR_S3CSE_RESPONSE_UNEXPECTED', /lacks/)(error)
      assert.equal(released.length, 0)
    }
  })

  it('gives back what it holds when it is cancelled', async () => {
    const opener = framedRangeOpener()
    const message = framed(5500)
    const held = resources()
    const upstream = sourceOfBytes(message, 100)
    held.hold(() => opener.destroy())
    const sealed = { start: 0, end: message.length }
    const range = { start: 10, end: 5000 }
    const source = rangedRead({ opener, sealedLength: message.length, range, sealed, upstream, resources: held })
    assert.deepEqual(Buffer.from((await source.next())!), pattern(FRAME).subarray(10))
    source.cancel(new Error('enough'))
    source.cancel()
    assert.ok(opener.destroyed())
    assert.ok(held.released)
  })
})

describe('a range of a format that is authenticated as a whole', () => {
  it('is the slice, for every range, in any chunking', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ([length, a, b, more, chunk]) => {
        const [start, end] = rangeIn(length, a, b)
        const { released, error } = await readRange(await gcm(), gcmMessages.get(length)!, start, end, more, chunk)
        assert.equal(error, undefined)
        assert.deepEqual(released, longest.subarray(start, end))
      }),
      { numRuns: 80 },
    )
  })

  it('needs no more than the blocks from its beginning to its last byte', async () => {
    const opener = await gcm()
    for (const [start, end, from, to] of [
      [0, 1, 0, 1],
      [15, 17, 0, 17],
      [16, 200, 16, 200],
      [199, 200, 192, 200],
    ] as const) {
      assert.deepEqual(sealedRange(opener, 216, { start, end }), { start: from, end: to })
    }
    opener.destroy()
  })

  it('has the keystream of its place beyond 2^31 and 2^32 bytes', async () => {
    const total = 2 ** 36 - 32
    for (const at of [2 ** 31 - 5, 2 ** 31 + 3, 2 ** 32 - 40, 2 ** 32 + 9, 2 ** 35 + 1, total - 50]) {
      const [start, end] = [at, Math.min(total, at + 100)]
      const opener = await gcm()
      const sealed = sealedRange(opener, total + 16, { start, end })
      assert.equal(sealed.start, Math.floor(at / 16) * 16)
      assert.equal(sealed.end, end)
      // Data block i is masked with E(IV ‖ 2 + i): NIST SP 800-38D, section 6.5, without any code of this library.
      const plaintext = pattern(end - sealed.start)
      const counter = Buffer.alloc(16)
      counter.set(iv)
      counter.writeUInt32BE(2 + sealed.start / 16, 12)
      const bytes = createCipheriv('aes-256-ctr', key, counter).update(plaintext)
      const { released, error } = await outcomeOf({
        opener,
        sealedLength: total + 16,
        range: { start, end },
        bytes,
        sealed,
        chunk: 33,
      })
      assert.equal(error, undefined)
      assert.deepEqual(released, plaintext.subarray(start - sealed.start))
    }
  })

  it('beyond 2^32 bytes of frames', async () => {
    const frames = 5_000_000
    const start = 4_500_000 * FRAME + 5
    const sealed = sealedRange(framedRangeOpener(), HEADER.length + frames * SEALED_FRAME + TRAILER, {
      start,
      end: start + 1500,
    })
    assert.deepEqual(sealed, {
      start: HEADER.length + 4_500_000 * SEALED_FRAME,
      end: HEADER.length + 4_500_002 * SEALED_FRAME,
    })
    const bytes = framedSealer().seal(4_500_000 * FRAME, pattern(2 * FRAME), false) as Buffer
    const { released, error } = await outcomeOf({
      opener: framedRangeOpener(),
      sealedLength: HEADER.length + frames * SEALED_FRAME + TRAILER,
      range: { start, end: start + 1500 },
      bytes,
      sealed,
    })
    assert.equal(error, undefined)
    assert.deepEqual(released, pattern(2 * FRAME).subarray(5, 1505))
  })
})
