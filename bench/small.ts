/** CPU time that encryption adds to one small request: paired differences of interleaved batches. */
import type { SmallAnswer, SmallTask } from './subjects/small.js'
import { resultsDirectory, type Subjects } from './support/build.js'
import { ask, QUIET, startServer } from './support/processes.js'
import { describeEnvironment, markdownTable, saveResults } from './support/report.js'
import { spread } from './support/statistics.js'
import { KIB, sizeName } from './support/units.js'

/** Median of what is added, in milliseconds of CPU an operation. */
const LIMIT_MS = 0.25
const AIM_MS = 0.15
const SIZE = KIB

export interface SmallOptions {
  readonly subjects: Subjects
  /** Of each side and operation. */
  readonly batches: number
  /** In each batch. */
  readonly operations: number
  /** Writes a CPU profile to bench/results. */
  readonly profile: boolean
}

/** Whether every operation stayed within the limit. */
export async function small({ subjects, batches, operations, profile }: SmallOptions): Promise<boolean> {
  console.log(`\n## Small objects: ${sizeName(SIZE)}, raw AES keyring\n\n${describeEnvironment()}\n`)
  const server = await startServer(subjects.file('s3'), {})
  let answer: SmallAnswer
  try {
    const task: SmallTask = { config: server.answer, batches, operations, size: SIZE }
    const profiling = profile ? ['--cpu-prof', `--cpu-prof-dir=${resultsDirectory}`] : []
    answer = await ask<SmallAnswer>(subjects.file('small'), task, [...QUIET, ...profiling])
  } finally {
    await server.end()
  }
  return report(answer, batches, operations)
}

function report(answer: SmallAnswer, batches: number, operations: number): boolean {
  const results = Object.entries(answer).map(
    ([operation, { plain, encrypted }]: [string, SmallAnswer['PutObject']]) => ({
      operation,
      plain: spread(plain),
      encrypted: spread(encrypted),
      added: spread(encrypted.map((time, pair) => time - (plain[pair] ?? NaN))),
    }),
  )
  const ms = (value: number): string => value.toFixed(3)
  const rows = results.map(({ operation, plain, encrypted, added }) => [
    operation,
    ms(plain.median),
    ms(encrypted.median),
    ms(added.median),
    ...[added.min, added.lowerQuartile, added.upperQuartile, added.max].map(ms),
    ms(LIMIT_MS),
    ms(AIM_MS),
  ])
  const head = ['ms of CPU', 'without', 'with', 'added', 'min', 'quartile', 'quartile', 'max', 'limit', 'aim']
  console.log(markdownTable(head, rows))
  console.log(
    `\nUser and system time of the client process, server apart, an operation: medians of ${batches} batches of ` +
      `${operations.toLocaleString('en')}, both sides in turn.\nAdded: median of the differences of neighbouring batches, and their spread.`,
  )
  const exceeded = results.filter(({ added }) => !(added.median <= LIMIT_MS))
  for (const { operation, added } of exceeded)
    console.log(`\nEXCEEDED: ${operation} takes ${ms(added.median)} ms more.`)
  saveResults('small', { size: SIZE, batches, operations, limitMs: LIMIT_MS, aimMs: AIM_MS, results, times: answer })
  return exceeded.length === 0
}
