import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ghash } from '@noble/ciphers/_polyval.js'
import { gcm } from '@noble/ciphers/aes.js'
import fc from 'fast-check'
import { positionalGcm } from '../../src/crypto/positional-gcm.js'
import { IV_LENGTHS, oneShot, pattern, RUNTIMES, withMethods } from './helpers.js'
import { bigLengths, fromBig, toBig } from './reference.js'

const iv = Uint8Array.from({ length: 12 }, (_, i) => 0xf0 + i)
const aad = Uint8Array.of(0, 0x73)
const key = pattern(32)

const keys = fc.constantFrom(16, 24, 32).chain((length) => fc.uint8Array({ minLength: length, maxLength: length }))
const ivs = fc.uint8Array({ minLength: 12, maxLength: 12 })
const aads = fc.uint8Array({ maxLength: 70 })

/** A message, cut at any places, in any order of arrival. */
const cutMessages = fc
  .tuple(fc.uint8Array({ maxLength: 200 }), fc.array(fc.nat(200), { maxLength: 8 }))
  .chain(([plaintext, cuts]) => {
    const inside = cuts.filter((cut) => cut < plaintext.length)
    const edges = [...new Set([0, ...inside, plaintext.length])].sort((a, b) => a - b)
    const pieces = edges.slice(1).map((end, i) => ({ start: edges[i]!, end }))
    return fc.record({
      plaintext: fc.constant(plaintext),
      pieces: fc.shuffledSubarray(pieces, { minLength: pieces.length }),
    })
  })

const WAYS = ['one-pass', 'two-pass'] as const

/** Where a piece is to go: into a fresh buffer, or into one that has just enough room, or more. */
const rooms = fc.constantFrom(undefined, 16, 100)

