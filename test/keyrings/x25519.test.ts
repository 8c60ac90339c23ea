import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { x25519Keyring } from '../../src/keyrings/x25519.js'
import type { EncryptedDataKey, Keyring, Suite, WrapResult } from '../../src/keyrings/keyring.js'
import { publicKey, secretKey } from '../support/crypt4gh-vectors.js'
import { code } from '../support/errors.js'

const suite: Suite = { id: 0, format: 'crypt4gh', name: 'X25519_chacha20_ietf_poly1305', keyLength: 40 }
const content = Uint8Array.from({ length: 40 }, (_, i) => i)
const wrap = async (keyring: Keyring, more: object = {}): Promise<WrapResult> =>
  keyring.wrap({ suite, context: {}, dataKey: content.slice(), ...more })
const unwrap = async (keyring: Keyring, encryptedDataKeys: readonly EncryptedDataKey[]) =>
  keyring.unwrap({ suite, context: {}, encryptedDataKeys })
const reader = (name: string, more: object = {}): Keyring => x25519Keyring({ secretKey: secretKey(name), ...more })
const for3 = { recipients: ['alice', 'bob', 'carol'].map(publicKey) }

/** Of order 1, 2, 4 and 8 on the curve and its twist (RFC 7748 section 6, and the list of the security considerations). */
const SMALL_ORDER = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
].map((hex) => Uint8Array.from(Buffer.from(hex, 'hex')))

