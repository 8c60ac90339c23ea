import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { gcmOpener, gcmSealer } from '../../src/crypto/gcm-message.js'
import { code } from '../support/errors.js'
import { oneShot, pattern, RUNTIMES } from './helpers.js'

const key = pattern(32)
const iv = new Uint8Array(12).fill(1)
const aad = Uint8Array.of(0, 0x73)
const config = (message: RegExp) => code('ERR_S3CSE_CONFIG', message)
const decryption = code('ERR_S3CSE_DECRYPTION_FAILED')

for (const [name, { aes }] of RUNTIMES) {
  const sealer = async (ordered = false) => gcmSealer({ aes: await aes(key), iv, aad, ordered })
  const opener = async () => gcmOpener({ aes: await aes(key), iv, aad })

  describe(`a GCM message on ${name}`, () => {
    test('sealed whole, in order, backwards: the one-shot message; and back', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.uint8Array({ maxLength: 100 }),
          fc.integer({ min: 1, max: 50 }),
          async (plaintext, size) => {
            const expected = oneShot(key, iv, aad, plaintext)
            assert.deepEqual(await (await sealer()).sealWhole(plaintext), expected)
            const starts = Array.from({ length: Math.ceil(plaintext.length / size) }, (_, i) => i * size)
            for (const [ordered, order] of [
              [true, starts],
              [false, starts],
              [false, starts.toReversed()],
            ] as const) {
              const sealing = await sealer(ordered)
              assert.equal(sealing.header.length, 0)
              assert.equal(sealing.alignment, 1)
              const sealed = new Uint8Array(sealing.sealedLength(plaintext.length))
              for (const start of order) {
                const end = Math.min(start + size, plaintext.length)
                sealed.set(await sealing.seal(start, plaintext.subarray(start, end), end === plaintext.length), start)
              }
              const trailer = await sealing.trailer(plaintext.length)
              sealed.set(trailer, plaintext.length)
              assert.deepEqual(sealed, expected)
              assert.deepEqual(await sealing.trailer(plaintext.length), trailer)
            }
            const opening = await opener()
            assert.deepEqual(await opening.openWhole(expected), plaintext)
            const step = size * opening.alignment
            for (let at = 0; at < plaintext.length; at += step) {
              const piece = expected.subarray(at, Math.min(at + step, plaintext.length))
              const state = await opening.absorb!(at, piece)
              assert.deepEqual(await opening.open(at, piece, false), plaintext.slice(at, at + piece.length))
              assert.ok(await opening.matches!(state, at, piece))
            }
            await opening.verify!(expected.length, expected.subarray(plaintext.length))
          },
        ),
        { numRuns: 25 },
      )
    })

    test('the ordered way is there exactly where the runtime streams', async () => {
      assert.equal((await sealer()).ordered, false)
      assert.equal((await sealer(true)).ordered, (await aes(key)).gcmStream !== undefined)
    })

    test('any flipped bit, truncation or extension fails, whole and in pieces', async () => {
      const plaintext = pattern(40)
      const sealed = oneShot(key, iv, aad, plaintext)
      const verified = async (bytes: Uint8Array) => {
        const opening = await opener()
        const body = bytes.length - 16
        if (body > 0) await opening.absorb!(0, bytes.subarray(0, body))
        await opening.verify!(bytes.length, bytes.subarray(body))
      }
      await verified(sealed)
      const changed = Array.from({ length: sealed.length * 8 }, (_, bit) => {
        const copy = Uint8Array.from(sealed)
        copy[bit >> 3]! ^= 1 << (bit & 7)
        return copy
      })
      const lengths = [16, 17, 32, 55].map((length) => sealed.slice(0, length))
      for (const bytes of [...changed, ...lengths, Uint8Array.of(...sealed, 0)]) {
        await assert.rejects(async () => (await opener()).openWhole(bytes), decryption)
        await assert.rejects(verified(bytes), decryption)
      }
      const others = [
        { aes: await aes(pattern(16)), iv, aad },
        { aes: await aes(key), iv: new Uint8Array(12), aad },
        { aes: await aes(key), iv, aad: new Uint8Array(0) },
      ]
      for (const other of others) await assert.rejects(async () => gcmOpener(other).openWhole(sealed), decryption)
    })

    test('verify wants every byte, once, and the whole trailer', async () => {
      const sealed = oneShot(key, iv, aad, pattern(64))
      const opening = await opener()
      const trailer = sealed.subarray(64)
      await opening.absorb!(32, sealed.subarray(32, 64))
      await assert.rejects(async () => opening.verify!(80, trailer), decryption)
      await opening.absorb!(0, sealed.subarray(0, 32))
      await assert.rejects(async () => opening.absorb!(16, sealed.subarray(16, 32)), config(/overlap/))
      await assert.rejects(async () => opening.verify!(79, trailer), decryption)
      for (const wrong of [trailer.subarray(1), sealed.subarray(63), new Uint8Array(0), new Uint8Array(16)]) {
        await assert.rejects(async () => opening.verify!(80, wrong), decryption)
      }
      await opening.verify!(80, trailer)
      await opening.verify!(80, trailer)
      await assert.rejects(async () => opening.absorb!(64, pattern(1)), config(/has its tag/))
    })

    test('matches tells a piece that changed since it was absorbed, also after verify', async () => {
      const sealed = oneShot(key, iv, aad, pattern(64))
      const opening = await opener()
      const first = await opening.absorb!(0, sealed.subarray(0, 32))
      const second = await opening.absorb!(32, sealed.subarray(32, 64))
      await opening.verify!(80, sealed.subarray(64))
      assert.equal(first.length, 16)
      assert.ok(await opening.matches!(first, 0, sealed.subarray(0, 32)))
      assert.ok(await opening.matches!(second, 32, sealed.subarray(32, 64)))
      assert.ok(!(await opening.matches!(first, 0, sealed.subarray(32, 64))))
      assert.ok(!(await opening.matches!(first, 0, sealed.subarray(0, 31))))
      const flipped = sealed.slice(0, 32)
      flipped[31]! ^= 1
      assert.ok(!(await opening.matches!(first, 0, flipped)))
    })

    test('extents begin where open may', async () => {
      const opening = await opener()
      assert.deepEqual(opening.extent(0, 5), { start: 0, end: 5, offset: 0 })
      assert.deepEqual(opening.extent(33, 47), { start: 32, end: 47, offset: 32 })
      assert.deepEqual(
        [opening.headerLength, opening.trailerLength, opening.authentication, opening.alignment],
        [0, 16, 'whole', 16],
      )
    })

    test('a message is sealed once', async () => {
      for (const ordered of [true, false]) {
        const whole = await sealer(ordered)
        await whole.sealWhole(pattern(3))
        await assert.rejects(async () => whole.sealWhole(pattern(3)), config(/sealed once/))
        await assert.rejects(async () => whole.seal(0, pattern(3), true), config(/sealed once/))
        await assert.rejects(async () => whole.trailer(3), config(/sealed once/))
        const pieces = await sealer(ordered)
        await pieces.seal(0, pattern(3), false)
        await assert.rejects(async () => pieces.sealWhole(pattern(3)), config(/sealed once/))
        await assert.rejects(async () => pieces.seal(2, pattern(3), false), config(/overlap|in order/))
        await assert.rejects(async () => pieces.trailer(2), config(/cover|were sealed/))
        await pieces.seal(3, pattern(1), true)
        await pieces.trailer(4)
        await assert.rejects(async () => pieces.seal(4, pattern(1), true), config(/has its tag/))
        await assert.rejects(async () => pieces.trailer(5), config(/has 4 bytes|4 bytes of/))
      }
    })

    test('after destroy everything fails, and the key is gone', async () => {
      for (const ordered of [true, false]) {
        const cipher = await aes(key)
        const sealing = await gcmSealer({ aes: cipher, iv, aad, ordered })
        await sealing.seal(0, pattern(3), false)
        sealing.destroy()
        sealing.destroy()
        await assert.rejects(async () => sealing.seal(3, pattern(3), false), config(/closed/))
        await assert.rejects(async () => sealing.trailer(3), config(/closed/))
        await assert.rejects(async () => sealing.sealWhole(pattern(3)), config(/closed/))
        await assert.rejects(async () => cipher.block(pattern(16)), config(/destroyed/))
      }
      const cipher = await aes(key)
      const opening = gcmOpener({ aes: cipher, iv, aad })
      const state = await opening.absorb!(0, pattern(3))
      opening.destroy()
      opening.destroy()
      await assert.rejects(async () => opening.openWhole(pattern(20)), config(/destroyed/))
      await assert.rejects(async () => opening.open(0, pattern(3), false), config(/closed/))
      await assert.rejects(async () => opening.absorb!(16, pattern(3)), config(/closed/))
      await assert.rejects(async () => opening.matches!(state, 0, pattern(3)), config(/closed/))
      await assert.rejects(async () => opening.verify!(19, pattern(16)), config(/closed/))
      await assert.rejects(async () => cipher.block(pattern(16)), config(/destroyed/))
    })

    test('IVs of other lengths are refused', async () => {
      const options = { aes: await aes(key), iv: new Uint8Array(16), aad }
      const refused = config(/16 bytes instead of 12/)
      await assert.rejects(gcmSealer({ ...options, ordered: true }), refused)
      await assert.rejects(gcmSealer(options), refused)
      assert.throws(() => gcmOpener(options), refused)
    })

    test('IV and AAD are the ones given, whatever becomes of their arrays', async () => {
      const [ownIv, ownAad] = [Uint8Array.from(iv), Uint8Array.from(aad)]
      const whole = await gcmSealer({ aes: await aes(key), iv: ownIv, aad: ownAad })
      const pieces = await gcmSealer({ aes: await aes(key), iv: ownIv, aad: ownAad })
      const opening = gcmOpener({ aes: await aes(key), iv: ownIv, aad: ownAad })
      ownIv.fill(9)
      ownAad.fill(9)
      const expected = oneShot(key, iv, aad, pattern(5))
      assert.deepEqual(await whole.sealWhole(pattern(5)), expected)
      assert.deepEqual(await pieces.seal(0, pattern(5), true), expected.slice(0, 5))
      assert.deepEqual(await pieces.trailer(5), expected.slice(5))
      assert.deepEqual(await opening.openWhole(expected), pattern(5))
    })
  })
}
