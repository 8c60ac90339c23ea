import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import type { S3ClientConfig } from '@aws-sdk/client-s3'
import { startKms } from '../../src/testing/index.js'
import { whenTold } from '../support/ending.js'
import { startServer } from '../support/servers.js'
import { makeClients } from './clients.js'
import type { Clients } from './clients.js'
import type { ProxyCounts } from './fault-proxy.js'
import { NO_FAULTS } from './faults.js'
import type { FaultPlan } from './faults.js'
import { monitor } from './monitor.js'
import type { Usage } from './monitor.js'
import { startProxyProcess } from './proxy-process.js'
import { newTally } from './tally.js'
import type { Tally } from './tally.js'

export const BUCKET = 'load-and-faults'

export interface PhaseOptions {
  readonly name: string
  readonly faults: FaultPlan
  /** So many kinds of them must have been injected at least once. */
  readonly kindsOfFaults: number
  readonly maxBufferedBytes: number
  /** Milliseconds between two looks at memory, sockets and descriptors. */
  readonly sampleEvery: number
}

/** What a phase has to do its work with. */
export interface Stage extends PhaseOptions {
  readonly clients: Clients
  readonly tally: Tally
  /** Where downloads go. */
  readonly directory: string
  /** From here on the proxy passes everything. */
  faultless(): Promise<void>
}

export interface PhaseReport {
  readonly name: string
  readonly kindsOfFaults: number
  readonly seconds: number
  readonly tally: Tally
  readonly retries: number
  readonly proxy: ProxyCounts
  readonly usage: Usage
  readonly socketsLeft: number
  readonly descriptorsGrown: number
  readonly filesLeft: readonly string[]
}

export interface World {
  readonly phase: (options: PhaseOptions, work: (stage: Stage) => Promise<void>) => Promise<PhaseReport>
  /** Stops what was started, once; also when this process is told to end. */
  close(): Promise<void>
}

const MAX_SOCKETS = 96
/** For what has been aborted and is being cleaned up. */
const SETTLING = 15_000

export async function openWorld(): Promise<World> {
  const steps: (() => unknown)[] = []
  const close = closer(steps)
  try {
    return { phase: await opened(steps, close), close }
  } catch (error) {
    await close().catch((other: unknown) => console.error(other))
    throw error
  }
}

/** Runs the steps once, the last one first; one that fails keeps no other from being run. */
function closer(steps: (() => unknown)[]): () => Promise<void> {
  let closing: Promise<void> | undefined
  const run = async (): Promise<void> => {
    const errors: unknown[] = []
    for (const step of steps.reverse()) {
      try {
        await step()
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, 'not everything was stopped')
  }
  return () => (closing ??= run())
}

/** Adds to `steps` how to stop what it starts. */
async function opened(steps: (() => unknown)[], close: () => Promise<void>): Promise<World['phase']> {
  const server = await startServer('versitygw')
  steps.push(() => server.stop())
  whenTold(close)
  const proxy = await startProxyProcess(server.endpoint)
  steps.push(() => proxy.close())
  const kms = await startKms({ recordRequests: 0 })
  steps.push(() => kms.close())
  const kmsKeys = [kms.createKey().arn, kms.createKey().arn] as const
  const directory = mkdtempSync(path.join(tmpdir(), 's3-cse-load-'))
  steps.push(() => rmSync(directory, { recursive: true, force: true }))
  const spool = path.join(directory, 'spool')
  const downloads = path.join(directory, 'downloads')
  mkdirSync(spool)
  mkdirSync(downloads)
  const s3: S3ClientConfig = { ...server.clientConfig, endpoint: proxy.endpoint }
  const setup = { s3, kms, kmsKeys, spool, maxSockets: MAX_SOCKETS }

  const admin = new S3Client(server.clientConfig)
  await admin.send(new CreateBucketCommand({ Bucket: BUCKET })).finally(() => admin.destroy())

  return async (options, work) => {
    const tally = newTally()
    const descriptors = countDescriptors()
    const clients = makeClients({ ...setup, maxBufferedBytes: options.maxBufferedBytes })
    const watching = monitor(options.sampleEvery, () => ({
      sockets: clients.socketsInUse(),
      descriptors: countDescriptors(),
    }))
    await proxy.plan(options.faults)
    let counts: ProxyCounts | undefined
    const started = Date.now()
    const stage: Stage = {
      ...options,
      clients,
      tally,
      directory: downloads,
      async faultless() {
        counts ??= await proxy.counts()
        await proxy.plan(NO_FAULTS)
      },
    }
    try {
      await work(stage)
      await stage.faultless()
    } finally {
      watching.stop()
    }
    const seconds = (Date.now() - started) / 1000
    // A Body that nobody reads, and a request that nobody waits for, would hold theirs for ever.
    await settled(() => clients.socketsInUse() === 0)
    const held = clients.socketsInUse()
    if (held > 0) tally.problems.push(`${held} sockets are still in use`)
    clients.destroy()
    await settled(async () => {
      const { connections, upstream } = await proxy.counts()
      return connections === 0 && upstream === 0 && countDescriptors() <= descriptors
    })
    const { connections, upstream } = await proxy.counts()
    if (upstream > 0) tally.problems.push(`${upstream} requests are still with the server`)
    return {
      name: options.name,
      kindsOfFaults: options.kindsOfFaults,
      seconds,
      tally,
      retries: clients.retries(),
      proxy: counts ?? (await proxy.counts()),
      usage: watching.usage(),
      socketsLeft: held + connections,
      descriptorsGrown: Math.max(0, countDescriptors() - descriptors),
      filesLeft: [...readdirSync(spool), ...readdirSync(downloads)],
    }
  }
}

async function settled(isSettled: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + SETTLING
  while (!(await isSettled()) && Date.now() < end) await setTimeout(100)
}

/** Where the system does not show them, there is nothing to count. */
function countDescriptors(): number {
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0
}