describe('x25519Keyring', () => {
  test('encrypts a content for each recipient, who opens it alone', async () => {
    const { encryptedDataKeys, dataKey, context } = await wrap(x25519Keyring(for3))
    assert.deepEqual([dataKey, context, encryptedDataKeys.length], [content, {}, 3])
    for (const [index, name] of ['alice', 'bob', 'carol'].entries()) {
      assert.deepEqual(await unwrap(reader(name), encryptedDataKeys), content)
      assert.deepEqual(await unwrap(reader(name), [encryptedDataKeys[index]!]), content)
      assert.equal(await unwrap(reader(name), [encryptedDataKeys[(index + 1) % 3]!]), undefined)
      const more = x25519Keyring({ additionalSecretKeys: [secretKey('dave'), { secretKey: secretKey(name) }] })
      assert.deepEqual(await unwrap(more, encryptedDataKeys), content)
    }
  })

  test('writes for its own key where nobody else is named, and for each recipient once', async () => {
    const own = await wrap(reader('alice'))
    assert.equal(own.encryptedDataKeys.length, 1)
    assert.deepEqual(await unwrap(reader('alice'), own.encryptedDataKeys), content)
    const twice = await wrap(x25519Keyring({ recipients: [publicKey('bob'), publicKey('bob')] }))
    assert.equal(twice.encryptedDataKeys.length, 1)
  })

  test('is sent by its own key, or by a fresh one each time', async () => {
    const senders = async (keyring: Keyring): Promise<string[]> => {
      const all = [await wrap(keyring), await wrap(keyring)].flatMap((result) => result.encryptedDataKeys)
      return [...new Set(all.map(({ info }) => Buffer.from(info).toString('hex')))]
    }
    const alice = Buffer.from(publicKey('alice')).toString('hex')
    assert.deepEqual(await senders(reader('alice', for3)), [alice])
    for (const keyring of [x25519Keyring(for3), reader('alice', { ...for3, sender: 'fresh' })]) {
      const found = await senders(keyring)
      assert.equal(found.length, 2)
      assert.ok(!found.includes(alice), 'it is not the own key')
    }
  })

  test('opens what is from the senders that it was told of, and of others not even that', async () => {
    const fromAlice = await wrap(reader('alice', for3))
    const fromAnybody = await wrap(x25519Keyring(for3))
    const pinned = reader('bob', { senderPublicKey: publicKey('alice') })
    assert.deepEqual(await unwrap(pinned, fromAlice.encryptedDataKeys), content)
    assert.equal(await unwrap(pinned, fromAnybody.encryptedDataKeys), undefined)
    const either = reader('bob', { senderPublicKey: [publicKey('carol'), publicKey('alice')] })
    assert.deepEqual(await unwrap(either, fromAlice.encryptedDataKeys), content)
    const other = reader('bob', { senderPublicKey: publicKey('carol') })
    assert.equal(await unwrap(other, fromAlice.encryptedDataKeys), undefined)
    // A packet that says that it is from her is not, unless it is.
    const forged = fromAnybody.encryptedDataKeys.map((one) => ({ ...one, info: publicKey('alice') }))
    assert.equal(await unwrap(pinned, forged), undefined)
  })

  test('takes the nonce that it is given, and a fresh one otherwise', async () => {
    const nonce = new Uint8Array(12).fill(9)
    const nonces = async (more: object): Promise<Uint8Array[]> =>
      (await wrap(reader('alice', for3), more)).encryptedDataKeys.map(({ ciphertext }) => ciphertext.subarray(0, 12))
    for (const found of await nonces({ nonce })) assert.deepEqual(found, nonce)
    const fresh = [...(await nonces({})), ...(await nonces({}))].map((one) => Buffer.from(one).toString('hex'))
    assert.equal(new Set(fresh).size, 6)
    await assert.rejects(wrap(reader('alice'), { nonce: new Uint8Array(11) }), code('ERR_S3CSE_CONFIG'))
  })

  test('opens nothing that was changed, was cut, or is of another kind', async () => {
    const [one] = (await wrap(reader('alice', { recipients: [publicKey('bob')] }))).encryptedDataKeys
    const bob = reader('bob')
    for (let at = 0; at < one!.ciphertext.length; at++) {
      const ciphertext = one!.ciphertext.slice()
      ciphertext[at]! ^= 1
      assert.equal(await unwrap(bob, [{ ...one!, ciphertext }]), undefined)
    }
    for (const length of [0, 11, 27, 28, 67]) {
      assert.equal(await unwrap(bob, [{ ...one!, ciphertext: one!.ciphertext.slice(0, length) }]), undefined)
    }
    assert.equal(await unwrap(bob, [{ ...one!, algorithm: 'esdk' }]), undefined)
    assert.equal(await unwrap(bob, [{ ...one!, info: one!.info.slice(1) }]), undefined)
    for (const info of SMALL_ORDER) assert.equal(await unwrap(bob, [{ ...one!, info }]), undefined)
  })

  test('writes for nobody whose key everybody can use', async () => {
    for (const key of SMALL_ORDER) {
      await assert.rejects(async () => wrap(x25519Keyring({ recipients: [key] })), code('ERR_S3CSE_CONFIG'))
    }
  })

  test('refuses other formats, and what it has no key for', async () => {
    const other = { ...suite, format: 's3ec' }
    await assert.rejects(wrap(reader('alice'), { suite: other }), code('ERR_S3CSE_CONFIG'))
    await assert.rejects(wrap(reader('alice'), { dataKey: undefined }), code('ERR_S3CSE_CONFIG'))
    const { encryptedDataKeys } = await wrap(x25519Keyring(for3))
    await assert.rejects(
      async () => reader('alice').unwrap({ suite: other, context: {}, encryptedDataKeys }),
      code('ERR_S3CSE_CONFIG'),
    )
    await assert.rejects(unwrap(x25519Keyring(for3), encryptedDataKeys), code('ERR_S3CSE_CONFIG'))
    const onlyReads = x25519Keyring({ additionalSecretKeys: [secretKey('bob')] })
    await assert.rejects(wrap(onlyReads), code('ERR_S3CSE_CONFIG'))
    const signal = AbortSignal.abort()
    await assert.rejects(wrap(reader('alice'), { signal }), { name: 'AbortError' })
  })

  test('keys that are changed afterwards change nothing', async () => {
    const [secret, recipient, sender] = [secretKey('alice'), publicKey('bob'), publicKey('alice')]
    const alice = x25519Keyring({ secretKey: secret, recipients: [recipient] })
    const bob = reader('bob', { senderPublicKey: sender })
    for (const key of [secret, recipient, sender]) key.fill(0)
    assert.deepEqual(await unwrap(bob, (await wrap(alice)).encryptedDataKeys), content)
  })

  test('mistakes are found when it is made', () => {
    const key = new Uint8Array(32).fill(1)
    const wrong: readonly unknown[] = [
      undefined,
      {},
      { recipients: [] },
      { recipients: [new Uint8Array(31)] },
      { recipients: ['nothing'] },
      { recipients: [1] },
      { recipients: key },
      { secretKey: new Uint8Array(33) },
      { secretKey: '-----BEGIN CRYPT4GH PRIVATE KEY-----' },
      { secretKey: key, senderPublicKey: [] },
      { secretKey: key, senderPublicKey: new Uint8Array(3) },
      { secretKey: key, sender: 'other' },
      { recipients: [key], sender: 'own' },
      { secretKey: key, additionalSecretKeys: key },
      { secretKey: key, recipient: key },
    ]
    for (const options of wrong) {
      assert.throws(() => x25519Keyring(options as { secretKey: Uint8Array }), code('ERR_S3CSE_CONFIG'))
    }
  })
})
