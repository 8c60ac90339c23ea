import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { crypt4ghRuntime } from '../../src/runtime/node-crypt4gh.js'
import { pattern, toHex } from '../crypto/helpers.js'
import { code } from '../support/errors.js'
import { body, openssh, RUNTIMES } from './key-file-support.js'

for (const [name, keyFiles] of RUNTIMES) {
  const {
    changePassphrase,
    generateKeyPair,
    publicKeyOf,
    readPublicKey,
    readSecretKey,
    writePublicKey,
    writeSecretKey,
  } = keyFiles
  const config = code('ERR_S3CSE_CONFIG')

  describe(`key files that are written, on ${name}`, () => {
    test('pairs are new ones, and belong together', async () => {
      const pair = await generateKeyPair()
      assert.equal(pair.secretKey.length, 32)
      assert.deepEqual(await crypt4ghRuntime.x25519PublicKey(pair.secretKey), pair.publicKey)
      assert.deepEqual(await publicKeyOf(pair.secretKey), pair.publicKey)
      assert.notDeepEqual((await generateKeyPair()).secretKey, pair.secretKey)
    })

    test('public keys', async () => {
      const { publicKey } = await generateKeyPair()
      const text = writePublicKey(publicKey)
      assert.equal(
        text,
        `-----BEGIN CRYPT4GH PUBLIC KEY-----\n${Buffer.from(publicKey).toString('base64')}\n-----END CRYPT4GH PUBLIC KEY-----\n`,
      )
      assert.deepEqual(await readPublicKey(text), publicKey)
      for (const length of [0, 31, 33]) assert.throws(() => writePublicKey(pattern(length)), config)
      assert.throws(() => writePublicKey(new Uint8Array(32)), config)
      assert.throws(() => writePublicKey(text as unknown as Uint8Array), config)
    })

    for (const [kdf, rounds, stored] of [
      ['scrypt', undefined, 0],
      ['bcrypt', 2, 2],
      ['bcrypt', undefined, 100],
      ['pbkdf2_hmac_sha256', 1000, 1000],
      ['pbkdf2_hmac_sha256', undefined, 600_000],
    ] as const) {
      test(`${kdf}, ${rounds ?? 'default'} rounds: read on both runtimes`, async () => {
        const { secretKey, publicKey } = await generateKeyPair()
        const kept = secretKey.slice()
        const passphrase = 'Größe 🔑'
        const text = await writeSecretKey(secretKey, { passphrase, kdf, rounds, comment: 'zoë' })
        assert.deepEqual(secretKey, kept, 'the key of the caller was changed')
        assert.ok(text.startsWith('-----BEGIN CRYPT4GH PRIVATE KEY-----\n') && text.endsWith('-----\n'), text)
        // c4gh-v1, the name, and 20 bytes of parameters.
        assert.equal(body(text).readUInt32BE(7 + 2 + kdf.length + 2), stored)
        assert.ok(!body(text).includes(Buffer.from(secretKey)), 'the key is in the file')
        for (const [, other] of RUNTIMES) {
          const found = await other.readSecretKey(text, { passphrase })
          assert.deepEqual(found, {
            secretKey,
            publicKey,
            comment: 'zoë',
            kind: 'crypt4gh',
            kdf,
            cipher: 'chacha20_poly1305',
          })
        }
        await assert.rejects(readSecretKey(text, { passphrase: 'Größe' }), code('ERR_S3CSE_KEY_FILE', /is wrong, or/))
      })
    }

    test('scrypt is the default, salt and nonce are new each time', async () => {
      const options = { passphrase: pattern(9) }
      const [first, second] = [
        body(await writeSecretKey(pattern(32), options)),
        body(await writeSecretKey(pattern(32), options)),
      ]
      assert.equal(first.subarray(9, 15).toString(), 'scrypt')
      // 4 bytes of rounds are before the salt, the cipher's name and a length between it and the nonce.
      const [salt, nonce] = [21, 21 + 16 + 2 + 17 + 2]
      assert.notDeepEqual(first.subarray(salt, salt + 16), second.subarray(salt, salt + 16))
      assert.notDeepEqual(first.subarray(nonce, nonce + 12), second.subarray(nonce, nonce + 12))
      assert.deepEqual(first.subarray(0, salt), second.subarray(0, salt))
      assert.equal(first.length, nonce + 60)
    })

    test('not encrypted where that is said', async () => {
      const text = await writeSecretKey(pattern(32), { passphrase: null, comment: '' })
      assert.equal(body(text).toString('latin1').slice(0, 21), 'c4gh-v1\0\x04none\0\x04none\0\x20')
      const { secretKey, kdf, cipher, comment } = await readSecretKey(text)
      assert.deepEqual([secretKey, kdf, cipher, comment], [pattern(32), 'none', 'none', undefined])
    })

    test('another passphrase: the key and its comment stay', async () => {
      const first = await writeSecretKey(pattern(32), { passphrase: 'a', comment: 'mine' })
      const second = await changePassphrase(first, { passphrase: 'a', newPassphrase: 'b', kdf: 'bcrypt', rounds: 1 })
      const found = await readSecretKey(second, { passphrase: 'b' })
      assert.deepEqual([found.secretKey, found.comment, found.kdf], [pattern(32), 'mine', 'bcrypt'])
      await assert.rejects(readSecretKey(second, { passphrase: 'a' }), code('ERR_S3CSE_KEY_FILE'))
      const third = await changePassphrase(second, { passphrase: () => 'b', newPassphrase: null, comment: '' })
      const open = await readSecretKey(third)
      assert.deepEqual([open.secretKey, open.comment, open.kdf], [pattern(32), undefined, 'none'])
    })

    test('OpenSSH’s file becomes one of Crypt4GH', async () => {
      const { passphrase } = openssh
      const text = await changePassphrase(openssh.files['aes256-ctr']!, { passphrase, newPassphrase: 'n' })
      const found = await readSecretKey(text, { passphrase: 'n' })
      const before = await readSecretKey(openssh.files.none!)
      assert.equal(toHex(found.secretKey), toHex(before.secretKey))
      assert.deepEqual([found.kind, found.comment], ['crypt4gh', openssh.comment])
    })

    test('the longest comment can be read; a longer one is refused', async () => {
      const comment = 'é'.repeat(16 * 1024)
      const text = await writeSecretKey(pattern(32), { passphrase: null, comment })
      assert.equal((await readSecretKey(text)).comment, comment)
      await assert.rejects(writeSecretKey(pattern(32), { passphrase: null, comment: comment + 'e' }), config)
    })

    test('mistakes', async () => {
      const key = pattern(32)
      const wrong = (options: object, secretKey: unknown = key): Promise<void> =>
        assert.rejects(writeSecretKey(secretKey as Uint8Array, options as { passphrase: null }), config)
      await wrong({})
      await wrong({ passphrase: undefined })
      for (const passphrase of ['', new Uint8Array(0), 5, () => 'a', '\ud800']) await wrong({ passphrase })
      for (const length of [0, 31, 33]) await wrong({ passphrase: 'a' }, pattern(length))
      await wrong({ passphrase: 'a' }, 'secret')
      await wrong({ passphrase: 'a', kdf: 'none' })
      await wrong({ passphrase: 'a', kdf: 'toString' })
      await wrong({ passphrase: 'a', rounds: 5 })
      for (const rounds of [0, -1, 1.5, 10_001, NaN]) await wrong({ passphrase: 'a', kdf: 'bcrypt', rounds })
      await wrong({ passphrase: 'a', kdf: 'pbkdf2_hmac_sha256', rounds: 10_000_001 })
      for (const comment of [5, '\udc00']) await wrong({ passphrase: 'a', comment })
      await wrong({ passphrase: 'a', cipher: 'none' })

      const file = await writeSecretKey(key, { passphrase: 'a' })
      let asked = 0
      const passphrase = (): string => (asked++, 'a')
      for (const options of [{}, { newPassphrase: '' }, { newPassphrase: 'b', kdf: 'none' }, { newPassphrase: 5 }]) {
        await assert.rejects(
          changePassphrase(file, { passphrase, ...options } as unknown as { newPassphrase: null }),
          config,
        )
      }
      assert.equal(asked, 0)
      await assert.rejects(changePassphrase(file, { newPassphrase: 'b' }), config)
      for (const maxRounds of [0, -1, 0.5, '5']) {
        await assert.rejects(readSecretKey(file, { passphrase: 'a', maxRounds } as { maxRounds: number }), config)
      }
      await assert.rejects(readSecretKey(file, { password: 'a' } as object), config)
      await assert.rejects(readSecretKey(5 as unknown as string), config)
      await assert.rejects(readPublicKey(undefined as unknown as string), config)
      for (const length of [0, 31, 33]) await assert.rejects(publicKeyOf(pattern(length)), config)
    })
  })
}
