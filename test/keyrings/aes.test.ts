import assert from 'node:assert/strict'
import { createCipheriv, createSecretKey, randomBytes, webcrypto } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { aesKeyring, type AesKeyringOptions } from '../../src/keyrings/aes.js'
import type { Context } from '../../src/keyrings/keyring.js'
import { ciphertextOf, config, encryptedKey, flip, foreign, unwrap, v2, v3 } from './support.js'

const wrappingKey = new Uint8Array(32).fill(9)
const dataKey = Buffer.from('80d90dc4cc7e77d8a6332efa44eba56230a7fe7b89af37d1e501ab2e07c0a163', 'hex')
const ivAndCiphertext = '000102030405060708090a0b6a889606f0315d3d3965026594286056e3d271d914bf0b759a0f9bd841095eb8'
const known = [
  { suite: v3, tag: '6609206c6c61ead5795f4773dc8e67f1' },
  { suite: v2, tag: '1d00e9625a5765bcbff960a8731c517b' },
].map(({ suite, tag }) => {
  const ciphertext = Uint8Array.from(Buffer.from(ivAndCiphertext + tag, 'hex'))
  return { suite, ciphertext, wrapped: { context: {}, encryptedDataKeys: [encryptedKey('AES/GCM', ciphertext)] } }
})

