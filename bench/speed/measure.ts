/** Runs the rows of the speed benchmark, the plain client and the encrypting one in turn, each in a process of its own. */
import { randomBytes } from 'node:crypto'
import type { S3ClientConfig } from 's3-cse/testing'
import type { RawAnswer, RawTask } from '../subjects/raw.js'
import type { SpeedAnswer, SpeedTask } from '../subjects/speed.js'
import type { Subjects } from '../support/build.js'
import { newSeed } from '../support/pattern.js'
import { ask, QUIET, startServer, type RunningSubject, type ServerTask } from '../support/processes.js'
import { MIB } from '../support/units.js'
import type { Operation, Row } from './rows.js'

/** At least this much is moved in one measurement, unless that were more operations than `MAX_OPERATIONS`. */
const BYTES = 256 * MIB
const MAX_OPERATIONS = 1000

/** Of the object of the operations that warm up: two parts of an upload and more. */
const WARM_BYTES = 20 * MIB
const WARM_OPERATIONS = 50

export interface Settings {
  readonly subjects: Subjects
  readonly rows: readonly Row[]
  /** Bytes of plaintext. */
  readonly size: number
  readonly runs: number
  readonly directory: string
  /** Bytes a second; default: no limit. */
  readonly pace?: number
}

/** One repetition: neighbours in time. */
export interface Pair {
  readonly plain: SpeedAnswer
  readonly encrypted: SpeedAnswer
}

export interface RowResult {
  readonly row: Row
  readonly pairs: readonly Pair[]
}

export interface Results {
  readonly size: number
  /** In each measurement. */
  readonly operations: number
  readonly pace: number | undefined
  readonly rows: readonly RowResult[]
  /** CPU seconds for `rawBytes`. */
  readonly raw: readonly RawAnswer[]
  readonly rawBytes: number
}

/** A server that discards what is uploaded is asked by nothing but uploads. */
export function uploads(operation: Operation): boolean {
  return operation.startsWith('put') || operation.startsWith('upload')
}

/**
 * Upload joins the chunks of a stream to parts, which costs the plain client so much that a network of limited speed
 * would not be what binds it.
 */
function isInMemory(operation: Operation, paced: boolean): boolean {
  return operation === 'put-buffer' || (operation === 'upload' && paced)
}

export async function measure(settings: Settings): Promise<Results> {
  const { subjects, rows, size, runs, directory, pace } = settings
  const operations = Math.max(1, Math.min(MAX_OPERATIONS, Math.floor(BYTES / size)))
  const rawBytes = Math.max(size, BYTES)
  const common = {
    size,
    warmSize: Math.min(size, WARM_BYTES),
    wrappingKey: randomBytes(32).toString('base64'),
    seed: newSeed().toString('base64'),
    directory,
  }
  const servers: RunningSubject<S3ClientConfig>[] = []
  const serve = async (task: ServerTask): Promise<S3ClientConfig> => {
    const paced = pace === undefined ? {} : { paceBytesPerSecond: pace }
    const server = await startServer(subjects.file('s3'), { directory, ...paced, ...task })
    servers.push(server)
    return server.answer
  }
  const run = (task: Omit<SpeedTask, keyof typeof common>, other: Partial<typeof common> = {}): Promise<SpeedAnswer> =>
    ask<SpeedAnswer>(subjects.file('speed'), { ...common, ...other, ...task } satisfies SpeedTask, QUIET)

  const results = rows.map((row) => ({ row, pairs: [] as Pair[] }))
  const raw: RawAnswer[] = []
  try {
    const storing = await serve({})
    const discarding = await serve({ discardBodies: true })
    const names = (encrypted: boolean): { key: string; warmKey: string } => {
      const key = encrypted ? 'encrypted' : 'plain'
      return { key, warmKey: `warm-${key}` }
    }
    const once = { config: storing, operations: 1, warmOperations: 0, inMemory: false, check: false }
    for (const encrypted of [false, true]) {
      const { key, warmKey } = names(encrypted)
      const put = { ...once, operation: 'put-stream', encrypted, warmKey } as const
      await run({ ...put, key: warmKey }, { size: common.warmSize })
      await run({ ...put, key })
    }
    const side = async (operation: Operation, encrypted: boolean, check: boolean): Promise<SpeedAnswer> => {
      const named = names(encrypted)
      const inMemory = isInMemory(operation, pace !== undefined)
      if (check) {
        const key = uploads(operation) ? 'checked' : named.key
        return run({ ...once, operation, encrypted, key, warmKey: named.warmKey, inMemory, check })
      }
      const config = uploads(operation) ? discarding : storing
      const warmOperations = common.warmSize === size ? WARM_OPERATIONS : 2
      return run({ operation, encrypted, config, ...named, operations, warmOperations, inMemory, check })
    }
    const rawTask: RawTask = {
      size: rawBytes,
      key: rawBytes === size ? 'plain' : 'raw',
      storing,
      discarding,
      directory,
    }
    if (rawTask.key === 'raw') {
      await run({ ...once, operation: 'put-stream', encrypted: false, key: 'raw', warmKey: '' }, { size: rawBytes })
    }
    // Before anything counts: that what is measured works.
    for (const { row } of results) {
      for (const encrypted of [false, true]) await side(row.operation, encrypted, true)
    }
    for (let i = 0; i < runs; i++) {
      if (pace === undefined) raw.push(await ask<RawAnswer>(subjects.file('raw'), rawTask, QUIET))
      for (const { row, pairs } of results) {
        const order = i % 2 === 0 ? [false, true] : [true, false]
        const answers: SpeedAnswer[] = []
        for (const encrypted of order) answers[Number(encrypted)] = await side(row.operation, encrypted, false)
        const [plain, encrypted] = answers as [SpeedAnswer, SpeedAnswer]
        pairs.push({ plain, encrypted })
      }
    }
  } finally {
    for (const server of servers) await server.end()
  }
  return { size, operations, pace, rows: results, raw, rawBytes }
}
