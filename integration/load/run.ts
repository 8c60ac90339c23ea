/**
 * Load and faults against versitygw, through a proxy that delays, resets, truncates and refuses: what was acknowledged must
 * be there, what is read must be what was written, and nothing must be left behind. Prints a table, writes it to
 * integration/results/load.md, and ends with status 1 if anything was lost, corrupted or leaked, if operations never
 * succeeded, or if faults were not injected.
 *
 *   --quick                 the same in about a minute
 *   --only small|large|soak one phase, or several: --only small --only large
 *   --seed <text>           which faults; default: 1
 */
import { parseArgs } from 'node:util'
import { FAULTS } from './faults.js'
import type { FaultPlan } from './faults.js'
import { large } from './large.js'
import { faultsIn, faultsOf, writeReport } from './report.js'
import { small } from './small.js'
import { soak } from './soak.js'
import { openWorld } from './world.js'
import type { PhaseOptions, PhaseReport, Stage, World } from './world.js'

const MIB = 1024 * 1024
const PHASES = ['small', 'large', 'soak'] as const

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [...PHASES] },
    seed: { type: 'string', default: '1' },
  },
})
const { quick, only, seed } = values
const unknown = only.find((wanted) => !PHASES.some((name) => name === wanted))
if (unknown !== undefined) {
  console.error(`no phase is called ${unknown}: ${PHASES.join(', ')}`)
  process.exit(2)
}

const faults: FaultPlan = {
  seed,
  latency: 0.15,
  resetBefore: 0.01,
  resetIn: 0.01,
  resetAfter: 0.01,
  truncated: 0.015,
  slow: 0.01,
  storms: 0.3,
  stormLength: 500,
}
/** For few requests. */
const manyFaults: FaultPlan = {
  ...faults,
  resetBefore: 0.05,
  resetIn: 0.05,
  resetAfter: 0.05,
  truncated: 0.07,
  slow: 0.05,
}
const sampleEvery = quick ? 500 : 2000
const options = { faults, kindsOfFaults: quick ? 4 : FAULTS.length, sampleEvery, maxBufferedBytes: 4 * MIB }
const phases: Record<(typeof PHASES)[number], [PhaseOptions, (stage: Stage) => Promise<void>]> = {
  small: [
    {
      ...options,
      name: quick ? 'small: 1,000 of 0 to 64 KiB, 64 at a time' : 'small: 10,000 of 0 to 64 KiB, 64 at a time',
    },
    (stage) => small(stage, quick ? 1000 : 10_000, 64),
  ],
  large: [
    {
      ...options,
      name: quick ? 'large: 6 of 16 MiB, 3 at a time' : 'large: 100 of 64 MiB, 8 at a time',
      faults: quick ? manyFaults : faults,
      maxBufferedBytes: 32 * MIB,
    },
    (stage) => large(stage, quick ? 6 : 100, quick ? 16 * MIB : 64 * MIB, quick ? 3 : 8),
  ],
  soak: [
    { ...options, name: quick ? 'soak: 20 s of everything' : 'soak: 10 minutes of everything' },
    (stage) => soak(stage, quick ? 20 : 600, quick ? 5 : 0),
  ],
}

const stray: string[] = []
for (const event of ['unhandledRejection', 'uncaughtException'] as const) {
  process.on(event, (error: unknown) => {
    // At once as well: the end may not be reached.
    console.error(`${event}: ${describe(error)}`)
    stray.push(`${event}: ${describe(error)}`)
  })
}

// Until the end is reached: with the listeners above, an error that is thrown here would end in status 0.
process.exitCode = 1
const world = await openWorld()
const reports: PhaseReport[] = []
try {
  await warmUp(world)
  for (const name of PHASES) {
    if (!only.includes(name)) continue
    const [phase, work] = phases[name]
    console.log(`# ${phase.name}`)
    reports.push(await world.phase(phase, work))
  }
} catch (error) {
  stray.push(describe(error))
} finally {
  await world.close()
}
writeReport(reports)
const failures = [...reports.flatMap((report) => faultsOf(report).map((what) => `${report.name}: ${what}`)), ...stray]
for (const what of failures.slice(0, 50)) console.error(what)
if (failures.length > 0) console.error(`${failures.length} failures; seed ${seed}`)
process.exitCode = failures.length > 0 ? 1 : 0

/** What is opened once and stays, and code that is compiled, is none of a phase's. */
async function warmUp({ phase }: World): Promise<void> {
  const { tally } = await phase({ ...options, kindsOfFaults: 0, name: 'warm-up' }, (stage) => small(stage, 50, 16))
  stray.push(...faultsIn(tally))
}

function describe(error: unknown): string {
  return error instanceof Error ? String(error.stack) : String(error)
}
