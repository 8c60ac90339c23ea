import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { writePem } from '../../src/bytes/pem.js'
import { ed25519ToX25519, isSmallOrder } from '../../src/crypto/ed25519-to-x25519.js'
import { parseX25519PublicKey } from '../../src/crypto/x25519-public-key.js'
import { crypt4ghRuntime } from '../../src/runtime/node-crypt4gh.js'
import { hex, pattern, toHex, wycheproof } from './helpers.js'

const LABEL = 'CRYPT4GH PUBLIC KEY'
const { publicKeyFile, otherPublicKeys } = JSON.parse(
  readFileSync(new URL('../vectors/crypt4gh/openssh-keys.json', import.meta.url), 'utf8'),
) as { publicKeyFile: string; otherPublicKeys: string[] }

/** What is wrong with a text. */
function wrong(text: string): string {
  const answer = parseX25519PublicKey(text)
  assert.ok(typeof answer === 'string', 'a key was read')
  return answer
}

function sshLine(key: Uint8Array, type = 'ssh-ed25519'): string {
  const string = (bytes: Uint8Array): Buffer => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.length)
    return Buffer.concat([length, bytes])
  }
  return `ssh-ed25519 ${Buffer.concat([string(Buffer.from(type)), string(key)]).toString('base64')} me@example.com\n`
}

describe('Ed25519 to X25519', () => {
  test('the point is that of the secret key, for many keys of OpenSSL', async () => {
    for (let i = 0; i < 30; i++) {
      const { publicKey, privateKey } = generateKeyPairSync('ed25519')
      const seed = Buffer.from(privateKey.export({ format: 'jwk' }).d!, 'base64url')
      const secretKey = Uint8Array.from(createHash('sha512').update(seed).digest().subarray(0, 32))
      const found = ed25519ToX25519(new Uint8Array(Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url')))
      assert.deepEqual(found, await crypt4ghRuntime.x25519PublicKey(secretKey))
    }
  })

  test('what is no point, not canonical or the neutral element is none', () => {
    const bytes = (first: number, last = 0): Uint8Array =>
      Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? first : i === 31 ? last : 0))
    // y = 2 has no x; y = 3 has one; then 1 itself, 1 and 0 plus 2^255 - 19, and other lengths.
    assert.equal(ed25519ToX25519(bytes(2)), undefined)
    assert.ok(ed25519ToX25519(bytes(3)), 'y = 3 is a point')
    assert.ok(ed25519ToX25519(bytes(3, 0x80)), 'and has another x')
    assert.equal(ed25519ToX25519(bytes(1)), undefined)
    assert.equal(ed25519ToX25519(hex('ee' + 'ff'.repeat(30) + '7f')), undefined)
    assert.equal(ed25519ToX25519(hex('f0' + 'ff'.repeat(30) + '7f')), undefined)
    for (const length of [0, 31, 33]) assert.equal(ed25519ToX25519(pattern(length)), undefined)
  })

  test('small order: as OpenSSL and Wycheproof have it', async (t) => {
    assert.ok(isSmallOrder(new Uint8Array(32)), '0')
    assert.ok(isSmallOrder(hex('01'.padEnd(64, '0'))), '1')
    assert.ok(isSmallOrder(hex('ec' + 'ff'.repeat(30) + '7f')), '-1')
    assert.ok(isSmallOrder(hex('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800')), 'order 8')
    assert.ok(!isSmallOrder(hex('09'.padEnd(64, '0'))), 'the base point is not')
    const file = wycheproof<{ tests: { public: string; shared: string }[] }>(t, 'x25519_test')
    for (const { tests } of file?.testGroups ?? []) {
      for (const one of tests) assert.equal(isSmallOrder(hex(one.public)), /^0+$/.test(one.shared), one.public)
    }
  })
})

