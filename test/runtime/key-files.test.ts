import assert from 'node:assert/strict'
import { createCipheriv } from 'node:crypto'
import { describe, test } from 'node:test'
import { keyFileRuntime as browser } from '../../src/runtime/browser-key-files.js'
import { keyFileRuntime as node } from '../../src/runtime/node-key-files.js'
import { hex, pattern, toHex } from '../crypto/helpers.js'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Name, OpenSSL's name, and the lengths of key and IV in bytes. */
const CIPHERS = [
  ['aes128-ctr', 'aes-128-ctr', 16, 16],
  ['aes192-ctr', 'aes-192-ctr', 24, 16],
  ['aes256-ctr', 'aes-256-ctr', 32, 16],
  ['aes128-cbc', 'aes-128-cbc', 16, 16],
  ['aes192-cbc', 'aes-192-cbc', 24, 16],
  ['aes256-cbc', 'aes-256-cbc', 32, 16],
  ['3des-cbc', 'des-ede3-cbc', 24, 8],
] as const

for (const [name, runtime] of [['node', node] as const, ['browser', browser] as const]) {
  describe(`what key files need, on ${name}`, () => {
    test('scrypt: RFC 7914 section 12, and the cost of key files', async () => {
      const parameters = { cost: 1024, blockSize: 8, parallelization: 16 }
      assert.equal(
        toHex(await runtime.scrypt(utf8('password'), utf8('NaCl'), parameters, 64)),
        'fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162' +
          '2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640',
      )
      const own = { cost: 2 ** 14, blockSize: 8, parallelization: 1 }
      assert.equal(
        toHex(await runtime.scrypt(utf8('pleaseletmein'), utf8('SodiumChloride'), own, 64)),
        '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2' +
          'd5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887',
      )
    })

    test('scrypt with more memory than node’s default allows', async () => {
      const parameters = { cost: 2 ** 15, blockSize: 8, parallelization: 1 }
      const key = await runtime.scrypt(utf8('p'), utf8('s'), parameters, 16)
      assert.deepEqual(key, await node.scrypt(utf8('p'), utf8('s'), parameters, 16))
    })

    test('PBKDF2-HMAC-SHA-256: RFC 7914 section 11', async () => {
      assert.equal(
        toHex(await runtime.pbkdf2(utf8('passwd'), utf8('salt'), 1, 64)),
        '55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc' +
          '49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783',
      )
    })

    test('SHA-512: FIPS 180-4’s abc', async () => {
      assert.equal(
        toHex(await runtime.sha512(utf8('abc'))),
        'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a' +
          '2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
      )
    })

    for (const [cipher, openssl, keyLength, ivLength] of CIPHERS) {
      test(`${cipher}: blocks without padding`, async () => {
        const key = pattern(keyLength)
        // So that a counter carries out of its last 32 bits.
        for (const iv of [pattern(ivLength), new Uint8Array(ivLength).fill(255)]) {
          for (const length of [16, 160, 208]) {
            const encryptor = createCipheriv(openssl, key, iv).setAutoPadding(false)
            const data = new Uint8Array(encryptor.update(pattern(length)))
            const found = await runtime.decrypt(cipher, key, iv, data)
            assert.deepEqual(found, name === 'browser' && cipher === '3des-cbc' ? undefined : pattern(length))
          }
        }
      })
    }
  })
}

test('a wrong length is a mistake, not a cipher that is missing', async () => {
  await assert.rejects(async () => node.decrypt('aes128-ctr', hex('00'), new Uint8Array(16), new Uint8Array(16)))
})
