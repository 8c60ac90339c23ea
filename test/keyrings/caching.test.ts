import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { addEncryption, aesKeyring, cachingKeyring } from '../../src/index.js'
import type { CachingKeyringOptions } from '../../src/index.js'
import { innermost } from '../../src/keyrings/inner.js'
import type { Keyring, RewrapRequest } from '../../src/keyrings/keyring.js'
import { S3Client } from '@aws-sdk/client-s3'
import { fakeKeyring, shareable } from './caching-support.js'
import { config } from './support.js'

const maxAge = 60_000

describe('options', () => {
  const wrong: readonly [options: object, message: RegExp][] = [
    [{}, /maxAge is missing/],
    [{ maxAge, ttl: 1 }, /unknown option "ttl"/],
    [{ maxAge: 0 }, /maxAge/],
    [{ maxAge: -1 }, /maxAge/],
    [{ maxAge: 1.5 }, /maxAge/],
    [{ maxAge: Infinity }, /maxAge/],
    [{ maxAge: '60000' }, /maxAge/],
    [{ maxAge, maxMessages: 0 }, /maxMessages/],
    [{ maxAge, maxMessages: 2 ** 32 + 1 }, /maxMessages.* from 1 to 4294967296/],
    [{ maxAge, maxMessages: Infinity }, /maxMessages/],
    [{ maxAge, maxBytes: 0 }, /maxBytes.*or Infinity/],
    [{ maxAge, maxBytes: Number.NaN }, /maxBytes/],
    [{ maxAge, maxEntries: 0 }, /maxEntries/],
    [{ maxAge, maxEntries: Infinity }, /maxEntries/],
    [{ maxAge, refreshAhead: -1 }, /refreshAhead/],
    [{ maxAge, refreshAhead: maxAge }, /refreshAhead.*to 59999/],
  ]
  for (const [options, message] of wrong) {
    test(`${String(message)}: ${Object.entries(options).join('; ')}`, () => {
      assert.throws(() => cachingKeyring(fakeKeyring(), options as CachingKeyringOptions), config(message))
    })
  }

  test('the widest and the narrowest', () => {
    cachingKeyring(fakeKeyring(), { maxAge: 1, maxMessages: 1, maxBytes: 1, maxEntries: 1, refreshAhead: 0 })
    const most = { maxMessages: 2 ** 32, maxBytes: Infinity, refreshAhead: maxAge - 1 }
    cachingKeyring(fakeKeyring(), { maxAge, ...most })
    cachingKeyring(fakeKeyring(), { maxAge, maxMessages: undefined, maxBytes: undefined, refreshAhead: undefined })
  })

  test('what is no keyring', () => {
    for (const keyring of [undefined, null, {}, { wrap: () => undefined }, 'keyring']) {
      assert.throws(() => cachingKeyring(keyring as never, { maxAge }), config(/methods wrap and unwrap/))
    }
  })

  test('a caching keyring, or another that shares data keys', () => {
    const caching = cachingKeyring(fakeKeyring(), { maxAge })
    for (const keyring of [caching, { ...caching }, fakeKeyring({ sharesDataKeys: true })]) {
      assert.throws(() => cachingKeyring(keyring, { maxAge }), config(/several messages/))
    }
  })
})

describe('as a keyring', () => {
  test('it has the algorithms of the one inside, or none, and says that it shares', () => {
    const inner = aesKeyring({ wrappingKey: new Uint8Array(32) })
    const caching = cachingKeyring(inner, { maxAge })
    assert.equal(caching.algorithms, inner.algorithms)
    assert.equal(caching.sharesDataKeys, true)
    assert.equal(innermost(caching), inner)
    assert.equal('algorithms' in cachingKeyring(fakeKeyring(), { maxAge }), false)
    assert.throws(() => Object.assign(caching, { sharesDataKeys: false }), TypeError)
  })

  test('rewrap is passed on, and absent where it is', async () => {
    class Service implements Keyring {
      readonly asked: RewrapRequest[] = []
      readonly wrap = (): never => assert.fail()
      readonly unwrap = (): never => assert.fail()
      rewrap(request: RewrapRequest): undefined {
        this.asked.push(request)
      }
    }
    const inner = new Service()
    const caching = cachingKeyring(inner, { maxAge })
    const request = { suite: shareable, context: {}, encryptedDataKeys: [], from: caching, newContext: {} }
    for (let i = 0; i < 2; i++) assert.equal(await caching.rewrap?.(request), undefined)
    assert.deepEqual(inner.asked, [request, request])
    assert.equal('rewrap' in cachingKeyring(fakeKeyring(), { maxAge }), false)
  })

  test('a client that writes V2 is refused at set-up', () => {
    const client = new S3Client({ region: 'us-east-1' })
    const keyring = cachingKeyring(aesKeyring({ wrappingKey: new Uint8Array(32) }), { maxAge })
    assert.throws(
      () => addEncryption(client, { keyring, commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' }),
      config(/several messages.*V3/),
    )
    client.destroy()
  })
})
