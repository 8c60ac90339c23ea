import { throwIfAborted, untilAborted } from '../bytes/abort.js'
import { resources } from '../bytes/resources.js'
import type { Resources } from '../bytes/resources.js'
import { configError, CseError } from '../errors.js'
import { noObject } from '../formats/names.js'
import { openMessage, readHeader } from '../formats/esdk/open.js'
import type { StoredBytes } from '../formats/format.js'
import { byteStream, unlessReleased, type ByteStream } from '../message/byte-stream.js'
import type { Opener } from '../message/opener.js'
import { rangedRead, sealedRange, verifyEnd } from '../message/ranged-read.js'
import { seekableSource, takeSpan, type SeekableInput, type SeekableSource } from '../message/seekable-source.js'
import type { ByteSource } from '../runtime/runtime.js'
import { openedHeader, type MessageHeader } from './header.js'
import { DECRYPT_NAMES, takeMessageOptions, type DecryptMessageOptions, type TakenOptions } from './options.js'

/** The options of `openRange`. */
export interface OpenRangeOptions extends DecryptMessageOptions {
  /** Whether parts of a signed message may be read: each frame is authenticated under the data key, and the signature is not verified. Default: false. */
  readonly rangesWithoutSignature?: boolean | undefined
}

/** A message of which any part can be read. Several reads and streams at a time are fine. */
export interface MessageReader {
  /** Of the plaintext, in bytes: authenticated. */
  readonly length: number
  readonly header: MessageHeader
  /** The bytes from `start` to before `end`, as `slice` has them: an `end` behind the last byte means the last byte. Default of `end`: the length. */
  read(start: number, end?: number): Promise<Uint8Array>
  /** The same as a stream. Defaults: all of it. */
  stream(start?: number, end?: number): ByteStream
  /** Wipes the key; every later read, and those under way, fail. Idempotent. */
  close(): void
}

/** What is read from the source at once, in bytes. */
const PIECE_LENGTH = 256 * 1024

/**
 * Opens a message of which parts are wanted: reads its header and its final frame, which says where it ends, and then of
 * each part the frames that have it. Every frame is authenticated, in its place in this message, before anything of it is
 * given out.
 *
 * @throws CseError as `decryptStream`; `ERR_S3CSE_RANGE_REFUSED` for a message without frames, and for a signed one unless
 * `rangesWithoutSignature` is set.
 */
export async function openRange(source: SeekableInput, options: OpenRangeOptions): Promise<MessageReader> {
  const owner = 'openRange'
  const names = [...DECRYPT_NAMES, 'rangesWithoutSignature']
  const { settings, signal, ...request } = takeMessageOptions(owner, options, names)
  throwIfAborted(signal)
  const opening = open(await seekableSource(owner, source), request, settings, signal)
  return untilAborted(opening, signal, (late) => late.close())
}

async function open(
  input: SeekableSource,
  request: Omit<TakenOptions, 'settings' | 'signal'>,
  settings: TakenOptions['settings'],
  signal: AbortSignal | undefined,
): Promise<MessageReader> {
  const stored = storedBytes(input)
  const header = await readHeader(stored, noObject)
  const opening = { ...request, object: noObject, stored, ranges: true, ...(signal && { signal }) }
  const opener = await openMessage(header, opening, settings, noObject, false)
  const held = resources()
  held.hold(() => opener.destroy())
  try {
    if (opener.authentication !== 'segment') {
      throw new CseError(
        'ERR_S3CSE_RANGE_REFUSED',
        'The message has no frames: no part of it can be authenticated by itself. Decrypt all of it.',
      )
    }
    throwIfAborted(signal)
    const length = opener.plaintextLength(input.length) ?? 0
    await verifyEnd(opener, input.length, (start, end) => partOf(input, start, end))
    throwIfAborted(signal)
    return readerOf({ opener, input, length, held, header: openedHeader(header, request.encryptionContext) })
  } catch (error) {
    held.release()
    throw error
  }
}

async function partOf(input: SeekableSource, start: number, end: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - start)
  if (bytes.length > 0) await input.read(start, bytes)
  return bytes
}

function storedBytes(input: SeekableSource): StoredBytes {
  const { length } = input
  return {
    length,
    start: (count) => partOf(input, 0, Math.min(count, length)),
    end: (count) => partOf(input, Math.max(0, length - count), length),
  }
}

interface Opened {
  readonly opener: Opener
  readonly input: SeekableSource
  readonly length: number
  readonly header: MessageHeader
  readonly held: Resources
}

function readerOf({ opener, input, length, header, held }: Opened): MessageReader {
  const open = new Set<Resources>()
  held.hold(() => {
    for (const own of open) own.release(closed())
  })
  const stream = (start = 0, end = Infinity): ByteStream => {
    if (held.released) throw closed()
    const range = takeSpan(length, start, end)
    const own = resources()
    open.add(own)
    own.hold(() => void open.delete(own))
    const sealed = range.start === range.end ? { start: 0, end: 0 } : sealedRange(opener, input.length, range)
    const upstream = sourceFrom(input, sealed.start, sealed.end)
    own.hold((error) => upstream.cancel(error))
    async function* chunks(): AsyncGenerator<Uint8Array, void> {
      if (range.start === range.end) return
      const read = rangedRead({ opener, sealedLength: input.length, range, sealed, upstream, resources: resources() })
      for (;;) {
        const chunk = await unlessReleased(own, read.next())
        if (chunk === undefined) return
        yield chunk
      }
    }
    return byteStream(chunks(), own)
  }
  return Object.freeze({
    length,
    header,
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
  } satisfies MessageReader)
}

function closed(): Error {
  return configError('This reader was closed: its key was wiped.')
}

/** The stored bytes [start, end) in pieces. */
function sourceFrom(input: SeekableSource, start: number, end: number): ByteSource {
  let at = start
  return {
    async next() {
      if (at >= end) return undefined
      const piece = await partOf(input, at, Math.min(end, at + PIECE_LENGTH))
      at += piece.length
      return piece
    },
    cancel() {
      at = end
    },
  }
}
