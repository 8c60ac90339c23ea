import { runtime } from '#runtime'
import { abortError } from '../bytes/abort.js'
import type { Resources } from '../bytes/resources.js'
import { configError, type CseError } from '../errors.js'
import type { ByteSource } from '../runtime/runtime.js'

/**
 * Bytes that are made as they are read: nothing is read from the input before, and no more than a chunk ahead. Read
 * once, in one of two ways; a loop that is left early, or an error, gives back the input and wipes the keys.
 * Chunks are yours: nothing is written to them any more.
 */
export interface ByteStream extends AsyncIterable<Uint8Array> {
  /** @throws CseError `ERR_S3CSE_CONFIG` the second time. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array>
  /** The same as a web stream; its queue holds nothing. On Node, `stream.pipeline` and `Readable.from` take the iterable itself. */
  toReadableStream(): ReadableStream<Uint8Array>
  /** Gives it up, also while a chunk is being waited for. Idempotent; without effect after the end. */
  cancel(reason?: Error): void
}

/** What waits for something that does not come any more. */
export function givenUp(): CseError {
  return configError('The message was given up before its end.')
}

export function throwIfReleased(held: Resources): void {
  if (held.released) throw held.error ?? givenUp()
}

/** The promise's value, or the error of whatever releases `held` before; what comes after that goes to `late`. */
export function unlessReleased<T>(held: Resources, promise: Promise<T>, late?: (value: T) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    promise.then((value) => {
      if (held.released) late?.(value)
      resolve(value)
    }, reject)
    held.hold((error) => reject(error ?? givenUp()))
  })
}

/** The same for one wait after the other, with nothing left behind by those that are over. */
export function interrupter(held: Resources): <T>(promise: Promise<T>) => Promise<T> {
  let interrupt: (error: Error) => void = () => undefined
  held.hold((error) => interrupt(error ?? givenUp()))
  return (promise) =>
    new Promise((resolve, reject) => {
      interrupt = reject
      promise.then(resolve, reject)
    })
}

/** What is known in the middle of a stream: it rejects with what releases `held` before, and need not be listened to. */
export function later<T>(held: Resources): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let fulfil: (value: T) => void = () => undefined
  const promise = new Promise<T>((resolve, reject) => {
    fulfil = resolve
    held.hold((error) => reject(error ?? givenUp()))
  })
  promise.catch(() => undefined)
  return { promise, resolve: fulfil }
}

/** `held` is given back at the end, on an error, and when the stream is given up. */
export function byteStream(chunks: AsyncIterable<Uint8Array>, held: Resources): ByteStream {
  const source = guarded(chunks[Symbol.asyncIterator](), held)
  let taken = false
  const take = (): ByteSource => {
    if (taken) throw configError('This stream was read already: it can be read once.')
    taken = true
    return source
  }
  return {
    [Symbol.asyncIterator]: () => iteratorOf(take()),
    toReadableStream: () => runtime.toStream(take(), 'web') as ReadableStream<Uint8Array>,
    cancel: (reason) => source.cancel(reason ?? givenUp()),
  }
}

/** Ends with an error where the stream was given up, whatever the chunks would still give. */
function guarded(chunks: AsyncIterator<Uint8Array>, held: Resources): ByteSource {
  let ended = false
  return {
    async next() {
      if (ended) return undefined
      try {
        throwIfReleased(held)
        const step = await chunks.next()
        throwIfReleased(held)
        if (step.done !== true) return step.value
        ended = true
        held.release()
        return undefined
      } catch (caught) {
        // After a cancel what fails is the consequence: the reason is what was given to the cancel.
        const error = held.error ?? (caught as Error)
        held.release(error)
        throw error
      }
    },
    cancel: (error) => held.release(error),
  }
}

function iteratorOf(source: ByteSource): AsyncIterableIterator<Uint8Array> {
  let ended = false
  const end = { done: true, value: undefined } as const
  return {
    async next() {
      if (ended) return end
      try {
        const value = await source.next()
        if (value !== undefined) return { done: false, value }
        ended = true
        return end
      } catch (error) {
        // Of a loop that was left nobody waits for an error.
        if (ended) return end
        ended = true
        throw error
      }
    },
    async return() {
      ended = true
      source.cancel(givenUp())
      return end
    },
    async throw(error: unknown) {
      ended = true
      source.cancel(error instanceof Error ? error : givenUp())
      throw error
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

export function takeSignal(owner: string, signal: AbortSignal | undefined): AbortSignal | undefined {
  if (signal === undefined) return undefined
  if (typeof (signal as Partial<AbortSignal> | null)?.addEventListener === 'function') return signal
  throw configError(`${owner}: signal must be an AbortSignal`)
}

/** Gives everything back when the signal says so. */
export function holdSignal(held: Resources, signal: AbortSignal | undefined): void {
  if (signal === undefined) return
  const abort = (): void => held.release(abortError(signal))
  if (signal.aborted) {
    abort()
    return
  }
  signal.addEventListener('abort', abort, { once: true })
  held.hold(() => signal.removeEventListener('abort', abort))
}
