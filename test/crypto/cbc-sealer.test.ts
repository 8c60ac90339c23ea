import assert from 'node:assert/strict'
import { hkdfSync } from 'node:crypto'
import { describe, it } from 'node:test'
import fc from 'fast-check'

import { cbcSealer } from '../../src/crypto/cbc-message.js'
import { isPositional } from '../../src/message/sealer.js'
import type { PositionalSealer, Sealer } from '../../src/message/sealer.js'
import { code } from '../support/errors.js'
import { oneShotCbc } from './cbc-helpers.js'
import { pattern, RUNTIMES } from './helpers.js'

const iv = pattern(16)
const config = (message?: RegExp) => code('ERR_S3CSE_CONFIG', message)
const LENGTHS = [...Array(51).keys(), 65_535, 65_536, 65_537, 1_048_576, 1_048_577]

for (const [name, runtime] of RUNTIMES) {
  const sealerOf = async (key: Uint8Array): Promise<PositionalSealer> => {
    const sealer = cbcSealer({ aes: await runtime.aes(key), iv, key })
    assert.ok(isPositional(sealer))
    return sealer
  }
  const key = pattern(32)

  describe(`an AES-CBC message on ${name}`, () => {
    it('is what node:crypto makes of it, with keys of 128, 192 and 256 bits', async () => {
      for (const keyLength of [16, 24, 32]) {
        const key = pattern(keyLength)
        for (const length of LENGTHS) {
          const plaintext = pattern(length)
          const sealer = cbcSealer({ aes: await runtime.aes(key), iv })
          const whole = await sealer.sealWhole(plaintext)
          assert.ok(Buffer.from(whole).equals(oneShotCbc(key, iv, plaintext)), `${keyLength} ${length}`)
          assert.equal(sealer.sealedLength(length), whole.length)
          assert.equal(isPositional(sealer), false)
        }
      }
    })

    it('in pieces of any lengths, with the rest of the last one in the trailer', async () => {
      const cuts = fc.array(fc.integer({ min: 0, max: 200 }), { maxLength: 6 })
      await fc.assert(
        fc.asyncProperty(cuts, fc.nat(40), fc.boolean(), async (blocks, rest, parts) => {
          const lengths = [...blocks.map((count) => count * 16), rest]
          const plaintext = pattern(lengths.reduce((sum, length) => sum + length, 0))
          const sealer: Sealer = parts ? await sealerOf(key) : cbcSealer({ aes: await runtime.aes(key), iv })
          const sealed: Uint8Array[] = []
          let at = 0
          for (const [index, length] of lengths.entries()) {
            const last = index === lengths.length - 1
            const piece = await sealer.seal(at, plaintext.subarray(at, at + length), last)
            assert.equal(piece.length, length - (length % 16))
            assert.equal(sealer.sealedOffset(at), Buffer.concat(sealed).length)
            sealed.push(piece)
            at += length
          }
          const trailer = await sealer.trailer(at)
          assert.equal(trailer.length, sealer.trailerLength)
          assert.deepEqual(Buffer.concat([...sealed, trailer]), oneShotCbc(key, iv, plaintext))
          assert.deepEqual(await sealer.trailer(at), trailer)
          await assert.rejects(async () => sealer.trailer(at + 1), config(/bytes, not/))
          await assert.rejects(async () => sealer.seal(at, new Uint8Array(16), true), config())
        }),
        { numRuns: 100 },
      )
    })

    it('is continued from its states, whatever the order in which they come', async () => {
      const plaintext = pattern(100)
      const expected = oneShotCbc(key, iv, plaintext)
      const places = [
        [0, 16],
        [16, 48],
        [48, 96],
        [96, 100],
      ] as const
      const first = await sealerOf(key)
      const states: Uint8Array[] = []
      for (const [start, end] of places) {
        const piece = await first.sealPiece(start, plaintext.subarray(start, end), end === 100)
        assert.deepEqual(Buffer.from(piece.sealed), expected.subarray(start, end - (end % 16)))
        assert.deepEqual(
          Buffer.from(piece.state),
          expected.subarray(Math.ceil(end / 16) * 16 - 16, Math.ceil(end / 16) * 16),
        )
        states.push(piece.state)
      }
      assert.deepEqual(Buffer.from(await first.trailer(100)), expected.subarray(96))
      for (const known of [0, 1, 2, 3, 4]) {
        const next = await sealerOf(key)
        for (const index of [...Array(known).keys()].reverse()) {
          const [start, end] = places[index]!
          await next.join(start, end - start, states[index]!)
          await assert.rejects(next.join(start, end - start, states[index]!), config(/overlap/))
        }
        for (const [start, end] of places.slice(known)) {
          const piece = await next.sealPiece(start, plaintext.subarray(start, end), end === 100)
          assert.deepEqual(Buffer.from(piece.sealed), expected.subarray(start, end - (end % 16)))
        }
        assert.deepEqual(Buffer.from(await next.trailer(100)), expected.subarray(96))
        // What was sealed elsewhere is known again by its state, also after the trailer.
        for (const [index, [start, end]] of places.entries()) {
          const again = await next.sealAgain(start, plaintext.subarray(start, end), end === 100)
          assert.deepEqual(again.state, states[index])
          const other = Uint8Array.from(plaintext.subarray(start, end))
          other[0]! ^= 1
          assert.notDeepEqual((await next.sealAgain(start, other, end === 100)).state, states[index])
        }
      }
    })

    it('has an empty last piece, whose state is the block before it', async () => {
      for (const length of [0, 16, 32]) {
        const expected = oneShotCbc(key, iv, pattern(length))
        const first = await sealerOf(key)
        if (length > 0) await first.sealPiece(0, pattern(length), false)
        const { sealed, state } = await first.sealPiece(length, new Uint8Array(0), true)
        assert.equal(sealed.length, 0)
        assert.deepEqual(Buffer.from(state), Buffer.from(Buffer.concat([iv, expected]).subarray(length, length + 16)))
        const next = await sealerOf(key)
        await next.join(length, 0, state)
        // The state of an end that is not the block which is there.
        await assert.rejects(next.join(length, 0, new Uint8Array(16)), config(/do not fit/))
        if (length > 0) await assert.rejects(next.join(0, length, new Uint8Array(16)), config(/do not fit/))
        if (length > 0) await next.join(0, length, state)
        assert.deepEqual(Buffer.from(await next.trailer(length)), expected.subarray(length))
      }
    })

    it('has no place twice, none out of order, none beside blocks, and no hole', async () => {
      const zeros = new Uint8Array(64)
      const sealer = await sealerOf(key)
      await assert.rejects(sealer.sealPiece(16, zeros, false), config(/in order/))
      await assert.rejects(sealer.sealAgain(16, zeros, false), config(/in order/))
      await assert.rejects(async () => sealer.seal(16, zeros, false), config(/in order/))
      await assert.rejects(sealer.sealPiece(0, zeros.subarray(0, 15), false), config(/whole blocks/))
      await assert.rejects(sealer.sealPiece(8, zeros, true), config(/whole blocks/))
      await assert.rejects(sealer.sealPiece(-16, zeros, true), config())
      await assert.rejects(sealer.sealAgain(0, zeros.subarray(0, 15), false), config(/whole blocks/))
      await assert.rejects(sealer.join(0, 16, new Uint8Array(15)), config(/15/))
      await assert.rejects(sealer.join(1, 16, new Uint8Array(16)), config(/whole blocks/))
      const [one, two] = await Promise.allSettled([
        sealer.sealPiece(0, zeros, false),
        sealer.sealPiece(0, zeros, false),
      ])
      assert.equal(one.status, 'fulfilled')
      assert.equal(two.status, 'rejected')
      await assert.rejects(sealer.sealPiece(0, zeros, false), config(/what was given before/))
      await sealer.join(96, 16, new Uint8Array(16).fill(1))
      await assert.rejects(async () => sealer.trailer(64), config(/cover/))
      await assert.rejects(async () => sealer.trailer(112), config(/cover/))
      await assert.rejects(async () => sealer.trailer(1.5), config())
      // What stands behind it was chained to something else.
      await assert.rejects(sealer.sealPiece(64, zeros.subarray(0, 32), false), config(/after what was given before/))
      await sealer.join(64, 32, new Uint8Array(16).fill(2))
      await sealer.trailer(112)
      await assert.rejects(sealer.sealPiece(112, zeros, true), config(/last block/))
      await assert.rejects(sealer.join(112, 0, new Uint8Array(16)), config(/last block/))
      await assert.rejects(async () => sealer.sealWhole(zeros), config(/sealed once/))
      // A trailer in the middle of the sealing of the last piece.
      const early = await sealerOf(key)
      const sealing = early.sealPiece(0, zeros.subarray(0, 10), true)
      await assert.rejects(async () => early.trailer(10), config(/cover/))
      await sealing
      await early.trailer(10)
      const whole = await sealerOf(key)
      await whole.sealWhole(zeros)
      await assert.rejects(async () => whole.sealWhole(zeros), config(/sealed once/))
      await assert.rejects(async () => whole.seal(0, zeros, true), config(/sealed once/))
    })

    it('keeps its limits, its key and its end', async () => {
      const sealer = await sealerOf(key)
      assert.equal(sealer.sealedLength(Number.MAX_SAFE_INTEGER - 16), Number.MAX_SAFE_INTEGER - 15)
      assert.throws(() => sealer.sealedLength(Number.MAX_SAFE_INTEGER - 15), code('ERR_S3CSE_BODY_TOO_LARGE'))
      for (const length of [-1, 0.5, NaN, Infinity]) assert.throws(() => sealer.sealedLength(length), config())
      assert.throws(() => sealer.sealedOffset(-1), config())
      const aes = await runtime.aes(key)
      assert.throws(() => cbcSealer({ aes, iv: iv.subarray(0, 12) }), config(/12 bytes/))
      const derived = Buffer.from(await sealer.deriveKey(Uint8Array.of(1, 2), 'info'))
      assert.deepEqual(derived, Buffer.from(hkdfSync('sha512', key, Uint8Array.of(1, 2), 'info', 32)))
      assert.deepEqual(sealer.exportKey(), key)
      sealer.destroy()
      sealer.destroy()
      for (const call of [
        () => sealer.seal(0, iv, true),
        () => sealer.sealPiece(0, iv, true),
        () => sealer.sealAgain(0, iv, true),
        () => sealer.join(0, 16, iv),
        () => sealer.trailer(0),
        () => sealer.sealWhole(iv),
        () => sealer.deriveKey(iv, ''),
        async () => sealer.exportKey(),
      ]) {
        await assert.rejects(async () => call(), config(/closed/))
      }
      const ending = await sealerOf(key)
      const sealing = ending.sealPiece(0, iv, true)
      ending.destroy()
      await assert.rejects(sealing, config(/closed|destroyed/))
    })
  })
}
