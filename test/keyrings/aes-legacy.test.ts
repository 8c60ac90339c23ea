import assert from 'node:assert/strict'
import { createCipheriv, createDecipheriv, createHmac, randomBytes, webcrypto } from 'node:crypto'
import { describe, test } from 'node:test'
import { aesKeyring } from '../../src/keyrings/aes.js'
import { cbc, ciphertextOf, config, encryptedKey, flip, foreign, stored, unwrap, v2 } from './support.js'

const wrappingKey = new Uint8Array(32).fill(9)
const keyring = aesKeyring({ wrappingKey })
const seven = new Uint8Array(32).fill(7)
const ecbOfSeven = Buffer.from(
  'bcbeeeb4c21696de67052a50c79a6c05bcbeeeb4c21696de67052a50c79a6c05f0cbadf36ec1870cb1dd9924543ba800',
  'hex',
)

function ecb(key: Uint8Array, data: Uint8Array, padding = true): Buffer {
  const cipher = createCipheriv(`aes-${key.length * 8}-ecb`, key, null).setAutoPadding(padding)
  return Buffer.concat([cipher.update(data), cipher.final()])
}

function keyWrap(key: Uint8Array, data: Uint8Array): Buffer {
  const cipher = createCipheriv(`id-aes${key.length * 8}-wrap`, key, Buffer.alloc(8, 0xa6))
  return Buffer.concat([cipher.update(data), cipher.final()])
}

/** What a badly padded wrap is answered with, computed apart. */
function rejected(key: Uint8Array, wrapped: Uint8Array): Uint8Array {
  const secret = createHmac('sha512', key).update('s3-cse AES implicit rejection v1').digest()
  return Uint8Array.from(createHmac('sha512', secret).update(wrapped).digest().subarray(0, 32))
}

describe('aesKeyring: legacy wraps', () => {
  test('the known answers of the Java client', async () => {
    const rfc3394 = Buffer.from(
      '0a2c15e62f656565c39e672231a83df43179f3c52eff57a1aa449a910f71c7a68275a45f20bc9b9c',
      'hex',
    )
    for (const suite of [cbc, v2]) {
      assert.deepEqual(await unwrap(keyring, stored('AESWrap', rfc3394), { suite }), seven)
      assert.deepEqual(await unwrap(keyring, stored('AES', ecbOfSeven), { suite }), seven)
    }
  })

  for (const size of [16, 24, 32])
    for (const length of [16, 24, 32])
      test(`opens what node:crypto wrapped: ${length} bytes under ${size}`, async () => {
        const [key, dataKey] = [randomBytes(size), Uint8Array.from(randomBytes(length))]
        const reader = aesKeyring({ wrappingKey: key })
        const iv = randomBytes(12)
        const gcm = createCipheriv(`aes-${(size * 8) as 128}-gcm`, key, iv).setAAD(Buffer.from(cbc.name))
        const sealed = Buffer.concat([iv, gcm.update(dataKey), gcm.final(), gcm.getAuthTag()])
        const wraps = { AES: ecb(key, dataKey), AESWrap: keyWrap(key, dataKey), 'AES/GCM': sealed }
        for (const [name, wrapped] of Object.entries(wraps)) {
          assert.deepEqual(await unwrap(reader, stored(name, wrapped), { suite: cbc }), dataKey, name)
          const found = await unwrap(reader, stored(name, wrapped), { suite: { ...v2, name: cbc.name } })
          assert.deepEqual(found, length === 32 ? dataKey : undefined, name)
        }
      })

  test('AES: every bad block gives a key of 32 bytes that tells nothing, the same each time and in every process', async () => {
    const blocks: Record<string, number[]> = {
      'padding cut': [...seven, ...new Uint8Array(15).fill(16), 15],
      'padding 0': [...seven, ...new Uint8Array(16)],
      'padding 255': [...seven, ...new Uint8Array(16).fill(255)],
      'a key of 31': [...seven.subarray(1), 1],
      'a key of 47': [...seven, ...new Uint8Array(15), 1],
      'a key of 24, padding cut': [...seven.subarray(8), ...new Uint8Array(7).fill(8), 7],
    }
    const wraps = Object.entries(blocks).map(
      ([what, bytes]) => [what, ecb(wrappingKey, Uint8Array.from(bytes), false)] as const,
    )
    const all = [
      ...wraps,
      ['garbage', randomBytes(48)],
      ['short garbage', randomBytes(32)],
      ['flipped', flip(ecbOfSeven, 47)],
    ] as const
    for (const [what, wrapped] of all) {
      for (const reader of [keyring, aesKeyring({ wrappingKey })]) {
        const found = await unwrap(reader, stored('AES', wrapped), { suite: cbc })
        assert.deepEqual(found, rejected(wrappingKey, wrapped), what)
      }
    }
    // Another key than the object's: its own secret.
    const other = flip(wrappingKey, 3)
    const found = await unwrap(aesKeyring({ wrappingKey: other }), stored('AES', ecbOfSeven), { suite: cbc })
    assert.deepEqual(found, rejected(other, ecbOfSeven))
  })

  test('AESWrap: everything that is wrong is undefined', async () => {
    const wrapped = keyWrap(wrappingKey, seven)
    for (let at = 0; at < wrapped.length; at++) {
      assert.equal(await unwrap(keyring, stored('AESWrap', flip(wrapped, at)), { suite: cbc }), undefined, `byte ${at}`)
    }
    const other = aesKeyring({ wrappingKey: flip(wrappingKey, 3) })
    assert.equal(await unwrap(other, stored('AESWrap', wrapped), { suite: cbc }), undefined)
  })

  test('what can be seen from outside is undefined', async () => {
    const wrapped = keyWrap(wrappingKey, seven)
    const two = [encryptedKey('AES', ecbOfSeven), encryptedKey('AES', ecbOfSeven)]
    assert.equal(await unwrap(keyring, { context: {}, encryptedDataKeys: two }, { suite: cbc }), undefined)
    assert.equal(await unwrap(keyring, { context: {}, encryptedDataKeys: [] }, { suite: cbc }), undefined)
    for (const name of ['AES', 'AESWrap', 'AES/GCM']) {
      for (const length of [0, 1, 16, 31, 33, 41, 47, 49, 64, 100_000]) {
        const found = await unwrap(keyring, stored(name, new Uint8Array(length)), { suite: cbc })
        assert.equal(found, undefined, `${name}, ${length} bytes`)
      }
    }
    for (const name of ['aes', 'aeswrap', 'RSA', 'kms', '', '__proto__', 'constructor', 'get']) {
      assert.equal(await unwrap(keyring, stored(name, wrapped), { suite: cbc }), undefined, name)
      assert.equal(await unwrap(keyring, stored(name, ecbOfSeven), { suite: cbc }), undefined, name)
    }
    await assert.rejects(unwrap(keyring, stored('AES', ecbOfSeven), { suite: foreign }), config(/does not support/))
  })

  test('the materials description chooses the key for them too', async () => {
    const before = { key: 'before' }
    const old = randomBytes(32)
    const both = aesKeyring({ wrappingKey, additionalKeys: [{ wrappingKey: old, materialsDescription: before }] })
    for (const [name, wrapped] of [
      ['AES', ecb(old, seven)],
      ['AESWrap', keyWrap(old, seven)],
    ] as const) {
      assert.deepEqual(await unwrap(both, stored(name, wrapped, before), { suite: cbc }), seven)
      assert.notDeepEqual(await unwrap(both, stored(name, wrapped), { suite: cbc }), seven)
    }
  })

  test('a CryptoKey opens them as well', async () => {
    const key = await webcrypto.subtle.importKey('raw', wrappingKey, 'AES-GCM', true, ['encrypt', 'decrypt'])
    const reader = aesKeyring({ wrappingKey: key })
    assert.deepEqual(await unwrap(reader, stored('AES', ecbOfSeven), { suite: cbc }), seven)
    const wrapped = randomBytes(48)
    assert.deepEqual(await unwrap(reader, stored('AES', wrapped), { suite: cbc }), rejected(wrappingKey, wrapped))
  })
})