describe('aesKeyring', () => {
  for (const { suite, wrapped } of known) {
    test(`opens the known wrap for ${suite.name}`, async () => {
      const opened = await unwrap(aesKeyring({ wrappingKey }), wrapped, { suite })
      assert.deepEqual(Buffer.from(opened!), dataKey)
    })
  }

  test('gives the known wrap for the IV that it chose', async () => {
    const wrapped = await aesKeyring({ wrappingKey }).wrap({ suite: v3, context: {}, dataKey })
    const [key] = wrapped.encryptedDataKeys
    assert.deepEqual({ ...key, ciphertext: 0 }, { ...encryptedKey('AES/GCM', new Uint8Array()), ciphertext: 0 })
    const ciphertext = Buffer.from(ciphertextOf(wrapped))
    const cipher = createCipheriv('aes-256-gcm', wrappingKey, ciphertext.subarray(0, 12)).setAAD(Buffer.from('115'))
    const expected = Buffer.concat([cipher.update(dataKey), cipher.final(), cipher.getAuthTag()])
    assert.deepEqual(ciphertext.subarray(12), expected)
  })

  for (const size of [16, 24, 32]) {
    for (const keyLength of [16, 24, 32]) {
      test(`round trip: wrapping key of ${size} bytes, data key of ${keyLength}`, async () => {
        const suite = { ...v3, keyLength }
        const bytes = randomBytes(size)
        const keyring = aesKeyring({ wrappingKey: bytes })
        const wrapped = await keyring.wrap({ suite, context: {} })
        assert.equal(wrapped.dataKey.length, keyLength)
        assert.equal(ciphertextOf(wrapped).length, 12 + keyLength + 16)
        const same = aesKeyring({ wrappingKey: createSecretKey(bytes) })
        assert.deepEqual(await unwrap(same, wrapped, { suite }), wrapped.dataKey)
      })
    }
  }

  test('takes an extractable CryptoKey', async () => {
    const key = await webcrypto.subtle.importKey('raw', wrappingKey, 'AES-GCM', true, ['encrypt', 'decrypt'])
    const wrapped = known[0]!.wrapped
    assert.deepEqual(Buffer.from((await unwrap(aesKeyring({ wrappingKey: key }), wrapped))!), dataKey)
  })

  test('a CryptoKey that cannot be used is a CONFIG error at the first use, and no unhandled rejection before', async () => {
    const key = await webcrypto.subtle.importKey('raw', wrappingKey, 'AES-GCM', false, ['encrypt'])
    const keyring = aesKeyring({ wrappingKey: key })
    await new Promise((resolve) => setImmediate(resolve))
    await assert.rejects(async () => keyring.wrap({ suite: v3, context: {} }), config(/aesKeyring: wrappingKey/))
    await assert.rejects(unwrap(keyring, known[0]!.wrapped), config(/aesKeyring: wrappingKey/))
  })

  test('new data keys and IVs are different each time; a given one is copied', async () => {
    const keyring = aesKeyring({ wrappingKey })
    const first = await keyring.wrap({ suite: v3, context: {} })
    const second = await keyring.wrap({ suite: v3, context: {} })
    assert.notDeepEqual(first.dataKey, second.dataKey)
    const mine = randomBytes(32)
    const third = await keyring.wrap({ suite: v3, context: {}, dataKey: mine })
    const fourth = await keyring.wrap({ suite: v3, context: {}, dataKey: mine })
    assert.notDeepEqual(ciphertextOf(third).subarray(0, 12), ciphertextOf(fourth).subarray(0, 12))
    const before = Buffer.from(mine)
    third.dataKey.fill(0)
    assert.deepEqual(mine, before)
  })

  test('the wrapping key is copied at the call and not changed', async () => {
    const mine = new Uint8Array(wrappingKey)
    const keyring = aesKeyring({ wrappingKey: mine })
    assert.deepEqual(mine, wrappingKey)
    mine.fill(0)
    assert.deepEqual(Buffer.from((await unwrap(keyring, known[0]!.wrapped))!), dataKey)
  })

  test('everything that is wrong with the object is undefined', async () => {
    const keyring = aesKeyring({ wrappingKey })
    const { ciphertext, wrapped } = known[0]!
    const keys = (...changed: Uint8Array[]): object => ({
      encryptedDataKeys: changed.map((one) => encryptedKey('AES/GCM', one)),
    })
    const cases: Record<string, object> = {
      'other suite': { suite: v2 },
      'other key length': { suite: { ...v3, keyLength: 16 } },
      empty: keys(new Uint8Array(0)),
      truncated: keys(ciphertext.subarray(0, 59)),
      extended: keys(Uint8Array.from([...ciphertext, 0])),
      'only IV and tag': keys(ciphertext.subarray(0, 28)),
      'two keys': keys(ciphertext, ciphertext),
      'no key': keys(),
      'another algorithm': { encryptedDataKeys: [encryptedKey('RSA-OAEP-SHA1', ciphertext)] },
      'legacy AES': { encryptedDataKeys: [encryptedKey('AES', ciphertext)] },
    }
    for (const [name, change] of Object.entries(cases)) {
      assert.equal(await unwrap(keyring, wrapped, change), undefined, name)
    }
    assert.equal(await unwrap(aesKeyring({ wrappingKey: flip(wrappingKey, 5) }), wrapped), undefined, 'another key')
    for (let at = 0; at < ciphertext.length; at++) {
      assert.equal(await unwrap(keyring, wrapped, keys(flip(ciphertext, at))), undefined, `byte ${at}`)
    }
  })

  test('the EDK has exactly the length of the data key, though a shorter or longer one authenticates', async () => {
    const keyring = aesKeyring({ wrappingKey })
    for (const keyLength of [16, 24]) {
      const wrapped = await keyring.wrap({ suite: { ...v3, keyLength }, context: {} })
      assert.equal(await unwrap(keyring, wrapped), undefined)
    }
  })

  test('a format that it does not know is refused, both ways', async () => {
    const keyring = aesKeyring({ wrappingKey })
    await assert.rejects(
      async () => keyring.wrap({ suite: foreign, context: {} }),
      config(/does not support format "crypt4gh"/),
    )
    await assert.rejects(
      unwrap(keyring, known[0]!.wrapped, { suite: foreign }),
      config(/does not support format "crypt4gh"/),
    )
  })

  test('an encryption context is refused with a hint', async () => {
    const keyring = aesKeyring({ wrappingKey })
    await assert.rejects(
      async () => keyring.wrap({ suite: v3, context: { a: 'secret' } }),
      (error: Error) => {
        assert.doesNotMatch(error.message, /secret/)
        return config(/materialsDescription/)(error)
      },
    )
  })

  test('a data key of another length is refused', async () => {
    const keyring = aesKeyring({ wrappingKey })
    await assert.rejects(
      async () => keyring.wrap({ suite: v3, context: {}, dataKey: new Uint8Array(16) }),
      config(/32 bytes/),
    )
  })

  test('it is frozen and says what it opens', () => {
    const keyring = aesKeyring({ wrappingKey })
    assert.deepEqual(keyring.algorithms, ['AES/GCM', 'AESWrap', 'AES'])
    assert.ok(Object.isFrozen(keyring) && Object.isFrozen(keyring.algorithms))
  })
})

