import { resources } from '../bytes/resources.js'
import type { Resources } from '../bytes/resources.js'
import { configError, CseError } from '../errors.js'
import { sealedEnd, sealMessage } from '../formats/crypt4gh/seal.js'
import { chunksOf, inputSource, lengthOfInput, type ByteInput } from '../message/byte-input.js'
import {
  byteStream,
  holdSignal,
  later,
  throwIfReleased,
  unlessReleased,
  type ByteStream,
} from '../message/byte-stream.js'
import type { ByteSource } from '../runtime/runtime.js'
import { writtenHeader, type WrittenHeader } from './header.js'
import {
  takeFlag,
  takeMessageOptions,
  takeRange,
  type MessageOptions,
  type RangeOptions,
  type Taken,
} from './options.js'
import { spanOfInput, spanOfSource } from './span.js'

/** The options of `encryptStream`. `start` and `end`: that part of the input is encrypted, as a message of its own. */
export interface EncryptStreamOptions extends MessageOptions, RangeOptions {
  /** Of the whole input, in bytes: another length is an error. Default: that of bytes and Blobs; of streams it is not needed. */
  readonly plaintextLength?: number | undefined
  /** The stream gives what comes behind the header, which is in `header`, to be kept elsewhere. Default: false, the header comes first. */
  readonly detachedHeader?: boolean | undefined
}

/** A message that is being written. */
export interface MessageEncryption extends ByteStream {
  /** There as soon as the keyring has answered, which is asked with the first read; rejects with what the stream fails with. Need not be listened to. */
  readonly header: Promise<WrittenHeader>
}

/** One segment: more at a time is not faster, and has to be gathered. */
const PIECE_LENGTH = 64 * 1024
const NOTHING = new Uint8Array(0)

/**
 * Encrypts a stream of any length as a Crypt4GH message. Order and end are bound to the data key in nonces, which this
 * library checks and others take as they are; of an input of unknown length one chunk is read ahead for that. Memory: a
 * few segments of 64 KiB and two chunks of the input. Nothing is read, and no key used, before the message is read. Where
 * `end` is given, what is behind it is not read: the input is given back.
 *
 * @throws CseError `ERR_S3CSE_CONFIG` for a wrong option or input, or bytes that are not as long as `plaintextLength`. The
 * stream fails with that where the keyring's answer does not fit, with `ERR_S3CSE_BODY_LENGTH` where a stream has not the
 * length that was given, with `ERR_S3CSE_BODY_TOO_LARGE` for more than some 8 PiB, and with what the keyring throws. Errors
 * of the input pass unchanged.
 */
export function encryptStream(plaintext: ByteInput, options: EncryptStreamOptions): MessageEncryption {
  const owner = 'encryptStream'
  const taken = takeMessageOptions(owner, options, ['plaintextLength', 'start', 'end', 'detachedHeader'])
  const { plaintextLength, detachedHeader } = taken.given
  const isDetached = takeFlag(owner, 'detachedHeader', detachedHeader, false)
  const span = takeRange(taken.given)
  const whole = lengthOf(owner, plaintext, plaintextLength)
  const length = whole === undefined ? undefined : Math.min(span.end, whole) - Math.min(span.start, whole)
  const held = resources()
  const cut = spanOfInput(plaintext, span)
  const input = inputSource(owner, cut ?? plaintext, { atOnce: true })
  const source = cut === undefined ? spanOfSource(input, span) : input
  held.hold((error) => source.cancel(error))
  const header = later<WrittenHeader>(held)
  const message = byteStream(sealed({ source, taken, held, length, isDetached, tell: header.resolve }), held)
  holdSignal(held, taken.request.signal)
  return { ...message, header: header.promise }
}

/** Of the whole input, where it is known. Throws ERR_S3CSE_CONFIG. */
function lengthOf(owner: string, input: ByteInput, given: number | undefined): number | undefined {
  const own = lengthOfInput(input)
  if (given === undefined) return own
  if (!Number.isSafeInteger(given) || given < 0) {
    throw configError(`${owner}: plaintextLength must be a whole number of bytes`)
  }
  if (own === undefined || own === given) return given
  throw configError(`${owner}: the input has ${own} bytes, and plaintextLength is ${given}`)
}

interface Sealing {
  readonly source: ByteSource
  readonly taken: Taken<EncryptStreamOptions>
  readonly held: Resources
  /** Of what is encrypted, in bytes, where it is known. */
  readonly length: number | undefined
  readonly isDetached: boolean
  readonly tell: (header: WrittenHeader) => void
}

async function* sealed({ source, taken, held, length, isDetached, tell }: Sealing): AsyncGenerator<Uint8Array, void> {
  const chunks = chunksOf(source, PIECE_LENGTH)
  let room: Uint8Array | undefined
  held.hold(() => room?.fill(0))
  const next = async (): Promise<Uint8Array> => {
    const piece = await chunks.next(() => (room ??= new Uint8Array(PIECE_LENGTH)))
    // A stream that was cancelled may end like one that is complete: there must be no message of a part of it.
    throwIfReleased(held)
    return piece ?? NOTHING
  }
  // An empty message has another header.
  let piece = length === undefined ? await next() : undefined
  const known = piece?.length === 0 ? 0 : length
  const asked = { ...taken.request, ordered: true, ...(known !== undefined && { plaintextLength: known }) }
  const sealing = sealMessage(asked, taken.settings)
  const made = await unlessReleased(held, sealing, (late) => late.sealer.destroy())
  const { sealer } = made
  held.hold(() => sealer.destroy())
  tell(writtenHeader(made))
  if (!isDetached) yield made.header
  let offset = 0
  /** What was sealed of an input of unknown length, until it is known not to be its end. */
  let waiting: Uint8Array | undefined
  for (let last = false; !last;) {
    piece ??= await next()
    const end = offset + piece.length
    last = length === undefined ? piece.length < PIECE_LENGTH : end === length
    if (length !== undefined && (end > length || (!last && piece.length < PIECE_LENGTH))) throw wrongLength(length)
    const isBehind = last && waiting !== undefined && piece.length === 0
    const bytes = isBehind
      ? await sealedEnd(sealer, offset - PIECE_LENGTH, waiting as Uint8Array)
      : await sealer.seal(offset, piece, last)
    // What the piece is a part of may be overwritten now.
    if (last && length !== undefined && (await next()).length > 0) throw wrongLength(length)
    offset = end
    piece = undefined
    if (waiting !== undefined && !isBehind) yield waiting
    waiting = last || length !== undefined ? undefined : bytes
    if (waiting === undefined && bytes.length > 0) yield bytes
  }
}

function wrongLength(length: number): CseError {
  return new CseError('ERR_S3CSE_BODY_LENGTH', `The input has not the length that was given: ${length} bytes.`)
}
