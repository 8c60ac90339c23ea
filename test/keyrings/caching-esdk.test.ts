import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { aesKeyring } from '../../src/keyrings/aes.js'
import { cachingKeyring, type CachingKeyring } from '../../src/keyrings/caching.js'
import type { EncryptedDataKey, Suite, UnwrapRequest } from '../../src/keyrings/keyring.js'
import { esdkVectors } from '../support/esdk-vectors.js'
import { fakeKeyring, type FakeKeyring } from './caching-support.js'
import { bytes, esdkKey, signed, suite, suiteOf, withoutKdf } from './esdk-support.js'
import { config, v2, v3 } from './support.js'

/** A caching keyring, the one inside, and how many times that has been asked. */
function make(): { caching: CachingKeyring; inner: FakeKeyring; wraps: () => number; unwraps: () => number } {
  const inner = fakeKeyring({ algorithms: ['esdk'] })
  const caching = cachingKeyring(inner, { maxAge: 60_000 })
  return { caching, inner, wraps: () => inner.wraps.length, unwraps: () => inner.unwraps.length }
}

const context = { tenant: 'a' }
const stored = (...numbers: number[]): readonly EncryptedDataKey[] =>
  numbers.map((number) => esdkKey('ours', `key ${number}`, Uint8Array.of(number)))
const all = [...new Set(esdkVectors.map((vector) => vector.suite))].map((id) => suiteOf(Number.parseInt(id, 16)))

describe('cachingKeyring: messages of the AWS Encryption SDK', () => {
  test('suites with a KDF share data keys, both ways; the others never, and are written all the same', async () => {
    assert.equal(all.length, 11)
    assert.equal(all.filter(({ derivesMessageKeys }) => derivesMessageKeys === true).length, 8)
    for (const one of all) {
      const { caching, wraps, unwraps } = make()
      const shared = one.derivesMessageKeys === true
      const keys = [await caching.wrap({ suite: one, context }), await caching.wrap({ suite: one, context })]
      assert.equal(wraps(), shared ? 1 : 2, one.name)
      assert.equal(Buffer.compare(keys[0]!.dataKey, keys[1]!.dataKey) === 0, shared)
      for (let i = 0; i < 2; i++) await caching.unwrap({ suite: one, context, encryptedDataKeys: stored(1) })
      assert.equal(unwraps(), shared ? 1 : 2, one.name)
      caching.clear()
    }
    const { caching, wraps } = make()
    const unsaid: Suite = { id: suite.id, format: 'esdk', name: suite.name, keyLength: 32 }
    for (let i = 0; i < 2; i++) await caching.wrap({ suite: unsaid, context })
    assert.equal(wraps(), 2)
  })

  test('S3EC without a key for each message is refused as before', async () => {
    const { caching, wraps } = make()
    await assert.rejects(async () => caching.wrap({ suite: v2, context }), config(/does not derive a key for each/))
    await assert.rejects(async () => caching.wrap({ suite: v3, context }), config(/does not derive a key for each/))
    assert.equal(wraps(), 0)
  })

  test('signed messages are passed on when they are written, and shared when they are read', async () => {
    const { caching, wraps, unwraps } = make()
    const own = { ...context, 'aws-crypto-public-key': 'AbCd' }
    for (let i = 0; i < 2; i++) await caching.wrap({ suite: signed, context: own })
    assert.equal(wraps(), 2)
    for (let i = 0; i < 2; i++) await caching.unwrap({ suite: signed, context: own, encryptedDataKeys: stored(1) })
    assert.equal(unwraps(), 1)
    caching.clear()
  })

  test('a given data key is passed on', async () => {
    const { caching, wraps } = make()
    for (let i = 0; i < 2; i++) await caching.wrap({ suite, context, dataKey: randomBytes(32) })
    assert.equal(wraps(), 2)
  })

  test('whatever differs between two requests to write keeps them apart', async () => {
    const same = { suite, context: { a: '1', b: '2' } }
    for (const other of [
      { suite: suiteOf(0x0178) },
      { suite: { ...suite, name: 'another' } },
      { suite: { ...suite, format: 'another' } },
      { commitmentPolicy: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT' },
      { context: { a: '1' } },
      { context: { a: '2', b: '1' } },
      { context: { a: '1', b: '2', c: '' } },
      { context: { 'a","1"],["b': '2' } },
    ]) {
      const { caching, wraps } = make()
      await caching.wrap(same)
      await caching.wrap({ ...same, context: { b: '2', a: '1' } })
      assert.equal(wraps(), 1)
      await caching.wrap({ ...same, ...other })
      assert.equal(wraps(), 2, JSON.stringify(other))
      caching.clear()
    }
  })

  test('whatever differs between two requests to read keeps them apart: every encrypted data key and their order too', async () => {
    const [one, two] = stored(1, 2) as [EncryptedDataKey, EncryptedDataKey]
    const same: UnwrapRequest = { suite, context: { a: '1' }, encryptedDataKeys: [one, two] }
    for (const other of [
      { suite: suiteOf(0x0178) },
      { suite: { ...suite, format: 'another' } },
      { commitmentPolicy: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT' },
      { context: { a: '2' } },
      { context: {} },
      { context: { a: '1', required: 'not stored' } },
      { encryptedDataKeys: [two, one] },
      { encryptedDataKeys: [one] },
      { encryptedDataKeys: [one, two, two] },
      { encryptedDataKeys: [one, { ...two, provider: 'theirs' }] },
      { encryptedDataKeys: [one, { ...two, info: bytes('key 3') }] },
      { encryptedDataKeys: [one, { ...two, ciphertext: Uint8Array.of(3) }] },
      { encryptedDataKeys: [one, { ...two, algorithm: 'AES/GCM' }] },
    ]) {
      const { caching, unwraps } = make()
      await caching.unwrap(same)
      await caching.unwrap({ ...same, context: { ...same.context } })
      assert.equal(unwraps(), 1)
      await caching.unwrap({ ...same, ...other })
      assert.equal(unwraps(), 2, JSON.stringify(other))
      caching.clear()
    }
  })

  test('around a real keyring: written with one wrap, read by that keyring', async () => {
    const inner = aesKeyring({ wrappingKey: randomBytes(32), keyNamespace: 'ours', keyName: 'one' })
    const caching = cachingKeyring(inner, { maxAge: 60_000 })
    assert.ok(caching.algorithms?.includes('esdk'))
    const [one, two] = [await caching.wrap({ suite, context }), await caching.wrap({ suite, context })]
    assert.deepEqual(one.encryptedDataKeys, two.encryptedDataKeys)
    one.dataKey.fill(0)
    for (const keyring of [inner, caching]) {
      assert.deepEqual(await keyring.unwrap({ suite, ...two }), two.dataKey)
    }
    const alone = [
      await caching.wrap({ suite: withoutKdf, context }),
      await caching.wrap({ suite: withoutKdf, context }),
    ]
    assert.notDeepEqual(alone[0]!.dataKey, alone[1]!.dataKey)
    caching.clear()
  })
})