describe('the text of a public key', () => {
  const key = hex('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a')
  const pem = writePem(LABEL, key)

  test('PEM in all letters of Base64, as Node has it', () => {
    const all = Uint8Array.from({ length: 256 }, (_, index) => index)
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
    for (const bytes of [all, new Uint8Array(Buffer.from(letters, 'base64')), all.subarray(1), all.subarray(2), key]) {
      assert.equal(
        writePem('X', bytes),
        `-----BEGIN X-----\n${Buffer.from(bytes).toString('base64')}\n-----END X-----\n`,
      )
    }
  })

  test('Crypt4GH: lines of any kind', () => {
    const [first, middle, last] = pem.split('\n') as [string, string, string]
    for (const text of [
      pem,
      pem.trim(),
      pem.replaceAll('\n', '\r\n'),
      pem.replaceAll('\n', '\r'),
      `\n  ${first}  \n${middle.slice(0, 20)}\n\n${middle.slice(20)}\n${last}\n\n`,
    ]) {
      assert.deepEqual(parseX25519PublicKey(text), key)
    }
  })

  test('OpenSSH: with and without a comment', () => {
    const { ssh } = { ssh: publicKeyFile.trim() }
    const expected = parseX25519PublicKey(ssh)
    assert.ok(typeof expected !== 'string' && expected.length === 32, 'no key')
    const [type, letters] = ssh.split(' ') as [string, string]
    for (const text of [ssh + '\n', `${type} ${letters}`, `\t${type}  ${letters}\tan @ other comment\r\n`]) {
      assert.deepEqual(parseX25519PublicKey(text), expected)
    }
  })

  test('everything else, with what is wrong', () => {
    assert.match(wrong(''), /neither a CRYPT4GH PUBLIC KEY nor/)
    assert.match(wrong('hello'), /neither/)
    assert.match(wrong(toHex(key)), /neither/)
    assert.match(wrong(pem + pem), /not Base64/)
    assert.match(wrong(`comment\n${pem}`), /nor one line/)
    assert.match(wrong(pem.replace(LABEL, 'PUBLIC KEY')), /last line/)
    assert.match(wrong(pem.replaceAll(LABEL, 'PUBLIC KEY')), /it is a PUBLIC KEY, not/)
    assert.match(wrong(pem.replaceAll(LABEL, 'CRYPT4GH PRIVATE KEY')), /it is a CRYPT4GH PRIVATE KEY, not/)
    assert.match(wrong(pem.replace('-----\nh', '-----\n*')), /not Base64/)
    assert.match(wrong(pem.replace('=', '')), /not Base64/)
    for (const length of [0, 31, 33, 64]) assert.match(wrong(writePem(LABEL, pattern(length))), /bytes, not 32/)
    assert.match(wrong(' '.repeat(65537)), /longer than 65536/)
    assert.match(wrong('-----BEGIN CRYPT4GH PUBLIC KEY-----'), /last line/)
    for (const line of otherPublicKeys) assert.match(wrong(line), /OpenSSH key of type (ssh-rsa|ecdsa-sha2-nistp256)/)
    assert.match(wrong(publicKeyFile + publicKeyFile), /nor one line/)
    assert.match(wrong('ssh-ed25519'), /not an ssh-ed25519 key/)
    assert.match(wrong('ssh-ed25519 ###'), /not Base64/)
    assert.match(wrong(sshLine(pattern(31))), /not an ssh-ed25519 key/)
    assert.match(wrong(sshLine(key, 'ssh-ed25518')), /not an ssh-ed25519 key/)
    const letters = publicKeyFile.split(' ')[1]!
    const longer = Buffer.concat([Buffer.from(letters, 'base64'), Buffer.of(0)]).toString('base64')
    assert.match(wrong(`ssh-ed25519 ${longer}`), /not an ssh-ed25519 key/)
  })

  test('keys of small order are none', () => {
    assert.match(wrong(writePem(LABEL, new Uint8Array(32))), /small order/)
    assert.match(wrong(writePem(LABEL, hex('ec' + 'ff'.repeat(30) + 'ff'))), /small order/)
    // y = -1 and y = 0 have the orders 2 and 4.
    assert.match(wrong(sshLine(hex('ec' + 'ff'.repeat(30) + '7f'))), /small order/)
    assert.match(wrong(sshLine(new Uint8Array(32))), /small order/)
  })
})
