import { concat, viewOf } from '../bytes/body.js'
import { configError } from '../errors.js'
import type { ByteSource, Runtime } from './runtime.js'

export function isWebStream(value: unknown): value is ReadableStream {
  return typeof value === 'object' && value !== null && typeof (value as ReadableStream).getReader === 'function'
}

export function isBlob(value: unknown): value is Blob {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Blob).stream === 'function' &&
    typeof (value as Blob).size === 'number'
  )
}

export function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as AsyncIterable<unknown>)[Symbol.asyncIterator] === 'function'
  )
}

/** Chunks of a body as bytes: strings as UTF-8, views and buffers without a copy. */
export interface ChunkEncoder {
  encode(chunk: unknown): Uint8Array
  /** What is left at the end, if anything. */
  end(): Uint8Array | undefined
}

const encoder = new TextEncoder()

/** Text may be cut between the two halves of a surrogate pair: the first waits for the second. */
export function chunkEncoder(): ChunkEncoder {
  let half = ''
  return {
    encode(chunk) {
      if (typeof chunk !== 'string') {
        const bytes = toBytes(chunk)
        if (half === '') return bytes
        // Half a character before bytes becomes what TextEncoder makes of it: U+FFFD, in 3 bytes.
        half = ''
        return concat([encoder.encode('\ufffd'), bytes], 3 + bytes.length)
      }
      const text = half + chunk
      half = /[\ud800-\udbff]$/.exec(text)?.[0] ?? ''
      return encoder.encode(half === '' ? text : text.slice(0, -1))
    },
    end: () => (half === '' ? undefined : encoder.encode(half)),
  }
}

function toBytes(chunk: unknown): Uint8Array {
  const view = viewOf(chunk)
  if (view !== undefined) return view
  throw configError(`Body gave a chunk of type ${typeof chunk}; chunks must be bytes or strings`)
}

/** A stream that was read gives no sign of its own; what is left of it would be stored as if it were all. */
function isDisturbed(stream: ReadableStream): boolean {
  try {
    new Response(stream)
    return false
  } catch {
    return true
  }
}

function sourceOfReader(stream: ReadableStream): ByteSource {
  if (stream.locked) throw configError('Body is a ReadableStream that is locked to another reader')
  if (isDisturbed(stream)) throw configError('Body is a ReadableStream that was read already')
  let reader: ReadableStreamDefaultReader<unknown> | undefined
  let finished = false
  const chunks = chunkEncoder()
  return {
    async next() {
      reader ??= stream.getReader()
      for (;;) {
        if (finished) return undefined
        const { done, value } = await reader.read()
        if (done) {
          finished = true
          return chunks.end()
        }
        const chunk = chunks.encode(value)
        if (chunk.length > 0) return chunk
      }
    },
    cancel(error) {
      // Rejects where the stream has failed already: next() has reported that.
      ;(reader ?? stream).cancel(error).catch(() => undefined)
    },
  }
}

function sourceOfIterable(iterable: AsyncIterable<unknown>, atOnce: boolean): ByteSource {
  let iterator: AsyncIterator<unknown> | undefined
  let finished = false
  let stopWaiting: ((error: Error) => void) | undefined
  const chunks = chunkEncoder()

  /** The iterator's answer, or the error of a cancel: a generator that hangs cannot be told to return. */
  function step(from: AsyncIterator<unknown>): Promise<IteratorResult<unknown>> {
    return new Promise((resolve, reject) => {
      stopWaiting = reject
      from.next().then(resolve, (error: unknown) => {
        finished = true // an iterator that threw has ended and wants no return()
        reject(error)
      })
    })
  }
  async function close(): Promise<void> {
    // An iterable that was never started is asked as well, so that it can give back what it holds.
    iterator ??= iterable[Symbol.asyncIterator]()
    await iterator.return?.()
  }
  return {
    async next() {
      iterator ??= iterable[Symbol.asyncIterator]()
      for (;;) {
        if (finished) return undefined
        const result = await step(iterator)
        if (result.done === true) {
          finished = true
          return chunks.end()
        }
        const chunk = chunks.encode(result.value)
        // A generator may fill its buffer again once it is asked for more, while this chunk still waits to be sealed.
        if (chunk.length > 0) return atOnce ? chunk : chunk.slice()
      }
    },
    cancel(error = new Error('the body is not read any further')) {
      if (finished) return
      finished = true
      stopWaiting?.(error)
      close().catch(() => undefined)
    },
  }
}

export function sourceOfWeb(body: unknown, atOnce = false): ByteSource {
  if (isWebStream(body)) return sourceOfReader(body)
  if (isBlob(body)) return sourceOfReader(body.stream())
  if (isAsyncIterable(body)) return sourceOfIterable(body, atOnce)
  throw configError('Body is not a stream, a Blob or an async iterable')
}

/** Nothing is pulled before the first read: the queue's size is 0. */
export function webStream(source: ByteSource): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const chunk = await source.next()
          if (chunk !== undefined) {
            controller.enqueue(chunk)
            return
          }
          controller.close()
          source.cancel()
        } catch (error) {
          source.cancel(error as Error)
          throw error
        }
      },
      cancel(reason) {
        source.cancel(reason instanceof Error ? reason : undefined)
      },
    },
    { highWaterMark: 0 },
  )
}

export const streamRuntime: Pick<Runtime, 'isStream' | 'source' | 'streamLength' | 'toStream' | 'streamKind' | 'name'> =
  {
    name: 'browser',
    isStream: (body) => isWebStream(body) || isBlob(body) || isAsyncIterable(body),
    source: sourceOfWeb,
    streamLength: async (body) => (isBlob(body) ? body.size : undefined),
    toStream: (source) => webStream(source),
    streamKind: (body) => (isWebStream(body) ? 'web' : undefined),
  }
