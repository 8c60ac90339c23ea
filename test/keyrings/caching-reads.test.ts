import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { cachingKeyring } from '../../src/index.js'
import type { Context, EncryptedDataKey, UnwrapRequest } from '../../src/keyrings/keyring.js'
import { fakeKeyring, isWiped, reads, settled, shareable, writes } from './caching-support.js'
import { encryptedKey, v2 } from './support.js'

const maxAge = 60_000

describe('stored data keys: which requests share an answer', () => {
  const key: EncryptedDataKey = encryptedKey('kms+context', Uint8Array.of(1, 2, 3))
  const same: UnwrapRequest = {
    suite: shareable,
    context: { a: '1', b: '2' },
    encryptedDataKeys: [key],
    commitmentPolicy: 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT',
  }

  test('requests that are the same but for the signal do', async () => {
    const inner = fakeKeyring()
    const keyring = cachingKeyring(inner, { maxAge })
    for (const more of [
      {},
      { context: { b: '2', a: '1' } },
      { signal: new AbortController().signal },
      { encryptedDataKeys: [{ ...key, ciphertext: Buffer.from([1, 2, 3]) }] },
      { suite: { ...shareable, keyLengths: [32] } },
    ]) {
      assert.deepEqual(await keyring.unwrap({ ...same, ...more }), new Uint8Array(32).fill(1))
    }
    assert.equal(inner.unwraps.length, 1)
    assert.equal(inner.unwraps[0]!.signal, undefined)
  })

  const wrapped = (more: Partial<EncryptedDataKey>): Partial<UnwrapRequest> => ({
    encryptedDataKeys: [{ ...key, ...more }],
  })
  const others: readonly [what: string, more: Partial<UnwrapRequest>][] = [
    ['the policy', { commitmentPolicy: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT' }],
    ["the suite's id", { suite: { ...shareable, id: 0x0578 } }],
    ["the suite's format", { suite: { ...shareable, format: 'esdk' } }],
    ["the suite's name", { suite: { ...shareable, name: '116' } }],
    ["the suite's key length", { suite: { ...shareable, keyLength: 16 } }],
    ["the suite's key lengths", { suite: { ...shareable, keyLengths: [16, 32] } }],
    ['a value of the context', { context: { a: '1', b: '3' } }],
    ['a name in the context', { context: { a: '1', c: '2' } }],
    ['one entry less', { context: { a: '1' } }],
    ['half a surrogate pair in the context', { context: { a: '1', b: '\ud800' } }],
    ['the other half', { context: { a: '1', b: '\udc00' } }],
    ['__proto__ in the context', { context: JSON.parse('{"a":"1","b":"2","__proto__":"3"}') as Context }],
    ['the wrap', wrapped({ algorithm: 'kms' })],
    ['the provider', wrapped({ provider: 'aws-kms' })],
    ['the info', wrapped({ info: Uint8Array.of(0) })],
    ['the ciphertext', wrapped({ ciphertext: Uint8Array.of(1, 2, 4) })],
    ['the length of the ciphertext', wrapped({ ciphertext: Uint8Array.of(1, 2, 3, 0) })],
    ['where the ciphertext begins', wrapped({ info: Uint8Array.of(1), ciphertext: Uint8Array.of(2, 3) })],
    ['the number of keys', { encryptedDataKeys: [key, key] }],
  ]
  test('not if they differ in anything', async () => {
    const inner = fakeKeyring()
    const keyring = cachingKeyring(inner, { maxAge })
    for (let round = 0; round < 2; round++) {
      for (const [what, more] of [['nothing', {}] as const, ...others]) {
        const request = { ...same, ...more }
        const before = inner.unwraps.length
        const number = request.encryptedDataKeys[0]!.ciphertext[0]!
        assert.deepEqual(await keyring.unwrap(request), new Uint8Array(request.suite.keyLength).fill(number))
        assert.equal(inner.unwraps.length - before, round === 0 ? 1 : 0, what)
      }
    }
  })

  test('and none with what was written: wrap and unwrap are asked for apart', async () => {
    const inner = fakeKeyring()
    const keyring = cachingKeyring(inner, { maxAge })
    await writes(keyring)
    assert.equal(await reads(keyring, 1), 1)
    assert.equal(inner.unwraps.length, 1)
  })

  test('a suite that derives no message keys is passed on each time', async () => {
    const inner = fakeKeyring()
    const keyring = cachingKeyring(inner, { maxAge })
    const request = { ...same, suite: v2, signal: new AbortController().signal }
    for (let i = 1; i <= 3; i++) {
      assert.deepEqual(await keyring.unwrap(request), new Uint8Array(32).fill(1))
      assert.equal(inner.unwraps.length, i)
      assert.equal(inner.unwraps.at(-1), request)
    }
  })
})

describe('stored data keys: what is kept', () => {
  test('a key that is not ours is no answer for those who come later', async () => {
    const inner = fakeKeyring()
    const keyring = cachingKeyring(inner, { maxAge })
    const open = inner.hold()
    const all = [reads(keyring, 0), reads(keyring, 0)]
    await settled()
    await open()
    assert.deepEqual(await Promise.all(all), [undefined, undefined])
    assert.equal(inner.unwraps.length, 1)
    await reads(keyring, 0)
    assert.equal(inner.unwraps.length, 2)
  })

  test('nor is one of a length that the suite has not', async () => {
    const given = [1, 2].map(() => new Uint8Array(31).fill(5))
    let calls = 0
    const keyring = cachingKeyring({ ...fakeKeyring(), unwrap: () => given[calls++] }, { maxAge })
    for (let i = 0; i < 2; i++) assert.equal(await reads(keyring, 5), 5)
    assert.ok(given.every(isWiped))
  })

  test('every reader has a copy', async () => {
    const inner = fakeKeyring()
    const keyring = cachingKeyring(inner, { maxAge })
    const request = { suite: shareable, context: {}, encryptedDataKeys: [encryptedKey('AES/GCM', Uint8Array.of(7))] }
    const open = inner.hold()
    const all = [1, 2].map(async () => keyring.unwrap(request))
    await settled()
    await open()
    for (const key of [...(await Promise.all(all)), await keyring.unwrap(request)]) {
      assert.deepEqual(key, new Uint8Array(32).fill(7))
      key.fill(0)
    }
    assert.equal(inner.unwraps.length, 1)
  })

  test('maxAge ends it, without any further request too; messages and bytes do not', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'Date'] })
    const inner = fakeKeyring()
    const keyring = cachingKeyring(inner, { maxAge, maxMessages: 1, maxBytes: 1 })
    for (let i = 0; i < 3; i++) assert.equal(await reads(keyring, 1), 1)
    t.mock.timers.tick(30_000)
    await reads(keyring, 2)
    t.mock.timers.tick(29_000)
    await reads(keyring, 1)
    assert.equal(inner.unwraps.length, 2)
    t.mock.timers.tick(1000)
    assert.deepEqual(inner.given.map(isWiped), [true, false])
    await reads(keyring, 1)
    assert.equal(inner.unwraps.length, 3)
    t.mock.timers.tick(maxAge)
    assert.ok(inner.given.every(isWiped))
  })

  test('a late timer makes nothing younger', async (t) => {
    t.mock.timers.enable({ apis: ['Date'] })
    const inner = fakeKeyring()
    const keyring = cachingKeyring(inner, { maxAge })
    await reads(keyring, 1)
    t.mock.timers.setTime(maxAge)
    await reads(keyring, 1)
    assert.equal(inner.unwraps.length, 2)
    assert.deepEqual(inner.given.map(isWiped), [true, false])
    keyring.clear()
  })

  test('maxEntries: the one that was not used for longest goes, apart from what is written', async () => {
    const inner = fakeKeyring()
    const keyring = cachingKeyring(inner, { maxAge, maxEntries: 2 })
    await writes(keyring)
    for (const number of [2, 3, 2, 4]) await reads(keyring, number)
    assert.deepEqual(
      inner.given.map((key) => key[0]),
      [1, 2, 0, 4],
    )
    assert.equal(await writes(keyring), 1)
    for (const number of [2, 4]) await reads(keyring, number)
    assert.equal(inner.unwraps.length, 3)
  })

  test('clear wipes everything; what is being fetched is not kept', async () => {
    const inner = fakeKeyring()
    const keyring = cachingKeyring(inner, { maxAge })
    await reads(keyring, 1)
    const open = inner.hold()
    const waiting = reads(keyring, 2).then((number) => (keyring.clear(), number))
    const other = reads(keyring, 2)
    await settled()
    keyring.clear()
    await open()
    assert.deepEqual(await Promise.all([waiting, other]), [2, 2])
    assert.ok(inner.given.every(isWiped))
    await reads(keyring, 1)
    await reads(keyring, 2)
    assert.equal(inner.unwraps.length, 4)
  })
})
