import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { aesKeyring, cachingKeyring } from '../../src/index.js'
import type { Context, WrapRequest, WrapResult } from '../../src/keyrings/keyring.js'
import { fakeKeyring, isWiped, settled, shareable, writes } from './caching-support.js'
import { config, encryptedKey, v2 } from './support.js'

const maxAge = 60_000

describe('data keys to write: which requests share one', () => {
  const same: Partial<WrapRequest> = {
    context: { a: '1', b: '2' },
    commitmentPolicy: 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT',
    algorithm: 'AES/GCM',
  }

  test('requests that are the same but for message and signal do', async () => {
    const inner = fakeKeyring()
    const keyring = cachingKeyring(inner, { maxAge })
    for (const more of [
      {},
      { context: { b: '2', a: '1' } },
      { context: Object.assign(Object.create(null) as Record<string, string>, same.context) },
      { plaintextLength: 7 },
      { signal: new AbortController().signal },
      { suite: { ...shareable } },
    ]) {
      assert.equal(await writes(keyring, { ...same, ...more }), 1)
    }
    assert.equal(inner.wraps.length, 1)
    assert.deepEqual(Object.keys(inner.wraps[0]!).sort(), ['algorithm', 'commitmentPolicy', 'context', 'suite'])
    assert.deepEqual({ ...inner.wraps[0]!.context }, same.context)
  })

  const others: readonly [what: string, more: Partial<WrapRequest>][] = [
    ['the policy', { commitmentPolicy: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT' }],
    ['the algorithm', { algorithm: 'kms+context' }],
    ["the suite's id", { suite: { ...shareable, id: 0x0578 } }],
    ["the suite's format", { suite: { ...shareable, format: 'esdk' } }],
    ["the suite's name", { suite: { ...shareable, name: '116' } }],
    ['a value of the context', { context: { a: '1', b: '3' } }],
    ['a name in the context', { context: { a: '1', c: '2' } }],
    ['one entry less', { context: { a: '1' } }],
    ['entries that read the same when run together', { context: { 'a": "1", "b': '2' } }],
    [
      'a name that is a property of all objects',
      { context: JSON.parse('{"a":"1","b":"2","__proto__":"3"}') as Context },
    ],
  ]
  for (const [what, more] of others) {
    test(`not if they differ in ${what}`, async () => {
      const keyring = cachingKeyring(fakeKeyring(), { maxAge })
      assert.equal(await writes(keyring, same), 1)
      assert.equal(await writes(keyring, { ...same, ...more }), 2)
      assert.equal(await writes(keyring, same), 1)
      assert.equal(await writes(keyring, { ...same, ...more }), 2)
    })
  }

  test('not if one has no policy or algorithm, or a data key of another length', async () => {
    const keyring = cachingKeyring(fakeKeyring(), { maxAge })
    assert.equal(await writes(keyring), 1)
    assert.equal(await writes(keyring, { commitmentPolicy: 'null' }), 2)
    assert.equal(await writes(keyring, { algorithm: 'null' }), 3)
    assert.equal((await keyring.wrap({ suite: { ...shareable, keyLength: 16 }, context: {} })).dataKey.length, 16)
  })

  test('a request with a data key of its own is passed on, and so is a suite that derives no keys then', async () => {
    const inner = fakeKeyring()
    const keyring = cachingKeyring(inner, { maxAge })
    const dataKey = new Uint8Array(32).fill(77)
    for (const suite of [shareable, v2]) {
      const request = { suite, context: {}, dataKey }
      assert.deepEqual((await keyring.wrap(request)).dataKey, dataKey)
      assert.equal(inner.wraps.at(-1), request)
    }
    assert.equal(await writes(keyring), 3)
  })

  test('a suite that derives no message keys is refused, with the reason, before the keyring is asked', async () => {
    const inner = fakeKeyring()
    const keyring = cachingKeyring(inner, { maxAge })
    await assert.rejects(
      async () => keyring.wrap({ suite: v2, context: {} }),
      config(/AES\/GCM\/NoPadding.*random IV.*V3/s),
    )
    assert.equal(inner.wraps.length, 0)
  })
})

describe('data keys to write: limits', () => {
  for (const concurrency of [1, 64]) {
    test(`10,000 messages, 1,000 to a data key, ${concurrency} at a time: exactly 10 requests`, async () => {
      const inner = fakeKeyring()
      const keyring = cachingKeyring(inner, { maxAge, maxMessages: 1000 })
      const messages = new Map<number, number>()
      let left = 10_000
      const work = async (): Promise<void> => {
        while (left-- > 0) {
          const number = await writes(keyring)
          messages.set(number, (messages.get(number) ?? 0) + 1)
        }
      }
      await Promise.all(Array.from({ length: concurrency }, work))
      assert.equal(inner.wraps.length, 10)
      assert.deepEqual([...messages.values()], Array<number>(10).fill(1000))
      assert.ok(inner.given.every(isWiped), 'what is used up is wiped')
    })
  }

  test('all 10,000 at once, before the first answer: exactly 10 requests', async () => {
    const inner = fakeKeyring()
    const keyring = cachingKeyring(inner, { maxAge, maxMessages: 1000 })
    const open = inner.hold()
    const all = Array.from({ length: 10_000 }, () => writes(keyring))
    await settled()
    assert.equal(inner.wraps.length, 10)
    await open()
    const numbers = await Promise.all(all)
    for (let number = 1; number <= 10; number++) assert.equal(numbers.filter((one) => one === number).length, 1000)
    assert.ok(inner.given.every(isWiped))
  })

  test('maxBytes: of plaintext, to the last byte', async () => {
    const inner = fakeKeyring()
    const keyring = cachingKeyring(inner, { maxAge, maxBytes: 100 })
    assert.equal(await writes(keyring, { plaintextLength: 60 }), 1)
    assert.equal(await writes(keyring, { plaintextLength: 0 }), 1)
    assert.equal(await writes(keyring, { plaintextLength: 40 }), 1)
    assert.equal(await writes(keyring, { plaintextLength: 0 }), 1)
    assert.equal(isWiped(inner.given[0]), false)
    assert.equal(await writes(keyring, { plaintextLength: 1 }), 2)
    assert.ok(isWiped(inner.given[0]))
  })

  test('a message of unknown length, or longer than maxBytes, has a data key of its own, and takes none away', async () => {
    const inner = fakeKeyring()
    const keyring = cachingKeyring(inner, { maxAge, maxBytes: 100 })
    const { signal } = new AbortController()
    assert.equal(await writes(keyring, { plaintextLength: 50 }), 1)
    assert.equal(await writes(keyring, { signal }), 2)
    assert.equal(inner.wraps.at(-1)!.signal, signal)
    assert.equal(await writes(keyring, { plaintextLength: 101 }), 3)
    assert.equal(await writes(keyring, { plaintextLength: Number.NaN }), 4)
    assert.equal(await writes(keyring, { plaintextLength: -5 }), 5)
    assert.equal(await writes(keyring, { plaintextLength: 50 }), 1)
    assert.equal(await writes(keyring, { plaintextLength: 100 }), 6)
  })

  test('without maxBytes the length does not matter', async () => {
    const keyring = cachingKeyring(fakeKeyring(), { maxAge })
    for (const plaintextLength of [2 ** 40, 0, 2 ** 50]) assert.equal(await writes(keyring, { plaintextLength }), 1)
    assert.equal(await writes(keyring), 1)
    assert.equal(await writes(keyring, { plaintextLength: 1 }), 1)
  })

  test('maxEntries: the one that was not used for longest goes, and is wiped', async () => {
    const inner = fakeKeyring()
    const keyring = cachingKeyring(inner, { maxAge, maxEntries: 2 })
    const write = (name: string): Promise<number> => writes(keyring, { context: { name } })
    assert.deepEqual([await write('a'), await write('b'), await write('a'), await write('c')], [1, 2, 1, 3])
    assert.deepEqual(inner.given.map(isWiped), [false, true, false])
    assert.deepEqual([await write('a'), await write('c'), await write('b')], [1, 3, 4])
  })

  test('what is pushed out while it is fetched still reaches those that wait, and is wiped then', async () => {
    const inner = fakeKeyring()
    const keyring = cachingKeyring(inner, { maxAge, maxEntries: 1 })
    const open = inner.hold()
    const first = [writes(keyring, { context: { name: 'a' } }), writes(keyring, { context: { name: 'a' } })]
    const second = writes(keyring, { context: { name: 'b' } })
    await settled()
    await open()
    assert.deepEqual(await Promise.all([...first, second]), [1, 1, 2])
    assert.deepEqual(inner.given.map(isWiped), [true, false])
  })
})

describe('data keys to write: what is given', () => {
  test('everyone has copies: what one does with them reaches nobody else', async () => {
    const inner = fakeKeyring()
    const keyring = cachingKeyring(inner, { maxAge })
    const open = inner.hold()
    const asked = [1, 2].map(async () => keyring.wrap({ suite: shareable, context: { a: 'b' } }))
    await settled()
    await open()
    const results: WrapResult[] = [
      ...(await Promise.all(asked)),
      await keyring.wrap({ suite: shareable, context: { a: 'b' } }),
    ]
    for (const { dataKey, encryptedDataKeys, context } of results) {
      assert.ok(dataKey.every((byte) => byte === 1))
      assert.deepEqual(encryptedDataKeys, [encryptedKey('AES/GCM', Uint8Array.of(1))])
      assert.deepEqual({ ...context }, { a: 'b', added: 'entry' })
      assert.throws(() => Object.assign(context, { a: 'c' }), TypeError)
      dataKey.fill(99)
      encryptedDataKeys[0]!.ciphertext.fill(99)
    }
    assert.ok(inner.given[0]!.every((byte) => byte === 1))
  })

  test('clear wipes everything; what is being fetched reaches those that wait and is not kept', async () => {
    const inner = fakeKeyring()
    const keyring = cachingKeyring(inner, { maxAge })
    await writes(keyring, { context: { name: 'a' } })
    const open = inner.hold()
    const waiting = writes(keyring)
    await settled()
    keyring.clear()
    assert.ok(isWiped(inner.given[0]))
    const after = writes(keyring)
    await settled()
    await open()
    assert.deepEqual([await waiting, await after], [2, 3])
    assert.deepEqual(inner.given.map(isWiped), [true, true, false])
    assert.equal(await writes(keyring, { context: { name: 'a' } }), 4)
  })

  test('copies are made before anybody can wipe', async () => {
    const inner = fakeKeyring()
    const keyring = cachingKeyring(inner, { maxAge })
    const open = inner.hold()
    const first = writes(keyring).then((number) => (keyring.clear(), number))
    const others = [writes(keyring), writes(keyring)]
    await settled()
    await open()
    assert.deepEqual(await Promise.all([first, ...others]), [1, 1, 1])
    assert.ok(isWiped(inner.given[0]))
  })

  test('a keyring that gives something else than a data key is at fault, and is asked again', async () => {
    const result = await fakeKeyring().wrap({ suite: shareable, context: {} })
    const key = new Uint8Array(16).fill(3)
    const wrong: readonly [object, RegExp][] = [
      [{ ...result, dataKey: 'text' }, /no data key/],
      [{ ...result, dataKey: key }, /not 32 bytes/],
      [{ ...result, context: { a: 1 } }, /must be a string/],
    ]
    for (const [answer, message] of wrong) {
      let calls = 0
      const keyring = cachingKeyring(
        { wrap: () => (calls++, answer as WrapResult), unwrap: () => undefined },
        { maxAge },
      )
      for (let i = 0; i < 2; i++)
        await assert.rejects(async () => keyring.wrap({ suite: shareable, context: {} }), config(message))
      assert.equal(calls, 2)
    }
    assert.ok(isWiped(key))
  })

  test('a keyring that answers at once, and one that clears the cache while it is asked', async () => {
    const raw = cachingKeyring(aesKeyring({ wrappingKey: new Uint8Array(32).fill(1) }), { maxAge })
    const request = { suite: shareable, context: {} }
    const [a, b] = await Promise.all([raw.wrap(request), raw.wrap(request)])
    assert.deepEqual(a, b)
    const inner = fakeKeyring()
    const clearing = cachingKeyring({ ...inner, wrap: (asked) => (clearing.clear(), inner.wrap(asked)) }, { maxAge })
    assert.deepEqual([await writes(clearing), await writes(clearing)], [1, 2])
    assert.ok(inner.given.every(isWiped))
  })
})
