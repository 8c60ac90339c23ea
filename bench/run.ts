/**
 * Benchmarks: `npm run bench -- [memory] [small] [caching] [speed] [esdk] [crypt4gh] [options]`, all by default. Prints
 * Markdown tables, writes JSON to bench/results/, and ends with status 1 if a limit is exceeded.
 *
 *   memory   peak memory and throughput of PutObject and GetObject of one large stream
 *     --size 4GiB        plaintext; KiB, MiB and GiB are understood
 *     --directory <dir>  where the stored objects and the temporary files go; default: the system's temporary directory
 *   small    CPU time that encryption adds to PutObject and GetObject of 1 KiB
 *     --batches 20       of each side
 *     --operations 1000  in each batch
 *     --cpu-prof         writes a CPU profile of the measured process to bench/results/
 *   caching  requests to KMS and time that a caching keyring saves, for PutObject and GetObject of 1 KiB
 *     --objects 2000     of each side
 *     --kms-delay 5      milliseconds that KMS takes for a request
 *   speed    every way to write and read an object against the plain SDK, some 20 minutes
 *     --sizes 1KiB,1MiB,64MiB,1GiB
 *     --runs 5           of each side of each row
 *     --rows <names>     only these: put-buffer, put-stream, upload, upload-unsigned, get-verified, get-delayed, download
 *     --directory <dir>  as above
 *   esdk     messages of the AWS Encryption SDK in memory, against node:crypto and the libraries of AWS
 *     --size 1GiB        plaintext
 *     --runs 5           of each side
 *     --python <path>    one with aws-encryption-sdk 4.x; default: one that the integration tests made, if it has that
 *   crypt4gh Crypt4GH files in memory, against node:crypto and the reference implementation
 *     --size 1GiB        plaintext
 *     --runs 5           of each side
 *     --python <path>    one with crypt4gh 1.8; default: one that the integration tests made, if it has that
 */
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { caching } from './caching.js'
import { crypt4gh } from './crypt4gh.js'
import { esdk } from './esdk.js'
import { memory } from './memory.js'
import { small } from './small.js'
import { speed } from './speed.js'
import { buildSubjects } from './support/build.js'
import { UsageError } from './support/errors.js'
import { parseCount, parseSize } from './support/units.js'

const BENCHMARKS = ['memory', 'small', 'caching', 'speed', 'esdk', 'crypt4gh']

async function main(): Promise<boolean> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      size: { type: 'string' },
      python: { type: 'string' },
      directory: { type: 'string', default: tmpdir() },
      batches: { type: 'string', default: '20' },
      operations: { type: 'string', default: '1000' },
      objects: { type: 'string', default: '2000' },
      'kms-delay': { type: 'string', default: '5' },
      sizes: { type: 'string', default: '1KiB,1MiB,64MiB,1GiB' },
      runs: { type: 'string', default: '5' },
      rows: { type: 'string', default: '' },
      'cpu-prof': { type: 'boolean', default: false },
    },
  })
  const unknown = positionals.find((name) => !BENCHMARKS.includes(name))
  if (unknown !== undefined)
    throw new UsageError(`no benchmark is called ${unknown}: there are ${BENCHMARKS.join(', ')}`)
  const wanted = new Set(positionals.length === 0 ? BENCHMARKS : positionals)
  const sizeOr = (size: string): number => parseSize('size', values.size ?? size)
  const batches = parseCount('batches', values.batches)
  const operations = parseCount('operations', values.operations)
  const objects = parseCount('objects', values.objects)
  const kmsDelay = parseCount('kms-delay', values['kms-delay'])
  const sizes = values.sizes.split(',').map((text) => parseSize('sizes', text))
  const runs = parseCount('runs', values.runs)
  const rows = values.rows.split(',').filter((name) => name !== '')

  const subjects = buildSubjects()
  try {
    let within = true
    if (wanted.has('memory'))
      within = (await memory({ subjects, size: sizeOr('4GiB'), directory: values.directory })) && within
    if (wanted.has('small')) {
      within = (await small({ subjects, batches, operations, profile: values['cpu-prof'] })) && within
    }
    if (wanted.has('caching')) within = (await caching({ subjects, objects, kmsDelay })) && within
    if (wanted.has('speed')) {
      within = (await speed({ subjects, sizes, runs, operations: rows, directory: values.directory })) && within
    }
    if (wanted.has('esdk')) {
      within = (await esdk({ subjects, size: sizeOr('1GiB'), runs, python: values.python })) && within
    }
    if (wanted.has('crypt4gh')) {
      within = (await crypt4gh({ subjects, size: sizeOr('1GiB'), runs, python: values.python })) && within
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
