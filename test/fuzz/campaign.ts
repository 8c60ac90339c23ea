import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

import { properties } from './all.js'
import { describeFailure, keptSeeds, seedsFile, usedBytes } from './property.js'
import type { Failure, FuzzProperty } from './property.js'
import { watchdog } from './watchdog.js'

/**
 * `npm run fuzz -- [--cases N] [--seed S] [--only PART]`: many cases of every property, one line for each; first what
 * has failed once (seeds.json). Where something fails, the shrunk case is printed, its seed kept, and the exit code 1.
 */

/** What all that is still held after a property may come to, in bytes, beyond what was held before the first. */
const KEPT_LIMIT = 64 * 1024 * 1024

const MIB = 1024 * 1024

const { values } = parseArgs({
  options: { cases: { type: 'string' }, seed: { type: 'string' }, only: { type: 'string' } },
})
const total = wholeNumber(values.cases ?? '100000', '--cases')
const seed = wholeNumber(values.seed ?? String(Date.now() % 2 ** 31), '--seed')
const chosen = properties.filter(({ name }) => name.includes(values.only ?? ''))
if (chosen.length === 0) throw new Error(`no property has ${values.only ?? ''} in its name`)

const watch = watchdog(properties.map(({ name }) => name))
const collectGarbage = globalThis.gc
if (collectGarbage === undefined) console.log('(Memory that is kept is not measured: run node with --expose-gc.)')

function wholeNumber(text: string, name: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new Error(`${name} must be a whole number`)
  return Number(text)
}

function kept(): number {
  collectGarbage?.()
  return usedBytes()
}

/** Whether nothing was found. */
async function campaign(property: FuzzProperty, cases: number, start: number): Promise<boolean> {
  const { name, expects } = property
  const began = performance.now()
  watch.begin(name, seed)
  const { seen, peak, failure, cases: done } = await property.run({ seed, cases, beat: watch.beat })
  watch.rest()
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  const held = kept() - start
  const answers = [...seen].sort(([, a], [, b]) => b - a).map(([answer, count]) => `${answer} ${count}`)
  const memory = `at most ${(peak / MIB).toFixed(1)} MiB in a case, ${(held / MIB).toFixed(1)} MiB kept`
  console.log(`${name}: ${done} cases, seed ${seed}, ${seconds} s, ${memory} (${answers.join(', ')})`)
  if (failure !== undefined) {
    keep(name, failure)
    return false
  }
  const missing = cases < 200 ? [] : expects.filter((answer) => !seen.has(answer))
  if (missing.length > 0) console.error(`FAILED ${name}: no case came to ${missing.join(', ')}`)
  const tooMuch = collectGarbage !== undefined && held > KEPT_LIMIT
  if (tooMuch) console.error(`FAILED ${name}: ${held} bytes are kept, and ${KEPT_LIMIT} may be`)
  return missing.length === 0 && !tooMuch
}

function keep(name: string, failure: Failure): void {
  console.error(`FAILED ${describeFailure(name, failure)}`)
  const { seed: failed, path, counterexample } = failure
  const seeds = keptSeeds()
  if (seeds.some((one) => one.property === name && one.seed === failed && one.path === path)) return
  writeFileSync(
    seedsFile,
    `${JSON.stringify([...seeds, { property: name, seed: failed, path, counterexample }], null, 2)}\n`,
  )
}

async function replay(): Promise<boolean> {
  let good = true
  for (const { property: name, seed: failed, path } of keptSeeds()) {
    const property = chosen.find((one) => one.name === name)
    if (property === undefined) continue
    watch.begin(name, failed)
    const { failure } = await property.run({ seed: failed, path, cases: 1, beat: watch.beat })
    watch.rest()
    console.log(`${name}: kept seed ${failed}, ${failure === undefined ? 'passes' : 'fails'}`)
    if (failure === undefined) continue
    console.error(`FAILED ${describeFailure(name, failure)}`)
    good = false
  }
  return good
}

let good = await replay()
const shares = chosen.reduce((sum, { share }) => sum + share, 0)
const start = kept()
for (const property of chosen) {
  good = (await campaign(property, Math.ceil((total * property.share) / shares), start)) && good
}
for (const property of chosen) await property.close()
await watch.end()
process.exitCode = good ? 0 : 1
