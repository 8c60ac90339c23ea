import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'

import { properties } from './all.js'
import { describeFailure, keptSeeds } from './property.js'
import { watchdog } from './watchdog.js'

/** A short campaign with seeds that stay the same; `npm run fuzz` is the long one. */

const SEED = 20_260
const CASES = 4000

const watch = watchdog(properties.map(({ name }) => name))
after(async () => {
  for (const property of properties) await property.close()
  await watch.end()
})

describe('fuzz', () => {
  for (const property of properties) {
    const { name, share, expects } = property
    it(name, async () => {
      watch.begin(name, SEED)
      const cases = Math.max(200, Math.ceil((CASES * share) / 1000))
      const { seen, failure } = await property.run({ seed: SEED, cases, beat: watch.beat })
      watch.rest()
      assert.equal(failure && describeFailure(name, failure), undefined)
      const missing = expects.filter((answer) => !seen.has(answer))
      assert.deepEqual(missing, [], `of ${cases} cases, none came to this (but ${[...seen.keys()].join(', ')})`)
    })
  }

  it('what has failed once', async () => {
    for (const { property: name, seed, path } of keptSeeds()) {
      const property = properties.find((one) => one.name === name)
      assert.ok(property, `seeds.json has a property ${name}, which there is not`)
      watch.begin(name, seed)
      const { failure } = await property.run({ seed, path, cases: 1, beat: watch.beat })
      watch.rest()
      assert.equal(failure && describeFailure(name, failure), undefined)
    }
  })
})
