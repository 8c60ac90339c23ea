import assert from 'node:assert/strict'
import { createCipheriv } from 'node:crypto'
import { test } from 'node:test'
import { chacha20 } from '../../src/crypto/chacha20.js'
import { poly1305 } from '../../src/crypto/poly1305.js'
import { hex, pattern, toHex } from './helpers.js'

test('ChaCha20: RFC 8439 section 2.3.2', () => {
  const key = Uint8Array.from({ length: 32 }, (_, index) => index)
  assert.equal(
    toHex(chacha20(key, hex('000000090000004a00000000'), 1, new Uint8Array(64))),
    '10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e' +
      'd2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e',
  )
})

test('ChaCha20 of any length is OpenSSL’s', () => {
  const key = pattern(32)
  for (const length of [0, 1, 63, 64, 65, 500]) {
    for (const counter of [0, 1, 77]) {
      const iv = new Uint8Array(16)
      iv.set(pattern(12), 4)
      new DataView(iv.buffer).setUint32(0, counter, true)
      const data = pattern(length)
      const expected = new Uint8Array(createCipheriv('chacha20', key, iv).update(data))
      assert.deepEqual(chacha20(key, pattern(12), counter, data), expected)
      assert.deepEqual(data, pattern(length))
    }
  }
})

test('Poly1305: RFC 8439 section 2.5.2', () => {
  const key = hex('85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b')
  const message = new TextEncoder().encode('Cryptographic Forum Research Group')
  assert.equal(toHex(poly1305(key, message)), 'a8061dc1305136c6c22b8baf0c0127a9')
})

// RFC 8439 appendix A.3, numbers 7 to 11: where a carry or the last reduction goes wrong.
for (const [r, s, message, tag] of [
  ['02', '', 'ff'.repeat(16), '03'],
  ['02', 'ff'.repeat(16), '02' + '00'.repeat(15), '03'],
  ['01', '', 'ff'.repeat(16) + 'f0' + 'ff'.repeat(15) + '11' + '00'.repeat(15), '05'],
  ['01', '', 'ff'.repeat(16) + 'fb' + 'fe'.repeat(15) + '01'.repeat(16), ''],
  ['02', '', 'fd' + 'ff'.repeat(15), 'fa' + 'ff'.repeat(15)],
] as const) {
  test(`Poly1305: r ${r}, message ${message.slice(0, 8)}…`, () => {
    const key = hex(r.padEnd(32, '0') + s.padEnd(32, '0'))
    assert.equal(toHex(poly1305(key, hex(message))), tag.padEnd(32, '0'))
  })
}

test('Poly1305 of nothing is the second half of its key', () => {
  assert.deepEqual(poly1305(pattern(32), new Uint8Array(0)), pattern(32).slice(16))
})
