import { existsSync, readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { recordResult, resultsDirectory } from '../support/results.js'
import { complete } from './cases.js'
import { chromiumVersion, runChromium, weights } from './browser.js'
import { startGround, type Ground, type Job, type Outcome } from './control.js'
import { judge } from './departures.js'
import { program, type Pinned } from './installs.js'
import { installPackage } from './package.js'
import { runProgram } from './programs.js'

type Target = 'node20' | 'node22' | 'node24' | 'bun' | 'deno' | 'cjs' | 'browser'

interface Subject extends Pinned {
  readonly target: Target
  /** As in the table. */
  readonly title: string
}

/** The oldest that is supported, and the newest of each line. */
const SUBJECTS: readonly Subject[] = [
  { target: 'node20', title: 'Node.js', name: 'node', version: '20.19.0' },
  { target: 'node20', title: 'Node.js', name: 'node', version: '20.20.2' },
  { target: 'node22', title: 'Node.js', name: 'node', version: '22.23.3' },
  { target: 'node24', title: 'Node.js', name: 'node', version: '24.21.0' },
  { target: 'bun', title: 'Bun', name: 'bun', version: '1.4.5' },
  { target: 'deno', title: 'Deno', name: 'deno', version: '2.9.6' },
]

/** Writes what all others read, and reads what all others wrote. */
const REFERENCE: Pinned = { name: 'node', version: '20.20.2' }
const REFERENCE_TITLE = 'Node.js 20'

const TARGETS: readonly Target[] = ['node20', 'node22', 'node24', 'bun', 'deno', 'cjs', 'browser']

const START: Readonly<Record<Pinned['name'], readonly string[]>> = {
  node: [],
  bun: ['run'],
  deno: ['run', '--allow-all', '--no-prompt', '--node-modules-dir=manual'],
}

interface Tried {
  readonly title: string
  readonly version: string
  readonly pinned: boolean
  readonly prefix: string
  readonly outcomes: Outcome[]
  readonly seconds: number
  /** A look at one part only: not for the table. */
  readonly partial?: boolean
}

function wantedTargets(args: readonly string[]): ReadonlySet<Target> {
  const unknown = args.find((arg) => !(TARGETS as readonly string[]).includes(arg))
  if (unknown !== undefined) throw new Error(`${unknown} is none of ${TARGETS.join(', ')}`)
  return new Set(args.length === 0 ? TARGETS : (args as Target[]))
}

async function start(pinned: Pinned, project: string, adapter: string): Promise<Parameters<typeof runProgram>[2]> {
  const args = [...START[pinned.name], adapter]
  return { program: await program(pinned), args, cwd: project, env: { DENO_NO_UPDATE_CHECK: '1' } }
}

const full = (prefix: string): Job => ({
  prefix,
  cases: true,
  writes: true,
  peers: [{ name: REFERENCE_TITLE, prefix: 'reference' }],
})

async function timed(run: () => Promise<Outcome[]>): Promise<{ outcomes: Outcome[]; seconds: number }> {
  const began = Date.now()
  const outcomes = await run()
  return { outcomes, seconds: (Date.now() - began) / 1000 }
}

async function trySubject(ground: Ground, project: string, subject: Subject, onlyRequire: boolean): Promise<Tried> {
  const prefix = `${subject.name}-${subject.version}`
  const run = async (adapter: string, job: Job): Promise<Outcome[]> =>
    runProgram(ground, job, await start(subject, project, adapter))
  const { outcomes, seconds } = await timed(async () => {
    const imported = onlyRequire ? [] : await complete(await run('adapter-node.mjs', full(prefix)), 'node')
    if (subject.name !== 'node') return imported
    const job = { ...full(`${prefix}-require`), writes: false, peers: [] }
    const required = await complete(await run('adapter-require.cjs', job), 'node')
    return [...imported, ...required.map((outcome) => ({ ...outcome, name: `require: ${outcome.name}` }))]
  })
  const { title, version } = subject
  return { title, version, pinned: true, prefix, outcomes, seconds, partial: onlyRequire }
}

async function tryAll(ground: Ground, project: string, targets: ReadonlySet<Target>): Promise<Tried[]> {
  const reference = await start(REFERENCE, project, 'adapter-node.mjs')
  const failed = (outcomes: readonly Outcome[]): Outcome | undefined =>
    outcomes.find(({ error }) => error !== undefined)
  const first = failed(
    await runProgram(ground, { prefix: 'reference', cases: false, writes: true, peers: [] }, reference),
  )
  if (first !== undefined) throw new Error(`${REFERENCE_TITLE}: ${first.name}: ${first.error ?? ''}`)

  const tried: Tried[] = []
  const tell = (one: Tried): void => {
    tried.push(one)
    const wrong = one.outcomes.filter(({ error }) => error !== undefined).length
    const [count, seconds] = [one.outcomes.length, one.seconds.toFixed(1)]
    console.log(`# ${one.title} ${one.version}: ${count} cases, ${wrong} not passed, ${seconds} s`)
  }
  for (const subject of SUBJECTS) {
    const onlyRequire = !targets.has(subject.target)
    if (onlyRequire && !(subject.name === 'node' && targets.has('cjs'))) continue
    tell(await trySubject(ground, project, subject, onlyRequire))
  }
  if (targets.has('browser')) {
    const version = await chromiumVersion()
    const prefix = 'chromium'
    const { outcomes, seconds } = await timed(async () =>
      complete(await runChromium(ground, full(prefix), project), 'browser'),
    )
    tell({ title: 'Chromium', version, pinned: false, prefix, outcomes, seconds })
    for (const { what, bytes, gzipped } of await weights(project)) {
      console.log(`# bundle for browsers, ${what}: ${bytes} bytes minified, ${gzipped} gzipped, without the SDK`)
    }
  }

  const written = tried.filter(({ partial }) => partial !== true)
  const peers = written.map(({ prefix }) => ({ name: prefix, prefix }))
  const readings = await runProgram(ground, { prefix: 'reference', cases: false, writes: false, peers }, reference)
  written.forEach(({ outcomes }, index) => {
    const reading = readings[index]
    if (reading === undefined) throw new Error('the reference did not read what all have written')
    outcomes.push({ ...reading, name: `its objects are read by ${REFERENCE_TITLE}` })
  })
  return tried
}

/** Versions that are no longer tried would stay in the table. */
function forget(): void {
  const names = existsSync(resultsDirectory) ? readdirSync(resultsDirectory) : []
  for (const name of names) if (name.startsWith('runtimes-')) rmSync(path.join(resultsDirectory, name))
}

async function main(): Promise<number> {
  const targets = wantedTargets(process.argv.slice(2))
  if (targets.size === TARGETS.length) forget()
  const installed = await installPackage()
  const ground = await startGround()
  let passed = 0
  let failures = 0
  try {
    console.log(
      `# ${Object.entries(installed.sdk)
        .map(([name, version]) => `${name} ${version}`)
        .join(', ')}`,
    )
    for (const one of await tryAll(ground, installed.directory, targets)) {
      const { cells, wrong } = judge(one.title, one.outcomes)
      passed += cells.length - wrong.length
      failures += wrong.length
      for (const text of wrong) console.error(`not ok: ${one.title} ${one.version}: ${text}\n`)
      const { title: subject, version, pinned } = one
      if (wrong.length === 0 && one.partial !== true) {
        recordResult({ part: 'runtimes', subject, version, pinned, cells }, { several: subject === 'Node.js' })
      }
      for (const { name, reason } of cells.filter(({ outcome }) => outcome === 'departure')) {
        console.log(`# ${subject}: departure: ${name}: ${reason ?? ''}`)
      }
    }
  } finally {
    await ground.close()
    await installed.remove()
  }
  console.log(`${passed} passed, ${failures} failed`)
  return failures
}

process.exitCode = (await main()) > 0 ? 1 : 0
