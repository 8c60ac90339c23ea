import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'

import { sourceOfBytes } from '../../src/bytes/body.js'
import { resources } from '../../src/bytes/resources.js'
import { gcmOpener } from '../../src/crypto/gcm-message.js'
import type { Opener } from '../../src/message/opener.js'
import { streamedRead } from '../../src/message/streamed-read.js'
import type { PlaintextRange } from '../../src/message/streamed-read.js'
import { cryptoRuntime } from '../../src/runtime/node-crypto.js'
import type { MaybePromise } from '../../src/runtime/runtime.js'
import { oneShot } from '../crypto/helpers.js'
import { code } from '../support/errors.js'
import { FRAME, framedRangeOpener, framedSealer } from './framed.js'
import { pattern } from '../support/world.js'

const key = pattern(32)
const iv = new Uint8Array(12).fill(1)
const aad = Uint8Array.of(0, 0x73)
const decryption = code('ERR_S3CSE_DECRYPTION_FAILED')
const unexpected = code('ERR_S3CSE_RESPONSE_UNEXPECTED')

interface Counts {
  streams: number
  absorbed: number
}

/** An opener of a message, with or without the one pass, that counts what is asked of it. */
async function counted(onePass: boolean, counts: Counts): Promise<Opener> {
  const opener = gcmOpener({ aes: await cryptoRuntime.aes(key), iv, aad })
  const counting: Opener = {
    ...opener,
    absorb(offset: number, sealed: Uint8Array): MaybePromise<Uint8Array> {
      counts.absorbed++
      return opener.absorb!(offset, sealed)
    },
  }
  if (onePass) {
    counting.stream = () => {
      counts.streams++
      return opener.stream!()
    }
  } else {
    delete counting.stream
  }
  return counting
}

interface Outcome {
  readonly given: Buffer
  readonly error: unknown
  readonly counts: Counts
  readonly released: boolean
}

async function read(
  onePass: boolean,
  sealed: Uint8Array,
  options: { sealedLength?: number; chunk?: number; range?: PlaintextRange } = {},
): Promise<Outcome> {
  const { sealedLength = sealed.length, chunk = 70_000, range } = options
  const counts = { streams: 0, absorbed: 0 }
  const held = resources()
  const opener = await counted(onePass, counts)
  held.hold(() => opener.destroy())
  const upstream = sourceOfBytes(sealed, chunk)
  const source = streamedRead({ opener, upstream, sealedLength, range, resources: held })
  const chunks: Uint8Array[] = []
  let error: unknown
  try {
    for (let piece = await source.next(); piece !== undefined; piece = await source.next()) chunks.push(piece)
    assert.equal(await source.next(), undefined)
  } catch (caught) {
    error = caught
    assert.equal(await source.next(), undefined)
  }
  return { given: Buffer.concat(chunks), error, counts, released: held.released }
}

