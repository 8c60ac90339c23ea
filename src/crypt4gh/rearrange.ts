import { peekable } from '../bytes/peekable.js'
import { resources, type Resources } from '../bytes/resources.js'
import { configError, CseError } from '../errors.js'
import type { NewHeader, StoredBytes } from '../formats/format.js'
import { rearrangedHeader } from '../formats/crypt4gh/rearranged-header.js'
import { SEALED_SEGMENT_LENGTH } from '../formats/crypt4gh/segments.js'
import { noObject } from '../formats/names.js'
import type { Keyring } from '../keyrings/keyring.js'
import { inputSource, type ByteInput } from '../message/byte-input.js'
import { interrupter } from '../message/byte-stream.js'
import { seekableSource, type SeekableInput } from '../message/seekable-source.js'
import { sourceFrom, storedBytes } from '../message/span-reader.js'
import type { ByteSource } from '../runtime/runtime.js'
import { checkKeyring } from '../formats/crypt4gh/check.js'
import { takeMessageOptions, takeRange, type Taken } from './options.js'
import type { DetachedHeader, MessageOptions, RangeOptions } from './options.js'
import { rewriting, type MessageRewriting } from './rewriting.js'
import { spanOfSource } from './span.js'
import { behindSeekable, behindSource, checkDetached, isSeekable, takeDetached } from './stored.js'

/** The options of `rearrange`. `keyring` opens what is there; at least one byte has to be in the part. */
export interface RearrangeOptions extends MessageOptions, RangeOptions, DetachedHeader {
  /** Writes the new header, for its recipients. Default: `keyring`. */
  readonly to?: Keyring | undefined
  /** Needed of a stream, and for nothing else: the length of what it gives, in bytes, a detached header not counted. */
  readonly inputLength?: number | undefined
}

/** What is read at once, in bytes: whole segments. */
const PIECE_LENGTH = 4 * SEALED_SEGMENT_LENGTH

/**
 * Gives a part of a message's plaintext as a message of its own: a new header with an edit list, and those segments that
 * hold the part, no others, which are neither decrypted nor verified. Of a `SeekableInput` nothing else is read but the
 * header; a stream is read up to the end of the part, and given back there. Offsets count behind an edit list that is
 * there. Packets of other recipients are left out. Memory: the header and a few segments. Nothing is read before the first
 * read.
 *
 * The data key is that of the whole message: who gets the part could open the rest, if he got its segments. And of the
 * first and the last segment all bytes are in the new message, whatever its edit list says.
 *
 * @throws CseError `ERR_S3CSE_CONFIG` for a wrong option or input: of a stream whose length is not known no part can be
 * made, so give `inputLength`, or a `SeekableInput`. The stream fails as `decryptStream` does, with `ERR_S3CSE_CONFIG` for
 * a part without a byte of the plaintext, with `ERR_S3CSE_BODY_LENGTH` for a stream that is shorter than it should be, and
 * with `ERR_S3CSE_RANGE_REFUSED` where whole segments in between would have to be left out, which an edit list had left
 * out before, or, in the draft's authenticated mode, the end of the message.
 */
export function rearrange(input: SeekableInput | ByteInput, options: RearrangeOptions): MessageRewriting {
  const owner = 'rearrange'
  const taken = takeMessageOptions(owner, options, ['to', 'start', 'end', 'header', 'inputLength'])
  const { given } = taken
  const span = takeRange(given)
  if (span.start === span.end) throw configError(`${owner}: from start to before end there is no byte`)
  if (given.to !== undefined) checkKeyring(given.to)
  const detached = takeDetached(owner, given.header)
  const held = resources()
  const open = isSeekable(input)
    ? fromSeekable(owner, input, { detached })
    : fromStream(owner, input, { detached, length: given.inputLength, held })
  const unlessGivenUp = interrupter(held)
  return rewriting(held, taken.request.signal, async function* (tell) {
    checkDetached(detached, taken.settings)
    const { stored, from } = await unlessGivenUp(open())
    const made = await unlessGivenUp(newHeader(taken, stored))
    tell(made)
    yield made.header
    const source = from(made)
    for (let left = made.to - made.from; left > 0;) {
      const chunk = await unlessGivenUp(source.next())
      if (chunk === undefined) throw tooShort()
      left -= chunk.length
      yield chunk
    }
  })
}

function newHeader({ given, settings, request }: Taken<RearrangeOptions>, stored: StoredBytes): Promise<NewHeader> {
  const { start, end } = takeRange(given)
  const asked = { ...request, to: given.to ?? request.keyring, stored, start, end }
  return rearrangedHeader(asked, settings, noObject)
}

interface Detached {
  readonly detached: Uint8Array | undefined
}

/** How a part is read. */
interface Part {
  readonly stored: StoredBytes
  /** The stored bytes that belong to it. */
  readonly from: (made: NewHeader) => ByteSource
}

type OpenPart = () => Promise<Part>

function fromSeekable(owner: string, input: SeekableInput, { detached }: Detached): OpenPart {
  return async () => {
    const source = behindSeekable(detached, await seekableSource(owner, input))
    return {
      stored: storedBytes(source),
      from: ({ from, to }) => sourceFrom(source, { start: from, end: to, pieceLength: PIECE_LENGTH }),
    }
  }
}

function fromStream(
  owner: string,
  input: ByteInput,
  { detached, length, held }: { readonly length: number | undefined; readonly held: Resources } & Detached,
): OpenPart {
  const body = inputSource(owner, input)
  if (length === undefined) {
    throw configError(
      `${owner}: the length of a stream has to be known, as inputLength; or give what can be read at any place: a Uint8Array, a Blob, a FileHandle or an object with length and read`,
    )
  }
  if (!Number.isSafeInteger(length) || length < 0) {
    throw configError(`${owner}: inputLength must be a whole number of bytes`)
  }
  const source = peekable(behindSource(detached, body))
  held.hold((error) => source.cancel(error))
  return async () => ({
    stored: { length: length + (detached?.length ?? 0), start: (count) => source.start(count) },
    from: ({ from, to }) => spanOfSource(source, { start: from, end: to }),
  })
}

function tooShort(): CseError {
  return new CseError('ERR_S3CSE_BODY_LENGTH', 'The input is shorter than inputLength says.')
}
