import assert from 'node:assert/strict'
import {
  constants,
  createHash,
  createHmac,
  generateKeyPairSync,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  webcrypto,
  type KeyObject,
} from 'node:crypto'
import { describe, test } from 'node:test'
import { rsaKeyring } from '../../src/keyrings/rsa.js'
import { cbc, ciphertextOf, config, encryptedKey, flip, stored, unwrap, v2 } from './support.js'

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const odd = generateKeyPairSync('rsa', { modulusLength: 2052 })
const keyring = rsaKeyring({ privateKey })
const OAEP = 'RSA/ECB/OAEPWithSHA-256AndMGF1Padding'
const pkcs1 = { padding: constants.RSA_PKCS1_PADDING }
const noPadding = { padding: constants.RSA_NO_PADDING }

const seal = (block: Uint8Array, padding: object, key: KeyObject = publicKey): Uint8Array =>
  Uint8Array.from(publicEncrypt({ key, ...padding }, block))

/** What a badly padded wrap is answered with, computed apart. */
function rejected(key: KeyObject, wrapped: Uint8Array): Uint8Array {
  const der = key.export({ format: 'der', type: 'pkcs1' })
  const secret = createHmac('sha512', 's3-cse RSA implicit rejection v1').update(der).digest()
  return Uint8Array.from(createHmac('sha512', secret).update(wrapped).digest().subarray(0, 32))
}

/** OAEP with SHA-256, MGF1 with SHA-1, an empty label: as Java's own provider writes it, which node:crypto cannot. */
function mixedOaep(message: Uint8Array, size: number): Uint8Array {
  const mask = (seed: Uint8Array, length: number): Buffer =>
    Buffer.concat(
      Array.from({ length: Math.ceil(length / 20) }, (_, count) =>
        createHash('sha1')
          .update(seed)
          .update(Uint8Array.of(0, 0, 0, count))
          .digest(),
      ),
    ).subarray(0, length)
  const data = Buffer.alloc(size - 33)
  createHash('sha256').digest().copy(data)
  data[data.length - message.length - 1] = 1
  data.set(message, data.length - message.length)
  const seed = randomBytes(32)
  const maskedData = mask(seed, data.length).map((byte, i) => byte ^ data[i]!)
  const maskedSeed = mask(maskedData, 32).map((byte, i) => byte ^ seed[i]!)
  return Uint8Array.from([0, ...maskedSeed, ...maskedData])
}

const nonZero = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i % 255) + 1)

const cryptoKey = async (key: KeyObject, usage: 'encrypt' | 'decrypt'): Promise<webcrypto.CryptoKey> => {
  const form = key.type === 'public' ? 'spki' : 'pkcs8'
  const der = key.export({ format: 'der', type: form as 'spki' })
  return webcrypto.subtle.importKey(form, der, { name: 'RSA-OAEP', hash: 'SHA-1' }, false, [usage])
}