for (const onePass of [true, false]) {
  describe(`a message that is verified as a whole, read at once, ${onePass ? 'in one pass' : 'without a streaming cipher'}`, () => {
    it('gives the plaintext, in any chunking', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(0, 1, 15, 16, 17, 65_536, 150_001),
          fc.integer({ min: 1, max: 200_000 }),
          async (length, chunk) => {
            const plaintext = pattern(length)
            const { given, error, counts, released } = await read(onePass, oneShot(key, iv, aad, plaintext), {
              chunk: Math.max(chunk, length >> 9),
            })
            assert.ifError(error)
            assert.ok(given.equals(plaintext))
            assert.ok(released)
            assert.equal(counts.streams, onePass ? 1 : 0)
            assert.equal(counts.absorbed > 0, !onePass && length > 0)
          },
        ),
        { numRuns: 40 },
      )
    })

    it('gives a range of it, and verifies the rest all the same', async () => {
      const plaintext = pattern(100_000)
      const sealed = oneShot(key, iv, aad, plaintext)
      const range = { start: 70_001, end: 70_010 }
      const { given, error } = await read(onePass, sealed, { range, chunk: 999 })
      assert.ifError(error)
      assert.ok(given.equals(plaintext.subarray(70_001, 70_010)))
      sealed[99_000]! ^= 1
      const changed = await read(onePass, sealed, { range, chunk: 999 })
      decryption(changed.error)
    })

    it('fails at the end for whatever bit was changed, and gives nothing after that', async () => {
      const plaintext = pattern(3000)
      const sealed = oneShot(key, iv, aad, plaintext)
      for (const place of [0, 1, 1500, 2999, 3000, 3007, 3015]) {
        for (const bit of [1, 0x80]) {
          const changed = Uint8Array.from(sealed)
          changed[place]! ^= bit
          const { given, error, released } = await read(onePass, changed, { chunk: 700 })
          decryption(error)
          assert.equal(given.length, 3000)
          assert.ok(released)
        }
      }
    })

    it('a trailer of another message, of the wrong length or of another AAD is the same error', async () => {
      const sealed = oneShot(key, iv, aad, pattern(3000))
      for (const other of [
        oneShot(key, iv, aad, pattern(2999)).subarray(2999),
        oneShot(key, iv, Uint8Array.of(0, 0x74), pattern(3000)).subarray(3000),
        oneShot(pattern(33).subarray(1), iv, aad, pattern(3000)).subarray(3000),
        new Uint8Array(16),
      ]) {
        const { error } = await read(onePass, Buffer.concat([sealed.subarray(0, 3000), other]))
        decryption(error)
      }
    })

    it('a message that was cut or made longer fails: as a response, or where that fits, as a message', async () => {
      const sealed = oneShot(key, iv, aad, pattern(3000))
      for (const length of [0, 10, 16, 2000, 3000, 3015]) {
        const cut = sealed.subarray(0, length)
        unexpected((await read(onePass, cut, { sealedLength: sealed.length, chunk: 999 })).error)
        if (length >= 16) decryption((await read(onePass, cut, { chunk: 999 })).error)
      }
      const longer = Buffer.concat([sealed, Uint8Array.of(0)])
      unexpected((await read(onePass, longer, { sealedLength: sealed.length })).error)
      decryption((await read(onePass, longer)).error)
    })
  })
}

describe('the choice of the way', () => {
  it('what is verified in segments is not read in one pass', async () => {
    const counts = { streams: 0, absorbed: 0 }
    const opener: Opener = { ...(await counted(true, counts)), authentication: 'none' }
    const sealed = oneShot(key, iv, aad, pattern(100))
    const source = streamedRead({
      opener,
      upstream: sourceOfBytes(sealed, 50),
      sealedLength: sealed.length,
      resources: resources(),
    })
    while ((await source.next()) !== undefined);
    assert.equal(counts.streams, 0)
  })
})

describe('a format that is verified frame by frame', () => {
  for (const [name, missing] of [
    ['whole', 0],
    ['without its last frame', 1],
  ] as const) {
    it(`is read ${name}`, async () => {
      const plaintext = pattern(3 * FRAME)
      const sealed = await framedSealer().sealWhole(plaintext)
      const trailerLength = framedRangeOpener().trailerLength
      const bodyEnd = sealed.length - trailerLength - missing * framedRangeOpener().alignment
      const stored = Buffer.concat([sealed.subarray(0, bodyEnd), sealed.subarray(-trailerLength)])
      const source = streamedRead({
        opener: framedRangeOpener(),
        upstream: sourceOfBytes(stored, 500),
        sealedLength: stored.length,
        resources: resources(),
      })
      const all = async (): Promise<Buffer> => {
        const chunks = []
        for (let chunk = await source.next(); chunk !== undefined; chunk = await source.next()) chunks.push(chunk)
        return Buffer.concat(chunks)
      }
      if (missing === 0) assert.deepEqual(await all(), Buffer.from(plaintext))
      else await assert.rejects(all(), decryption)
    })
  }
})
