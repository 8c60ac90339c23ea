import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'

import { gatherer } from '../../src/bytes/gather.js'
import { isPlainObject } from '../../src/bytes/plain-object.js'

describe('gatherer', () => {
  it('gives what was pushed, however it was cut, pushed and taken in turn', () => {
    const chunk = fc.oneof(
      fc.nat(100),
      fc.integer({ min: 60_000, max: 70_000 }),
      fc.integer({ min: 131_000, max: 140_000 }),
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(chunk, fc.double({ min: 0, max: 1, noNaN: true })), { maxLength: 20 }), (steps) => {
        const gathered = gatherer()
        const pushed: Buffer[] = []
        const taken: Uint8Array[] = []
        let value = 0
        for (const [size, share] of steps) {
          const bytes = Buffer.alloc(size, ++value)
          pushed.push(Buffer.from(bytes))
          gathered.push(bytes)
          taken.push(gathered.take(Math.floor(gathered.length * share)).slice())
        }
        taken.push(gathered.take(gathered.length))
        assert.equal(gathered.length, 0)
        assert.ok(Buffer.concat(pushed).equals(Buffer.concat(taken)))
      }),
      { numRuns: 200 },
    )
  })

  it('does not copy a long chunk that is taken whole, and does not keep short ones', () => {
    const gathered = gatherer()
    const long = new Uint8Array(70_000)
    gathered.push(long)
    assert.equal(gathered.take(70_000), long)
    const short = Uint8Array.of(1)
    gathered.push(short)
    short[0] = 2
    assert.deepEqual(gathered.take(1), Uint8Array.of(1))
  })

  it('takes memory for bytes, not for chunks', () => {
    const { gc } = globalThis
    assert.ok(gc, 'run with --expose-gc')
    const gathered = gatherer()
    gc()
    const before = process.memoryUsage()
    for (let i = 0; i < 500_000; i++) gathered.push(Uint8Array.of(i & 255))
    gc()
    const after = process.memoryUsage()
    const grown = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers
    assert.ok(grown < 5_000_000, `500,000 bytes in single chunks take ${grown}`)
    assert.equal(gathered.take(gathered.length).length, 500_000)
  })
})

describe('isPlainObject', () => {
  it('is one by a literal or without a prototype, and nothing whose entries are elsewhere', () => {
    assert.ok(isPlainObject({ a: 1 }))
    assert.ok(isPlainObject(Object.create(null)))
    class Own {
      a = 'b'
    }
    for (const other of [
      new Map(),
      new Headers(),
      Promise.resolve({}),
      new Own(),
      [],
      null,
      undefined,
      'a',
      new Date(),
    ]) {
      assert.ok(!isPlainObject(other))
    }
  })
})