describe('rsaKeyring: legacy wraps', () => {
  for (const [what, pair, size] of [
    ['2048 bits', { publicKey, privateKey }, 256],
    ['2052 bits', odd, 257],
  ] as const)
    for (const length of [16, 24, 32])
      test(`opens what others wrapped: ${length} bytes under ${what}`, async () => {
        const reader = rsaKeyring({ privateKey: pair.privateKey })
        const dataKey = Uint8Array.from(randomBytes(length))
        const pseudo = Uint8Array.from([length, ...dataKey, ...Buffer.from(cbc.name)])
        const wraps: [string, Uint8Array][] = [
          ['RSA', seal(dataKey, pkcs1, pair.publicKey)],
          [OAEP, seal(mixedOaep(dataKey, size), noPadding, pair.publicKey)],
          [OAEP, seal(dataKey, { oaepHash: 'sha256' }, pair.publicKey)],
          ['RSA-OAEP-SHA1', seal(pseudo, { oaepHash: 'sha1' }, pair.publicKey)],
        ]
        for (const [name, wrapped] of wraps) {
          assert.deepEqual(await unwrap(reader, stored(name, wrapped), { suite: cbc }), dataKey, name)
          const found = await unwrap(reader, stored(name, wrapped), { suite: { ...v2, name: cbc.name } })
          const otherwise = name === 'RSA' ? rejected(pair.privateKey, wrapped) : undefined
          assert.deepEqual(found, length === 32 ? dataKey : otherwise, name)
        }
      })

  test('RSA: every bad block gives a key of 32 bytes that tells nothing, the same each time and for every form of the key', async () => {
    const block = (...parts: (Uint8Array | number[])[]): Uint8Array =>
      Uint8Array.from(parts.flatMap((part) => [...part]))
    const key = nonZero(32)
    const blocks: Record<string, Uint8Array> = {
      'second byte': block([0, 3], nonZero(221), [0], key),
      'first byte': block([1, 2], nonZero(221), [0], key),
      'a zero in the padding': block([0, 2], nonZero(100), [0], nonZero(120), [0], key),
      'a zero in the first eight bytes of padding': block([0, 2], nonZero(7), [0], nonZero(213), [0], key),
      'no separator': block([0, 2], nonZero(254)),
      'no message': block([0, 2], nonZero(253), [0]),
      'a message of 31': block([0, 2], nonZero(222), [0], key.subarray(1)),
      'a message of 48': block([0, 2], nonZero(205), [0], nonZero(48)),
      'a signature': block([0, 1], new Uint8Array(221).fill(255), [0], key),
      zeros: new Uint8Array(256),
    }
    const sealed = Object.entries(blocks).map(([what, bytes]) => [what, seal(bytes, noPadding)] as const)
    const good = seal(key, pkcs1)
    // Below the modulus, whose first bit is set, whatever follows.
    const wraps = [
      ...sealed,
      ['garbage', Uint8Array.from([0, ...randomBytes(255)])],
      ['one', new Uint8Array(256).fill(1, 255)],
    ] as const
    const readers = [
      keyring,
      rsaKeyring({ privateKey: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString() }),
    ]
    for (const reader of readers) {
      assert.deepEqual(await unwrap(reader, stored('RSA', good), { suite: cbc }), key, 'the test itself')
      for (const [what, wrapped] of wraps) {
        assert.deepEqual(
          await unwrap(reader, stored('RSA', wrapped), { suite: cbc }),
          rejected(privateKey, wrapped),
          what,
        )
      }
    }
  })

  test('OAEP: every bad block is undefined', async () => {
    const good = mixedOaep(nonZero(32), 256)
    const blocks = [0, 1, 32, 33, 100, 200, 255].map((at) => flip(good, at))
    const wraps = blocks.map((block) => seal(block, noPadding))
    wraps.push(
      seal(nonZero(32), pkcs1),
      seal(nonZero(32), { oaepHash: 'sha1' }),
      seal(mixedOaep(nonZero(31), 256), noPadding),
    )
    wraps.push(seal(nonZero(32), { oaepHash: 'sha256', oaepLabel: Buffer.from('x') }))
    wraps.push(seal(nonZero(32), { oaepHash: 'sha512' }))
    for (const [index, wrapped] of wraps.entries()) {
      assert.equal(await unwrap(keyring, stored(OAEP, wrapped), { suite: cbc }), undefined, `block ${index}`)
    }
    assert.deepEqual(await unwrap(keyring, stored(OAEP, seal(good, noPadding)), { suite: cbc }), nonZero(32))
  })

  test('what can be seen from outside is undefined', async () => {
    for (const name of ['RSA', OAEP, 'RSA-OAEP-SHA1']) {
      for (const length of [0, 1, 48, 255, 257, 512, 100_000]) {
        const found = await unwrap(keyring, stored(name, new Uint8Array(length)), { suite: cbc })
        assert.equal(found, undefined, `${name}, ${length} bytes`)
      }
      const tooLarge = new Uint8Array(256).fill(255)
      assert.equal(await unwrap(keyring, stored(name, tooLarge), { suite: cbc }), undefined, `${name}, too large`)
    }
    const wrapped = seal(nonZero(32), pkcs1)
    for (const name of ['rsa', 'AES', 'kms', '', '__proto__', 'constructor']) {
      assert.equal(await unwrap(keyring, stored(name, wrapped), { suite: cbc }), undefined, name)
    }
    const two = [encryptedKey('RSA', wrapped), encryptedKey('RSA', wrapped)]
    assert.equal(await unwrap(keyring, { context: {}, encryptedDataKeys: two }, { suite: cbc }), undefined)
  })

  test('a CryptoKey cannot open or write them, and the error says what can', async () => {
    const pair = rsaKeyring({
      publicKey: await cryptoKey(publicKey, 'encrypt'),
      privateKey: await cryptoKey(privateKey, 'decrypt'),
    })
    const words = /on Node only, with the key as PEM, DER or KeyObject/
    for (const name of ['RSA', OAEP]) {
      for (const wrapped of [seal(nonZero(32), pkcs1), new Uint8Array(256)]) {
        await assert.rejects(unwrap(pair, stored(name, wrapped), { suite: cbc }), config(words))
      }
    }
    await assert.rejects(async () => pair.wrap({ suite: cbc, context: {}, algorithm: 'RSA' }), config(words))
    const usual = await pair.wrap({ suite: v2, context: {} })
    assert.deepEqual(await unwrap(pair, usual, { suite: v2 }), usual.dataKey)
  })

  test('the materials description chooses the key for them too', async () => {
    const before = { key: 'before' }
    const both = rsaKeyring({
      privateKey: odd.privateKey,
      additionalKeys: [{ privateKey, materialsDescription: before }],
    })
    const wrapped = seal(nonZero(32), pkcs1)
    assert.deepEqual(await unwrap(both, stored('RSA', wrapped, before), { suite: cbc }), nonZero(32))
    assert.equal(await unwrap(both, stored('RSA', wrapped), { suite: cbc }), undefined)
  })
})

