import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'

import { combineCrc, crc32, crc32c, crc64nvme } from '../../src/bytes/crc.js'
import type { RunningDigest } from '../../src/bytes/crc.js'

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

describe('combineCrc', () => {
  const all = [
    ['CRC32', crc32],
    ['CRC32C', crc32c],
    ['CRC64NVME', crc64nvme],
  ] as const
  const of = (crc: () => RunningDigest, ...pieces: Uint8Array[]): bigint => {
    const running = crc()
    for (const piece of pieces) running.update(piece)
    return BigInt(`0x${hex(running.digest())}`)
  }

  for (const [name, crc] of all) {
    it(`${name} of two pieces is that of the whole`, () => {
      const piece = fc.uint8Array({ maxLength: 300 })
      fc.assert(
        fc.property(piece, piece, (one, two) => {
          assert.equal(combineCrc(name, of(crc, one), of(crc, two), two.length), of(crc, one, two))
        }),
      )
    })

    it(`${name}: in any grouping, and over more bytes than 32 bits count`, () => {
      const [a, b] = [of(crc, check), of(crc, check.subarray(3))]
      // 2^34 zeros, by doubling.
      let [zeros, length] = [of(crc, new Uint8Array(1024)), 1024]
      for (; length < 2 ** 34; length *= 2) zeros = combineCrc(name, zeros, zeros, length)
      const left = combineCrc(name, combineCrc(name, a, zeros, length), b, 6)
      const right = combineCrc(name, a, combineCrc(name, zeros, b, 6), length + 6)
      assert.equal(left, right)
      assert.notEqual(combineCrc(name, a, zeros, length), combineCrc(name, a, zeros, length - 1))
    })
  }

  it('knows no other algorithm', () => {
    assert.throws(() => combineCrc('SHA256', 1n, 2n, 3), TypeError)
  })
})