describe('aesKeyring: legacy writing', () => {
  test('AES/ECB, as the Java client wrote it', async () => {
    const described = aesKeyring({ wrappingKey, materialsDescription: { key: 'a' } })
    const wrapped = await described.wrap({ suite: cbc, context: {}, algorithm: 'AES', dataKey: seven })
    assert.deepEqual(wrapped.encryptedDataKeys, [encryptedKey('AES', new Uint8Array(ecbOfSeven))])
    assert.deepEqual([{ ...wrapped.context }, wrapped.dataKey], [{ key: 'a' }, seven])
    const fresh = await keyring.wrap({ suite: cbc, context: {}, algorithm: 'AES' })
    assert.deepEqual([fresh.dataKey.length, ciphertextOf(fresh).length], [32, 48])
    const decipher = createDecipheriv('aes-256-ecb', wrappingKey, null)
    const opened = Buffer.concat([decipher.update(ciphertextOf(fresh)), decipher.final()])
    assert.deepEqual(Uint8Array.from(opened), fresh.dataKey)
    assert.deepEqual(await unwrap(keyring, fresh, { suite: cbc }), fresh.dataKey)
  })

  test('a given data key may have every length of the suite', async () => {
    for (const algorithm of ['AES', 'AES/GCM']) {
      for (const length of [16, 24, 32]) {
        const dataKey = randomBytes(length)
        const wrapped = await keyring.wrap({ suite: cbc, context: {}, algorithm, dataKey })
        assert.deepEqual(await unwrap(keyring, wrapped, { suite: cbc }), Uint8Array.from(dataKey))
      }
      const wrong = { suite: cbc, context: {}, algorithm, dataKey: randomBytes(20) }
      await assert.rejects(async () => keyring.wrap(wrong), config(/16 or 24 or 32 bytes/))
    }
  })

  test('the usual wrap by its name, and no other', async () => {
    const usual = await keyring.wrap({ suite: v2, context: {}, algorithm: 'AES/GCM' })
    assert.equal(usual.encryptedDataKeys[0]?.algorithm, 'AES/GCM')
    assert.deepEqual(await unwrap(keyring, usual, { suite: v2 }), usual.dataKey)
    for (const algorithm of ['AESWrap', 'RSA', 'kms', 'aes', '', 'constructor']) {
      const request = { suite: cbc, context: {}, algorithm }
      await assert.rejects(async () => keyring.wrap(request), config(/writes AES\/GCM or AES, not/), algorithm)
    }
    const context = { suite: cbc, context: { a: '' }, algorithm: 'AES' }
    await assert.rejects(async () => keyring.wrap(context), config(/materialsDescription/))
  })
})
