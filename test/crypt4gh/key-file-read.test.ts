import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { toHex } from '../crypto/helpers.js'
import { code } from '../support/errors.js'
import { browserInputs, keyFileVectors, openssh, RUNTIMES } from './key-file-support.js'

const seedHash = createHash('sha512').update(Buffer.from(openssh.seed, 'hex')).digest().subarray(0, 32)
seedHash[0]! &= 248
seedHash[31] = (seedHash[31]! & 127) | 64
const opensshSecret = seedHash.toString('hex')

test('the browser’s bundle has nothing of Node', () => {
  assert.ok(
    browserInputs.some((path) => path.endsWith('runtime/browser-key-files.ts')),
    'not the browser’s',
  )
  assert.deepEqual(
    browserInputs.filter((path) => /runtime\/node|^node:/.test(path)),
    [],
  )
})

for (const [name, keyFiles] of RUNTIMES) {
  const { readPublicKey, readSecretKey, publicKeyOf } = keyFiles

  describe(`key files of others, on ${name}`, () => {
    test('there are some of each kind', () => {
      assert.ok(keyFileVectors.filter(({ expect }) => expect === 'accept').length >= 15, 'too few that are read')
      assert.ok(keyFileVectors.filter(({ expect }) => expect === 'reject').length >= 9, 'too few that are not')
    })

    for (const vector of keyFileVectors) {
      const { id, kind, expect, privateKeyFile, passphrase, publicKey } = vector
      test(`${id}: ${expect}`, async () => {
        const opened = readSecretKey(privateKeyFile, { passphrase })
        if (expect === 'reject') {
          return assert.rejects(opened, code(passphrase === '' ? 'ERR_S3CSE_CONFIG' : 'ERR_S3CSE_KEY_FILE'))
        }
        if (name === 'browser' && id === 'ssh-3des-cbc') {
          return assert.rejects(opened, code('ERR_S3CSE_CONFIG', /lacks 3des-cbc/))
        }
        const found = await opened
        assert.equal(toHex(found.secretKey), vector.secretKey)
        assert.equal(toHex(found.publicKey), publicKey)
        assert.deepEqual(await publicKeyOf(found.secretKey), found.publicKey)
        assert.equal(found.kind, kind.startsWith('ssh') ? 'openssh' : 'crypt4gh')
        assert.equal(found.kdf === 'none', passphrase === undefined)
        assert.equal(found.cipher === 'none', passphrase === undefined)
        if (vector.publicKeyFile !== undefined) {
          assert.equal(toHex(await readPublicKey(vector.publicKeyFile)), publicKey)
        }
        if (passphrase === undefined) return
        await assert.rejects(readSecretKey(privateKeyFile), code('ERR_S3CSE_CONFIG', /encrypted: give its passphrase/))
      })
    }

    for (const [cipher, file] of Object.entries(openssh.files)) {
      test(`OpenSSH under ${cipher}`, async () => {
        const { passphrase } = openssh
        if (name === 'browser' && cipher === '3des-cbc') {
          let asked = 0
          const ask = (): string => (asked++, passphrase)
          await assert.rejects(readSecretKey(file, { passphrase: ask }), code('ERR_S3CSE_CONFIG', /lacks 3des-cbc/))
          assert.equal(asked, 0)
          return
        }
        const found = await readSecretKey(file, { passphrase })
        assert.equal(toHex(found.secretKey), opensshSecret)
        assert.deepEqual(found.publicKey, await readPublicKey(openssh.publicKeyFile))
        const kdf = cipher === 'none' ? 'none' : 'bcrypt'
        assert.deepEqual(
          [found.comment, found.kind, found.kdf, found.cipher],
          [openssh.comment, 'openssh', kdf, cipher],
        )
        if (cipher === 'none') return
        await assert.rejects(
          readSecretKey(file, { passphrase: passphrase + ' ' }),
          code('ERR_S3CSE_KEY_FILE', /passphrase is wrong, or the file was changed/),
        )
      })
    }

    test('a passphrase is bytes, or is asked for, but only for files that are encrypted', async () => {
      const file = openssh.files['aes256-ctr']!
      const bytes = new TextEncoder().encode(openssh.passphrase)
      const kept = bytes.slice()
      let asked = 0
      const ask = async (): Promise<Uint8Array> => {
        asked++
        return bytes
      }
      for (const passphrase of [bytes, ask, () => openssh.passphrase]) {
        assert.equal(toHex((await readSecretKey(file, { passphrase })).secretKey), opensshSecret)
      }
      assert.equal(asked, 1)
      // The caller's own bytes are not wiped.
      assert.deepEqual(bytes, kept)
      assert.equal(toHex((await readSecretKey(openssh.files.none!, { passphrase: ask })).secretKey), opensshSecret)
      assert.equal(asked, 1)
    })

    test('the error of whoever asks for the passphrase is passed on', async () => {
      const mine = new Error('nobody is there')
      const passphrase = (): never => {
        throw mine
      }
      await assert.rejects(readSecretKey(openssh.files['aes256-ctr']!, { passphrase }), mine)
    })

    test('files as bytes', async () => {
      const file = new TextEncoder().encode(openssh.files.none)
      assert.equal(toHex((await readSecretKey(file)).secretKey), opensshSecret)
      const line = new TextEncoder().encode(openssh.publicKeyFile)
      assert.deepEqual(await readPublicKey(line), await readPublicKey(openssh.publicKeyFile))
    })
  })
}
