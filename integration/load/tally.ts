import { setTimeout as delay } from 'node:timers/promises'
import { CseError } from '../../src/index.js'

/** What the caller saw in a phase. */
export interface Tally {
  readonly operations: Map<string, number>
  /** Of the operations, those that did what they were to do. */
  readonly succeeded: Map<string, number>
  /** Reads that rightly found nothing. */
  readonly absent: Map<string, number>
  /** How many of the operations must succeed: what always fails loses and corrupts nothing either. */
  readonly demanded: Map<string, number>
  /** By kind of operation and error. */
  readonly failures: Map<string, number>
  /** Reads that gave other bytes than any write stored, or did not verify. */
  readonly corrupted: string[]
  /** Acknowledged writes that cannot be read. */
  readonly lost: string[]
  /** What must not happen either: errors without a type, operations that do not end, leaks. */
  readonly problems: string[]
}

export function newTally(): Tally {
  return {
    operations: new Map(),
    succeeded: new Map(),
    absent: new Map(),
    demanded: new Map(),
    failures: new Map(),
    corrupted: [],
    lost: [],
    problems: [],
  }
}

/** What a read gives that rightly found nothing, which is neither a failure nor a success. */
export const ABSENT: unique symbol = Symbol('absent')

/** Other bytes came back, or fewer: never tried again. */
export class CorruptedError extends Error {
  override name = 'CorruptedError'
}

/** Milliseconds: on a busy machine a file that is made durable may take long; what takes longer than patience never ends. */
const SLOW = 120_000
const PATIENCE = 600_000
const TRIES = 60

/** One operation of the caller, which ends: with its value, or with an error that is counted. */
export async function attempt<T>(tally: Tally, operation: string, run: () => Promise<T>): Promise<T> {
  add(tally.operations, operation)
  const slow = setTimeout(() => {
    add(tally.failures, `${operation}: slow`)
    console.log(`# ${operation} takes more than ${SLOW / 1000} s; active: ${activeResources()}`)
  }, SLOW)
  let timer: NodeJS.Timeout | undefined
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      tally.problems.push(`${operation} did not end within ${PATIENCE / 1000} s; active: ${activeResources()}`)
      reject(new Error('no end'))
    }, PATIENCE)
  })
  try {
    const value = await Promise.race([run(), silence])
    add(value === ABSENT ? tally.absent : tally.succeeded, operation)
    return value
  } catch (error) {
    note(tally, operation, error)
    throw error
  } finally {
    clearTimeout(slow)
    clearTimeout(timer)
  }
}

/** As a caller who does not give up. Missing or wrong bytes, which `run` has put into the tally, are an end. */
export function untilRead(tally: Tally, operation: string, run: () => Promise<unknown>): Promise<boolean> {
  return untilDone(tally, operation, run, isFinal)
}

/** The same for a write, for which nothing can be missing: whether it succeeded. */
export function untilWritten(tally: Tally, operation: string, run: () => Promise<unknown>): Promise<boolean> {
  return untilDone(tally, operation, run, (error) => {
    // The upload has gone when the answer to its completion was lost and the SDK asked once more.
    if (!isFinal(error) || (error as Error).name === 'NoSuchUpload') return false
    tally.problems.push(`${operation}: a write cannot fail like this: ${String(error)}`)
    return true
  })
}

async function untilDone(
  tally: Tally,
  operation: string,
  run: () => Promise<unknown>,
  ends: (error: unknown) => boolean,
): Promise<boolean> {
  for (let time = 1; time <= TRIES; time++) {
    try {
      await attempt(tally, operation, run)
      return true
    } catch (error) {
      if (ends(error)) return false
      await delay(Math.min(50 * time, 1000))
    }
  }
  tally.problems.push(`${operation} failed ${TRIES} times`)
  return false
}

function isFinal(error: unknown): boolean {
  return error instanceof CorruptedError || isDecryptionFailed(error) || isMissing(error)
}

/** Whether something waits for a socket, a file or nothing at all. */
function activeResources(): string {
  const counts = new Map<string, number>()
  for (const name of process.getActiveResourcesInfo()) add(counts, name)
  return [...counts].map(([name, count]) => `${name} ${count}`).join(', ')
}

export function isDecryptionFailed(error: unknown): boolean {
  return error instanceof CseError && error.code === 'ERR_S3CSE_DECRYPTION_FAILED'
}

export function isMissing(error: unknown): boolean {
  const { name, $metadata } = error as { name?: string; $metadata?: { httpStatusCode?: number } }
  return name === 'NoSuchKey' || name === 'NotFound' || $metadata?.httpStatusCode === 404
}

function note(tally: Tally, operation: string, error: unknown): void {
  add(tally.failures, `${operation}: ${kindOf(error)}`)
  const mistakes = [TypeError, RangeError, ReferenceError, SyntaxError]
  const isMistake =
    !(error instanceof Error) || (mistakes.some((kind) => error instanceof kind) && !('$metadata' in error))
  if (isMistake) tally.problems.push(`${operation}: ${error instanceof Error ? String(error.stack) : String(error)}`)
}

function kindOf(error: unknown): string {
  if (error instanceof CseError) {
    const { cause } = error
    return cause === undefined ? error.code : `${error.code} (${kindOf(cause)})`
  }
  const { name, code } = error as { name?: string; code?: string }
  return code === undefined || code === name ? String(name) : `${name} ${code}`
}

export function add(counts: Map<string, number>, name: string, by = 1): void {
  counts.set(name, (counts.get(name) ?? 0) + by)
}

/** Runs as many at a time. */
export async function concurrently(count: number, width: number, run: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) await run(next++)
  }
  await Promise.all(Array.from({ length: width }, worker))
}
