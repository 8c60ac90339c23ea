/** Throughput, CPU time, memory and event loop, against the plain SDK in the same run. */
import { statfsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'
import { judge, JUDGED_SIZE, type Figures } from './speed/judge.js'
import { measure, type Results } from './speed/measure.js'
import { EXPLANATION, printResults } from './speed/report.js'
import { PACE, ROWS, type Row } from './speed/rows.js'
import type { Subjects } from './support/build.js'
import { UsageError } from './support/errors.js'
import { describeEnvironment, saveResults } from './support/report.js'
import { MIB, sizeName } from './support/units.js'

export interface SpeedOptions {
  readonly subjects: Subjects
  /** Bytes of plaintext. */
  readonly sizes: readonly number[]
  readonly runs: number
  /** Names of operations; default: all. */
  readonly operations: readonly string[]
  readonly directory: string
}

/** Whether every row stayed within its limits. */
export async function speed({ subjects, sizes, runs, operations, directory }: SpeedOptions): Promise<boolean> {
  const rows = rowsOf(operations)
  checkSpace(directory, Math.max(...sizes))
  console.log(`\n## Speed\n\n${describeEnvironment()}`)
  const all: { results: Results; figures: Figures[] }[] = []
  const common = { subjects, runs }
  const workspace = await mkdtemp(path.join(directory, 's3-cse-bench-'))
  const one = async (of: { rows: readonly Row[]; size: number; pace?: number }): Promise<void> => {
    if (of.rows.length === 0) return
    const results = await measure({ ...common, ...of, directory: workspace })
    const figures = judge(results)
    printResults(results, figures)
    all.push({ results, figures })
  }
  try {
    for (const size of sizes) await one({ rows, size })
    if (sizes.includes(JUDGED_SIZE)) {
      const paced = rows.filter((row) => row.paced !== undefined)
      await one({ rows: paced, size: JUDGED_SIZE, pace: PACE.bytesPerSecond })
    } else {
      console.log(`\nLimits hold for ${sizeName(JUDGED_SIZE)}, which was not measured.`)
    }
  } finally {
    await rm(workspace, { recursive: true, force: true })
  }
  console.log(EXPLANATION)
  saveResults('speed', { runs, measurements: all })
  return all.every(({ figures }) => figures.every(({ exceeded }) => exceeded.length === 0))
}

function rowsOf(operations: readonly string[]): readonly Row[] {
  const unknown = operations.find((name) => !ROWS.some((row) => row.operation === name))
  if (unknown !== undefined) {
    const names = ROWS.map((row) => row.operation).join(', ')
    throw new UsageError(`no row is called ${unknown}: there are ${names}`)
  }
  return operations.length === 0 ? ROWS : ROWS.filter((row) => operations.includes(row.operation))
}

/** Two stored objects and one that is checked, a temporary file, a downloaded one; with what replaces them meanwhile. */
function checkSpace(directory: string, size: number): void {
  const { bavail, bsize } = statfsSync(directory)
  const needed = 6 * size + 256 * MIB
  if (bavail * bsize >= needed) return
  throw new UsageError(
    `${directory} has ${sizeName(bavail * bsize)} free, and ${sizeName(needed)} are needed for objects of ` +
      `${sizeName(size)}. Choose another directory with --directory, or smaller --sizes.`,
  )
}
