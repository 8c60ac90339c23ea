/** Peak memory of PutObject and GetObject of one large stream, each in a process of its own. */
import { randomBytes } from 'node:crypto'
import { statfsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'
import { DeleteObjectCommand, S3Client } from '@aws-sdk/client-s3'
import type { MemoryAnswer, MemoryTask } from './subjects/memory.js'
import type { Subjects } from './support/build.js'
import { UsageError } from './support/errors.js'
import { newSeed } from './support/pattern.js'
import { ask, QUIET, startServer } from './support/processes.js'
import { describeEnvironment, markdownTable, saveResults } from './support/report.js'
import { GIB, inMiB, MIB, sizeName } from './support/units.js'

/** Of a process with encryption, in bytes. */
const LIMIT = 200 * MIB

interface Case {
  readonly name: string
  readonly operation: MemoryTask['operation']
  readonly encryption: MemoryTask['encryption']
}

const CASES: readonly Case[] = [
  { name: 'PutObject, plain SDK', operation: 'put', encryption: 'none' },
  { name: 'GetObject, plain SDK', operation: 'get', encryption: 'none' },
  { name: 'PutObject', operation: 'put', encryption: 'verified' },
  { name: 'GetObject, verified', operation: 'get', encryption: 'verified' },
  { name: 'GetObject, delayedAuthentication', operation: 'get', encryption: 'delayed' },
]

export interface MemoryOptions {
  readonly subjects: Subjects
  /** Bytes of plaintext. */
  readonly size: number
  readonly directory: string
}

/** Whether every case stayed within its limit. */
export async function memory({ subjects, size, directory }: MemoryOptions): Promise<boolean> {
  checkSpace(directory, size)
  console.log(`\n## Memory: one stream of ${sizeName(size)}\n\n${describeEnvironment()}\n`)
  const workspace = await mkdtemp(path.join(directory, 's3-cse-bench-'))
  const results: (Case & MemoryAnswer)[] = []
  try {
    const server = await startServer(subjects.file('s3'), { directory: workspace })
    const plain = new S3Client(server.answer)
    const common = {
      config: server.answer,
      size,
      wrappingKey: randomBytes(32).toString('base64'),
      seed: newSeed().toString('base64'),
      spoolDirectory: workspace,
    }
    try {
      for (const one of CASES) {
        const key = one.encryption === 'none' ? 'plain' : 'encrypted'
        // One stored object at a time: they are large.
        if (key === 'encrypted') await plain.send(new DeleteObjectCommand({ Bucket: 'bench', Key: 'plain' }))
        const task: MemoryTask = { ...common, operation: one.operation, encryption: one.encryption, key }
        const answer = await ask<MemoryAnswer>(subjects.file('memory'), task, QUIET)
        results.push({ ...one, ...answer })
      }
    } finally {
      plain.destroy()
      await server.end()
    }
  } finally {
    await rm(workspace, { recursive: true, force: true })
  }
  return report(size, results)
}

/** The stored object, and as much again for a verified read's temporary file. */
function checkSpace(directory: string, size: number): void {
  const { bavail, bsize } = statfsSync(directory)
  const needed = 2 * size + 64 * MIB
  if (bavail * bsize >= needed) return
  throw new UsageError(
    `${directory} has ${sizeName(bavail * bsize)} free, and ${sizeName(needed)} are needed: the stored object and the ` +
      'temporary file of a verified read. Choose another directory with --directory, or a smaller --size.',
  )
}

function report(size: number, results: readonly (Case & MemoryAnswer)[]): boolean {
  const limited = results.map((one) => ({ ...one, limit: one.encryption === 'none' ? undefined : LIMIT }))
  const rows = limited.map(({ name, before, peak, heapUsed, arrayBuffers, limit, seconds, cpuSeconds }) => [
    name,
    inMiB(peak),
    limit === undefined ? '-' : inMiB(limit),
    inMiB(before),
    inMiB(heapUsed),
    inMiB(arrayBuffers),
    (size / 1e6 / seconds).toFixed(0),
    (cpuSeconds / (size / GIB)).toFixed(2),
  ])
  const head = ['', 'peak MiB', 'limit', 'before', 'heap', 'buffers', 'MB/s', 'CPU s/GiB']
  console.log(markdownTable(head, rows))
  console.log(
    '\nPeak: resident memory of the client process, server apart; before: when the request began. heap, buffers: largest' +
      '\nseen, of JavaScript objects and of bytes beside the heap. MB: 10^6 bytes.',
  )
  const exceeded = limited.filter(({ peak, limit }) => limit !== undefined && peak > limit)
  for (const { name, peak } of exceeded) console.log(`\nEXCEEDED: ${name} had ${inMiB(peak)} MiB.`)
  saveResults('memory', { size, limit: LIMIT, cases: limited })
  return exceeded.length === 0
}
