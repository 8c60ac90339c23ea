import assert from 'node:assert/strict'
import { createCipheriv } from 'node:crypto'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { runtime } from '#runtime'

import { sourceOfBytes } from '../../src/bytes/body.js'
import { DecryptionError } from '../../src/errors.js'
import { frameOpener } from '../../src/formats/esdk/frame-opener.js'
import { frameSealer } from '../../src/formats/esdk/frame-sealer.js'
import { bodyAad, frameIv } from '../../src/formats/esdk/frames.js'
import type { Opener } from '../../src/message/opener.js'
import { planReads } from '../../src/message/parallel-read-plan.js'
import { cryptoRuntime as web } from '../../src/runtime/web-crypto.js'
import type { Runtime } from '../../src/runtime/runtime.js'
import { pattern } from '../crypto/helpers.js'
import { reading } from './parallel-read-support.js'

const F = 1000
const FULL = F + 32
const key = new Uint8Array(32).fill(5)
const messageId = new Uint8Array(32).fill(6)
const header = new Uint8Array(100).fill(7)
const impossible = (length: number): Error => new RangeError(`no message has ${length} bytes`)

async function sealed(plaintext: Uint8Array, frameLength = F): Promise<Buffer> {
  const sealer = await frameSealer({ aes: await runtime.aes(key), key, messageId, frameLength, header })
  const message = Buffer.from(await sealer.sealWhole(plaintext))
  sealer.destroy()
  return message
}

async function opener(frameLength = F, footerLength = 0, crypto: Pick<Runtime, 'aes'> = runtime): Promise<Opener> {
  const aes = await crypto.aes(key)
  return frameOpener({ aes, header: { messageId, frameLength, length: header.length }, impossible, footerLength })
}

/** As other writers may: the final frame is as long as a regular one. */
async function sealedWithFullEnd(plaintext: Uint8Array, frameLength: number): Promise<Buffer> {
  const regular = plaintext.length / frameLength - 1
  const before = (await sealed(plaintext, frameLength)).subarray(0, header.length + regular * (frameLength + 32))
  const cipher = createCipheriv('aes-256-gcm', key, frameIv(regular + 1))
  cipher.setAAD(bodyAad(messageId, 'final', regular + 1, frameLength))
  const content = cipher.update(plaintext.subarray(regular * frameLength))
  cipher.final()
  const fields = Buffer.alloc(8, 0xff)
  fields.writeUInt32BE(regular + 1, 4)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(frameLength)
  return Buffer.concat([before, fields, frameIv(regular + 1), length, content, cipher.getAuthTag()])
}

const SIZES = [0, 1, F - 1, F, F + 1, 2 * F - 1, 2 * F, 2 * F + 1, 7 * F - 1, 7 * F, 7 * F + 1]
/** Ranges of one frame, and an empty final one; of two; all in one. */
const PARTS = [header.length + FULL + 40, header.length + 2 * FULL, 100_000]

