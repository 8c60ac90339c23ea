import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { bytesOf, checkedLength, collect, concat, sourceOfBytes } from '../../src/bytes/body.js'
import { budget } from '../../src/bytes/budget.js'
import { resources } from '../../src/bytes/resources.js'
import { CseError } from '../../src/errors.js'
import { code } from '../support/errors.js'

const bytes = Uint8Array.of(1, 2, 3, 4)

describe('bytesOf', () => {
  it('takes every body that is in memory, views without a copy', () => {
    assert.deepEqual(bytesOf(undefined), new Uint8Array(0))
    assert.deepEqual(bytesOf(null), new Uint8Array(0))
    assert.deepEqual(bytesOf('é'), Uint8Array.of(0xc3, 0xa9))
    assert.equal(bytesOf(bytes), bytes)
    assert.deepEqual(bytesOf(bytes.buffer), bytes)
    assert.deepEqual(bytesOf(new DataView(bytes.buffer, 1, 2)), Uint8Array.of(2, 3))
    assert.deepEqual(bytesOf(new Uint16Array(bytes.buffer)), bytes)
    const shared = new SharedArrayBuffer(2)
    new Uint8Array(shared).set([7, 8])
    assert.deepEqual(bytesOf(shared), Uint8Array.of(7, 8))
  })

  it('leaves everything else', () => {
    for (const other of [1, true, {}, [], Symbol('x')]) assert.equal(bytesOf(other), undefined)
  })
})

describe('collect', () => {
  it('joins the chunks of a source', async () => {
    assert.deepEqual(await collect(sourceOfBytes(bytes, 3), 4, () => new CseError('ERR_S3CSE_CONFIG', '')), bytes)
  })

  it('cancels the source at the limit with the error it throws', async () => {
    let cancelled: Error | undefined
    const source = { ...sourceOfBytes(bytes, 3), cancel: (error?: Error) => (cancelled = error) }
    const error = new CseError('ERR_S3CSE_BODY_TOO_LARGE', 'too large')
    await assert.rejects(
      collect(source, 3, () => error),
      error,
    )
    assert.equal(cancelled, error)
  })

  it('a source of bytes ends when it is cancelled', async () => {
    const source = sourceOfBytes(bytes, 1)
    await source.next()
    source.cancel()
    assert.equal(await source.next(), undefined)
  })
})

describe('concat and checkedLength', () => {
  it('does not copy a single chunk', () => {
    assert.equal(concat([bytes], 4), bytes)
    assert.deepEqual(concat([bytes, bytes.subarray(0, 1)], 5), Uint8Array.of(1, 2, 3, 4, 1))
  })

  it('takes whole numbers of bytes only', () => {
    assert.equal(checkedLength(0, 'ContentLength'), 0)
    for (const wrong of [-1, 1.5, NaN, Infinity, 2 ** 53, '1', null]) {
      assert.throws(() => checkedLength(wrong, 'ContentLength'), code('ERR_S3CSE_CONFIG', /ContentLength/))
    }
  })
})

describe('budget', () => {
  it('gives what is there and takes it back', () => {
    const memory = budget(10)
    assert.ok(memory.reserve(6))
    assert.ok(!memory.reserve(5))
    assert.ok(memory.reserve(4))
    memory.release(6)
    assert.ok(memory.reserve(5))
  })
})

describe('resources', () => {
  it('gives back once, in reverse order, and at once what is held too late', () => {
    const held = resources()
    const order: number[] = []
    const errors: (Error | undefined)[] = []
    held.hold(() => order.push(1))
    held.hold((error) => {
      order.push(2)
      errors.push(error)
    })
    const reason = new Error('reason')
    assert.equal(held.released, false)
    held.release(reason)
    held.release()
    assert.equal(held.released, true)
    held.hold((error) => {
      order.push(3)
      errors.push(error)
    })
    assert.deepEqual(order, [2, 1, 3])
    assert.deepEqual(errors, [reason, reason])
    assert.equal(held.error, reason)
  })

  it('gives back everything, even if one of them throws', () => {
    const held = resources()
    let given = false
    held.hold(() => {
      given = true
    })
    held.hold(() => {
      throw new Error('of the caller')
    })
    held.release()
    assert.ok(given)
  })
})
