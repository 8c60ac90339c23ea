import { DecryptionError } from '../errors.js'
import type { ByteSource, OpenFile } from '../runtime/runtime.js'
import type { Opener } from './opener.js'
import type { ReadPlan, ReadRange } from './parallel-read-plan.js'
import {
  buffersFor,
  Interrupted,
  readRange,
  resealRange,
  type Buffers,
  type RangeReader,
} from './parallel-read-range.js'

export interface ParallelReadOptions {
  readonly opener: Opener
  readonly plan: ReadPlan
  readonly file: Pick<OpenFile, 'read' | 'write'>
  /** How many ranges are read at a time. */
  readonly concurrency: number
  /** How often a range is tried. */
  readonly maxAttempts: number
  /** Asks for the stored bytes [from, to) of the one version that is read. */
  readonly request: (from: number, to: number, signal: AbortSignal) => Promise<ByteSource>
  /** Whether a request that was answered with this error may be tried again. */
  readonly retryable: (error: unknown) => boolean
  /** The stored bytes [0, length), which were asked for before: the answer to the first attempt at range 0. */
  readonly first?: { readonly source: ByteSource; readonly length: number } | undefined
  /** Ranges whose plaintext is in the file already; it is sealed again from there (`absorbPlaintext`). Default: none. */
  readonly isFinished?: ((index: number) => boolean) | undefined
  /** A range has been written. */
  readonly finished?: ((index: number) => Promise<void>) | undefined
  /** Bytes of plaintext that are in the file; never less than before. */
  readonly onProgress?: ((loaded: number) => void) | undefined
  /** Its reason is what the read rejects with. */
  readonly signal: AbortSignal
}

/** Milliseconds before the second attempt at a range; doubled for each further one. */
const RETRY_DELAY = 100
const MAX_RETRY_DELAY = 5000

/** Whether a message can be read by `parallelRead`: in any order, and each place more than once. */
export function isParallel(opener: Opener): boolean {
  if (opener.authentication !== 'whole') return true
  return 'hash' in opener && 'join' in opener && 'verify' in opener
}

/**
 * Reads a message in ranges, several at a time, and writes its plaintext to its place in a file. Resolves when all of it
 * has been written and verified; what was written before that, or if it rejects, must not be used. Rejects with the first
 * error, when nothing is under way any more.
 */
export async function parallelRead(o: ParallelReadOptions): Promise<void> {
  const { opener, plan, onProgress } = o
  const ending = endingOf(o)
  const counter = loadedBytes(onProgress)
  const shared = { opener, plan, file: o.file }
  const tasks = tasksOf(o)
  let trailer: Uint8Array | undefined = opener.trailerLength === 0 ? new Uint8Array(0) : undefined

  const attempt = async (reader: RangeReader, task: Task, buffers: Buffers): Promise<void> => {
    const { range, first } = task
    const response = first ?? {
      source: await o.request(range.from, range.to, ending.signal),
      length: range.to - range.from,
    }
    const letGo = ending.hold(response.source)
    try {
      ending.signal.throwIfAborted()
      trailer = (await readRange(reader, range, response, buffers)) ?? trailer
    } catch (error) {
      response.source.cancel(error instanceof Error ? error : undefined)
      throw error
    } finally {
      letGo()
    }
  }
  const read = async (task: Task, buffers: Buffers): Promise<void> => {
    for (let tried = 1; ; tried++) {
      const counted = counter()
      try {
        await attempt({ ...shared, progress: counted.add }, tried === 1 ? task : { range: task.range }, buffers)
        return
      } catch (error) {
        counted.takeBack()
        ending.signal.throwIfAborted()
        const interrupted = error instanceof Interrupted
        if (tried >= o.maxAttempts || !(interrupted || o.retryable(error))) throw interrupted ? error.cause : error
        await pause(Math.min(MAX_RETRY_DELAY, RETRY_DELAY * 2 ** (tried - 1)), ending.signal)
        ending.signal.throwIfAborted()
      }
    }
  }
  const work = async (): Promise<void> => {
    try {
      const buffers = buffersFor(shared)
      for (let task = tasks.next(); task.done !== true; task = tasks.next()) {
        ending.signal.throwIfAborted()
        const { range, fromFile = false } = task.value
        if (fromFile) {
          await resealRange({ ...shared, progress: counter().add }, range, buffers)
        } else {
          await read(task.value, buffers)
          if (range.index < plan.count) await o.finished?.(range.index)
        }
      }
    } catch (error) {
      ending.fail(error)
    }
  }
  await Promise.all(Array.from({ length: Math.min(o.concurrency, plan.count) }, work))
  ending.check()
  if (opener.verify !== undefined && trailer !== undefined) await opener.verify(plan.sealedLength, trailer)
  else if (opener.authentication === 'whole') throw new DecryptionError()
}

interface Task {
  readonly range: ReadRange
  /** The answer to the first attempt. */
  readonly first?: ParallelReadOptions['first']
  readonly fromFile?: boolean
}

function* tasksOf({ opener, plan, first, isFinished }: ParallelReadOptions): Generator<Task, void> {
  for (let index = 0; index < plan.count; index++) {
    const range = plan.range(index)
    const fromFile = isFinished?.(index) === true
    const held = index === 0 && !fromFile ? first : undefined
    if (index === 0 && fromFile) first?.source.cancel()
    const incomplete = fromFile || (held !== undefined && held.length < range.to)
    const apart = range.last && incomplete && opener.trailerLength > 0
    yield { range: apart ? { ...range, to: range.bodyEnd } : range, first: held, fromFile }
    if (apart) yield { range: plan.trailer }
  }
}

interface Ending {
  readonly signal: AbortSignal
  /** The first error wins; everything that is held is cancelled. */
  fail(error: unknown): void
  /** Cancels the source if something fails, until the function that is returned has been called. */
  hold(source: ByteSource): () => void
  /** When nothing is under way any more: throws the error if there was one. */
  check(): void
}

function endingOf({ signal, first }: ParallelReadOptions): Ending {
  const controller = new AbortController()
  const sources = new Set<ByteSource>()
  let failure: { readonly error: unknown } | undefined
  const fail = (error: unknown): void => {
    if (failure !== undefined) return
    failure = { error }
    controller.abort(error)
    for (const source of sources) source.cancel(error instanceof Error ? error : undefined)
  }
  const aborted = (): void => fail(signal.reason)
  signal.addEventListener('abort', aborted, { once: true })
  if (first !== undefined) sources.add(first.source)
  if (signal.aborted) aborted()
  return {
    signal: controller.signal,
    fail,
    hold(source) {
      sources.add(source)
      return () => void sources.delete(source)
    },
    check() {
      signal.removeEventListener('abort', aborted)
      if (failure !== undefined) throw failure.error
    },
  }
}

interface Counted {
  readonly add: (bytes: number) => void
  /** What was added so far is to be read again. */
  readonly takeBack: () => void
}

/** Adds up what the attempts at all ranges have written, and reports it where it is more than before. */
function loadedBytes(report: ((loaded: number) => void) | undefined): () => Counted {
  let loaded = 0
  let reported = 0
  return () => {
    let own = 0
    return {
      add(bytes) {
        own += bytes
        loaded += bytes
        if (loaded <= reported) return
        reported = loaded
        report?.(loaded)
      },
      takeBack() {
        loaded -= own
      },
    }
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, milliseconds)
    signal.addEventListener('abort', end, { once: true })
  })
}
