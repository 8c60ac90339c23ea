import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, test, type TestContext } from 'node:test'
import { cachingKeyring } from '../../src/index.js'
import type { CachingKeyringOptions } from '../../src/index.js'
import type { Keyring } from '../../src/keyrings/keyring.js'
import { fakeKeyring, isWiped, reads, settled, writes, type FakeKeyring } from './caching-support.js'

const maxAge = 60_000

/** What writing and reading have in common: `use` gives 1 where the first data key is the one. */
const uses: readonly [
  what: string,
  use: (keyring: Keyring, signal?: AbortSignal) => Promise<number | undefined>,
  calls: (inner: FakeKeyring) => readonly { readonly signal?: AbortSignal }[],
][] = [
  ['wrap', (keyring, signal) => writes(keyring, { ...(signal && { signal }) }), (inner) => inner.wraps],
  ['unwrap', (keyring, signal) => reads(keyring, 1, { ...(signal && { signal }) }), (inner) => inner.unwraps],
]

for (const [what, use, calls] of uses) {
  describe(`${what}: those that wait for one answer`, () => {
    test('there is one request for all', async () => {
      const inner = fakeKeyring()
      const keyring = cachingKeyring(inner, { maxAge })
      const open = inner.hold()
      const all = Array.from({ length: 50 }, () => use(keyring))
      await settled()
      await open()
      assert.deepEqual(await Promise.all(all), Array<number>(50).fill(1))
      assert.equal(await use(keyring), 1)
      assert.equal(calls(inner).length, 1)
    })

    test('a failure is everyone’s, and the next asks again', async () => {
      const inner = fakeKeyring()
      const keyring = cachingKeyring(inner, { maxAge })
      const open = inner.hold()
      const all = Promise.allSettled(Array.from({ length: 5 }, () => use(keyring)))
      await settled()
      const error = new Error('denied')
      await open(error)
      for (const outcome of await all) assert.equal((outcome as PromiseRejectedResult).reason, error)
      assert.equal(calls(inner).length, 1)
      assert.ok(Number.isInteger(await use(keyring)))
      assert.equal(calls(inner).length, 2)
    })

    test('one that is aborted leaves at once; the others, and those that come later, have what it asked for', async () => {
      const inner = fakeKeyring()
      const keyring = cachingKeyring(inner, { maxAge })
      const open = inner.hold()
      const leaver = new AbortController()
      const stayer = new AbortController()
      const first = use(keyring, leaver.signal)
      const others = [use(keyring, stayer.signal), use(keyring)]
      await settled()
      leaver.abort(new Error('no longer wanted'))
      await assert.rejects(first, (error: Error) => {
        assert.equal(error.name, 'AbortError')
        assert.equal((error.cause as Error).message, 'no longer wanted')
        return true
      })
      assert.equal(calls(inner).length, 1)
      assert.equal(calls(inner)[0]!.signal, undefined)
      await open()
      assert.deepEqual(await Promise.all(others), [1, 1])
      assert.equal(await use(keyring), 1)
      assert.equal(calls(inner).length, 1)
      for (const { signal } of [leaver, stayer]) assert.equal(getEventListeners(signal, 'abort').length, 0)
    })

    test('an AbortError of the caller is passed on as it is', async () => {
      const inner = fakeKeyring()
      const keyring = cachingKeyring(inner, { maxAge })
      const open = inner.hold()
      const controller = new AbortController()
      const waiting = use(keyring, controller.signal)
      await settled()
      controller.abort()
      await assert.rejects(waiting, (error) => error === controller.signal.reason)
      await open()
    })

    test('one that is aborted already asks nothing', async () => {
      const inner = fakeKeyring()
      const keyring = cachingKeyring(inner, { maxAge })
      await assert.rejects(use(keyring, AbortSignal.abort()), { name: 'AbortError' })
      assert.equal(calls(inner).length, 0)
      await use(keyring)
      await assert.rejects(use(keyring, AbortSignal.abort()), { name: 'AbortError' })
    })

    test('a failure after all have left disturbs nobody', async () => {
      const inner = fakeKeyring()
      const keyring = cachingKeyring(inner, { maxAge })
      const open = inner.hold()
      const controller = new AbortController()
      const waiting = use(keyring, controller.signal)
      await settled()
      controller.abort()
      await assert.rejects(waiting, { name: 'AbortError' })
      await open(new Error('nobody is told'))
      assert.ok(Number.isInteger(await use(keyring)))
      assert.equal(calls(inner).length, 2)
    })

    test('a failure of one that was cleared leaves its successor alone', async () => {
      const inner = fakeKeyring()
      const keyring = cachingKeyring(inner, { maxAge })
      const open = inner.hold()
      const waiting = use(keyring)
      await settled()
      keyring.clear()
      const openSecond = inner.hold()
      const second = use(keyring)
      await settled()
      const rejected = assert.rejects(waiting, /denied/)
      await open(new Error('denied'))
      await rejected
      inner.hold()
      const third = use(keyring)
      await settled()
      await openSecond()
      assert.deepEqual(await Promise.all([second, third]), what === 'wrap' ? [2, 2] : [1, 1])
      assert.equal(calls(inner).length, 2)
    })
  })
}

