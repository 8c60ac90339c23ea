import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bcryptPbkdf } from '../../src/crypto/bcrypt-pbkdf.js'
import { blowfish, encryptBlock, expandKey } from '../../src/crypto/blowfish.js'
import { hex, toHex } from './helpers.js'

const word = (value: number | undefined): string => (value! >>> 0).toString(16).padStart(8, '0')

describe('Blowfish', () => {
  test('its tables are the digits of pi, as they are published', () => {
    const { p, s } = blowfish()
    assert.deepEqual([p.length, s.length], [18, 1024])
    assert.deepEqual([p[0], p[1], p[17], s[0], s[255], s[256], s[512], s[768], s[1023]].map(word), [
      '243f6a88',
      '85a308d3',
      '8979fb1b',
      'd1310ba6',
      '6e85076a',
      '4b7a70e9',
      'e93d5a68',
      '3a39ce37',
      '3ac372e6',
    ])
  })

  test('each state is its own', () => {
    const first = blowfish()
    first.p.fill(0)
    first.s.fill(0)
    assert.equal(word(blowfish().p[0]), '243f6a88')
    assert.equal(word(blowfish().s[1023]), '3ac372e6')
  })

  // Key, plaintext, ciphertext: Eric Young's, published with the cipher.
  for (const [key, plaintext, ciphertext] of [
    ['0000000000000000', '0000000000000000', '4ef997456198dd78'],
    ['ffffffffffffffff', 'ffffffffffffffff', '51866fd5b85ecb8a'],
    ['3000000000000000', '1000000000000001', '7d856f9a613063f2'],
    ['1111111111111111', '1111111111111111', '2466dd878b963c9d'],
    ['0123456789abcdef', '1111111111111111', '61f9c3802281b096'],
    ['1111111111111111', '0123456789abcdef', '7d0cc630afda1ec7'],
    ['fedcba9876543210', '0123456789abcdef', '0aceab0fc6a0a28d'],
    ['7ca110454a1a6e57', '01a1d6d039776742', '59c68245eb05282b'],
  ] as const) {
    test(`key ${key}, plaintext ${plaintext}`, () => {
      const state = blowfish()
      expandKey(state, hex(key))
      // Behind another word, which stays.
      const words = new Int32Array([7, parseInt(plaintext.slice(0, 8), 16), parseInt(plaintext.slice(8), 16)])
      encryptBlock(state, words, 1)
      assert.equal(word(words[1]) + word(words[2]), ciphertext)
      assert.equal(words[0], 7)
    })
  }
})

describe('bcrypt_pbkdf', () => {
  const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

  test('a published vector: 12 rounds', async () => {
    assert.equal(
      toHex(await bcryptPbkdf(utf8('password'), utf8('salt'), 12, 32)),
      '1ae42c05d487bc02f64921a4ebe4ea93bcacfe135fda99974c06b7b01fae149a',
    )
  })

  test('longer keys take their bytes from the blocks in turn; the first block is that of a key of 32 bytes', async () => {
    const short = await bcryptPbkdf(utf8('p'), utf8('s'), 2, 32)
    const long = await bcryptPbkdf(utf8('p'), utf8('s'), 2, 64)
    assert.deepEqual(
      long.filter((_, index) => index % 2 === 0),
      short,
    )
    const odd = await bcryptPbkdf(utf8('p'), utf8('s'), 2, 48)
    assert.deepEqual(odd, long.slice(0, 48))
    assert.deepEqual(await bcryptPbkdf(utf8('p'), utf8('s'), 2, 5), short.slice(0, 5))
  })

  test('every input matters', async () => {
    const seen = new Set<string>()
    for (const [passphrase, salt, rounds] of [
      ['a', 'b', 1],
      ['a', 'b', 2],
      ['a', 'c', 1],
      ['b', 'b', 1],
    ] as const) {
      seen.add(toHex(await bcryptPbkdf(utf8(passphrase), utf8(salt), rounds, 16)))
    }
    assert.equal(seen.size, 4)
  })

  test('inputs are left as they are', async () => {
    const [passphrase, salt] = [utf8('passphrase'), utf8('salt')]
    await bcryptPbkdf(passphrase, salt, 1, 16)
    assert.deepEqual([passphrase, salt], [utf8('passphrase'), utf8('salt')])
  })

  test('lets others run in between', async () => {
    let ran = 0
    const timer = setInterval(() => ran++, 1)
    await bcryptPbkdf(utf8('p'), utf8('s'), 33, 16)
    clearInterval(timer)
    assert.ok(ran >= 2, `others ran ${ran} times`)
  })
})
