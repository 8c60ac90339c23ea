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

  const attempt = async (reader: RangeReader, { range, first }: Task, buffers: Buffers): Promise<void> => {
    // One signal a request: listeners would add up on a common one.
    const controller = new AbortController()
    let source = first?.source
    const letGo = ending.hold((error) => {
      controller.abort(error)
      source?.cancel(error)
    })
    try {
      source ??= await o.request(range.from, range.to, controller.signal)
      ending.check()
      const length = first?.length ?? range.to - range.from
      trailer = (await readRange(reader, range, { source, length }, buffers)) ?? trailer
    } catch (error) {
      source?.cancel(asError(error))
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
        ending.check()
        const interrupted = error instanceof Interrupted
        if (tried >= o.maxAttempts || !(interrupted || o.retryable(error))) throw interrupted ? error.cause : error
        await pause(Math.min(MAX_RETRY_DELAY, RETRY_DELAY * 2 ** (tried - 1)), ending)
        ending.check()
      }
    }
  }
  const work = async (): Promise<void> => {
    try {
      const buffers = buffersFor(shared)
      for (let task = tasks.next(); task.done !== true; task = tasks.next()) {
        ending.check()
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
  ending.close()
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
    const isEnough = first !== undefined && first.length >= range.bodyEnd
    const held = index === 0 && !fromFile && isEnough ? first : undefined
    if (index === 0 && held === undefined) first?.source.cancel()
    const incomplete = fromFile || (held !== undefined && held.length < range.to)
    const apart = range.last && incomplete && opener.trailerLength > 0
    yield { range: apart ? { ...range, to: range.bodyEnd } : range, first: held, fromFile }
    if (apart) yield { range: plan.trailer }
  }
}

interface Ending {
  /** The first error wins; what is held is cancelled. */
  fail(error: unknown): void
  /** Throws the error if there is one. */
  check(): void
  /** Calls `cancel` if something fails or has failed, until the function that is returned has been called. */
  hold(cancel: (error: Error) => void): () => void
  close(): void
}

function endingOf({ signal, first }: ParallelReadOptions): Ending {
  const held = new Set<(error: Error) => void>()
  let failure: { readonly error: unknown } | undefined
  const fail = (error: unknown): void => {
    if (failure !== undefined) return
    failure = { error }
    for (const cancel of held) cancel(asError(error))
  }
  const hold = (cancel: (error: Error) => void): (() => void) => {
    if (failure === undefined) held.add(cancel)
    else cancel(asError(failure.error))
    return () => void held.delete(cancel)
  }
  const aborted = (): void => fail(signal.reason)
  signal.addEventListener('abort', aborted, { once: true })
  if (first !== undefined) hold((error) => first.source.cancel(error))
  if (signal.aborted) aborted()
  return {
    fail,
    hold,
    check() {
      if (failure !== undefined) throw failure.error
    },
    close: () => signal.removeEventListener('abort', aborted),
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error('The read has failed.', { cause: error })
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

async function pause(milliseconds: number, ending: Ending): Promise<void> {
  let letGo: (() => void) | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  await new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds)
    letGo = ending.hold(() => resolve())
  })
  clearTimeout(timer)
  letGo?.()
}
