import assert from 'node:assert/strict'
import { createCipheriv, createHmac, randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { ecbUnwrap, ecbWrap } from '../../src/crypto/aes-ecb.js'
import { hex, RUNTIMES, toHex } from './helpers.js'

const LENGTHS = [16, 24, 32]
const secret = new Uint8Array(64).fill(5)
const options = { keyLengths: LENGTHS, secret, rejectedLength: 32 }

/** By OpenSSL, without any code of src; whole blocks if not padded. */
function ecb(key: Uint8Array, data: Uint8Array, padding = true): Uint8Array {
  const cipher = createCipheriv(`aes-${key.length * 8}-ecb`, key, null).setAutoPadding(padding)
  return Uint8Array.from(Buffer.concat([cipher.update(data), cipher.final()]))
}

const rejected = (wrapped: Uint8Array, length = 32): Uint8Array =>
  Uint8Array.from(createHmac('sha512', secret).update(wrapped).digest().subarray(0, length))

for (const [name, runtime] of RUNTIMES) {
  describe(`AES/ECB wraps on ${name}`, () => {
    test('the known answer of the Java client, both ways', async () => {
      const aes = await runtime.aes(new Uint8Array(32).fill(9))
      const dataKey = new Uint8Array(32).fill(7)
      const half = 'bcbeeeb4c21696de67052a50c79a6c05'
      const wrapped = hex(`${half}${half}f0cbadf36ec1870cb1dd9924543ba800`)
      assert.deepEqual(await ecbWrap(aes, dataKey), wrapped)
      assert.deepEqual(dataKey, new Uint8Array(32).fill(7))
      assert.deepEqual(await ecbUnwrap(aes, wrapped, options), dataKey)
    })

    for (const size of LENGTHS)
      for (const length of LENGTHS)
        test(`as OpenSSL does it: a key of ${length} bytes under one of ${size}`, async () => {
          const [key, dataKey] = [randomBytes(size), Uint8Array.from(randomBytes(length))]
          const aes = await runtime.aes(key)
          const wrapped = ecb(key, dataKey)
          assert.equal(toHex(await ecbWrap(aes, dataKey)), toHex(wrapped))
          const before = Uint8Array.from(wrapped)
          assert.deepEqual(await ecbUnwrap(aes, wrapped, options), dataKey)
          assert.deepEqual(wrapped, before)
        })

    test('every bad padding gives the same kind of key, the same each time', async () => {
      const key = randomBytes(32)
      const aes = await runtime.aes(key)
      const [k16, k24, k32] = [randomBytes(16), randomBytes(24), randomBytes(32)]
      const blocks: Record<string, number[]> = {
        'no padding': [...k32, ...randomBytes(15), 255],
        'padding 0': [...k32, ...new Uint8Array(16)],
        'padding 1, a key of 47': [...k32, ...new Uint8Array(15).fill(3), 1],
        'padding 8, a key of 40': [...k32, ...k16.subarray(0, 8), ...new Uint8Array(8).fill(8)],
        'padding 16 but for its first byte': [...k32, 15, ...new Uint8Array(15).fill(16)],
        'padding 16 but for its last byte': [...k32, ...new Uint8Array(15).fill(16), 17],
        'padding 16 but for one bit between': [
          ...k32,
          ...new Uint8Array(8).fill(16),
          0x90,
          ...new Uint8Array(7).fill(16),
        ],
        'padding 17': [...k32, ...new Uint8Array(16).fill(17)],
        'padding 24, a key of 24': [...k24, ...new Uint8Array(24).fill(24)],
        'padding 32, a key of 16': [...k32.subarray(0, 16), ...new Uint8Array(32).fill(32)],
        'a key of 24, first byte of padding wrong': [...k24, 0, ...new Uint8Array(7).fill(8)],
        'a key of 24, last byte of padding wrong': [...k24, ...new Uint8Array(7).fill(8), 9],
        'a key of 31': [...k32.subarray(1), 1],
        'a key of 17': [...k32.subarray(15), ...new Uint8Array(15).fill(15)],
      }
      for (const [what, bytes] of Object.entries(blocks)) {
        assert.ok(bytes.length === 48 || bytes.length === 32, what)
        const wrapped = ecb(key, Uint8Array.from(bytes), false)
        for (let times = 0; times < 2; times++) {
          const found = await ecbUnwrap(aes, wrapped, options)
          assert.equal(Object.getPrototypeOf(found), Uint8Array.prototype, what)
          assert.deepEqual(found, rejected(wrapped), what)
        }
        const short = await ecbUnwrap(aes, wrapped, { ...options, rejectedLength: 16 })
        assert.deepEqual(short, rejected(wrapped, 16), what)
      }
      const right = ecb(key, k24)
      const strange = await runtime.aes(randomBytes(32))
      assert.deepEqual(await ecbUnwrap(strange, right, options), rejected(right), 'another key')
    })

    test('a good padding around a key of a length that is not wanted is a bad padding', async () => {
      const key = randomBytes(16)
      const aes = await runtime.aes(key)
      const [wrapped16, wrapped24] = [ecb(key, randomBytes(16)), ecb(key, randomBytes(24))]
      assert.deepEqual(await ecbUnwrap(aes, wrapped16, { ...options, keyLengths: [24, 32] }), rejected(wrapped16))
      assert.deepEqual(await ecbUnwrap(aes, wrapped24, { ...options, keyLengths: [16, 32] }), rejected(wrapped24))
    })

    test('a length that no such wrap has is undefined', async () => {
      const aes = await runtime.aes(randomBytes(32))
      for (const length of [0, 1, 15, 16, 31, 33, 47, 49, 64, 4096]) {
        assert.equal(await ecbUnwrap(aes, new Uint8Array(length), options), undefined, `${length} bytes`)
      }
      for (const length of [32, 64]) {
        const only = { ...options, keyLengths: [32] }
        assert.equal(await ecbUnwrap(aes, new Uint8Array(length), only), undefined, `${length} bytes`)
      }
    })
  })
}
