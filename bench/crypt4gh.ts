/** Crypt4GH files: throughput beside the bare cipher and beside the reference implementation. */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Crypt4ghAnswer, Crypt4ghOperation, Crypt4ghSide, Crypt4ghTask } from './subjects/crypt4gh.js'
import type { Subjects } from './support/build.js'
import { UsageError } from './support/errors.js'
import { ask, QUIET } from './support/processes.js'
import { describeEnvironment, markdownTable, saveResults } from './support/report.js'
import { spread } from './support/statistics.js'
import { GIB, inMiB, MIB, sizeName } from './support/units.js'

interface Case {
  readonly side: Crypt4ghSide | 'python'
  readonly name: string
  /** Least throughput of the library's own in parts of this side's. */
  readonly limit?: number
}

const CASES: readonly Case[] = [
  { side: 'raw', name: 'node:crypto, a call a segment', limit: 0.8 },
  { side: 'streams', name: 's3-cse, chunks of 64 KiB' },
  { side: 'large chunks', name: 's3-cse, chunks of 1 MiB' },
  { side: 'python', name: 'crypt4gh (Python)', limit: 1.3 },
]
/** What the limits are for. */
const OWN: readonly Crypt4ghSide[] = ['streams', 'large chunks']
const OPERATIONS: readonly Crypt4ghOperation[] = ['encrypt', 'decrypt']

const script = fileURLToPath(new URL('subjects/crypt4gh_files.py', import.meta.url))
const run = promisify(execFile)

export interface Crypt4ghBenchOptions {
  readonly subjects: Subjects
  /** Bytes of plaintext. */
  readonly size: number
  readonly runs: number
  /** With crypt4gh 1.8; default: one of those that the integration tests made, if it has that. */
  readonly python: string | undefined
}

interface Result {
  readonly operation: Crypt4ghOperation
  readonly case: Case
  readonly answers: Crypt4ghAnswer[]
}

/** Whether the library's own is as fast as it should be. */
export async function crypt4gh({ subjects, size, runs, python: given }: Crypt4ghBenchOptions): Promise<boolean> {
  if (size % (64 * MIB) !== 0) throw new UsageError('--size takes multiples of 64MiB for crypt4gh')
  const python = await pythonWithReference(given)
  console.log(`\n## Crypt4GH files: ${sizeName(size)}, one recipient\n\n${describeEnvironment()}`)
  console.log(python === undefined ? '\nNo Python with crypt4gh 1.8: see --python.\n' : `\n${python.version}\n`)
  const cases = CASES.filter(({ side }) => side !== 'python' || python !== undefined)
  const results: Result[] = OPERATIONS.flatMap((operation) =>
    cases.map((one) => ({ operation, case: one, answers: [] as Crypt4ghAnswer[] })),
  )
  for (let i = 0; i < runs; i++) {
    // In turn, and every other time backwards: what changes meanwhile changes for all.
    for (const {
      operation,
      case: { side },
      answers,
    } of i % 2 === 0 ? results : results.toReversed()) {
      if (side === 'python') {
        answers.push(await askPython((python as Python).path, { operation, size }))
      } else {
        const task = { side, operation, size } satisfies Crypt4ghTask
        answers.push(await ask<Crypt4ghAnswer>(subjects.file('crypt4gh'), task, QUIET))
      }
    }
  }
  return report(results, size, runs)
}

/** Throughput of one side in parts of another's, run by run. */
function ratioOf(a: Result, b: Result): number {
  return spread(a.answers.map(({ seconds }, i) => (b.answers[i] as Crypt4ghAnswer).seconds / seconds)).median
}

function report(results: readonly Result[], size: number, runs: number): boolean {
  const of = (operation: Crypt4ghOperation, side: Case['side']): Result | undefined =>
    results.find((one) => one.operation === operation && one.case.side === side)
  const ratio = (result: Result, side: Case['side']): string => {
    const other = of(result.operation, side)
    return other === undefined ? '-' : ratioOf(result, other).toFixed(2)
  }
  const rows = results.map((result) => {
    const { operation, answers } = result
    const rate = spread(answers.map(({ seconds }) => size / 1e6 / seconds))
    return [
      `${operation}, ${result.case.name}`,
      rate.median.toFixed(0),
      `${rate.lowerQuartile.toFixed(0)} to ${rate.upperQuartile.toFixed(0)}`,
      ratio(result, 'raw'),
      ratio(result, 'python'),
      spread(answers.map(({ cpuSeconds }) => (cpuSeconds * GIB) / size)).median.toFixed(2),
      inMiB(spread(answers.map(({ peak }) => peak)).median),
    ]
  })
  const head = ['', 'MB/s', 'quartiles', 'of node:crypto', 'of Python', 'CPU s/GiB', 'peak MiB']
  console.log(markdownTable(head, rows))
  console.log(
    `\nMedians of ${runs} runs, each in a process of its own, the sides in turn. From memory and out to nowhere, by ` +
      'encryptStream and decryptStream; 64 MiB of the peak are what is encrypted, and twice that where it is decrypted. ' +
      'What is decrypted are files of 64 MiB, one after the other. 256 MiB warm up (Python: 64 MiB).',
  )
  let within = true
  for (const other of results) {
    const { side, name, limit } = other.case
    if (limit === undefined) continue
    for (const own of OWN) {
      const result = of(other.operation, own) as Result
      const found = ratioOf(result, of(other.operation, side) as Result)
      if (found >= limit) continue
      within = false
      console.log(
        `\nEXCEEDED: ${other.operation}: ${result.case.name}: ${found.toFixed(2)} of ${name}, less than ${limit}.`,
      )
    }
  }
  saveResults('crypt4gh', { size, runs, results })
  return within
}

interface Python {
  readonly path: string
  readonly version: string
}

async function askPython(python: string, task: object): Promise<Crypt4ghAnswer & { version: string }> {
  const { stdout } = await run(python, [script, JSON.stringify(task)])
  return JSON.parse(stdout) as Crypt4ghAnswer & { version: string }
}

async function pythonWithReference(given: string | undefined): Promise<Python | undefined> {
  const ask = async (path: string): Promise<Python> => {
    const task = { operation: 'encrypt', size: MIB }
    return { path, version: (await askPython(path, task)).version }
  }
  if (given !== undefined) {
    return ask(given).catch((error: unknown) => {
      throw new UsageError(`--python ${given} does not work: ${(error as Error).message}`)
    })
  }
  const cache = path.join(process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache'), 's3-cse')
  const names = existsSync(cache) ? readdirSync(cache).filter((name) => name.startsWith('python-')) : []
  for (const name of names) {
    const found = await ask(path.join(cache, name, 'bin', 'python')).catch(() => undefined)
    if (found !== undefined) return found
  }
  return undefined
}
