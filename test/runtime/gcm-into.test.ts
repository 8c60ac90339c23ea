import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { oneShot, pattern, RUNTIMES } from '../crypto/helpers.js'

const key = pattern(32)
const iv = pattern(12)
const aad = pattern(70)
const LENGTHS = [0, 1, 4096, 65_535, 65_536, 65_537, 200_003]

for (const [name, runtime] of RUNTIMES) {
  describe(`GCM into memory that is given, on ${name}`, () => {
    test('is what it is without, and touches nothing around it', async () => {
      const aes = await runtime.aes(key)
      for (const length of LENGTHS) {
        const plaintext = pattern(length)
        const sealed = oneShot(key, iv, aad, plaintext)
        const around = new Uint8Array(length + 32).fill(0xee)
        const into = around.subarray(16, 16 + length)
        assert.equal(await aes.gcmDecrypt(iv, aad, sealed, into), into)
        assert.ok(Buffer.from(into).equals(plaintext), String(length))
        for (const edge of [around.subarray(0, 16), around.subarray(-16)]) assert.ok(edge.every((b) => b === 0xee))
      }
    })

    test('leaves no plaintext there if the tag does not fit', async () => {
      const aes = await runtime.aes(key)
      for (const length of LENGTHS) {
        const plaintext = pattern(length)
        const sealed = oneShot(key, iv, aad, plaintext)
        sealed[sealed.length - 1]! ^= 1
        const into = new Uint8Array(length)
        assert.equal(await aes.gcmDecrypt(iv, aad, sealed, into), undefined)
        assert.ok(
          into.every((b) => b === 0),
          String(length),
        )
      }
    })
  })
}

test('memory for results has the length that was asked for, and is nobody else’s', () => {
  for (const [name, runtime] of RUNTIMES) {
    for (const length of [0, 1, 4096, 4097, 1_000_000]) {
      const memory = runtime.allocate(length)
      assert.equal(memory.length, length, name)
      assert.equal(memory.buffer.byteLength, length, name)
      assert.equal(Object.getPrototypeOf(memory), Uint8Array.prototype, name)
    }
  }
})
