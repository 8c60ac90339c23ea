import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { gcmOpener, gcmSealer } from '../../src/crypto/gcm-message.js'
import { positionalGcmWorks, testPositionalGcm } from '../../src/crypto/gcm-self-test.js'
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
    test('the self-test: true here, false for runtimes that cannot or do otherwise', async () => {
      assert.equal(await testPositionalGcm(await aes(key)), true)
      assert.equal(await testPositionalGcm(only12Bytes(await aes(key))), false)
      assert.equal(await testPositionalGcm(otherIvs(await aes(key))), false)
      const wrongHash = withMethods(await aes(key), {
        gcmEncrypt: async (anIv, anAad, plaintext) => {
          const sealed = await (await aes(key)).gcmEncrypt(anIv, anAad, plaintext)
          if (anAad.length > 16) sealed[0]! ^= 1
          return sealed
        },
      })
      assert.equal(await testPositionalGcm(wrongHash), false)
    })

    test('a runtime that fails the self-test seals in order or whole, and still opens', async () => {
      const cannot = () => Promise.resolve(false)
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
  assert.equal(positionalGcmWorks(), positionalGcmWorks())
  return positionalGcmWorks().then((works) => {
    assert.equal(works, true)
  })
})
