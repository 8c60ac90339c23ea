// How files are looked for: so many at a time, and no further ones after a failure.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { inParallel } from '../../src/client/in-parallel.js'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('tasks in parallel', () => {
  it('give their results in order, whatever the order they end in', async () => {
    let [busy, most] = [0, 0]
    const tasks = Array.from({ length: 20 }, (_, at) => async () => {
      most = Math.max(most, ++busy)
      for (let turns = 0; turns < (at * 7) % 5; turns++) await turn()
      busy--
      return at
    })
    assert.deepEqual(
      await inParallel(tasks, 4, undefined),
      Array.from({ length: 20 }, (_, at) => at),
    )
    assert.equal(most, 4)
    assert.deepEqual(await inParallel([], 4, undefined), [])
  })

  it('the first failure keeps further ones from beginning, and those under way are waited for', async () => {
    let [begun, ended] = [0, 0]
    const tasks = Array.from({ length: 20 }, (_, at) => async () => {
      begun++
      await turn()
      if (at === 1) throw new Error('of the second')
      await turn()
      ended++
    })
    await assert.rejects(inParallel(tasks, 4, undefined), /of the second/)
    assert.deepEqual([begun, ended], [4, 3])
  })

  it('an abort keeps further ones from beginning', async () => {
    const abort = new AbortController()
    let begun = 0
    const tasks = Array.from({ length: 20 }, () => async () => {
      if (++begun === 4) abort.abort()
      await turn()
    })
    await assert.rejects(inParallel(tasks, 4, abort.signal), { name: 'AbortError' })
    assert.equal(begun, 4)
  })
})
