import assert from 'node:assert/strict'
import { createCipheriv } from 'node:crypto'
import { describe, test } from 'node:test'
import { GCM_MAX_BLOCKS, GCM_MAX_LENGTH } from '../../src/crypto/gcm-blocks.js'
import { gcmOpener, gcmPlaintextLength, gcmSealer } from '../../src/crypto/gcm-message.js'
import { positionalGcm } from '../../src/crypto/positional-gcm.js'
import { code } from '../support/errors.js'
import { pattern, RUNTIMES } from './helpers.js'
import { bigLengths, bigMultiply, bigPower, fromBig, toBig } from './reference.js'

const key = pattern(32)
const iv = new Uint8Array(12).fill(1)
const aad = Uint8Array.of(0, 0x73)
const tooLarge = code('ERR_S3CSE_BODY_TOO_LARGE', /68719476704/)

/** The keystream of the last block of the longest message: counter 2^32 - 1. */
const lastKeystream = Uint8Array.from(
  createCipheriv('aes-256-ecb', key, null).update(Uint8Array.of(...iv, 255, 255, 255, 255)),
)

test('the limit is 2^32 - 2 blocks', () => {
  assert.equal(GCM_MAX_BLOCKS, 4294967294)
  assert.equal(GCM_MAX_LENGTH, 68719476704)
})

for (const [name, { aes }] of RUNTIMES) {
  describe(`the longest message on ${name}`, () => {
    for (const way of ['one-pass', 'two-pass'] as const)
      test(`its last block is sealed in ${way} and opened under the last counter; one byte more is refused`, async () => {
        const message = positionalGcm({ aes: await aes(key), iv, aad, way })
        const place = GCM_MAX_LENGTH - 16
        const { ciphertext } = await message.seal(place, new Uint8Array(15))
        assert.deepEqual(ciphertext, lastKeystream.slice(0, 15))
        const last = await message.seal(GCM_MAX_LENGTH - 1, new Uint8Array(1))
        assert.deepEqual(last.ciphertext, lastKeystream.slice(15))
        assert.deepEqual(await message.open(place, lastKeystream), new Uint8Array(16))
        await assert.rejects(message.seal(GCM_MAX_LENGTH, pattern(1)), tooLarge)
        await assert.rejects(message.seal(place, pattern(17)), tooLarge)
        await assert.rejects(message.sealAgain(place, pattern(17)), tooLarge)
        await assert.rejects(message.open(place, pattern(17)), tooLarge)
        await assert.rejects(message.hash(place, pattern(17)), tooLarge)
        await assert.rejects(message.join(0, GCM_MAX_LENGTH + 1, new Uint8Array(16)), tooLarge)
        await assert.rejects(message.tag(GCM_MAX_LENGTH + 1), tooLarge)
      })

    test('its tag, with ciphertext of zeros between the first block and the last', async () => {
      const cipher = await aes(key)
      const message = positionalGcm({ aes: cipher, iv, aad })
      const [first, last] = [pattern(16), pattern(40).subarray(24)]
      const middle = GCM_MAX_LENGTH - 32
      await message.join(GCM_MAX_LENGTH - 16, 16, await message.hash(GCM_MAX_LENGTH - 16, last))
      await message.join(0, 16, await message.hash(0, first))
      await message.join(16, middle, fromBig(bigLengths(0, middle)))
      const h = toBig(await cipher.block(new Uint8Array(16)))
      const n = BigInt(GCM_MAX_BLOCKS)
      const aadBlock = new Uint8Array(16)
      aadBlock.set(aad)
      const y =
        bigMultiply(toBig(aadBlock), bigPower(h, n + 1n)) ^
        bigMultiply(toBig(first), bigPower(h, n)) ^
        bigMultiply(toBig(last), h)
      const tag =
        bigMultiply(y ^ bigLengths(2, GCM_MAX_LENGTH), h) ^ toBig(await cipher.block(Uint8Array.of(...iv, 0, 0, 0, 1)))
      assert.deepEqual(await message.tag(GCM_MAX_LENGTH), fromBig(tag))
    })

    test('a counter never wraps', async () => {
      const cipher = await aes(key)
      const counter = Uint8Array.of(...iv, 255, 255, 255, 255)
      assert.deepEqual(await cipher.ctr(counter, new Uint8Array(16)), lastKeystream)
      await assert.rejects(async () => cipher.ctr(counter, new Uint8Array(17)), code('ERR_S3CSE_CONFIG', /would wrap/))
    })

    test('sealers and openers know the limit without a body', async () => {
      const sealer = await gcmSealer({ aes: await aes(key), iv, aad })
      assert.equal(sealer.sealedLength(0), 16)
      assert.equal(sealer.sealedLength(GCM_MAX_LENGTH), GCM_MAX_LENGTH + 16)
      assert.throws(() => sealer.sealedLength(GCM_MAX_LENGTH + 1), tooLarge)
      assert.throws(() => sealer.sealedLength(-1), code('ERR_S3CSE_CONFIG'))
      await assert.rejects(async () => sealer.seal(GCM_MAX_LENGTH - 3, pattern(4), true), tooLarge)
      const ordered = await gcmSealer({ aes: await aes(key), iv, aad, ordered: true })
      await assert.rejects(async () => ordered.seal(GCM_MAX_LENGTH - 3, pattern(4), true), tooLarge)
      const opener = gcmOpener({ aes: await aes(key), iv, aad })
      assert.equal(opener.plaintextLength(GCM_MAX_LENGTH + 16), GCM_MAX_LENGTH)
      assert.equal(gcmPlaintextLength(16), 0)
      for (const length of [0, 15, GCM_MAX_LENGTH + 17, -1, 16.5, NaN]) {
        assert.throws(() => opener.plaintextLength(length), code('ERR_S3CSE_ENVELOPE_INVALID', /stored length/))
      }
      await assert.rejects(async () => opener.openWhole(pattern(15)), code('ERR_S3CSE_ENVELOPE_INVALID'))
      await assert.rejects(async () => opener.verify!(15, pattern(16)), code('ERR_S3CSE_ENVELOPE_INVALID'))
    })
  })
}