describe('aesKeyring: materials descriptions', () => {
  const entry = (
    fill: number,
    materialsDescription: Context,
  ): { wrappingKey: Uint8Array; materialsDescription: Context } => ({
    wrappingKey: new Uint8Array(32).fill(fill),
    materialsDescription,
  })
  const a = entry(1, { key: 'a', since: '2024' })
  const b = entry(2, { key: 'b' })
  const c = entry(3, {})

  test('is returned by wrap as a frozen copy without prototype', async () => {
    const mine = { key: 'a' }
    const { context } = await aesKeyring({ wrappingKey, materialsDescription: mine }).wrap({ suite: v3, context: {} })
    mine.key = 'changed'
    assert.deepEqual({ ...context }, { key: 'a' })
    assert.equal(Object.getPrototypeOf(context), null)
    assert.ok(Object.isFrozen(context))
    const none = await aesKeyring({ wrappingKey }).wrap({ suite: v3, context: {} })
    assert.deepEqual(Object.keys(none.context), [])
  })

  test('chooses the key; all others go to the default', async () => {
    const keyring = aesKeyring({ ...a, additionalKeys: [b, c] })
    for (const one of [a, b, c]) {
      const wrapped = await aesKeyring(one).wrap({ suite: v3, context: {} })
      assert.deepEqual(await unwrap(keyring, wrapped), wrapped.dataKey)
      assert.equal(
        await unwrap(keyring, wrapped, { context: one === b ? a.materialsDescription : { key: 'b' } }),
        undefined,
      )
    }
    const wrapped = await aesKeyring(a).wrap({ suite: v3, context: {} })
    assert.deepEqual(await unwrap(keyring, wrapped, { context: { since: '2024', key: 'a' } }), wrapped.dataKey)
    assert.deepEqual(await unwrap(keyring, wrapped, { context: { key: 'b', more: '' } }), wrapped.dataKey)
    assert.equal(await unwrap(keyring, wrapped, { context: {} }), undefined, 'entry c has no description')
  })

  test('inherited entries do not count, __proto__ is a key like others', async () => {
    const odd = JSON.parse('{"__proto__":"x"}') as Context
    const keyring = aesKeyring({ ...a, additionalKeys: [entry(2, odd)] })
    const wrapped = await aesKeyring(entry(2, odd)).wrap({ suite: v3, context: {} })
    assert.deepEqual(Object.entries(wrapped.context), [['__proto__', 'x']])
    assert.deepEqual(await unwrap(keyring, wrapped), wrapped.dataKey)
    assert.equal(await unwrap(keyring, wrapped, { context: Object.create(odd) as Context }), undefined)
  })

  test('equal descriptions are refused', () => {
    assert.throws(
      () => aesKeyring({ ...a, additionalKeys: [b, entry(4, { key: 'b' })] }),
      config(/same materialsDescription/),
    )
    assert.throws(
      () => aesKeyring({ ...a, additionalKeys: [entry(4, { since: '2024', key: 'a' })] }),
      config(/same materialsDescription/),
    )
    assert.throws(() => aesKeyring({ wrappingKey, additionalKeys: [c] }), config(/same materialsDescription/))
  })

  test('property: equality does not confuse keys with values, whatever they are', async () => {
    const context = fc.dictionary(
      fc.string({ maxLength: 3, unit: 'grapheme' }),
      fc.string({ maxLength: 3, unit: 'grapheme' }),
      { maxKeys: 3 },
    )
    await fc.assert(
      fc.asyncProperty(context, context, fc.boolean(), async (one, another, reorder) => {
        const other = reorder ? Object.fromEntries(Object.entries(one).reverse()) : another
        const same =
          Object.keys(one).length === Object.keys(other).length &&
          Object.entries(one).every(([name, value]) => Object.hasOwn(other, name) && other[name] === value)
        if (Object.keys(one).length === 0) return
        const keyring = aesKeyring({ wrappingKey, additionalKeys: [entry(1, one)] })
        const wrapped = await aesKeyring(entry(1, {})).wrap({ suite: v3, context: {} })
        const opened = await unwrap(keyring, wrapped, { context: other })
        assert.equal(opened !== undefined, same)
      }),
      { numRuns: 200 },
    )
  })
})

