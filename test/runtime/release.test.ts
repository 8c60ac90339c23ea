import assert from 'node:assert/strict'
import { createCipheriv } from 'node:crypto'
import { describe, it } from 'node:test'

import { cryptoRuntime } from '../../src/runtime/node-crypto.js'
import { release } from '../../src/runtime/node-release.js'
import { pattern } from '../support/world.js'

describe('memory that is given back', () => {
  it('is gone at once, of results of a cipher as well', () => {
    const result = createCipheriv('aes-256-ctr', new Uint8Array(32), new Uint8Array(16)).update(pattern(65_536))
    for (const bytes of [new Uint8Array(16_384), result]) {
      release(bytes)
      assert.equal(bytes.length, 0)
    }
  })

  it('is none that others may have a part of, nor what is small', () => {
    const whole = new Uint8Array(200_000)
    for (const bytes of [whole.subarray(1), whole.subarray(0, 100_000), new Uint8Array(16_383), new Uint8Array(0)]) {
      const { length } = bytes
      release(bytes)
      assert.equal(bytes.length, length)
    }
    const shared = new Uint8Array(new SharedArrayBuffer(100_000))
    release(shared)
    assert.equal(shared.length, 100_000)
  })

  it('is never what was given, nor the result', async () => {
    const aes = await cryptoRuntime.aes(new Uint8Array(32))
    const [iv, counter] = [new Uint8Array(12), new Uint8Array(16)]
    for (const length of [16_384, 65_536, 65_537, 300_000]) {
      const input = Uint8Array.from(pattern(length))
      const into = new Uint8Array(length)
      const results = [
        await aes.ctr(counter, input),
        await aes.ctr(counter, input, into),
        (await aes.gcmEncrypt(iv, counter, input)).subarray(0, length),
      ]
      assert.deepEqual(Buffer.from(input), pattern(length))
      for (const result of results) assert.equal(result.length, length)
      assert.deepEqual(results[1], results[0])
      assert.equal(results[1], into)
    }
  })
})