describe('a message of frames read in ranges', () => {
  it('is the plaintext at every boundary, with the first answer used, with a footer, and by WebCrypto', async () => {
    for (const size of SIZES) {
      const plaintext = pattern(size)
      const message = await sealed(plaintext)
      for (const partSize of PARTS) {
        for (const footer of [0, 103]) {
          for (const crypto of [runtime, web]) {
            const stored = Buffer.concat([message, Buffer.alloc(footer, 1)])
            const label = `${size} in parts of ${partSize}, footer of ${footer}`
            const reader = await opener(F, footer, crypto)
            const plan = planReads(reader, stored.length, partSize)
            assert.equal(plan?.plaintextLength, size, label)
            if (partSize === PARTS[0] && size > F) assert.equal(plan.count, Math.ceil(size / F), label)
            const length = Math.min(partSize, stored.length)
            const first = { source: sourceOfBytes(stored.subarray(0, length), 333), length }
            const r = reading(stored, reader, partSize, { first })
            await r.done
            assert.ok(r.file.bytes.equals(plaintext), label)
            assert.equal(r.open.size, 0, label)
            assert.ok(!r.asked.some((range) => range.startsWith('0-')), label)
          }
        }
      }
    }
  })

  it('is the plaintext whatever its frames, its length and its parts', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 60 }),
        fc.nat(900),
        fc.integer({ min: 1, max: 500 }),
        fc.integer({ min: 1, max: 5 }),
        fc.boolean(),
        async (frameLength, size, room, concurrency, answered) => {
          const plaintext = pattern(size)
          const stored = await sealed(plaintext, frameLength)
          const reader = await opener(frameLength)
          const partSize = header.length + frameLength + 71 + room
          const plan = planReads(reader, stored.length, partSize)
          assert.ok(plan !== undefined)
          for (let index = 0; index < plan.count - 1; index++) {
            const { to, bodyStart } = plan.range(index)
            assert.ok(to - bodyStart + header.length <= partSize)
          }
          const length = Math.min(partSize, stored.length)
          const first = answered ? { source: sourceOfBytes(stored.subarray(0, length), 50), length } : undefined
          const r = reading(stored, reader, partSize, { concurrency, first })
          await r.done
          assert.ok(r.file.bytes.equals(plaintext))
        },
      ),
      { numRuns: 150 },
    )
  })

  it('may end with a full frame, and with one that is longer than what is opened at once', async () => {
    for (const [frameLength, count] of [
      [F, 1],
      [F, 5],
      [700_000, 1],
      [700_000, 3],
      [1_500_000, 2],
    ] as const) {
      const plaintext = pattern(frameLength * count)
      const message = await sealedWithFullEnd(plaintext, frameLength)
      for (const partSize of [header.length + frameLength + 72, 10_000_000]) {
        const r = reading(message, await opener(frameLength), partSize, { concurrency: 2 })
        await r.done
        assert.ok(r.file.bytes.equals(plaintext), `${count} frames of ${frameLength} in parts of ${partSize}`)
      }
    }
  })

  it('is larger than a slice', async () => {
    for (const size of [3 * 1024 * 1024, 3_000_000, 16 * 65_536 + 1]) {
      const plaintext = pattern(size)
      const r = reading(await sealed(plaintext, 65_536), await opener(65_536), 2_500_000)
      await r.done
      assert.ok(r.file.bytes.equals(plaintext), String(size))
    }
  })

  it('asks anew for what the first answer is too short for', async () => {
    const plaintext = pattern(3 * F)
    const stored = await sealed(plaintext)
    for (const length of [50, header.length + FULL, header.length + 2 * FULL - 1]) {
      const reasons: unknown[] = []
      const source = sourceOfBytes(stored.subarray(0, length), 333)
      const first = { source: { ...source, cancel: (reason?: Error) => void reasons.push(reason) }, length }
      const r = reading(stored, await opener(), header.length + 2 * FULL, { first, maxAttempts: 1 })
      await r.done
      assert.ok(r.file.bytes.equals(plaintext), String(length))
      assert.deepEqual(reasons, [undefined], String(length))
      assert.ok(r.asked.includes(`0-${header.length + 2 * FULL}`), String(length))
    }
  })

  it('is not read so where a range cannot hold a frame', async () => {
    const reader = await opener()
    const { length } = await sealed(pattern(3 * F))
    assert.equal(planReads(reader, length, header.length + FULL - 1), undefined)
    assert.equal(planReads(reader, length, header.length + FULL)?.count, 3)
    // One that is shorter than a frame is one range, if that holds it.
    const short = (await sealed(pattern(10))).length
    assert.equal(planReads(reader, short, short)?.count, 1)
    assert.equal(planReads(reader, short, short - 1), undefined)
  })
})