describe('aesKeyring: options', () => {
  const bad: Record<string, [unknown, RegExp]> = {
    'no options': [undefined, /options must be an object/],
    'no key': [{}, /wrappingKey is missing/],
    'undefined key': [{ wrappingKey: undefined }, /wrappingKey is missing/],
    '15 bytes': [{ wrappingKey: new Uint8Array(15).fill(77) }, /16, 24 or 32 bytes, not 15/],
    'text key': [{ wrappingKey: 'a-secret-text-key-of-32-bytes!!!' }, /aesKeyring: wrappingKey/],
    'ArrayBuffer key': [{ wrappingKey: new ArrayBuffer(32) }, /aesKeyring: wrappingKey/],
    'KeyObject of 5 bytes': [{ wrappingKey: createSecretKey(Buffer.from('short')) }, /16, 24 or 32 bytes, not 5/],
    'misspelt option': [
      { wrappingKey, materialDescription: {} },
      /unknown option "materialDescription"; known are wrappingKey/,
    ],
    'description is text': [{ wrappingKey, materialsDescription: 'x' }, /materialsDescription must be an object/],
    'description is an array': [{ wrappingKey, materialsDescription: ['x'] }, /materialsDescription must be an object/],
    'description with a number': [{ wrappingKey, materialsDescription: { a: 1 } }, /value of "a" must be a string/],
    'lone surrogate': [{ wrappingKey, materialsDescription: { a: '\ud800' } }, /well-formed/],
    'additionalKeys no array': [{ wrappingKey, additionalKeys: {} }, /additionalKeys must be an array/],
    'entry without description': [
      { wrappingKey, additionalKeys: [{ wrappingKey }] },
      /give materialsDescription, or keyNamespace and keyName/,
    ],
    'entry misspelt': [
      { wrappingKey, additionalKeys: [{ wrappingKey, materialsDescription: {}, x: 1 }] },
      /unknown option "x"/,
    ],
    'entry with a bad key': [
      { wrappingKey, additionalKeys: [{ wrappingKey: new Uint8Array(1), materialsDescription: { a: '' } }] },
      /additionalKeys: wrappingKey/,
    ],
  }
  for (const [name, [options, message]] of Object.entries(bad)) {
    test(`${name} is a CONFIG error at the call`, () => {
      assert.throws(
        () => aesKeyring(options as AesKeyringOptions),
        (error: Error) => {
          assert.doesNotMatch(error.message, /secret-text|77,77|short/)
          assert.equal(error.cause, undefined)
          return config(message)(error)
        },
      )
    })
  }

  test('options are read once', () => {
    let reads = 0
    const options = {
      get wrappingKey() {
        reads++
        return wrappingKey
      },
    }
    aesKeyring(options)
    assert.equal(reads, 1)
  })
})
