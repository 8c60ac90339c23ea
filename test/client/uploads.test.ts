// What a client keeps of its uploads, and for how long.
import assert from 'node:assert/strict'
import { describe, it, mock } from 'node:test'

import { partBuffers, uploads } from '../../src/client/uploads.js'
import type { ActiveUpload } from '../../src/client/uploads.js'
import { code } from '../support/errors.js'

const state = (message?: RegExp) => code('ERR_S3CSE_UPLOAD_STATE', message)

function upload(uploadId: string): ActiveUpload & { readonly ends: string[] } {
  const ends: string[] = []
  const buffers = partBuffers()
  return {
    ends,
    bucket: 'bucket',
    key: 'key',
    uploadId,
    multipart: { destroy: (error: Error) => ends.push(error.message) } as never,
    buffers: { ...buffers, clear: () => ends.push('buffers') },
    log: { destroy: () => ends.push('log') } as never,
  } as unknown as ActiveUpload & { readonly ends: string[] }
}
const done = { bucket: 'bucket', key: 'key', own: undefined, length: 1, sealedLength: 17, envelope: {}, metadata: {} }

describe('uploads of a client', () => {
  it('are forgotten some time after their last use, and not during one', (t) => {
    mock.timers.enable({ apis: ['setTimeout'] })
    t.after(() => mock.timers.reset())
    const all = uploads(60_000)
    const one = upload('one')
    all.add(one)
    // (A timer that is set by another is counted from the end of a tick.)
    mock.timers.tick(10_000)
    mock.timers.tick(49_999)
    const leave = all.use(one)
    const other = all.use(one)
    mock.timers.tick(1_000_000)
    assert.equal(all.active('bucket', 'key', 'one'), one)
    leave()
    leave()
    mock.timers.tick(1_000_000)
    assert.equal(all.active('bucket', 'key', 'one'), one)
    other()
    mock.timers.tick(10_000)
    mock.timers.tick(49_999)
    assert.equal(all.active('bucket', 'key', 'one'), one)
    // Memory for parts goes long before.
    assert.deepEqual(one.ends, ['buffers', 'buffers'])
    mock.timers.tick(1)
    assert.throws(() => all.active('bucket', 'key', 'one'), state(/Nothing is known/))
    assert.match(one.ends[2] ?? '', /its key is wiped/)
    assert.deepEqual(one.ends.slice(3), ['log', 'buffers'])
    assert.throws(() => all.use(one), state(/its key is wiped/))
  })

  it('hold no timer that keeps the process alive', () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    const before = timers()
    const all = uploads(60_000)
    all.add(upload('one'))
    assert.equal(timers(), before)
    all.forget('bucket', 'key', 'one')
  })

  it('are found under their own name only', () => {
    const all = uploads(60_000)
    all.add(upload('one'))
    for (const [bucket, key, id] of [
      ['bucket', 'key', 'two'],
      ['bucket', 'other', 'one'],
      ['other', 'key', 'one'],
      ['bucket', 'key', undefined],
    ] as const) {
      assert.throws(() => all.active(bucket, key, id), state(/Nothing is known/))
      all.forget(bucket, key, id)
    }
    assert.ok(all.knows('one'))
    all.forget('bucket', 'key', 'one')
    assert.ok(!all.knows('one'))
  })

  it('a new one under the same id ends the old one; what is still used of that changes nothing', () => {
    const all = uploads(60_000)
    const [old, young] = [upload('one'), upload('one')]
    all.add(old)
    const leave = all.use(old)
    all.add(young)
    assert.match(old.ends[0] ?? '', /wiped/)
    leave()
    all.complete(old, done as never)
    assert.equal(all.active('bucket', 'key', 'one'), young)
    all.forget('bucket', 'key', 'one')
    assert.ok(young.ends.length > 0)
  })

  it('a hundred completed ones are remembered, without keys', () => {
    const all = uploads(60_000)
    for (let i = 0; i < 102; i++) {
      const one = upload(String(i))
      all.add(one)
      all.complete(one, done as never)
      assert.match(one.ends[0] ?? '', /wiped/)
    }
    assert.equal(all.completed('bucket', 'key', '1'), undefined)
    assert.equal(all.completed('bucket', 'key', '2'), done)
    assert.equal(all.completed('bucket', 'other', '2'), undefined)
    const again = upload('2')
    all.add(again)
    assert.equal(all.completed('bucket', 'key', '2'), undefined)
    all.forget('bucket', 'key', '2')
  })
})

describe('buffers for parts', () => {
  it('are used again where they fit, and no more than a few are kept', () => {
    const buffers = partBuffers()
    const first = buffers.take(1000)
    assert.equal(first.length, 1000)
    buffers.give(first.subarray(0, 900))
    assert.notEqual(buffers.take(1001).buffer, first.buffer)
    assert.notEqual(buffers.take(499).buffer, first.buffer)
    assert.equal(buffers.take(990).buffer, first.buffer)
    // It is taken now.
    assert.notEqual(buffers.take(990).buffer, first.buffer)
    const many = Array.from({ length: 10 }, () => buffers.take(10))
    for (const one of many) buffers.give(one)
    const again = Array.from({ length: 10 }, () => buffers.take(10).buffer)
    assert.equal(again.filter((one) => many.some(({ buffer }) => buffer === one)).length, 4)
    buffers.give(many[0]!)
    buffers.clear()
    assert.notEqual(buffers.take(10).buffer, many[0]!.buffer)
  })
})