describe('a message of frames that was changed', () => {
  const size = 4 * F + 300
  const plaintext = pattern(size)
  const partSize = header.length + 2 * FULL

  const refused = async (stored: Uint8Array, label: string): Promise<Buffer> => {
    const r = reading(stored, await opener(), partSize)
    await assert.rejects(r.done, DecryptionError, label)
    assert.equal(r.open.size, 0, label)
    return r.file.bytes
  }

  it('is refused for a byte of any field of any frame, and nothing of that frame is written', async () => {
    const message = await sealed(plaintext)
    // Number, IV, ciphertext, tag; of the final frame mark, number, IV, length, ciphertext, tag.
    const places = Array.from({ length: 4 }, (_, i) =>
      [0, 3, 4, 15, 16, 900, F + 15, F + 16, F + 31].map((at) => i * FULL + at),
    )
    places.push([0, 4, 7, 8, 19, 20, 23, 24, 323, 324, 339].map((at) => 4 * FULL + at))
    for (const [frame, offsets] of places.entries()) {
      for (const at of offsets) {
        const changed = Buffer.from(message)
        changed[header.length + at]! ^= 1
        const file = await refused(changed, `byte ${at} of frame ${frame}`)
        assert.ok(
          file.subarray(frame * F, (frame + 1) * F).every((byte) => byte === 0xee),
          `byte ${at} of frame ${frame}`,
        )
      }
    }
  })

  it('is refused when it is cut or grows, at any frame and inside of one', async () => {
    for (const bytes of [plaintext, pattern(4 * F)]) {
      const message = await sealed(bytes)
      const frames = Math.floor((message.length - header.length) / FULL)
      for (let kept = 0; kept <= frames; kept++) {
        const start = header.length + kept * FULL
        for (const end of [start, start + 40, start + 500]) {
          if (end < message.length) await cut(message.subarray(0, end))
        }
      }
      for (const more of [1, 40, FULL, FULL + 40]) {
        await cut(Buffer.concat([message, message.subarray(-more)]))
      }
    }
  })

  /** No message has that length, or it does not end there. */
  async function cut(stored: Uint8Array): Promise<void> {
    const label = `${stored.length} bytes`
    const reader = await opener()
    try {
      planReads(reader, stored.length, partSize)
    } catch (error) {
      assert.ok(error instanceof RangeError, label)
      return
    }
    await refused(stored, label)
  }

  it('is refused without frames that were taken out of it, and with any two of them swapped', async () => {
    const message = await sealed(plaintext)
    const frameAt = (index: number): Buffer =>
      message.subarray(header.length + index * FULL, header.length + (index + 1) * FULL)
    const final = message.subarray(header.length + 4 * FULL)
    for (let missing = 0; missing < 4; missing++) {
      const frames = [0, 1, 2, 3].filter((index) => index !== missing).map(frameAt)
      await refused(Buffer.concat([header, ...frames, final]), `without frame ${missing}`)
    }
    for (let a = 0; a < 4; a++) {
      for (let b = a + 1; b < 4; b++) {
        const order = [0, 1, 2, 3]
        ;[order[a], order[b]] = [b, a]
        await refused(Buffer.concat([header, ...order.map(frameAt), final]), `${a} and ${b} swapped`)
      }
    }
    for (const repeated of [0, 3]) {
      await refused(Buffer.concat([header, ...[0, 1, 2, 3, repeated].map(frameAt), final]), `${repeated} twice`)
    }
  })

  it('is refused when another length is said than it has', async () => {
    const message = await sealed(plaintext)
    for (const said of [message.length - FULL, message.length + FULL, message.length - 1, message.length + 1]) {
      const reader = await opener()
      // The server sends what it has, or bytes of its own behind it.
      const stored = Buffer.concat([message, Buffer.alloc(FULL)]).subarray(0, said)
      const r = reading(stored, reader, partSize)
      await assert.rejects(r.done, DecryptionError, String(said))
    }
  })
})
