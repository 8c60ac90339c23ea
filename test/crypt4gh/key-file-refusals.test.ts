import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { pattern } from '../crypto/helpers.js'
import { code } from '../support/errors.js'
import {
  c4gh,
  ed25519,
  encrypted,
  padTo16,
  publicBlob,
  salted,
  sealed,
  section,
  seed,
  ssh,
  type Section,
} from './key-file-builders.js'
import { body, field, pem, RUNTIMES, u32 } from './key-file-support.js'

const refused = (message: RegExp): ((error: unknown) => true) => code('ERR_S3CSE_KEY_FILE', message)
const WRONG = refused(/^The key file could not be opened: its passphrase is wrong, or the file was changed\.$/)

for (const [name, { readPublicKey, readSecretKey }] of RUNTIMES) {
  /** None of these asks for a passphrase. */
  const reject = async (file: string | Uint8Array, error: (error: unknown) => true, maxRounds?: number) => {
    let asked = 0
    const passphrase = (): string => (asked++, 'p')
    await assert.rejects(readSecretKey(file, { passphrase, maxRounds }), error)
    assert.equal(asked, 0, 'the passphrase was asked for')
  }

  describe(`key files that are refused, on ${name}`, () => {
    test('what is no PEM', async () => {
      const file = c4gh({})
      assert.deepEqual((await readSecretKey(file)).secretKey, pattern(32))
      for (const text of ['', '\n', 'x', file.slice(1), file.replace('END', 'END '), file + 'x', 'x\n' + file]) {
        await reject(text, refused(/not a file with a secret key/))
      }
      await reject(file.replace('\n', '\n='), refused(/not Base64/))
      await reject(pem(new Uint8Array(0)), refused(/not a secret key/))
      await reject(pem(pattern(48), 'PRIVATE KEY'), refused(/This is a PRIVATE KEY, not/))
      await reject(Uint8Array.of(0xff), refused(/not text/))
      await reject(new Uint8Array(65537).fill(10), refused(/at most 65536 bytes/))
      await reject(' '.repeat(65537), refused(/longer than 65536/))
      await assert.rejects(readPublicKey(new Uint8Array(65537)), refused(/at most 65536 bytes/))
      await assert.rejects(readPublicKey(file), refused(/CRYPT4GH PRIVATE KEY, not/))
    })

    test('Crypt4GH: fields that are wrong', async () => {
      await reject(c4gh({ magic: 'c4gh-v2' }), refused(/not a secret key/))
      await reject(c4gh({ kdf: 'argon2', parameters: salted(0), ...sealed }), refused(/key derivation that is not/))
      await reject(c4gh({ kdf: 'toString', parameters: salted(0), ...sealed }), refused(/key derivation that is not/))
      await reject(c4gh({ cipher: 'aes' }), refused(/cipher that is not known/))
      await reject(c4gh(sealed), refused(/cipher without a key derivation/))
      await reject(c4gh({ kdf: 'scrypt', parameters: salted(0) }), refused(/or the reverse/))
      for (const length of [0, 31, 33]) await reject(c4gh({ blob: pattern(length) }), refused(/not have 32 bytes/))
      for (const length of [0, 59, 61]) {
        const file = c4gh({ ...sealed, kdf: 'scrypt', parameters: salted(0), blob: pattern(length) })
        await reject(file, refused(/not have 32 bytes/))
      }
      await reject(c4gh({ end: Buffer.concat([field('me', 2), pattern(1)]) }), refused(/follows the comment/))
      await reject(c4gh({ end: field('me', 2).subarray(0, 3) }), refused(/cut off/))
      await reject(c4gh({ ...sealed, kdf: 'scrypt', parameters: u32(0) }), refused(/no salt/))
      await reject(c4gh({ ...sealed, kdf: 'scrypt', parameters: pattern(3) }), refused(/cut off/))
      const whole = body(c4gh({ end: field('me', 2) }))
      const ends = [whole.length, whole.length - 4]
      for (let length = 7; length < whole.length; length++) {
        if (!ends.includes(length)) await reject(pem(whole.subarray(0, length)), refused(/cut off/))
      }
    })

    test('a comment that is not UTF-8 is no reason', async () => {
      const file = c4gh({ end: field(Uint8Array.of(0x61, 0xff), 2) })
      assert.equal((await readSecretKey(file)).comment, 'a\ufffd')
    })

    test('more work than is allowed is not begun', async () => {
      const options = (rounds: number): Uint8Array => Buffer.concat([field(pattern(16), 4), u32(rounds)])
      for (const [kdf, limit] of [
        ['bcrypt', 10_000],
        ['pbkdf2_hmac_sha256', 10_000_000],
      ] as const) {
        for (const rounds of [limit + 1, 2 ** 32 - 1]) {
          await reject(c4gh({ ...sealed, kdf, parameters: salted(rounds) }), refused(/more than \d+: set maxRounds/))
        }
        await reject(c4gh({ ...sealed, kdf, parameters: salted(4) }), refused(/4 rounds of \w+, more than 3:/), 3)
        await reject(c4gh({ ...sealed, kdf, parameters: salted(0) }), refused(/asks for 0 rounds/))
      }
      const data = pattern(160)
      await reject(
        ssh({ cipher: 'aes256-ctr', kdf: 'bcrypt', options: options(10_001), data }),
        refused(/more than 10000: set maxRounds/),
      )
      await reject(ssh({ cipher: 'aes256-ctr', kdf: 'bcrypt', options: options(0), data }), refused(/asks for 0/))
      // What is allowed is begun: 4 of 4.
      const file = c4gh({ ...sealed, kdf: 'bcrypt', parameters: salted(4) })
      await assert.rejects(readSecretKey(file, { passphrase: 'p', maxRounds: 4 }), WRONG)
    })

    test('OpenSSH: fields that are wrong, in the open', async () => {
      assert.equal((await readSecretKey(ssh())).comment, 'me')
      const bcrypt = { kdf: 'bcrypt', options: Buffer.concat([field(pattern(16), 4), u32(1)]), data: pattern(160) }
      await reject(ssh({ count: 0 }), refused(/several keys, or none/))
      await reject(ssh({ count: 2 }), refused(/several keys, or none/))
      const ecdsa = Buffer.concat([field('ecdsa-sha2-nistp256', 4), pattern(32)])
      await reject(ssh({ blob: ecdsa }), refused(/not of type ssh-ed25519/))
      await reject(ssh({ blob: Buffer.concat([publicBlob, pattern(1)]) }), refused(/not of type ssh-ed25519/))
      const noPoint = Buffer.concat([publicBlob.subarray(0, 19), Uint8Array.of(2), new Uint8Array(31)])
      await reject(ssh({ blob: noPoint }), refused(/not a point/))
      for (const cipher of ['aes512-ctr', 'AES256-CTR', 'constructor']) {
        await reject(ssh({ ...bcrypt, cipher }), refused(/cipher that is not known/))
      }
      await reject(ssh({ ...bcrypt, cipher: 'aes256-ctr', kdf: 'scrypt' }), refused(/key derivation that is not/))
      await reject(ssh({ cipher: 'aes256-ctr', data: pattern(160) }), refused(/cipher without a key derivation/))
      await reject(ssh(bcrypt), refused(/or the reverse/))
      await reject(ssh({ ...bcrypt, cipher: 'aes256-ctr', data: pattern(161) }), refused(/longer or shorter/))
      await reject(ssh({ ...bcrypt, cipher: 'aes256-ctr', end: pattern(1) }), refused(/longer or shorter/))
      for (const length of [0, 15, 17]) {
        const end = pattern(length)
        await reject(ssh({ ...bcrypt, cipher: 'aes256-gcm@openssh.com', end }), refused(/longer or shorter/))
      }
      await reject(ssh({ options: pattern(1) }), refused(/longer or shorter/))
      await reject(ssh({ end: pattern(1) }), refused(/longer or shorter/))
      await reject(ssh({ data: pattern(161) }), refused(/longer or shorter/))
      const whole = body(ssh())
      for (let length = 15; length < whole.length; length += 3) {
        await reject(pem(whole.subarray(0, length)), refused(/cut off/))
      }
    })

    const inside: readonly (readonly [what: string, message: RegExp, given: Section])[] = [
      ['check numbers', /check numbers/, { checks: [7, 8] }],
      ['the type of the secret key', /secret key in the key file is not of type/, { type: 'ssh-rsa' }],
      ['the public key beside the secret one', /does not belong/, { inner: pattern(32) }],
      ['the public key in the secret one', /does not belong/, { pair: Buffer.concat([seed, pattern(32)]) }],
      ['the seed', /does not belong/, { pair: Buffer.concat([pattern(32), ed25519]) }],
      ['a secret key of 32 bytes', /does not have 64 bytes/, { pair: seed }],
      ['padding that does not count', /padding/, { comment: '0123456789', padding: [1, 2, 2] }],
      [
        'a whole block of padding',
        /padding/,
        { comment: '0123456789abc', padding: Array.from({ length: 16 }, (_, i) => i + 1) },
      ],
    ]
    for (const [what, message, given] of inside) {
      test(`OpenSSH: ${what}, in the open and encrypted`, async () => {
        await reject(ssh({ data: section(given) }), refused(message))
        const data = padTo16(given)
        assert.equal(data.length % 16, 0)
        await assert.rejects(readSecretKey(await encrypted(data), { passphrase: 'p' }), WRONG)
      })
    }

    test('encrypted and right, so that the above are refused for what they name', async () => {
      const found = await readSecretKey(await encrypted(padTo16({})), { passphrase: 'p' })
      assert.equal(found.comment, 'me')
    })

    test('no message has anything of the passphrase or the key', async () => {
      const files = [
        ssh({ data: section({ checks: [7, 8] }) }),
        c4gh({ blob: pattern(31) }),
        c4gh({ ...sealed, kdf: 'scrypt', parameters: salted(0) }),
      ]
      for (const file of files) {
        await assert.rejects(readSecretKey(file, { passphrase: 'hush-hush' }), (error: Error) => {
          assert.ok(!error.message.includes('hush'), error.message)
          assert.equal(error.cause, undefined)
          assert.ok(!/[A-Za-z0-9+/]{24}|[0-9a-f]{16}/.test(error.message), error.message)
          return true
        })
      }
    })
  })
}
