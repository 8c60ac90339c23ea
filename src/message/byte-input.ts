import { runtime } from '#runtime'
import { sourceOfBytes, viewOf } from '../bytes/body.js'
import { configError } from '../errors.js'
import type { ByteSource } from '../runtime/runtime.js'

/**
 * Bytes to encrypt or to decrypt. Streams of Node are async iterables; of an iterable each chunk is bytes. Bytes in
 * memory are read while the result is: leave them alone until its end.
 */
export type ByteInput =
  Uint8Array | Blob | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array> | Iterable<Uint8Array>

/** Throws if so many bytes from there on are more than there may be. */
export type CheckExtent = (offset: number, length: number) => void

/** How an input is read. */
export interface InputOptions {
  /** Default: nothing is too long. */
  readonly check?: CheckExtent
  /** Each chunk is used up before the next one is asked for: a generator may overwrite it then. Default: false. */
  readonly atOnce?: boolean
}

/** Nothing is read before the first `next()`. What is known to be too long is refused now. */
export function inputSource(owner: string, input: unknown, { check, atOnce = false }: InputOptions = {}): ByteSource {
  const length = lengthOfInput(input)
  if (length !== undefined) check?.(0, length)
  const bytes = viewOf(input)
  if (bytes !== undefined) return sourceOfBytes(bytes, Infinity)
  const source = streamSource(owner, input, atOnce)
  return check === undefined ? source : limited(source, check)
}

/** In bytes, where it can be seen. */
export function lengthOfInput(input: unknown): number | undefined {
  return viewOf(input)?.length ?? (isBlob(input) ? input.size : undefined)
}

function streamSource(owner: string, input: unknown, atOnce: boolean): ByteSource {
  if (runtime.isStream(input)) return runtime.source(input, atOnce)
  if (isIterable(input)) return runtime.source(inTurn(input), atOnce)
  throw configError(`${owner}: the input must be a Uint8Array, a Blob, a stream or an (async) iterable of Uint8Array`)
}

export function isBlob(value: unknown): value is Blob {
  const { slice, size } = (value ?? {}) as Partial<Blob>
  return typeof slice === 'function' && typeof size === 'number'
}

/** Not text, which is an iterable of characters. */
function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value
}

async function* inTurn(chunks: Iterable<unknown>): AsyncGenerator<unknown, void> {
  yield* chunks
}

/** What `check` throws comes in place of the first chunk that goes too far. */
export function limited(source: ByteSource, check: CheckExtent): ByteSource {
  let position = 0
  return {
    async next() {
      const chunk = await source.next()
      if (chunk === undefined) return undefined
      check(position, chunk.length)
      position += chunk.length
      return chunk
    },
    cancel: (error) => source.cancel(error),
  }
}

/** Cuts what a source gives into chunks of one length, but for the last one. */
export interface Chunks {
  /**
   * The next chunk (never empty), or `undefined` at the end: part of what the source gave where that has it in one
   * piece, otherwise in the room that is asked for, which has a chunk's length.
   */
  next(room: () => Uint8Array): Promise<Uint8Array | undefined>
}

export function chunksOf(source: Pick<ByteSource, 'next'>, length: number): Chunks {
  let rest = new Uint8Array(0) as Uint8Array
  let ended = false
  const more = async (): Promise<Uint8Array | undefined> => {
    if (ended) return undefined
    const chunk = await source.next()
    ended = chunk === undefined
    return chunk
  }
  return {
    async next(room) {
      if (rest.length === 0) rest = (await more()) ?? rest
      if (rest.length >= length) {
        const chunk = rest.subarray(0, length)
        rest = rest.subarray(length)
        return chunk
      }
      return rest.length === 0 ? undefined : fill(room())
    },
  }

  /** From `rest`, which is shorter than a chunk, and what comes after it. Copied before more is asked for: see `atOnce`. */
  async function fill(target: Uint8Array): Promise<Uint8Array> {
    for (let filled = 0; ;) {
      const part = rest.subarray(0, length - filled)
      target.set(part, filled)
      filled += part.length
      rest = rest.subarray(part.length)
      if (filled === length) return target
      const chunk = await more()
      if (chunk === undefined) return target.subarray(0, filled)
      rest = chunk
    }
  }
}
