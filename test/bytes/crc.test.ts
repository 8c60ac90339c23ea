import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { crc32, crc32c, crc64nvme } from '../../src/bytes/crc.js'

// "123456789" is the check input of the catalogue of parametrised CRC algorithms.
const check = new TextEncoder().encode('123456789')
const hex = (bytes: Uint8Array | Promise<Uint8Array>) => Buffer.from(bytes as Uint8Array).toString('hex')

describe('crc', () => {
  for (const [name, crc, expected] of [
    ['CRC-32', crc32, 'cbf43926'],
    ['CRC-32C', crc32c, 'e3069283'],
    ['CRC-64/NVME', crc64nvme, 'ae8b14860a799888'],
  ] as const) {
    it(`${name} has its check value, in one piece and in nine`, () => {
      const whole = crc()
      whole.update(check)
      assert.equal(hex(whole.digest()), expected)
      const pieces = crc()
      for (const byte of check) pieces.update(Uint8Array.of(byte))
      assert.equal(hex(pieces.digest()), expected)
    })

    it(`${name} of nothing is zero`, () => {
      assert.match(hex(crc().digest()), /^0+$/)
    })
  }
})
