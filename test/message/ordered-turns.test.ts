// Who waits for whom, and for how long, where parts are encrypted in order.
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, it } from 'node:test'

import { sourceOfBytes } from '../../src/bytes/body.js'
import type { ByteSource } from '../../src/runtime/runtime.js'
import { code } from '../support/errors.js'
import { pattern } from '../support/world.js'
import { join, orderedKinds, partsOf, split } from './multipart-support.js'

const MIN = 4992
const state = (message?: RegExp) => code('ERR_S3CSE_UPLOAD_STATE', message)
const [cbc] = orderedKinds
const bodies = split(pattern(4 * MIN), [MIN, MIN, MIN, 100])
const [one, two, three, short] = bodies as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
const turns = async (count = 10): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise(setImmediate)
}

/** A stream that waits before its last byte. */
function held(body: Uint8Array): { source: ByteSource; go: (error?: Error) => void } {
  let go: (error?: Error) => void = () => undefined
  const gate = new Promise<void>((resolve, reject) => {
    go = (error) => {
      if (error === undefined) resolve()
      else reject(error)
    }
  })
  gate.catch(() => undefined)
  const inner = sourceOfBytes(body, body.length - 1)
  let given = 0
  return {
    source: {
      async next() {
        if (given++ === 1) await gate
        return inner.next()
      },
      cancel: () => undefined,
    },
    go,
  }
}

describe('the turn of a part', () => {
  it('comes when those below were encrypted to their end, not when they were stored', async () => {
    const parts = await partsOf(cbc, { minPartBytes: MIN })
    const { source, go } = held(one)
    const done: number[] = []
    const sent = [
      parts.send(4, short).then(() => done.push(4)),
      parts.send(2, two).then(() => done.push(2)),
      parts.send(1, one, { source }).then(() => done.push(1)),
      parts.send(3, three).then(() => done.push(3)),
    ]
    await turns()
    assert.deepEqual(done, [])
    go()
    await Promise.all(sent)
    assert.deepEqual([...done].sort(), [1, 2, 3, 4])
    // It did not have to be kept: it was the end when its turn had come.
    assert.deepEqual(parts.versions.get(4), { withTrailer: true, kept: undefined })
    assert.deepEqual(Buffer.from(await parts.complete(4)), Buffer.from(cbc.whole(join(bodies))))
  })

  it('comes with the next attempt where one below has failed', async () => {
    const parts = await partsOf(cbc, { minPartBytes: MIN })
    const { source, go } = held(one)
    const failing = parts.send(1, one, { source })
    const waiting = parts.send(2, two)
    await turns()
    go(new Error('broken'))
    await assert.rejects(failing, /broken/)
    await turns()
    await parts.send(1, one)
    await waiting
    await parts.send(3, short)
    assert.deepEqual(Buffer.from(await parts.complete(3)), Buffer.from(cbc.whole(join([one, two, short]))))
  })

  it('is not waited for longer than allowed, nor beyond an abort or the end of the upload', async () => {
    const parts = await partsOf(cbc, { minPartBytes: MIN, maxWait: 5 })
    await assert.rejects(parts.send(2, two), state(/Part 2 waited 5 ms for part 1: this format encrypts in order/))
    await parts.send(1, one)
    await assert.rejects(parts.send(3, three), state(/Part 3 waited 5 ms for part 2: .* Send part 2 first/))
    await parts.send(2, two)
    await parts.send(3, three)

    const long = await partsOf(cbc, { minPartBytes: MIN, maxWait: 100_000, partSize: 4992 })
    const controller = new AbortController()
    const { signal } = controller
    const aborted = assert.rejects(long.send(2, two, { signal }), { name: 'AbortError' })
    await turns()
    assert.equal(getEventListeners(signal, 'abort').length, 1)
    controller.abort()
    await aborted
    assert.equal(getEventListeners(signal, 'abort').length, 0)
    const over = new Error('over')
    const ended = [long.send(2, two), long.send(3, three)].map((sent) => assert.rejects(sent, over))
    await turns()
    long.m.destroy(over)
    await Promise.all(ended)
  })

  it('comes with what is taken over from elsewhere', async () => {
    const first = await partsOf(cbc, { minPartBytes: MIN })
    await first.send(1, one)
    const parts = await partsOf(cbc, { minPartBytes: MIN })
    const waiting = parts.send(2, two)
    await turns()
    for (const { record, stored } of first.m.records()) await parts.m.restore(record, stored)
    const expected = Buffer.from(cbc.whole(join([one, two]))).subarray(MIN, 2 * MIN)
    assert.deepEqual(Buffer.from(await waiting), expected)
  })

  it('of the same part twice at once: both are sent', async () => {
    const parts = await partsOf(cbc, { minPartBytes: MIN })
    const sent = [parts.send(2, two), parts.send(2, two)]
    await turns()
    await parts.send(1, one)
    const [first, second] = await Promise.all(sent)
    assert.deepEqual(first, second)
  })

  it('has passed where what follows was encrypted before', async () => {
    const first = await partsOf(cbc, { partSize: 4992, minPartBytes: MIN })
    const body = pattern(4992)
    await first.send(1, body)
    await first.send(2, body)
    const [, second] = first.m.records()
    const next = await partsOf(cbc, { partSize: 4992, minPartBytes: MIN })
    await next.m.restore(second!.record, second!.stored)
    await assert.rejects(next.send(1, body), state(/Part 2 was encrypted before part 1 was encrypted to its end/))
  })

  it('never comes in several processes', async () => {
    await assert.rejects(partsOf(cbc, { worker: true }), state(/cannot be encrypted by several processes/))
  })

  it('comes only after the record of the part below', async () => {
    let go: () => void = () => undefined
    const gate = new Promise<void>((resolve) => (go = resolve))
    const saved: number[] = []
    const parts = await partsOf(cbc, {
      minPartBytes: MIN,
      async save(record) {
        if ('frozen' in record) return
        if (record.part.number === 1) await gate
        saved.push(record.part.number)
      },
    })
    const sent = [parts.send(1, one), parts.send(2, two)]
    await turns()
    assert.deepEqual(saved, [])
    assert.equal(parts.m.records().find(({ record }) => record.number === 2)?.record.states.length ?? 0, 0)
    go()
    await Promise.all(sent)
    assert.deepEqual(saved, [1, 2])
  })
})
