// A message that nothing authenticates: of the whole nothing is released before its padding was checked, in each way of reading.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'

import { runtime } from '#runtime'
import { budget } from '../../src/bytes/budget.js'
import { sourceOfBytes } from '../../src/bytes/body.js'
import { resources } from '../../src/bytes/resources.js'
import { cbcOpener } from '../../src/crypto/cbc-message.js'
import { DecryptionError } from '../../src/errors.js'
import { rangedRead, sealedRange } from '../../src/message/ranged-read.js'
import { streamedRead } from '../../src/message/streamed-read.js'
import { SLICE_LENGTH, verifiedRead } from '../../src/message/verified-read.js'
import type { ByteSource, Spool } from '../../src/runtime/runtime.js'
import { oneShotCbc, unpaddedCbc } from '../crypto/cbc-helpers.js'
import { pattern } from '../support/world.js'

const key = pattern(32)
const iv = pattern(16)
const KIB = 1024
const LENGTHS = [
  ...[0, 1, 15, 16, 17, 31, 32, 33, 47, 48, 50],
  ...[64 * KIB, SLICE_LENGTH, 2 * SLICE_LENGTH].flatMap((length) =>
    [-17, -16, -15, -1, 0, 1, 15, 16, 17].map((more) => length + more),
  ),
]
const source = pattern(2 * SLICE_LENGTH + 100)

const WAYS = ['memory', 'spool', 'twice'] as const
type Way = (typeof WAYS)[number]

interface Range {
  readonly start: number
  readonly end: number
}

interface Read {
  readonly way: Way
  readonly sealed: Uint8Array
  readonly range?: Range | undefined
  readonly chunk?: number
  readonly key?: Uint8Array
  /** What there is when it is read for the second time. */
  readonly later?: Uint8Array
}

interface Outcome {
  readonly released: Buffer
  readonly error: unknown
}

async function outcomeOf(source: ByteSource): Promise<Outcome> {
  const chunks: Uint8Array[] = []
  let error: unknown
  try {
    for (let chunk = await source.next(); chunk !== undefined; chunk = await source.next()) {
      assert.ok(chunk.length > 0)
      chunks.push(Uint8Array.from(chunk))
    }
  } catch (reason) {
    error = reason
  }
  return { released: Buffer.concat(chunks), error }
}

function spoolOf(length: number, later: Uint8Array | undefined): Spool {
  const file = new Uint8Array(length)
  let end = 0
  return {
    async write(data) {
      file.set(data, end)
      end += data.length
    },
    async read(offset, into) {
      into.set((later ?? file).subarray(offset, offset + into.length))
    },
    close: async () => undefined,
  }
}

async function read({ way, sealed, range, chunk = 300_000, key: own = key, later }: Read): Promise<Outcome> {
  const held = resources()
  const opener = cbcOpener({ aes: await runtime.aes(own), iv })
  held.hold(() => opener.destroy())
  const memory = budget(way === 'memory' ? sealed.length : 0)
  const disk = budget(sealed.length)
  const outcome = await outcomeOf(
    verifiedRead({
      opener,
      upstream: sourceOfBytes(sealed, chunk),
      sealedLength: sealed.length,
      range,
      resources: held,
      memory,
      disk,
      createSpool: way === 'spool' ? async () => spoolOf(sealed.length, later) : undefined,
      reread: async () => sourceOfBytes(later ?? sealed, chunk),
    }),
  )
  assert.ok(held.released)
  return outcome
}

function assertGives({ released, error }: Outcome, expected: Uint8Array, what: string): void {
  assert.equal(error, undefined, what)
  assert.ok(released.equals(expected), what)
}

function assertRefuses({ released, error }: Outcome, what: string): void {
  assert.ok(error instanceof DecryptionError, `${what}: ${String(error)}`)
  assert.deepEqual([error.message, error.cause], [new DecryptionError().message, undefined])
  assert.equal(released.length, 0, what)
}

