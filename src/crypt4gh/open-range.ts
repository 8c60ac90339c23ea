import { throwIfAborted, untilAborted } from '../bytes/abort.js'
import { resources } from '../bytes/resources.js'
import type { Resources } from '../bytes/resources.js'
import { DecryptionError } from '../errors.js'
import { edited, type EditedPlaintext } from '../formats/crypt4gh/edit-list.js'
import { openerOf, openMessage } from '../formats/crypt4gh/envelope.js'
import { SEALED_SEGMENT_LENGTH } from '../formats/crypt4gh/segments.js'
import { noObject } from '../formats/names.js'
import type { ByteStream } from '../message/byte-stream.js'
import type { Opener } from '../message/opener.js'
import { rangedRead, sealedRange, verifyEnd } from '../message/ranged-read.js'
import { seekableSource, type SeekableInput, type SeekableSource } from '../message/seekable-source.js'
import { partOf, sourceFrom, spanReader, storedBytes } from '../message/span-reader.js'
import { openedHeader, type MessageHeader } from './header.js'
import { takeMessageOptions, type DetachedHeader, type MessageOptions, type Taken } from './options.js'
import { behindSeekable, checkDetached, takeDetached } from './stored.js'
import { storedRuns } from './stored-runs.js'

/** The options of `openRange`. */
export interface OpenRangeOptions extends MessageOptions, DetachedHeader {}

/** A message of which any part can be read. Several reads and streams at a time are fine. */
export interface MessageReader {
  /** Of the plaintext, in bytes, as an edit list leaves it. Authenticated where `header.integrity` is 'ordered'. */
  readonly length: number
  readonly header: MessageHeader
  /** The bytes from `start` to before `end`, as `slice` has them: an `end` behind the last byte means the last byte. Default of `end`: the length. */
  read(start: number, end?: number): Promise<Uint8Array>
  /** The same as a stream. Defaults: all of it. */
  stream(start?: number, end?: number): ByteStream
  /** Wipes the key; every later read, and those under way, fail. Idempotent. */
  close(): void
}

/** What is read from the source at once, in bytes: whole segments. */
const PIECE_LENGTH = 4 * SEALED_SEGMENT_LENGTH

/**
 * Opens a message of which parts are wanted: reads its header and its last segment, and then of each part the segments
 * that have it and no others, also where an edit list leaves out what is in between. Every segment is authenticated before
 * anything of it is given out, and its place where that is bound. Memory: a few segments for each read.
 *
 * @throws CseError as `decryptStream`; `ERR_S3CSE_CONFIG` of `read` and `stream` for what is no range, and after `close`.
 */
export async function openRange(source: SeekableInput, options: OpenRangeOptions): Promise<MessageReader> {
  const owner = 'openRange'
  const taken = takeMessageOptions(owner, options, ['header'])
  const detached = takeDetached(owner, taken.given.header)
  const { signal } = taken.request
  throwIfAborted(signal)
  checkDetached(detached, taken.settings)
  const opening = open(behindSeekable(detached, await seekableSource(owner, source)), taken)
  return untilAborted(opening, signal, (late) => late.close())
}

async function open(input: SeekableSource, { settings, request }: Taken<OpenRangeOptions>): Promise<MessageReader> {
  const { header, opened } = await openMessage({ ...request, stored: storedBytes(input) }, settings, noObject)
  const held = resources()
  held.hold(() => opened.destroy())
  try {
    const { editList } = opened
    const opener = openerOf(header, { ...opened, editList: undefined }, input.length)
    const storedLength = opener.plaintextLength(input.length)
    const plaintext = storedLength === undefined ? undefined : edited(editList ?? [0n], storedLength)
    if (plaintext === undefined) throw new DecryptionError()
    throwIfAborted(request.signal)
    await verifyEnd(opener, input.length, (start, end) => partOf(input, start, end))
    throwIfAborted(request.signal)
    return readerOf({ opener, input, plaintext, held, header: openedHeader(header, opened) })
  } catch (error) {
    held.release()
    throw error
  }
}

interface Opened {
  /** Of all that is stored, as if there were no edit list. */
  readonly opener: Opener
  readonly input: SeekableSource
  readonly plaintext: EditedPlaintext
  readonly header: MessageHeader
  readonly held: Resources
}

function readerOf({ opener, input, plaintext, header, held }: Opened): MessageReader {
  const reader = spanReader({
    length: plaintext.length,
    held,
    async *open(span, wait) {
      for (const range of storedRuns(plaintext, span)) {
        const sealed = sealedRange(opener, input.length, range)
        const upstream = sourceFrom(input, { ...sealed, pieceLength: PIECE_LENGTH })
        const read = rangedRead({ opener, sealedLength: input.length, range, sealed, upstream, resources: resources() })
        let at = range.start
        for (;;) {
          const chunk = await wait(read.next())
          if (chunk === undefined) break
          const kept = plaintext.keep(at, chunk)
          at += chunk.length
          if (kept.length > 0) yield kept
        }
      }
    },
  })
  return Object.freeze({ ...reader, header } satisfies MessageReader)
}
