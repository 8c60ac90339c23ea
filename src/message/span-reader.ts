import { resources } from '../bytes/resources.js'
import type { Resources } from '../bytes/resources.js'
import { configError } from '../errors.js'
import type { ByteSource } from '../runtime/runtime.js'
import { byteStream, interrupter, type ByteStream } from './byte-stream.js'
import { takeSpan, type SeekableSource } from './seekable-source.js'

/** A plaintext of which any part can be read. Several reads and streams at a time are fine. */
export interface SpanReader {
  /** Of the plaintext, in bytes. */
  readonly length: number
  /** The bytes from `start` to before `end`, as `slice` has them: an `end` behind the last byte means the last byte. Default of `end`: the length. */
  read(start: number, end?: number): Promise<Uint8Array>
  /** The same as a stream. Defaults: all of it. */
  stream(start?: number, end?: number): ByteStream
  /** Wipes the key; every later read, and those under way, fail. Idempotent. */
  close(): void
}

export interface SpanReaderOptions {
  readonly length: number
  /** Given back by `close`. */
  readonly held: Resources
  /** The plaintext [start, end), which is not empty. `wait`: for what may take long; it rejects when the stream is given up. */
  readonly open: (
    span: { readonly start: number; readonly end: number },
    wait: <T>(promise: Promise<T>) => Promise<T>,
  ) => AsyncGenerator<Uint8Array, void>
}

export function spanReader({ length, held, open }: SpanReaderOptions): SpanReader {
  const streams = new Set<Resources>()
  held.hold(() => {
    for (const own of streams) own.release(closed())
  })
  const stream = (start = 0, end = Infinity): ByteStream => {
    if (held.released) throw closed()
    const span = takeSpan(length, start, end)
    const own = resources()
    streams.add(own)
    own.hold(() => void streams.delete(own))
    const wait = interrupter(own)
    async function* chunks(): AsyncGenerator<Uint8Array, void> {
      if (span.start < span.end) yield* open(span, wait)
    }
    return byteStream(chunks(), own)
  }
  return {
    length,
    stream,
    async read(start, end = Infinity) {
      const span = takeSpan(length, start, end)
      const bytes = new Uint8Array(span.end - span.start)
      let at = 0
      for await (const chunk of stream(span.start, span.end)) {
        bytes.set(chunk, at)
        at += chunk.length
      }
      return bytes
    },
    close: () => held.release(),
  }
}

function closed(): Error {
  return configError('This reader was closed: its key was wiped.')
}

/** What a format reads of a source whose envelope is among its bytes. */
export interface SeekableBytes {
  readonly length: number
  start(count: number): Promise<Uint8Array>
  end(count: number): Promise<Uint8Array>
}

export function storedBytes(input: SeekableSource): SeekableBytes {
  const { length } = input
  return {
    length,
    start: (count) => partOf(input, 0, Math.min(count, length)),
    end: (count) => partOf(input, Math.max(0, length - count), length),
  }
}

/** The bytes [start, end). */
export async function partOf(input: SeekableSource, start: number, end: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - start)
  if (bytes.length > 0) await input.read(start, bytes)
  return bytes
}

/** The bytes [start, end), in pieces. */
export function sourceFrom(
  input: SeekableSource,
  { start, end, pieceLength }: { readonly start: number; readonly end: number; readonly pieceLength: number },
): ByteSource {
  let at = start
  return {
    async next() {
      if (at >= end) return undefined
      const piece = await partOf(input, at, Math.min(end, at + pieceLength))
      at += piece.length
      return piece
    },
    cancel() {
      at = end
    },
  }
}
