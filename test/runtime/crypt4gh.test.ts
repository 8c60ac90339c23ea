import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { crypt4ghRuntime as browser } from '../../src/runtime/browser-crypt4gh.js'
import { nobleCrypt4gh } from '../../src/runtime/noble-crypt4gh.js'
import { crypt4ghRuntime as node, nodeCrypt4gh } from '../../src/runtime/node-crypt4gh.js'
import { hex, pattern, toHex, wycheproof } from '../crypto/helpers.js'
import { code } from '../support/errors.js'

const no = (): boolean => false

/** The last one is Node's where OpenSSL lacks everything. */
const RUNTIMES = [
  ['node', node],
  ['browser', browser],
  ['noble', nobleCrypt4gh],
  ['node without ciphers', nodeCrypt4gh({ chacha: no, blake2b: no, x25519: no })],
] as const

const NOTHING = new Uint8Array(0)

interface Group<Test> {
  readonly tests: readonly (Test & { readonly tcId: number; readonly result: string })[]
}

interface X25519Test {
  readonly public: string
  readonly private: string
  readonly shared: string
}

interface AeadTest {
  readonly key: string
  readonly iv: string
  readonly aad: string
  readonly msg: string
  readonly ct: string
  readonly tag: string
}

for (const [name, runtime] of RUNTIMES) {
  describe(`X25519 on ${name}`, () => {
    test('RFC 7748 section 6.1', async () => {
      const [alice, bob] = [
        hex('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a'),
        hex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb'),
      ]
      const [alicePublic, bobPublic] = [await runtime.x25519PublicKey(alice), await runtime.x25519PublicKey(bob)]
      assert.equal(toHex(alicePublic), '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a')
      assert.equal(toHex(bobPublic), 'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f')
      const shared = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742'
      assert.equal(toHex((await runtime.x25519(alice, bobPublic))!), shared)
      assert.equal(toHex((await runtime.x25519(bob, alicePublic))!), shared)
    })

    test('Wycheproof; undefined for every secret of zeros', async (t) => {
      const file = wycheproof<Group<X25519Test>>(t, 'x25519_test')
      if (file === undefined) return
      let zeros = 0
      for (const { tests } of file.testGroups) {
        for (const one of tests) {
          const shared = await runtime.x25519(hex(one.private), hex(one.public))
          if (/^0+$/.test(one.shared)) zeros++
          assert.equal(shared && toHex(shared), /^0+$/.test(one.shared) ? undefined : one.shared, `test ${one.tcId}`)
        }
      }
      assert.equal(zeros, 31)
    })

    test('keys of other lengths are mistakes, not keys of small order', async () => {
      const key = pattern(32)
      for (const length of [0, 31, 33]) {
        await assert.rejects(async () => runtime.x25519(pattern(length), key), TypeError)
        await assert.rejects(async () => runtime.x25519(key, pattern(length)), TypeError)
        await assert.rejects(async () => runtime.x25519PublicKey(pattern(length)), TypeError)
      }
    })
  })

  test(`BLAKE2b-512 on ${name}: RFC 7693 appendix A, and lengths around a block as node has them`, async () => {
    assert.equal(
      toHex(await runtime.blake2b512(new TextEncoder().encode('abc'))),
      'ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1' +
        '7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923',
    )
    for (const length of [0, 1, 96, 127, 128, 129, 1000]) {
      assert.deepEqual(await runtime.blake2b512(pattern(length)), await node.blake2b512(pattern(length)))
    }
  })

  describe(`ChaCha20-Poly1305 on ${name}`, () => {
    test('RFC 8439 section 2.8.2', async () => {
      const cipher = await runtime.chacha20Poly1305(
        hex('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f'),
      )
      const [nonce, aad] = [hex('070000004041424344454647'), hex('50515253c0c1c2c3c4c5c6c7')]
      const plaintext = new TextEncoder().encode(
        "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
      )
      const sealed = cipher.encrypt(nonce, aad, plaintext)
      assert.equal(
        toHex(sealed),
        'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b' +
          '1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc' +
          '3ff4def08e4b7a9de576d26586cec64b6116' +
          '1ae10b594f09e26a7e902ecbd0600691',
      )
      assert.deepEqual(cipher.decrypt(nonce, aad, sealed), plaintext)
    })

    test('Wycheproof, also into room that is given', async (t) => {
      const file = wycheproof<Group<AeadTest>>(t, 'chacha20_poly1305_test')
      if (file === undefined) return
      const count = { valid: 0, invalid: 0, refused: 0 }
      for (const { tests } of file.testGroups) {
        for (const one of tests) {
          const [nonce, aad, plaintext, sealed] = [hex(one.iv), hex(one.aad), hex(one.msg), hex(one.ct + one.tag)]
          const cipher = await runtime.chacha20Poly1305(hex(one.key))
          if (nonce.length !== 12) {
            assert.throws(() => cipher.encrypt(nonce, aad, plaintext), TypeError, `test ${one.tcId}`)
            assert.throws(() => cipher.decrypt(nonce, aad, sealed), TypeError, `test ${one.tcId}`)
            count.refused++
          } else if (one.result === 'valid') {
            const into = new Uint8Array(sealed.length)
            assert.equal(cipher.encrypt(nonce, aad, plaintext, into), into)
            assert.deepEqual(into, sealed, `test ${one.tcId}`)
            assert.deepEqual(cipher.encrypt(nonce, aad, plaintext), sealed, `test ${one.tcId}`)
            assert.deepEqual(cipher.decrypt(nonce, aad, sealed), plaintext, `test ${one.tcId}`)
            count.valid++
          } else {
            assert.equal(cipher.decrypt(nonce, aad, sealed), undefined, `test ${one.tcId}`)
            count.invalid++
          }
        }
      }
      assert.deepEqual(count, { valid: 256, invalid: 60, refused: 9 })
    })

    test('segments and more: nothing of the plaintext is left in the room for it when a byte was changed', async () => {
      const cipher = await runtime.chacha20Poly1305(pattern(32))
      const nonce = new Uint8Array(12).fill(9)
      for (const length of [0, 1, 40, 65535, 65536, 200_000]) {
        const plaintext = pattern(length)
        const sealed = cipher.encrypt(nonce, NOTHING, plaintext, new Uint8Array(length + 16))
        // In the middle of larger memory, as the pieces of a message are.
        const memory = new Uint8Array(length + 6).fill(0x55)
        const into = memory.subarray(3, 3 + length)
        assert.equal(cipher.decrypt(nonce, NOTHING, sealed, into), into)
        assert.deepEqual(into, plaintext)
        for (const at of [0, length >> 1, length + 15]) {
          const changed = sealed.slice()
          changed[at]! ^= 1
          into.fill(0x55)
          assert.equal(cipher.decrypt(nonce, NOTHING, changed, into), undefined)
          assert.ok(
            into.every((byte) => byte === 0),
            `${length} bytes, changed at ${at}: something is left`,
          )
          assert.equal(cipher.decrypt(nonce, NOTHING, changed), undefined)
        }
        assert.equal(cipher.decrypt(nonce, Uint8Array.of(1), sealed), undefined)
        assert.deepEqual([memory[2], memory[length + 3]], [0x55, 0x55])
      }
      for (const length of [0, 15]) assert.equal(cipher.decrypt(nonce, NOTHING, pattern(length)), undefined)
    })

    test('room of another length is a mistake', async () => {
      const cipher = await runtime.chacha20Poly1305(pattern(32))
      const nonce = new Uint8Array(12)
      const sealed = cipher.encrypt(nonce, NOTHING, pattern(10))
      for (const length of [0, 25, 27]) {
        assert.throws(() => cipher.encrypt(nonce, NOTHING, pattern(10), new Uint8Array(length)), TypeError)
      }
      for (const length of [0, 9, 11]) {
        assert.throws(() => cipher.decrypt(nonce, NOTHING, sealed, new Uint8Array(length)), TypeError)
      }
    })

    test('the key is copied, has 32 bytes, and is gone after destroy', async () => {
      const key = pattern(32)
      const cipher = await runtime.chacha20Poly1305(key)
      const before = cipher.encrypt(new Uint8Array(12), NOTHING, pattern(5))
      key.fill(0)
      assert.deepEqual(cipher.encrypt(new Uint8Array(12), NOTHING, pattern(5)), before)
      cipher.destroy()
      assert.throws(() => cipher.encrypt(new Uint8Array(12), NOTHING, pattern(5)), code('ERR_S3CSE_CONFIG'))
      assert.throws(() => cipher.decrypt(new Uint8Array(12), NOTHING, before), code('ERR_S3CSE_CONFIG'))
      for (const length of [0, 16, 31, 33]) {
        await assert.rejects(async () => runtime.chacha20Poly1305(pattern(length)), TypeError)
      }
    })
  })
}