describe('rsaKeyring: legacy writing', () => {
  test('PKCS#1 v1.5, as plain RSA opens it', async () => {
    const writer = rsaKeyring({ publicKey, materialsDescription: { key: 'a' } })
    const wrapped = await writer.wrap({ suite: cbc, context: {}, algorithm: 'RSA' })
    assert.deepEqual({ ...wrapped.context }, { key: 'a' })
    const ciphertext = ciphertextOf(wrapped)
    assert.deepEqual(wrapped.encryptedDataKeys, [encryptedKey('RSA', ciphertext)])
    const block = privateDecrypt({ key: privateKey, ...noPadding }, ciphertext)
    assert.deepEqual([block.length, block[0], block[1], block[223]], [256, 0, 2, 0])
    assert.ok(block.subarray(2, 223).every((byte) => byte !== 0))
    assert.deepEqual(Uint8Array.from(block.subarray(224)), wrapped.dataKey)
    assert.deepEqual(await unwrap(keyring, wrapped, { suite: cbc }), wrapped.dataKey)
  })

  test('a given data key may have every length of the suite', async () => {
    const pair = rsaKeyring({ publicKey, privateKey })
    for (const algorithm of ['RSA', 'RSA-OAEP-SHA1']) {
      for (const length of [16, 24, 32]) {
        const dataKey = randomBytes(length)
        const wrapped = await pair.wrap({ suite: cbc, context: {}, algorithm, dataKey })
        assert.deepEqual(await unwrap(pair, wrapped, { suite: cbc }), Uint8Array.from(dataKey))
      }
    }
  })

  test('the usual wrap by its name, and no other', async () => {
    const writer = rsaKeyring({ publicKey })
    const usual = await writer.wrap({ suite: v2, context: {}, algorithm: 'RSA-OAEP-SHA1' })
    assert.deepEqual(await unwrap(keyring, usual, { suite: v2 }), usual.dataKey)
    for (const algorithm of [OAEP, 'AES', 'kms', 'rsa', '']) {
      const request = { suite: cbc, context: {}, algorithm }
      await assert.rejects(async () => writer.wrap(request), config(/writes RSA-OAEP-SHA1 or RSA, not/), algorithm)
    }
    const context = { suite: cbc, context: { a: '' }, algorithm: 'RSA' }
    await assert.rejects(async () => writer.wrap(context), config(/materialsDescription/))
  })
})
