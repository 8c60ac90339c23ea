import assert from 'node:assert/strict'
import { createCipheriv, randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { aesKeyUnwrap } from '../../src/crypto/aes-key-wrap.js'
import { hex, RUNTIMES, toHex, wycheproof } from './helpers.js'

interface WrapGroup {
  readonly tests: readonly Readonly<Record<'key' | 'msg' | 'ct' | 'result', string> & { tcId: number }>[]
}

const LENGTHS = [16, 24, 32]
const INITIAL_VALUE = Buffer.alloc(8, 0xa6)

/** By OpenSSL, without any code of src. */
function wrap(key: Uint8Array, dataKey: Uint8Array, initialValue: Uint8Array = INITIAL_VALUE): Uint8Array {
  const cipher = createCipheriv(`id-aes${key.length * 8}-wrap`, key, initialValue)
  return Uint8Array.from(Buffer.concat([cipher.update(dataKey), cipher.final()]))
}

for (const [name, runtime] of RUNTIMES) {
  describe(`AES key unwrap (RFC 3394) on ${name}`, () => {
    test('the known answer of the Java client', async () => {
      const aes = await runtime.aes(new Uint8Array(32).fill(9))
      const wrapped = hex('0a2c15e62f656565c39e672231a83df43179f3c52eff57a1aa449a910f71c7a68275a45f20bc9b9c')
      assert.deepEqual(await aesKeyUnwrap(aes, wrapped, LENGTHS), new Uint8Array(32).fill(7))
    })

    for (const size of LENGTHS)
      for (const length of LENGTHS)
        test(`opens what OpenSSL wrapped: a key of ${length} bytes under one of ${size}`, async () => {
          const [key, dataKey] = [randomBytes(size), randomBytes(length)]
          const aes = await runtime.aes(key)
          const wrapped = wrap(key, dataKey)
          const before = Uint8Array.from(wrapped)
          assert.deepEqual(await aesKeyUnwrap(aes, wrapped, LENGTHS), Uint8Array.from(dataKey))
          assert.deepEqual(wrapped, before)
          const others = LENGTHS.filter((one) => one !== length)
          assert.equal(await aesKeyUnwrap(aes, wrapped, others), undefined)
        })

    test('whatever is wrong is undefined', async () => {
      const [key, dataKey] = [randomBytes(32), randomBytes(32)]
      const aes = await runtime.aes(key)
      const wrapped = wrap(key, dataKey)
      for (let bit = 0; bit < wrapped.length * 8; bit += 7) {
        const changed = Uint8Array.from(wrapped)
        changed[bit >> 3]! ^= 1 << (bit & 7)
        assert.equal(await aesKeyUnwrap(aes, changed, LENGTHS), undefined, `bit ${bit}`)
      }
      for (let byte = 0; byte < 8; byte++) {
        const initialValue = Buffer.from(INITIAL_VALUE)
        initialValue[byte]! ^= 1
        assert.equal(await aesKeyUnwrap(aes, wrap(key, dataKey, initialValue), LENGTHS), undefined, `IV, byte ${byte}`)
      }
      for (const length of [0, 1, 8, 16, 23, 25, 31, 33, 39, 41, 48, 4096]) {
        assert.equal(await aesKeyUnwrap(aes, new Uint8Array(length), LENGTHS), undefined, `${length} bytes`)
      }
      assert.equal(await aesKeyUnwrap(await runtime.aes(randomBytes(32)), wrapped, LENGTHS), undefined, 'another key')
    })

    test('Wycheproof: data keys are opened, all else is undefined', async (t) => {
      const file = wycheproof<WrapGroup>(t, 'aes_wrap_test')
      if (file === undefined) return
      const count = { opened: 0, undefined: 0, notDataKeys: 0 }
      for (const one of file.testGroups.flatMap(({ tests }) => tests)) {
        const found = await aesKeyUnwrap(await runtime.aes(hex(one.key)), hex(one.ct), LENGTHS)
        const isDataKey = LENGTHS.includes(one.msg.length / 2)
        if (one.result === 'valid' && isDataKey) {
          assert.equal(toHex(found!), one.msg, `test ${one.tcId}`)
          count.opened++
        } else {
          assert.equal(found, undefined, `test ${one.tcId}`)
          count[one.result === 'invalid' ? 'undefined' : 'notDataKeys']++
        }
      }
      assert.deepEqual(count, { opened: 33, undefined: 126, notDataKeys: 6 })
    })
  })
}
