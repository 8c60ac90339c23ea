/** Messages of the AWS Encryption SDK: throughput beside the bare cipher and beside AWS's own libraries. */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { EsdkAnswer, EsdkOperation, EsdkSide, EsdkTask } from './subjects/esdk.js'
import type { Subjects } from './support/build.js'
import { UsageError } from './support/errors.js'
import { ask, QUIET } from './support/processes.js'
import { describeEnvironment, markdownTable, saveResults } from './support/report.js'
import { spread } from './support/statistics.js'
import { GIB, inMiB, MIB, sizeName } from './support/units.js'

interface Case {
  readonly side: EsdkSide | 'python'
  readonly name: string
  /** Least throughput of the library's own in parts of this side's. */
  readonly limits?: Readonly<Record<EsdkOperation, number>>
}

/** One more side is one more line here, and what it does in subjects/esdk.ts. */
const CASES: readonly Case[] = [
  { side: 'raw', name: 'node:crypto, a call a frame', limits: { encrypt: 0.75, decrypt: 0.75 } },
  { side: 'frames', name: 's3-cse, as objects' },
  { side: 'streams', name: 's3-cse, encryptStream and decryptStream' },
  { side: 'aws', name: '@aws-crypto/client-node', limits: { encrypt: 1.4, decrypt: 2.2 } },
  { side: 'python', name: 'aws-encryption-sdk (Python)' },
]
/** What the limits are for. */
const OWN: readonly EsdkSide[] = ['frames', 'streams']
const OPERATIONS: readonly EsdkOperation[] = ['encrypt', 'decrypt']

const script = fileURLToPath(new URL('subjects/esdk.py', import.meta.url))
const run = promisify(execFile)

export interface EsdkOptions {
  readonly subjects: Subjects
  /** Bytes of plaintext. */
  readonly size: number
  readonly runs: number
  /** With aws-encryption-sdk 4.x; default: one of those that the integration tests made, if it has that. */
  readonly python: string | undefined
}

interface Result {
  readonly operation: EsdkOperation
  readonly case: Case
  readonly answers: EsdkAnswer[]
}

/** Whether the library's own is as fast as it should be. */
export async function esdk({ subjects, size, runs, python: given }: EsdkOptions): Promise<boolean> {
  if (size % (64 * MIB) !== 0) throw new UsageError('--size takes multiples of 64MiB for esdk')
  const python = await pythonWithSdk(given)
  console.log(
    `\n## AWS Encryption SDK messages: ${sizeName(size)}, frames of 64 KiB, suite 0478\n\n${describeEnvironment()}`,
  )
  console.log(
    python === undefined ? '\nNo Python with aws-encryption-sdk 4.x: see --python.\n' : `\n${python.version}\n`,
  )
  const cases = CASES.filter(({ side }) => side !== 'python' || python !== undefined)
  const results: Result[] = OPERATIONS.flatMap((operation) =>
    cases.map((one) => ({ operation, case: one, answers: [] as EsdkAnswer[] })),
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
        answers.push(await ask<EsdkAnswer>(subjects.file('esdk'), { side, operation, size } satisfies EsdkTask, QUIET))
      }
    }
  }
  return report(results, size, runs)
}

/** Throughput of one side in parts of another's, run by run. */
function ratioOf(a: Result, b: Result): number {
  return spread(a.answers.map(({ seconds }, i) => (b.answers[i] as EsdkAnswer).seconds / seconds)).median
}

function report(results: readonly Result[], size: number, runs: number): boolean {
  const of = (operation: EsdkOperation, side: Case['side']): Result =>
    results.find((one) => one.operation === operation && one.case.side === side) as Result
  const rows = results.map((result) => {
    const {
      operation,
      case: { name },
      answers,
    } = result
    const rate = spread(answers.map(({ seconds }) => size / 1e6 / seconds))
    return [
      `${operation}, ${name}`,
      rate.median.toFixed(0),
      `${rate.lowerQuartile.toFixed(0)} to ${rate.upperQuartile.toFixed(0)}`,
      ratioOf(result, of(operation, 'raw')).toFixed(2),
      spread(answers.map(({ cpuSeconds }) => (cpuSeconds * GIB) / size)).median.toFixed(2),
      inMiB(spread(answers.map(({ peak }) => peak)).median),
    ]
  })
  console.log(markdownTable(['', 'MB/s', 'quartiles', 'of node:crypto', 'CPU s/GiB', 'peak MiB'], rows))
  console.log(
    `\nMedians of ${runs} runs, each in a process of its own, the sides in turn. From memory, in views of 64 KiB, and out to ` +
      'nowhere; 64 MiB of the peak are what is encrypted, and twice that where it is decrypted. What is decrypted are ' +
      'messages of 64 MiB, one after the other. 256 MiB warm up (Python: 64 MiB).',
  )
  let within = true
  for (const {
    operation,
    case: { name, side, limits },
  } of results) {
    if (limits === undefined) continue
    for (const own of OWN) {
      const result = of(operation, own)
      const ratio = ratioOf(result, of(operation, side))
      if (ratio >= limits[operation]) continue
      within = false
      const limit = `${ratio.toFixed(2)} of ${name}, less than ${limits[operation]}`
      console.log(`\nEXCEEDED: ${operation}: ${result.case.name}: ${limit}.`)
    }
  }
  saveResults('esdk', { size, runs, results })
  return within
}

interface Python {
  readonly path: string
  readonly version: string
}

async function askPython(python: string, task: object): Promise<EsdkAnswer & { version: string }> {
  const { stdout } = await run(python, [script, JSON.stringify(task)])
  return JSON.parse(stdout) as EsdkAnswer & { version: string }
}

async function pythonWithSdk(given: string | undefined): Promise<Python | undefined> {
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
