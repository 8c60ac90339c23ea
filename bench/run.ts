/**
 * Benchmarks: `npm run bench -- [memory] [small] [options]`, both by default. Prints Markdown tables, writes JSON to
 * bench/results/, and ends with status 1 if a limit is exceeded.
 *
 *   memory   peak memory and throughput of PutObject and GetObject of one large stream
 *     --size 4GiB        plaintext; KiB, MiB and GiB are understood
 *     --directory <dir>  where the stored objects and the temporary files go; default: the system's temporary directory
 *   small    CPU time that encryption adds to PutObject and GetObject of 1 KiB
 *     --batches 20       of each side
 *     --operations 1000  in each batch
 *     --cpu-prof         writes a CPU profile of the measured process to bench/results/
 */
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { memory } from './memory.js'
import { small } from './small.js'
import { buildSubjects } from './support/build.js'
import { UsageError } from './support/errors.js'
import { parseCount, parseSize } from './support/units.js'

const BENCHMARKS = ['memory', 'small']

async function main(): Promise<boolean> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      size: { type: 'string', default: '4GiB' },
      directory: { type: 'string', default: tmpdir() },
      batches: { type: 'string', default: '20' },
      operations: { type: 'string', default: '1000' },
      'cpu-prof': { type: 'boolean', default: false },
    },
  })
  const unknown = positionals.find((name) => !BENCHMARKS.includes(name))
  if (unknown !== undefined)
    throw new UsageError(`no benchmark is called ${unknown}: there are ${BENCHMARKS.join(', ')}`)
  const wanted = new Set(positionals.length === 0 ? BENCHMARKS : positionals)
  const size = parseSize('size', values.size)
  const batches = parseCount('batches', values.batches)
  const operations = parseCount('operations', values.operations)

  const subjects = buildSubjects()
  try {
    let within = true
    if (wanted.has('memory')) within = (await memory({ subjects, size, directory: values.directory })) && within
    if (wanted.has('small')) {
      within = (await small({ subjects, batches, operations, profile: values['cpu-prof'] })) && within
    }
    return within
  } finally {
    subjects.remove()
  }
}

try {
  if (!(await main())) process.exitCode = 1
} catch (error) {
  const { code = '' } = error as NodeJS.ErrnoException
  const usage = error instanceof UsageError || code.startsWith('ERR_PARSE_ARGS')
  console.error(usage ? `bench: ${(error as Error).message}` : error)
  process.exitCode = 1
}
