import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { partOrder } from '../../src/message/part-order.js'
import { code } from '../support/errors.js'

const abortError = (): Error => Object.assign(new Error('aborted'), { name: 'AbortError' })
const order = (maxWait = 10_000, partSize?: number) => partOrder({ partSize, maxWait, abortError })

describe('where parts begin', () => {
  it('with one size for all, at once', async () => {
    const parts = order(0, 100)
    assert.equal(await parts.offset(7), 600)
    assert.equal(parts.known(10_000), 999_900)
  })

  it('else behind those before them, whose lengths come in any order', async () => {
    const parts = order()
    assert.equal(await parts.offset(1), 0)
    const fourth = parts.offset(4)
    parts.set(3, 30)
    parts.set(1, 10)
    assert.equal(parts.known(2), 10)
    assert.equal(parts.known(3), undefined)
    parts.set(2, 20)
    assert.equal(await fourth, 60)
    assert.equal(await parts.offset(3), 30)
    // A length that was wrong.
    parts.set(2, 25)
    assert.equal(parts.known(4), 65)
    parts.set(4, 1)
    assert.equal(parts.known(5), 66)
  })

  it('is not waited for longer than allowed, and can be asked again', async () => {
    const parts = order(5)
    parts.set(2, 20)
    await assert.rejects(parts.offset(3), code('ERR_S3CSE_UPLOAD_STATE', /Part 3 waited 5 ms for part 1: .* partSize/))
    parts.set(1, 10)
    assert.equal(await parts.offset(3), 30)
  })

  it('an abort and the end of the upload end the wait', async () => {
    const parts = order()
    const controller = new AbortController()
    const aborted = assert.rejects(parts.offset(2, controller.signal), { name: 'AbortError' })
    controller.abort()
    await aborted
    await assert.rejects(parts.offset(2, controller.signal), { name: 'AbortError' })
    const over = new Error('over')
    const waiting = [parts.offset(2), parts.offset(5, new AbortController().signal)]
    parts.close(over)
    for (const one of waiting) await assert.rejects(one, over)
    await assert.rejects(parts.offset(1), over)
  })

  it('who does not wait any more holds no timer and no listener', async () => {
    const parts = order(100_000)
    const controller = new AbortController()
    let listeners = 0
    const { signal } = controller
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    signal.addEventListener = (...given: Parameters<typeof add>) => {
      listeners++
      add(...given)
    }
    signal.removeEventListener = (...given: Parameters<typeof remove>) => {
      listeners--
      remove(...given)
    }
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    const before = timers()
    const waiting = parts.offset(2, signal)
    assert.equal(timers(), before + 1)
    parts.set(1, 5)
    assert.equal(await waiting, 5)
    assert.equal(timers(), before)
    assert.equal(listeners, 0)
  })
})
