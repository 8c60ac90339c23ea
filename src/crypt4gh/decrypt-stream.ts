import { sourceOfBytes, viewOf } from '../bytes/body.js'
import { peekable, type PeekableSource } from '../bytes/peekable.js'
import { resources } from '../bytes/resources.js'
import type { Resources } from '../bytes/resources.js'
import { openMessage } from '../formats/crypt4gh/envelope.js'
import { segmentStream } from '../formats/crypt4gh/segment-stream.js'
import { SEALED_SEGMENT_LENGTH } from '../formats/crypt4gh/segments.js'
import { noObject } from '../formats/names.js'
import { inputSource, type ByteInput } from '../message/byte-input.js'
import {
  byteStream,
  holdSignal,
  later,
  throwIfReleased,
  unlessReleased,
  type ByteStream,
} from '../message/byte-stream.js'
import { openedHeader, type MessageHeader } from './header.js'
import { takeFlag, takeMessageOptions, takeRange } from './options.js'
import type { DecryptMessageOptions, Span, Taken } from './options.js'
import { spanTaker } from './span.js'
import { behindSource, checkDetached, takeDetached } from './stored.js'

/** The options of `decryptStream`. */
export interface DecryptStreamOptions extends DecryptMessageOptions {
  /**
   * Of a part of the plaintext: whether what is behind it is read and verified all the same. With `false` the input is
   * given back as soon as the part was given out: each segment of it was authenticated, and not that the message goes on
   * and ends as it should. What is before the part is always verified. Default: true.
   */
  readonly verifyRest?: boolean | undefined
}

/** A message that is being read. */
export interface MessageDecryption extends ByteStream {
  /** There when the header was read and opened, with the first read; rejects with what the stream fails with. Need not be listened to. */
  readonly header: Promise<MessageHeader>
}

/** Bytes in memory are read in pieces of so many bytes. */
const PIECE_LENGTH = 16 * SEALED_SEGMENT_LENGTH

/**
 * Decrypts a Crypt4GH message as it comes: a segment is given out when it was authenticated, and where order and end are
 * bound (`header.integrity` is 'ordered') it was in its place; a message that is cut off fails at its end then. Memory: two
 * segments of 64 KiB, and what the input gives at a time.
 *
 * With `start` and `end` that part of the plaintext is given out, offsets counted behind the edit list; a `start` behind
 * the end gives nothing. All of the message is read and verified unless `verifyRest` is false; where the input can be
 * read at any place, `openRange` reads only what the part needs.
 *
 * @throws CseError `ERR_S3CSE_CONFIG` for a wrong option or input. The stream fails with `ERR_S3CSE_ENVELOPE_INVALID` for
 * what is no message, with `ERR_S3CSE_DECRYPTION_FAILED` (DecryptionError) for everything after a key was used, and with
 * `ERR_S3CSE_POLICY` (PolicyError) for the draft's authenticated mode unless `experimentalAuthenticatedMode` is set. Errors
 * of the input and of keyrings pass unchanged.
 */
export function decryptStream(message: ByteInput, options: DecryptStreamOptions): MessageDecryption {
  const owner = 'decryptStream'
  const taken = takeMessageOptions(owner, options, ['start', 'end', 'header', 'verifyRest'])
  const { given } = taken
  const span = takeRange(given)
  const verifyRest = takeFlag(owner, 'verifyRest', given.verifyRest, true)
  const detached = takeDetached(owner, given.header)
  const bytes = viewOf(message)
  // In one piece, a message would be copied for the look at its header.
  const body = bytes ? sourceOfBytes(bytes, PIECE_LENGTH) : inputSource(owner, message, { atOnce: true })
  const held = resources()
  const source = peekable(behindSource(detached, body))
  held.hold((error) => source.cancel(error))
  const header = later<MessageHeader>(held)
  const reading = { source, detached, taken, span, verifyRest, held, tell: header.resolve }
  const plaintext = byteStream(opened(reading), held)
  holdSignal(held, taken.request.signal)
  return { ...plaintext, header: header.promise }
}

interface Reading {
  readonly source: PeekableSource
  readonly detached: Uint8Array | undefined
  readonly taken: Taken<DecryptStreamOptions>
  readonly span: Span
  readonly verifyRest: boolean
  readonly held: Resources
  readonly tell: (header: MessageHeader) => void
}

async function* opened(r: Reading): AsyncGenerator<Uint8Array, void> {
  const { source, detached, held, tell, verifyRest } = r
  const { settings, request } = r.taken
  checkDetached(detached, settings)
  const stored = { length: undefined, start: (count: number): Promise<Uint8Array> => source.start(count) }
  const opening = openMessage({ ...request, stored }, settings, noObject)
  const message = await unlessReleased(held, opening, (late) => late.opened.destroy())
  const { reader, method, bound, editList } = message.opened
  held.hold(() => message.opened.destroy())
  tell(openedHeader(message.header, message.opened))
  const segments = segmentStream({ reader, method, kind: bound?.kind, editList })
  const part = spanTaker(r.span)
  let skip = message.header.length
  while (verifyRest || !part.isWhole()) {
    const chunk = await source.next()
    throwIfReleased(held)
    const sealed = chunk?.subarray(skip)
    skip -= Math.min(skip, chunk?.length ?? 0)
    for (const plaintext of sealed ? segments.push(sealed) : segments.end()) {
      const piece = part.take(plaintext)
      if (piece.length > 0) yield piece
      if (part.isWhole() && !verifyRest) return
    }
    if (sealed === undefined) return
  }
}