/** Ranges around the places where blocks, pieces and slices meet. */
function rangesOf(length: number): Range[] {
  const places = [0, 1, 16, 17, SLICE_LENGTH - 16, SLICE_LENGTH, SLICE_LENGTH + 16, length - 17, length - 1, length]
  const within = [...new Set(places)].filter((place) => place >= 0 && place <= length)
  return within.flatMap((start) => within.filter((end) => end >= start).map((end) => ({ start, end })))
}

for (const way of WAYS) {
  describe(`a checked read of AES-CBC: ${way}`, () => {
    it('gives what was encrypted, whole, at every length', async () => {
      for (const length of LENGTHS) {
        const plaintext = source.subarray(0, length)
        const sealed = oneShotCbc(key, iv, plaintext)
        assertGives(await read({ way, sealed }), plaintext, `${length}`)
      }
    })

    it('in any chunks, and any range of it', async () => {
      const place = fc.oneof(
        fc.nat(),
        fc.constantFrom(SLICE_LENGTH - 1, SLICE_LENGTH, SLICE_LENGTH + 1, SLICE_LENGTH + 16),
      )
      const chunk = fc.oneof(fc.integer({ min: 7, max: 100 }), fc.integer({ min: 1000, max: 3_000_000 }))
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...LENGTHS), place, place, chunk, async (length, a, b, chunk) => {
          const [start, end] = [a % (length + 1), b % (length + 1)].sort((x, y) => x - y) as [number, number]
          const sealed = oneShotCbc(key, iv, source.subarray(0, length))
          const outcome = await read({
            way,
            sealed,
            range: { start, end },
            chunk: length > 100_000 ? chunk + 5000 : chunk,
          })
          assertGives(outcome, source.subarray(start, end), `${length} ${start} ${end}`)
        }),
        { numRuns: 40 },
      )
    })

    it('ranges at the ends of slices and pieces', async () => {
      // The last slice is one block, with only padding or with some plaintext.
      for (const length of [50, SLICE_LENGTH, SLICE_LENGTH + 5]) {
        const sealed = oneShotCbc(key, iv, source.subarray(0, length))
        for (const range of rangesOf(length)) {
          const expected = source.subarray(range.start, range.end)
          assertGives(await read({ way, sealed, range }), expected, `${length} ${range.start} ${range.end}`)
        }
      }
    })

    it('releases nothing of what does not end as a message does, and says the same of all', async () => {
      for (const length of [48, SLICE_LENGTH, SLICE_LENGTH + 16, 2 * SLICE_LENGTH + 64]) {
        const good = oneShotCbc(key, iv, source.subarray(0, length - 1))
        const bad: [string, Uint8Array, Uint8Array?][] = []
        for (let count = 1; count <= 16; count++) {
          const blocks = Uint8Array.from(source.subarray(0, length)).fill(count, length - count)
          blocks[length - count]! ^= 0x40
          bad.push([`padding of ${count}`, unpaddedCbc(key, iv, blocks)])
        }
        bad.push(['truncated by a block', good.subarray(0, -16)])
        bad.push(['truncated by a byte', good.subarray(0, -1)])
        bad.push(['longer by a byte', Buffer.concat([good, Buffer.alloc(1)])])
        bad.push(['empty', new Uint8Array(0)])
        bad.push(['another key', good, pattern(33).subarray(1)])
        for (const [name, sealed, own = key] of bad) {
          assertRefuses(await read({ way, sealed, key: own }), `${name} ${length}`)
          const range = { start: 3, end: 20 }
          if (sealed.length > 0)
            assertRefuses(await read({ way, sealed, key: own, range }), `${name} ${length}, a range`)
        }
      }
    })
  })
}

