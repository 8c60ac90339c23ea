// Processes that are killed at each request of a change of keys: nothing is lost, and the next one finishes it.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import type { S3Request } from '../../src/testing/index.js'
import { runProcess } from '../support/processes.js'
import type { RotateJob } from '../support/rotate-child.js'
import { isProbe, newKey, oldKey, opensOnly, properties, rotate, versioned } from '../support/rotate.js'
import type { More } from '../support/rotate.js'
import { Bucket, pattern, put, read, world } from '../support/world.js'
import type { World } from '../support/world.js'

const plainWorld = await world({ recordBodyBytes: 0 })
const versionWorld = await world({ recordBodyBytes: 0 })
await versioned(versionWorld)
const MiB = 1024 ** 2

interface Scenario {
  readonly name: string
  readonly length: number
  readonly more: Omit<More, 'to'>
  readonly instructionFile?: boolean
  /** In a bucket with versions; without, such a rewrite is refused. */
  readonly versions?: boolean
  /** Killed at every second request only, or third. */
  readonly every?: number
}

const scenarios: readonly Scenario[] = [
  { name: 'metadata', length: 100, more: {} },
  { name: 'in parts', length: 6 * MiB, more: { copyInPartsAbove: 5 * MiB, copyPartSize: 5 * MiB }, every: 2 },
  { name: 'instruction file', length: 100, more: {}, instructionFile: true },
  { name: 'rewrite', length: 100, more: { rewrite: true } },
  {
    name: 'rewrite with an instruction file',
    length: 100,
    more: { rewrite: true },
    instructionFile: true,
    versions: true,
    every: 2,
  },
  { name: 'rewrite in parts', length: 17 * MiB, more: { rewrite: true }, every: 3 },
]

/** Runs the process; it is killed at its request `at`, counted from 0, before that is carried out or after it. Returns its requests. */
async function killedAt(w: World, job: RotateJob, at: number, when: 'before' | 'after'): Promise<readonly S3Request[]> {
  const seen: S3Request[] = []
  let kill: (() => void) | undefined
  let closed: (() => void) | undefined
  const died = new Promise<void>((resolve) => (closed = resolve))
  let reached: S3Request | undefined
  const end = w.s3.onRequest(async (request) => {
    if (request.headers['user-agent']?.split(' ').includes(`job/${job.name}`) !== true) return
    if (seen.push(request) !== at + 1) return
    reached = request
    if (when === 'after') return
    kill?.()
    await died
    // It was not carried out.
    throw new Error('killed')
  })
  // The answer waits for ever, and the request is done.
  const match = (r: S3Request) => r === reached
  const isWaiting = () => w.s3.faults.some((fault) => fault.match === match)
  if (when === 'after') w.s3.fail({ match, headers: {}, pauseMs: 0, reset: { afterResponseBytes: 0 } })
  try {
    const { signal, status, errors } = await runProcess('rotate-child', job, async (child) => {
      kill = () => child.kill('SIGKILL')
      child.once('close', () => closed?.())
      if (when === 'before') return
      while (reached?.status === undefined && child.exitCode === null && seen.length <= at + 1) {
        await new Promise((resolve) => setTimeout(resolve, 1))
        if (reached !== undefined && !isWaiting()) break
      }
      child.kill('SIGKILL')
    })
    if (reached !== undefined) assert.ok(signal === 'SIGKILL' || status !== 0, errors)
    else assert.equal(status, 0, errors)
  } finally {
    end()
    if (isWaiting()) {
      const index = w.s3.faults.findIndex((fault) => fault.match === match)
      w.s3.faults.splice(index, 1)
    }
  }
  return seen
}

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** Two at a time: most of it is that processes start. */
async function inPairs<T>(list: readonly T[], act: (one: T) => Promise<void>): Promise<void> {
  const rest = [...list]
  const work = async () => {
    for (let one = rest.shift(); one !== undefined; one = rest.shift()) await act(one)
  }
  await Promise.all([work(), work()])
}

for (const { name, length, more, instructionFile = false, versions = false, every = 1 } of scenarios) {
  const w = versions ? versionWorld : plainWorld
  describe(`a process is killed: ${name}`, () => {
    const body = pattern(length)
    const client = w.client({
      keyring: oldKey,
      instructionFile: { write: instructionFile, overwrite: instructionFile },
    })
    const stored = { Metadata: { a: 'b' }, ContentType: 'text/x', Tagging: 'c=d', ACL: 'public-read' }
    const job = (key: string, name: string): RotateJob => ({
      config: w.s3.clientConfig,
      bucket: Bucket,
      key,
      more,
      instructionFile,
      name,
    })
    // What only the new key opens is done.
    const again: More = more.rewrite === undefined ? more : { ...more, rewrite: { olderThan: new Date(0) } }

    it(`at ${['each', 'every second', 'every third'][every - 1]} of its requests`, async () => {
      const all = `${name} all`
      await put(client, all, body, stored)
      const requests = (await killedAt(w, job(all, 'all'), Infinity, 'before')).map(({ operation }) => operation)
      assert.ok(requests.length > 3, requests.join())
      await opensOnly(w, all, body)
      const kept = properties(await w.stored(all))

      const jobs = requests.flatMap((operation, at) => [
        ...(at % every > 0 ? [] : [{ operation, at, when: 'before' as const }]),
        ...(/^(Put|Copy|Complete)/.test(operation) ? [{ operation, at, when: 'after' as const }] : []),
      ])
      await inPairs(jobs, async ({ operation, at, when }) => {
        const key = `${name} ${at} ${when} ${operation}`
        await put(client, key, body, stored)
        await killedAt(w, job(key, `${at}-${when}`), at, when)
        await sleep(20)

        // Whole, with one of the keys and with everything else.
        const found = await Promise.any([oldKey, newKey].map((keyring) => read(w.client({ keyring }), key)))
        assert.ok(found.equals(body), key)
        const { metadata, headers, tags, grants } = await w.stored(key)
        const all = kept as { headers: unknown; tags: unknown; grants: unknown }
        assert.deepEqual({ headers, tags, grants }, { headers: all.headers, tags: all.tags, grants: all.grants }, key)
        assert.equal(metadata.a, 'b', key)

        const { outcome } = await rotate(client, key, again)
        assert.ok(['metadata', 'instruction file', 'rewritten', 'unchanged'].includes(outcome))
        await opensOnly(w, key, body)
        assert.equal((await rotate(client, key, again)).outcome, 'unchanged')
      })
      // What a killed process leaves are uploads that nobody completes, and nothing under a name.
      assert.deepEqual(
        w.s3.keys(Bucket).filter((key) => isProbe({ key })),
        [],
      )
    })
  })
}
