import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { gcmOpener, gcmSealer } from '../../src/crypto/gcm-message.js'
import { positionalGcmWay, testPositionalGcm } from '../../src/crypto/gcm-self-test.js'
import { isPositional } from '../../src/message/sealer.js'
import type { Aes } from '../../src/runtime/runtime.js'
import { code } from '../support/errors.js'
import { oneShot, pattern, RUNTIMES, withMethods } from './helpers.js'

const key = pattern(32)
const iv = new Uint8Array(12).fill(1)
const aad = Uint8Array.of(0, 0x73)
const config = (message: RegExp) => code('ERR_S3CSE_CONFIG', message)

/** A runtime that takes no IV but the usual one, as with FIPS. */
const only12Bytes = (aes: Aes): Aes =>
  withMethods(aes, {
    gcmEncrypt: (anIv, anAad, plaintext) => {
      if (anIv.length !== 12) throw new Error('Invalid initialization vector')
      return aes.gcmEncrypt(anIv, anAad, plaintext)
    },
  })

/** A runtime that hashes IVs of other lengths in a way of its own. */
const otherIvs = (aes: Aes): Aes =>
  withMethods(aes, { gcmEncrypt: (anIv, anAad, plaintext) => aes.gcmEncrypt(anIv.slice(0, 12), anAad, plaintext) })

for (const [name, { aes }] of RUNTIMES) {
  describe(`the self-test on ${name}`, () => {
    test('one pass here, two for runtimes that cannot or do otherwise, none where hashing is wrong', async () => {
      assert.equal(await testPositionalGcm(await aes(key)), 'one-pass')
      assert.equal(await testPositionalGcm(only12Bytes(await aes(key))), 'two-pass')
      assert.equal(await testPositionalGcm(otherIvs(await aes(key))), 'two-pass')
      const wrongHash = withMethods(await aes(key), {
        gcmEncrypt: async (anIv, anAad, plaintext) => {
          const sealed = await (await aes(key)).gcmEncrypt(anIv, anAad, plaintext)
          if (anAad.length > 16) sealed[0]! ^= 1
          return sealed
        },
      })
      assert.equal(await testPositionalGcm(wrongHash), undefined)
      const cipher = only12Bytes(await aes(key))
      const wrongCtr = withMethods(cipher, {
        ctr: async (counter, data) => {
          const output = await cipher.ctr(counter, data)
          output[0]! ^= 1
          return output
        },
      })
      assert.equal(await testPositionalGcm(wrongCtr), undefined)
      const tested = await aes(key)
      await testPositionalGcm(tested)
      await assert.rejects(async () => tested.block(pattern(16)), config(/destroyed/))
    })

    test('pieces in any order also where the runtime takes no IV but the usual one', async () => {
      const plaintext = pattern(300_001)
      const expected = oneShot(key, iv, aad, plaintext)
      const message = async () => ({ aes: only12Bytes(await aes(key)), iv, aad, key })
      const sealing = await gcmSealer(await message(), () => Promise.resolve('two-pass'))
      assert.equal(sealing.ordered, false)
      assert.ok(isPositional(sealing))
      const found = new Uint8Array(expected.length)
      const buffer = new Uint8Array(200_016)
      for (const [start, end] of [
        [200_001, 300_001],
        [70_000, 200_001],
        [0, 70_000],
      ] as const) {
        const { sealed, state } = await sealing.sealPiece(start, plaintext.subarray(start, end), false, buffer)
        assert.equal(sealed.buffer, buffer.buffer)
        found.set(sealed, start)
        const again = await sealing.sealAgain(start, plaintext.subarray(start, end), false)
        assert.deepEqual(again, { sealed: found.slice(start, end), state })
      }
      found.set(await sealing.trailer(plaintext.length), plaintext.length)
      assert.ok(Buffer.from(found).equals(expected))
      await assert.rejects(
        (async () => (await gcmSealer(await message(), () => Promise.resolve('one-pass'))).seal(0, plaintext, true))(),
        /Invalid initialization vector/,
      )

      const opening = gcmOpener(await message())
      const states = []
      for (const [start, end] of [
        [200_001, 300_001],
        [0, 200_001],
      ] as const) {
        states.push(await opening.absorbPlaintext!(start, plaintext.subarray(start, end)))
      }
      await opening.verify!(expected.length, expected.subarray(plaintext.length))
      assert.ok(await opening.matches!(states[1]!, 0, expected.subarray(0, 200_001)))
    })

    test('in order by the streaming cipher where there is one, whatever the self-test says', async () => {
      for (const way of ['one-pass', 'two-pass', undefined] as const) {
        let asked = 0
        const find = () => {
          asked++
          return Promise.resolve(way)
        }
        const streams = (await aes(key)).gcmStream !== undefined
        const sealing = await gcmSealer({ aes: await aes(key), iv, aad, ordered: true }, find)
        assert.equal(asked, streams ? 0 : 1)
        assert.equal(sealing.ordered, streams || way === undefined)
        sealing.destroy()
        const free = await gcmSealer({ aes: await aes(key), iv, aad }, find)
        assert.equal(free.ordered, way === undefined)
        free.destroy()
      }
    })

    test('a runtime that can do neither seals in order or whole, and still opens', async () => {
      const cannot = () => Promise.resolve(undefined)
      const plaintext = pattern(50)
      const expected = oneShot(key, iv, aad, plaintext)
      const sealing = await gcmSealer({ aes: only12Bytes(await aes(key)), iv, aad }, cannot)
      assert.equal(sealing.ordered, true)
      if ((await aes(key)).gcmStream === undefined) {
        await assert.rejects(async () => sealing.seal(0, plaintext, true), config(/whole/))
      } else {
        await assert.rejects(async () => sealing.seal(16, plaintext, true), config(/in order/))
        assert.deepEqual(await sealing.seal(0, plaintext, true), expected.slice(0, 50))
        assert.deepEqual(await sealing.trailer(50), expected.slice(50))
      }
      const whole = await gcmSealer({ aes: only12Bytes(await aes(key)), iv, aad }, cannot)
      assert.deepEqual(await whole.sealWhole(plaintext), expected)
      const opening = gcmOpener({ aes: only12Bytes(await aes(key)), iv, aad })
      await opening.absorb!(0, expected.subarray(0, 50))
      await opening.verify!(66, expected.subarray(50))
    })
  })
}

test('the self-test runs once', () => {
  assert.equal(positionalGcmWay(), positionalGcmWay())
  return positionalGcmWay().then((way) => {
    assert.equal(way, 'one-pass')
  })
})
