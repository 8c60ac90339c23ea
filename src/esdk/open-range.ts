import { throwIfAborted, untilAborted } from '../bytes/abort.js'
import { resources } from '../bytes/resources.js'
import type { Resources } from '../bytes/resources.js'
import { CseError } from '../errors.js'
import { noObject } from '../formats/names.js'
import { openMessage, readHeader } from '../formats/esdk/open.js'
import type { ByteStream } from '../message/byte-stream.js'
import type { Opener } from '../message/opener.js'
import { rangedRead, sealedRange, verifyEnd } from '../message/ranged-read.js'
import { seekableSource, type SeekableInput, type SeekableSource } from '../message/seekable-source.js'
import { partOf, sourceFrom, spanReader, storedBytes } from '../message/span-reader.js'
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

interface Opened {
  readonly opener: Opener
  readonly input: SeekableSource
  readonly length: number
  readonly header: MessageHeader
  readonly held: Resources
}

function readerOf({ opener, input, length, header, held }: Opened): MessageReader {
  const reader = spanReader({
    length,
    held,
    async *open(range, wait) {
      const sealed = sealedRange(opener, input.length, range)
      const upstream = sourceFrom(input, { ...sealed, pieceLength: PIECE_LENGTH })
      const read = rangedRead({ opener, sealedLength: input.length, range, sealed, upstream, resources: resources() })
      for (;;) {
        const chunk = await wait(read.next())
        if (chunk === undefined) return
        yield chunk
      }
    },
  })
  return Object.freeze({ ...reader, header } satisfies MessageReader)
}