describe('refreshAhead', () => {
  const options: CachingKeyringOptions = { maxAge, refreshAhead: 10_000 }

  function begin(
    t: TestContext,
    more: Partial<CachingKeyringOptions> = {},
  ): { inner: FakeKeyring; keyring: Keyring; tick: (milliseconds: number) => Promise<void> } {
    t.mock.timers.enable({ apis: ['setTimeout', 'Date'] })
    const inner = fakeKeyring()
    const keyring = cachingKeyring(inner, { ...options, ...more })
    const tick = async (milliseconds: number): Promise<void> => {
      t.mock.timers.tick(milliseconds)
      await settled()
    }
    return { inner, keyring, tick }
  }

  test('a write near the end has the next one fetched, once, and waits for nothing', async (t) => {
    const { inner, keyring, tick } = begin(t)
    assert.equal(await writes(keyring), 1)
    await tick(49_000)
    assert.equal(await writes(keyring), 1)
    assert.equal(inner.wraps.length, 1)
    await tick(1000)
    const open = inner.hold()
    for (let i = 0; i < 5; i++) assert.equal(await writes(keyring), 1)
    await settled()
    assert.equal(inner.wraps.length, 2)
    assert.equal(inner.wraps[1]!.signal, undefined)
    assert.equal(isWiped(inner.given[0]), false)
    await open()
    assert.equal(await writes(keyring), 2)
    assert.ok(isWiped(inner.given[0]))
    await tick(20_000)
    assert.equal(await writes(keyring), 2)
    assert.equal(inner.wraps.length, 2)
  })

  test('without a write nothing is fetched, and off is off', async (t) => {
    const { inner, keyring, tick } = begin(t)
    await writes(keyring)
    await tick(55_000)
    assert.equal(inner.wraps.length, 1)
    const off = cachingKeyring(inner, { maxAge })
    await writes(off)
    await tick(59_000)
    await writes(off)
    await settled()
    assert.equal(inner.wraps.length, 2)
  })

  test('a failure is silent, takes nothing from the current one, and is tried again after a second', async (t) => {
    const { inner, keyring, tick } = begin(t)
    await writes(keyring)
    await tick(50_000)
    const open = inner.hold()
    assert.equal(await writes(keyring), 1)
    await open(new Error('denied'))
    const failed = inner.hold()
    for (let i = 0; i < 5; i++) assert.equal(await writes(keyring), 1)
    await tick(900)
    assert.equal(await writes(keyring), 1)
    await settled()
    assert.equal(inner.wraps.length, 2)
    await tick(100)
    assert.equal(await writes(keyring), 1)
    await settled()
    assert.equal(inner.wraps.length, 3)
    await failed(new Error('denied again'))
    await tick(8000)
    const last = inner.hold()
    assert.equal(await writes(keyring), 1)
    await last()
    assert.equal(await writes(keyring), 4)
  })

  test('a failure in the middle of its time is forgotten with the data key', async (t) => {
    const { inner, keyring, tick } = begin(t)
    await writes(keyring)
    await tick(59_900)
    const open = inner.hold()
    await writes(keyring)
    await open(new Error('denied'))
    await tick(100)
    assert.equal(await writes(keyring), 3)
    assert.ok(isWiped(inner.given[0]))
  })

  test('where the current one ends first, writes wait for the next, which is not asked for twice', async (t) => {
    const { inner, keyring, tick } = begin(t)
    await writes(keyring)
    await tick(50_000)
    const open = inner.hold()
    await writes(keyring)
    await tick(10_000)
    assert.ok(isWiped(inner.given[0]))
    const waiting = [writes(keyring), writes(keyring)]
    await settled()
    await open()
    assert.deepEqual(await Promise.all(waiting), [2, 2])
    assert.equal(inner.wraps.length, 2)
  })

  test('so they do where its messages are used up, and theirs are counted', async (t) => {
    const { inner, keyring, tick } = begin(t, { maxMessages: 3 })
    await writes(keyring)
    await tick(50_000)
    const open = inner.hold()
    assert.equal(await writes(keyring), 1)
    assert.equal(await writes(keyring), 1)
    assert.ok(isWiped(inner.given[0]))
    const waiting = [1, 2, 3].map(() => writes(keyring))
    await settled()
    assert.equal(inner.wraps.length, 2)
    await open()
    assert.deepEqual(await Promise.all(waiting), [2, 2, 2])
    assert.ok(isWiped(inner.given[1]))
    assert.equal(await writes(keyring), 3)
  })

  test('one that is under way at clear is not kept', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'Date'] })
    const inner = fakeKeyring()
    const keyring = cachingKeyring(inner, options)
    await writes(keyring)
    t.mock.timers.tick(50_000)
    const open = inner.hold()
    await writes(keyring)
    keyring.clear()
    await open()
    assert.deepEqual(inner.given.map(isWiped), [true, true])
    assert.equal(await writes(keyring), 3)
  })

  test('nothing is fetched ahead of a fetch', async (t) => {
    const { inner, keyring, tick } = begin(t, { refreshAhead: maxAge - 1 })
    const open = inner.hold()
    const first = writes(keyring)
    await tick(100)
    const second = writes(keyring)
    await settled()
    assert.equal(inner.wraps.length, 1)
    await open()
    assert.deepEqual([await first, await second], [1, 1])
  })

  test('reading fetches nothing ahead', async (t) => {
    const { inner, keyring, tick } = begin(t)
    await reads(keyring, 1)
    await tick(55_000)
    await reads(keyring, 1)
    await settled()
    assert.equal(inner.unwraps.length, 1)
  })
})
