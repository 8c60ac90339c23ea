import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { cachingKeyring } from '../../src/index.js'
import { fakeKeyring, isWiped, settled, writes } from './caching-support.js'

const maxAge = 60_000

function mockTime(t: TestContext): (milliseconds: number) => void {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] })
  return (milliseconds) => t.mock.timers.tick(milliseconds)
}

describe('data keys to write: age', () => {
  test('counts from when the keyring was asked', async (t) => {
    const tick = mockTime(t)
    const inner = fakeKeyring()
    const keyring = cachingKeyring(inner, { maxAge })
    const open = inner.hold()
    const first = writes(keyring)
    await settled()
    tick(40_000)
    await open()
    assert.equal(await first, 1)
    tick(15_000)
    assert.equal(await writes(keyring), 1)
    tick(5000)
    assert.equal(await writes(keyring), 2)
  })

  test('it is wiped at the end without any further request, each in its turn', async (t) => {
    const tick = mockTime(t)
    const inner = fakeKeyring()
    const keyring = cachingKeyring(inner, { maxAge })
    await writes(keyring, { context: { name: 'a' } })
    tick(30_000)
    await writes(keyring, { context: { name: 'b' } })
    tick(29_000)
    assert.deepEqual(inner.given.map(isWiped), [false, false])
    tick(1000)
    assert.deepEqual(inner.given.map(isWiped), [true, false])
    tick(30_000)
    assert.deepEqual(inner.given.map(isWiped), [true, true])
    // One that is pushed out or used up leaves the timer to the others.
    await writes(keyring, { context: { name: 'c' } })
    tick(maxAge)
    assert.ok(isWiped(inner.given[2]))
  })

  test('a timer that is late makes nothing younger', async (t) => {
    t.mock.timers.enable({ apis: ['Date'] })
    const inner = fakeKeyring()
    const keyring = cachingKeyring(inner, { maxAge })
    assert.equal(await writes(keyring), 1)
    t.mock.timers.setTime(59_000)
    assert.equal(await writes(keyring), 1)
    t.mock.timers.setTime(60_000)
    assert.equal(await writes(keyring), 2)
    assert.ok(isWiped(inner.given[0]))
    keyring.clear()
  })

  test('nor does a date that is set back', async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 })
    let steady = 500
    t.mock.method(performance, 'now', () => steady)
    const keyring = cachingKeyring(fakeKeyring(), { maxAge })
    assert.equal(await writes(keyring), 1)
    t.mock.timers.setTime(10)
    steady += 59_999
    assert.equal(await writes(keyring), 1)
    steady += 1
    assert.equal(await writes(keyring), 2)
    keyring.clear()
  })

  test('a maxAge beyond what timers take', async (t) => {
    const tick = mockTime(t)
    const inner = fakeKeyring()
    const keyring = cachingKeyring(inner, { maxAge: 2 ** 32 })
    assert.equal(await writes(keyring), 1)
    tick(2 ** 31)
    await settled()
    assert.equal(await writes(keyring), 1)
    assert.equal(isWiped(inner.given[0]), false)
    tick(2 ** 31)
    assert.ok(isWiped(inner.given[0]))
  })

  test('an answer that takes longer than maxAge reaches those that waited for it, and is not kept', async (t) => {
    const tick = mockTime(t)
    const inner = fakeKeyring()
    const keyring = cachingKeyring(inner, { maxAge })
    const open = inner.hold()
    const early = writes(keyring)
    await settled()
    tick(maxAge)
    const late = writes(keyring)
    await settled()
    await open()
    assert.deepEqual([await early, await late, await writes(keyring)], [1, 2, 2])
    assert.deepEqual(inner.given.map(isWiped), [true, false])
  })

  test('timers are set to no more than they take', async (t) => {
    const delays: unknown[] = []
    t.mock.method(globalThis, 'setTimeout', (_: () => void, delay: unknown) => (delays.push(delay), {}))
    await writes(cachingKeyring(fakeKeyring(), { maxAge: 2 ** 40 }))
    assert.deepEqual(delays, [2 ** 31 - 1])
  })

  test('the timer does not keep the process alive, and there is one', async (t) => {
    let unrefs = 0
    let timers = 0
    t.mock.method(globalThis, 'setTimeout', () => (timers++, { unref: () => unrefs++ }))
    const keyring = cachingKeyring(fakeKeyring(), { maxAge })
    for (const name of ['a', 'b', 'c']) await writes(keyring, { context: { name } })
    assert.deepEqual([timers, unrefs], [1, 1])
  })
})