describe('a read of AES-CBC in two passes', () => {
  it('releases nothing from a slice on that was changed between them', async () => {
    const plaintext = source.subarray(0, 2 * SLICE_LENGTH + 50)
    const sealed = oneShotCbc(key, iv, plaintext)
    for (const way of ['spool', 'twice'] as const) {
      for (const at of [
        0,
        SLICE_LENGTH - 1,
        SLICE_LENGTH,
        2 * SLICE_LENGTH - 1,
        2 * SLICE_LENGTH,
        sealed.length - 17,
      ]) {
        const later = Uint8Array.from(sealed)
        later[at]! ^= 1
        const { released, error } = await read({ way, sealed, later })
        assert.ok(error instanceof DecryptionError, `${way} ${at}`)
        const whole = Math.floor(at / SLICE_LENGTH) * SLICE_LENGTH
        assert.ok(released.equals(plaintext.subarray(0, whole)), `${way} ${at}: ${released.length}`)
      }
    }
  })
})

describe('AES-CBC without a check before the end', () => {
  it('as it arrives, in any chunks: an end that is none is the last thing that is found', async () => {
    const lengths = [0, 1, 15, 16, 17, 1000, 65_536, SLICE_LENGTH + 5]
    for (const length of lengths) {
      const sealed = oneShotCbc(key, iv, source.subarray(0, length))
      for (const chunk of length > 5000 ? [9999, 65_536, 3_000_000] : [1, 16, 700]) {
        for (const bytes of [sealed, sealed.subarray(0, -16), sealed.subarray(0, -1)]) {
          const held = resources()
          const opener = cbcOpener({ aes: await runtime.aes(key), iv })
          held.hold(() => opener.destroy())
          const upstream = sourceOfBytes(bytes, chunk)
          const outcome = await outcomeOf(
            streamedRead({ opener, upstream, sealedLength: bytes.length, resources: held }),
          )
          if (bytes === sealed) assertGives(outcome, source.subarray(0, length), `${length} ${chunk}`)
          else assert.ok(outcome.error instanceof DecryptionError, `${length} ${chunk}`)
        }
      }
    }
  })

  it('a range from the stored bytes around it: exactly that, from no more bytes than one block before and whole blocks', async () => {
    const place = fc.oneof(fc.nat(), fc.constantFrom(0, 15, 16, 17, 31, 32, SLICE_LENGTH, SLICE_LENGTH + 16))
    const lengths = [1, 15, 16, 17, 32, 50, 1000, 66_000, SLICE_LENGTH + 16, SLICE_LENGTH + 40]
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...lengths),
        place,
        place,
        fc.constantFrom(0, 16, 31),
        fc.constantFrom(7, 16, 700, 65_536, 3_000_000),
        async (length, a, b, more, chunk) => {
          const [start, end] = [a % (length + 1), b % (length + 1)].sort((x, y) => x - y) as [number, number]
          const stored = oneShotCbc(key, iv, source.subarray(0, length))
          const held = resources()
          const opener = cbcOpener({ aes: await runtime.aes(key), iv })
          held.hold(() => opener.destroy())
          const range = { start, end }
          const needed = sealedRange(opener, stored.length, range)
          assert.ok(needed.start >= start - 31 && needed.end <= end + 15)
          const sealed = { start: Math.max(0, needed.start - more), end: Math.min(stored.length, needed.end + more) }
          const upstream = sourceOfBytes(
            stored.subarray(sealed.start, sealed.end),
            length > 1000 ? chunk + 9000 : chunk,
          )
          const read = rangedRead({ opener, sealedLength: stored.length, range, sealed, upstream, resources: held })
          assertGives(await outcomeOf(read), source.subarray(start, end), `${length} ${start} ${end}`)
        },
      ),
      { numRuns: 150 },
    )
  })

  it('a range up to the end fails where the end is none', async () => {
    const bytes = Buffer.from(unpaddedCbc(key, iv, new Uint8Array(64)))
    const held = resources()
    const opener = cbcOpener({ aes: await runtime.aes(key), iv })
    held.hold(() => opener.destroy())
    const range = { start: 50, end: 60 }
    const sealed = sealedRange(opener, 64, range)
    const upstream = sourceOfBytes(bytes.subarray(sealed.start, sealed.end), 700)
    assertRefuses(
      await outcomeOf(rangedRead({ opener, sealedLength: 64, range, sealed, upstream, resources: held })),
      '',
    )
  })
})
