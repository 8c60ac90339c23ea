import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { aesKeyring } from '../../src/keyrings/aes.js'
import { serialiseContext } from '../../src/keyrings/context-bytes.js'
import type { Context, EncryptedDataKey, Keyring } from '../../src/keyrings/keyring.js'
import { esdkVectors } from '../support/esdk-vectors.js'
import { esdkKey, opens, requestOf, suite, suiteOf, toHex, vectorKeys, vectorsFor } from './esdk-support.js'
import { config, flip, foreign, unwrap, v3 } from './support.js'

const raw = (id: string, more: Parameters<typeof aesKeyring>[0] | object = {}): Keyring => {
  const { namespace, name, key } = vectorKeys[id]!
  const wrappingKey = Uint8Array.from(Buffer.from(key, 'hex'))
  return aesKeyring({ wrappingKey, keyNamespace: namespace, keyName: name, ...more })
}

const wrappingKey = randomBytes(32)
const names = { keyNamespace: 'ours', keyName: 'one' }

describe('aesKeyring: messages of the AWS Encryption SDK', () => {
  const vectors = vectorsFor((id) => vectorKeys[id]?.type === 'raw-aes', 300)

  test('every vector under a raw AES key is opened, in the order of JavaScript’s locale too', async () => {
    for (const [vector, id] of vectors) await opens(raw(id), vector)
    assert.equal(new Set(vectors.map(([, id]) => id)).size, 5)
    assert.ok(vectors.some(([{ id }]) => id.startsWith('js5-localeaad-')))
  })

  test('and by an additional key, with no description, behind another key of the same name', async () => {
    for (const [vector, id] of vectors.filter((_, index) => index % 10 === 0)) {
      const { namespace, name, key } = vectorKeys[id]!
      const entry = { wrappingKey: Buffer.from(key, 'hex'), keyNamespace: namespace, keyName: name }
      const additionalKeys = [{ ...entry, wrappingKey: randomBytes(32) }, entry]
      await opens(aesKeyring({ wrappingKey, additionalKeys }), vector)
      await opens(raw('aes-256-wrong', { additionalKeys }), vector)
    }
  })

  test('another key, another name, another namespace, another context: not ours', async () => {
    const [vector] = vectors.find(
      ([one, id]) => id === 'aes-256' && one.suite === '0478' && one.encryptionContext.length > 0,
    )!
    const request = requestOf(vector)
    const wrong: Record<string, Keyring> = {
      key: raw('aes-256-wrong'),
      name: raw('aes-256', { keyName: 'aes-256-ke' }),
      'longer name': raw('aes-256', { keyName: 'aes-256-key2' }),
      namespace: raw('aes-256', { keyNamespace: 'Vectors' }),
    }
    for (const [what, keyring] of Object.entries(wrong)) assert.equal(await keyring.unwrap(request), undefined, what)
    const keyring = raw('aes-256')
    for (const context of [{}, { ...request.context, more: '' }]) {
      assert.equal(await keyring.unwrap({ ...request, context }), undefined)
    }
    assert.equal(await keyring.unwrap({ ...request, context: { a: 'x'.repeat(65_535) } }), undefined)
    assert.equal(await keyring.unwrap({ ...request, suite: suiteOf(0x0014) }), undefined)
    assert.equal(await keyring.unwrap({ ...request, encryptedDataKeys: [] }), undefined)
  })

  test('wrap and unwrap, with every suite; what is stored names the key and has the right form', async () => {
    const keyring = aesKeyring({ wrappingKey, ...names, materialsDescription: { label: 'not stored' } })
    for (const { suite: id } of [...new Map(esdkVectors.map((vector) => [vector.suite, vector])).values()]) {
      const one = suiteOf(Number.parseInt(id, 16))
      const context: Context = { b: '2', a: '1', 'aws-crypto-public-key': 'x' }
      const { dataKey, encryptedDataKeys, context: stored } = await keyring.wrap({ suite: one, context })
      assert.deepEqual({ ...stored }, context)
      assert.equal(dataKey.length, one.keyLength)
      const [{ algorithm, provider, info, ciphertext } = {} as EncryptedDataKey] = encryptedDataKeys
      assert.deepEqual([encryptedDataKeys.length, algorithm, provider], [1, 'esdk', 'ours'])
      assert.equal(Buffer.from(info).subarray(0, 11).toString('latin1'), 'one\0\0\0\x80\0\0\0\x0c')
      assert.deepEqual([info.length, ciphertext.length], [23, one.keyLength + 16])
      const reader = aesKeyring({ wrappingKey, ...names })
      assert.deepEqual(await reader.unwrap({ suite: one, context, encryptedDataKeys }), dataKey)
      for (const at of [0, info.length - 1]) {
        const changed = [{ algorithm, provider, info: flip(info, at), ciphertext }]
        assert.equal(await reader.unwrap({ suite: one, context, encryptedDataKeys: changed }), undefined)
      }
      for (let at = 0; at < ciphertext.length; at++) {
        const changed = [{ algorithm, provider, info, ciphertext: flip(ciphertext, at) }]
        assert.equal(await reader.unwrap({ suite: one, context, encryptedDataKeys: changed }), undefined)
      }
      // The one that opens is found among others.
      const several = [esdkKey('ours', info, randomBytes(48)), ...encryptedDataKeys, ...encryptedDataKeys]
      assert.deepEqual(await reader.unwrap({ suite: one, context, encryptedDataKeys: several }), dataKey)
    }
  })

  test('a data key that is given is wrapped, and neither taken nor changed', async () => {
    const keyring = aesKeyring({ wrappingKey, ...names })
    const dataKey = Uint8Array.from(randomBytes(32))
    const before = toHex(dataKey)
    const wrapped = await keyring.wrap({ suite, context: {}, dataKey })
    assert.notEqual(wrapped.dataKey, dataKey)
    wrapped.dataKey.fill(0)
    assert.equal(toHex(dataKey), before)
    assert.equal(toHex(await unwrap(keyring, wrapped, { suite })), before)
    await assert.rejects(async () => keyring.wrap({ suite, context: {}, dataKey: randomBytes(16) }), config(/32 bytes/))
  })

  test('S3EC is not changed by names, and an esdk data key is none of its own', async () => {
    const keyring = aesKeyring({ wrappingKey, ...names })
    const wrapped = await keyring.wrap({ suite: v3, context: {} })
    assert.deepEqual(await aesKeyring({ wrappingKey }).unwrap({ suite: v3, ...wrapped }), wrapped.dataKey)
    assert.equal(await unwrap(keyring, wrapped, { suite }), undefined)
    const message = await keyring.wrap({ suite, context: {} })
    assert.equal(await unwrap(keyring, message), undefined)
    await assert.rejects(async () => keyring.wrap({ suite: v3, context: { a: '' } }), config(/no encryption context/))
  })

  test('an additional key without a description opens no object of S3EC', async () => {
    const other = randomBytes(32)
    const keyring = aesKeyring({ wrappingKey, additionalKeys: [{ wrappingKey: other, ...names }] })
    const wrapped = await aesKeyring({ wrappingKey: other }).wrap({ suite: v3, context: {} })
    assert.equal(await unwrap(keyring, wrapped), undefined)
    const ours = await aesKeyring({ wrappingKey }).wrap({ suite: v3, context: {} })
    assert.deepEqual(await unwrap(keyring, ours), ours.dataKey)
  })

  test('algorithms say whether it is for such messages', () => {
    const has = (options: object): boolean | undefined =>
      aesKeyring({ wrappingKey, ...options }).algorithms?.includes('esdk')
    assert.equal(has({}), false)
    assert.equal(has(names), true)
    assert.equal(has({ additionalKeys: [{ wrappingKey, materialsDescription: { a: '' } }] }), false)
    assert.equal(has({ additionalKeys: [{ wrappingKey, ...names }] }), true)
  })

  test('refused when it is used: no names, another format, another wrap, a context that is too long or no context', async () => {
    const request = { suite, context: {} }
    const unnamed = aesKeyring({ wrappingKey })
    await assert.rejects(async () => unnamed.wrap(request), config(/keyNamespace and keyName/))
    await assert.rejects(
      async () => unnamed.unwrap({ ...request, encryptedDataKeys: [] }),
      config(/keyNamespace and keyName/),
    )
    const reader = aesKeyring({ wrappingKey, additionalKeys: [{ wrappingKey, ...names }] })
    await assert.rejects(async () => reader.wrap(request), config(/keyNamespace and keyName/))
    const keyring = aesKeyring({ wrappingKey, ...names })
    await assert.rejects(async () => keyring.wrap({ ...request, suite: foreign }), config(/does not support format/))
    await assert.rejects(async () => keyring.wrap({ ...request, algorithm: 'AES/GCM' }), config(/writes esdk/))
    const context = { a: 'x'.repeat(65_535) }
    assert.equal(serialiseContext(context), undefined)
    await assert.rejects(async () => keyring.wrap({ ...request, context }), config(/65535 bytes/))
    await assert.rejects(async () => keyring.wrap({ suite, context: { a: '\ud800' } }), config(/well-formed/))
  })

  const longest = 'x'.repeat(65_515)
  const bad: Record<string, [object, RegExp]> = {
    'no name': [{ keyNamespace: 'a' }, /keyName is missing; give both or neither/],
    'no namespace': [{ keyName: 'a' }, /keyNamespace is missing; give both or neither/],
    'empty name': [{ keyNamespace: 'a', keyName: '' }, /keyName must be a non-empty string/],
    'empty namespace': [{ keyNamespace: '', keyName: 'a' }, /keyNamespace must be a non-empty string/],
    'a name that is bytes': [{ keyNamespace: 'a', keyName: new Uint8Array(3) }, /keyName must be a non-empty string/],
    'half a surrogate pair': [{ keyNamespace: 'a', keyName: 'b\ud83d' }, /well-formed Unicode/],
    'a namespace of KMS': [{ keyNamespace: 'aws-kms', keyName: 'a' }, /must not begin with aws-kms/],
    'a namespace like those of KMS': [{ keyNamespace: 'aws-kms-ours', keyName: 'a' }, /must not begin with aws-kms/],
    'a name that is too long': [{ keyNamespace: 'a', keyName: `${longest}x` }, /at most 65515 bytes in UTF-8/],
    'a name that is too long in UTF-8': [{ keyNamespace: 'a', keyName: `${longest.slice(1)}ü` }, /at most 65515 bytes/],
    'a namespace that is too long': [{ keyNamespace: 'x'.repeat(65_536), keyName: 'a' }, /at most 65535 bytes/],
  }
  for (const [what, [options, message]] of Object.entries(bad)) {
    test(`${what} is a CONFIG error at the call, of additional keys too`, () => {
      assert.throws(() => aesKeyring({ wrappingKey, ...options }), config(message))
      const additionalKeys = [{ wrappingKey, materialsDescription: { a: '' }, ...options }]
      assert.throws(() => aesKeyring({ wrappingKey, additionalKeys }), config(/additionalKeys/))
    })
  }

  test('names of the greatest length are stored', async () => {
    const keyring = aesKeyring({ wrappingKey, keyNamespace: 'y'.repeat(65_535), keyName: longest })
    const wrapped = await keyring.wrap({ suite, context: {} })
    assert.equal(wrapped.encryptedDataKeys[0]!.info.length, 65_535)
    assert.deepEqual(await unwrap(keyring, wrapped, { suite }), wrapped.dataKey)
  })

  test('two keys may have the same names', async () => {
    const other = randomBytes(32)
    const keyring = aesKeyring({ wrappingKey, ...names, additionalKeys: [{ wrappingKey: other, ...names }] })
    for (const key of [wrappingKey, other]) {
      const wrapped = await aesKeyring({ wrappingKey: key, ...names }).wrap({ suite, context: { a: 'b' } })
      assert.deepEqual(await unwrap(keyring, wrapped, { suite }), wrapped.dataKey)
    }
  })
})