for (const [name, { aes }] of RUNTIMES) {
  for (const way of WAYS) {
    describe(`positional GCM on ${name}, sealing in ${way}`, () => {
      test('any split in any order is the one-shot message; sealing again, hashing and opening agree', async () => {
        await fc.assert(
          fc.asyncProperty(
            keys,
            ivs,
            aads,
            cutMessages,
            rooms,
            async (someKey, someIv, someAad, { plaintext, pieces }, room) => {
              const expected = oneShot(someKey, someIv, someAad, plaintext)
              const message = { aes: await aes(someKey), iv: someIv, aad: someAad, way }
              const into = (length: number) =>
                room === undefined ? undefined : new Uint8Array(length + room).fill(0xee)
              const sealing = positionalGcm(message)
              const hashing = positionalGcm(message)
              for (const { start, end } of pieces) {
                const piece = plaintext.subarray(start, end)
                const before = await sealing.sealAgain(start, piece, into(piece.length))
                const buffer = into(piece.length)
                const { ciphertext, state } = await sealing.seal(start, piece, buffer)
                assert.deepEqual(Uint8Array.from(ciphertext), expected.slice(start, end))
                if (buffer !== undefined && piece.length > 0) {
                  assert.equal(ciphertext.buffer, buffer.buffer)
                  assert.equal(ciphertext.byteOffset, 0)
                  assert.ok(
                    buffer.subarray(piece.length, piece.length + 16).every((byte) => byte === 0 || byte === 0xee),
                  )
                  assert.ok(buffer.subarray(piece.length + 16).every((byte) => byte === 0xee))
                }
                assert.deepEqual(before, { ciphertext, state })
                assert.deepEqual(await sealing.sealAgain(start, piece), {
                  ciphertext: expected.slice(start, end),
                  state,
                })
                assert.deepEqual(plaintext.subarray(start, end), piece)
                assert.deepEqual(await hashing.hash(start, ciphertext), state)
                assert.deepEqual(await hashing.open(start, ciphertext), plaintext.slice(start, end))
                await sealing.join(start, end - start, state)
                await hashing.join(start, end - start, state)
              }
              assert.ok(sealing.covers(plaintext.length))
              assert.deepEqual(await sealing.tag(plaintext.length), expected.slice(plaintext.length))
              assert.deepEqual(await hashing.tag(plaintext.length), expected.slice(plaintext.length))
              for (const { start, end } of pieces) {
                const { ciphertext } = await sealing.sealAgain(start, plaintext.subarray(start, end))
                assert.deepEqual(ciphertext, expected.slice(start, end))
              }
            },
          ),
          { numRuns: 40 },
        )
      })

      test('pieces larger than what a native call takes, all at once', async () => {
        const plaintext = pattern(300_001)
        const expected = oneShot(key, iv, aad, plaintext)
        const message = positionalGcm({ aes: await aes(key), iv, aad, way })
        const edges = [0, 70_000, 70_001, 200_000, 262_144, plaintext.length]
        await Promise.all(
          edges.slice(1).map(async (end, i) => {
            const start = edges[i]!
            const { ciphertext, state } = await message.seal(start, plaintext.subarray(start, end))
            assert.deepEqual(ciphertext, expected.slice(start, end))
            assert.deepEqual(await message.open(start, ciphertext), plaintext.slice(start, end))
            await message.join(start, end - start, state)
          }),
        )
        assert.deepEqual(await message.tag(plaintext.length), expected.slice(plaintext.length))
      })

      test('witness: noble’s GCM with IVs of any length, and its GHASH', async () => {
        await fc.assert(
          fc.asyncProperty(
            keys,
            fc.uint8Array({ minLength: Math.max(8, IV_LENGTHS[name][0]), maxLength: 40 }),
            aads,
            async (someKey, oddIv, someAad) => {
              const plaintext = pattern(77)
              const expected = gcm(someKey, oddIv, someAad).encrypt(plaintext)
              const cipher = await aes(someKey)
              assert.deepEqual(await cipher.gcmEncrypt(oddIv, someAad, plaintext), expected)
              assert.deepEqual(await cipher.gcmDecrypt(oddIv, someAad, expected), plaintext)
              const padded = new Uint8Array(80)
              padded.set(someAad)
              const data = padded.subarray(0, Math.ceil(someAad.length / 16) * 16)
              const y = data.length === 0 ? 0n : toBig(ghash(data, await cipher.block(new Uint8Array(16))))
              const state = await positionalGcm({ aes: cipher, iv, aad }).hash(160, someAad)
              assert.deepEqual(state, fromBig(y ^ bigLengths(0, someAad.length)))
            },
          ),
          { numRuns: 30 },
        )
      })

      test('a state is bound to the length: trailing zeros do not stand for nothing', async () => {
        const message = positionalGcm({ aes: await aes(key), iv, aad, way })
        const short = await message.hash(0, pattern(20))
        const long = new Uint8Array(32)
        long.set(pattern(20))
        assert.notDeepEqual(await message.hash(0, long), short)
        const shifted = new Uint8Array(36)
        shifted.set(pattern(20), 16)
        assert.notDeepEqual(await message.hash(0, shifted), short)
      })

      test('an empty message, and empty pieces anywhere', async () => {
        const message = positionalGcm({ aes: await aes(key), iv, aad: pattern(33), way })
        const nothing = new Uint8Array(0)
        assert.deepEqual(await message.seal(5, nothing), { ciphertext: nothing, state: new Uint8Array(16) })
        assert.deepEqual(await message.hash(5, nothing), new Uint8Array(16))
        assert.deepEqual(await message.open(5, nothing), nothing)
        await message.join(5, 0, new Uint8Array(16))
        assert.deepEqual(await message.tag(0), oneShot(key, iv, pattern(33), nothing))
      })

      test('nothing of a piece but its ciphertext is left in its buffer, nor plaintext in copies', async () => {
        const cipher = await aes(key)
        const inputs: Uint8Array[] = []
        const plaintext = pattern(40)
        const message = positionalGcm({
          aes: withMethods(cipher, {
            gcmEncrypt: (anIv, anAad, input) => {
              if (input.length > 0) inputs.push(input)
              return cipher.gcmEncrypt(anIv, anAad, input)
            },
            ctr: (counter, input) => {
              inputs.push(input)
              return cipher.ctr(counter, input)
            },
          }),
          iv,
          aad,
          way,
        })
        const { ciphertext } = await message.seal(37, plaintext)
        assert.equal(ciphertext.length, 40)
        const whole = new Uint8Array(ciphertext.buffer)
        const outside = [...whole.subarray(0, ciphertext.byteOffset), ...whole.subarray(ciphertext.byteOffset + 40)]
        assert.ok(outside.length >= (way === 'one-pass' ? 5 + 16 : 5))
        assert.ok(outside.every((byte) => byte === 0))
        assert.deepEqual(inputs, [new Uint8Array(45)])
        assert.deepEqual(plaintext, pattern(40))
        const lead = await message.open(37, ciphertext)
        assert.ok(new Uint8Array(lead.buffer, 0, 5).every((byte) => byte === 0))
      })
    })
  }
}
