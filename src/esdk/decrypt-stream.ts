import { runtime } from '#runtime'
import { budget } from '../bytes/budget.js'
import { collect } from '../bytes/body.js'
import { peekable } from '../bytes/peekable.js'
import type { PeekableSource } from '../bytes/peekable.js'
import { resources } from '../bytes/resources.js'
import type { Resources } from '../bytes/resources.js'
import { configError, CseError, DecryptionError } from '../errors.js'
import type { EsdkHeader } from '../formats/esdk/header.js'
import { noObject } from '../formats/names.js'
import { openMessage, readHeader } from '../formats/esdk/open.js'
import { SINGLE_START_LENGTH, singleEnd } from '../formats/esdk/single-opener.js'
import { inputSource, lengthOfInput, type ByteInput } from '../message/byte-input.js'
import {
  byteStream,
  holdSignal,
  later,
  throwIfReleased,
  unlessReleased,
  type ByteStream,
} from '../message/byte-stream.js'
import type { Opener } from '../message/opener.js'
import { verifiedRead } from '../message/verified-read.js'
import type { ByteSource } from '../runtime/runtime.js'
import { openedHeader, type MessageHeader } from './header.js'
import { DECRYPT_NAMES, takeMessageOptions, type DecryptMessageOptions, type TakenOptions } from './options.js'

/** The options of `decryptStream`. */
export interface DecryptStreamOptions extends DecryptMessageOptions {
  /**
   * Of messages without frames, which are verified before anything is given out: bytes that are kept in memory. What is
   * longer is kept in a temporary file, encrypted; where there is no disk, or it is a stream of a signed message whose
   * length is not known, it is refused. Default: 64 MiB.
   */
  readonly maxBufferedBytes?: number | undefined
}

/** A message that is being read. */
export interface MessageDecryption extends ByteStream {
  /** There when the header was read and authenticated, with the first read; rejects with what the stream fails with. Need not be listened to. */
  readonly header: Promise<MessageHeader>
}

/** Bytes on disk that a message without frames may take: more than any has. */
const MAX_SPOOL = 2 ** 37

/**
 * Decrypts a message of the AWS Encryption SDK as it comes: a frame is given out when it was verified, the last frame of
 * a signed message when its signature was. Memory: a frame (`maxBodySize` at most) and what the input gives at a time.
 *
 * @throws CseError `ERR_S3CSE_CONFIG` for a wrong option or input. The stream fails with `ERR_S3CSE_ENVELOPE_INVALID` for
 * what is no message, `ERR_S3CSE_POLICY` and `ERR_S3CSE_CONTEXT_MISMATCH` before any key is used, and with
 * `ERR_S3CSE_DECRYPTION_FAILED` (DecryptionError) for everything after that. Errors of the input and of key services pass
 * unchanged.
 */
export function decryptStream(message: ByteInput, options: DecryptStreamOptions): MessageDecryption {
  const owner = 'decryptStream'
  const { maxBufferedBytes = 64 * 1024 ** 2, ...rest } = { ...options }
  if (!Number.isSafeInteger(maxBufferedBytes) || maxBufferedBytes < 0) {
    throw configError(`${owner}: maxBufferedBytes must be a whole number of bytes`)
  }
  const taken = takeMessageOptions(owner, rest, DECRYPT_NAMES)
  const held = resources()
  const source = peekable(inputSource(owner, message, { atOnce: true }))
  held.hold((error) => source.cancel(error))
  const header = later<MessageHeader>(held)
  const reading = { source, taken, held, maxBufferedBytes, length: lengthOfInput(message), tell: header.resolve }
  const plaintext = byteStream(opened(reading), held)
  holdSignal(held, taken.signal)
  return { ...plaintext, header: header.promise }
}

interface Reading {
  readonly source: PeekableSource
  readonly taken: TakenOptions
  readonly held: Resources
  readonly maxBufferedBytes: number
  /** Of the message, in bytes, where it is known. */
  readonly length: number | undefined
  readonly tell: (header: MessageHeader) => void
}

async function* opened(r: Reading): AsyncGenerator<Uint8Array, void> {
  const { source, held, length, tell } = r
  const { settings, signal, ...request } = r.taken
  const stored = { length: undefined, start: (count: number): Promise<Uint8Array> => source.start(count) }
  const header = await unlessReleased(held, readHeader(stored, noObject))
  const isFramed = header.frameLength > 0
  const asked = {
    ...request,
    object: noObject,
    stored: isFramed ? stored : { ...stored, length },
    ...(signal && { signal }),
  }
  const opening = openMessage(header, asked, settings, noObject, false)
  const opener = await unlessReleased(held, opening, (late) => late.destroy())
  held.hold(() => opener.destroy())
  tell(openedHeader(header, request.encryptionContext))
  yield* isFramed ? inOrder(opener, source, held) : unframed(r, opener, header)
}

/** Frame by frame. */
async function* inOrder(opener: Opener, source: ByteSource, held: Resources): AsyncGenerator<Uint8Array, void> {
  const stream = opener.stream?.()
  if (stream === undefined) throw new DecryptionError()
  let skip = opener.headerLength
  for (;;) {
    const chunk = await source.next()
    throwIfReleased(held)
    if (chunk === undefined) break
    const from = Math.min(skip, chunk.length)
    skip -= from
    const opened = stream.update(chunk.subarray(from))
    const plaintext = opened instanceof Promise ? await opened : opened
    if (plaintext.length > 0) yield plaintext
  }
  const last = await stream.final(new Uint8Array(0))
  throwIfReleased(held)
  if (last !== undefined && last.length > 0) yield last
}

/** All of it is verified first. */
async function* unframed(
  { source, held, maxBufferedBytes, length }: Reading,
  opener: Opener,
  header: EsdkHeader,
): AsyncGenerator<Uint8Array, void> {
  const isSigned = header.suite.signature !== undefined
  // Where a signature begins its message does not say how long that is.
  const sealedLength = isSigned ? length : singleEnd(header, await source.start(header.length + SINGLE_START_LENGTH))
  if (sealedLength === undefined) {
    const plaintext = await opener.openWhole(await collect(source, maxBufferedBytes, () => tooLong(maxBufferedBytes)))
    throwIfReleased(held)
    if (plaintext.length > 0) yield plaintext
    return
  }
  const { createSpool } = runtime
  const own = resources()
  const read = verifiedRead({
    opener,
    upstream: source,
    sealedLength,
    resources: own,
    memory: budget(maxBufferedBytes),
    disk: budget(MAX_SPOOL),
    createSpool: createSpool && (() => createSpool(undefined)),
    reread: () => Promise.reject(tooLong(maxBufferedBytes)),
  })
  held.hold((error) => read.cancel(error))
  try {
    for (let chunk = await read.next(); chunk !== undefined; chunk = await read.next()) yield chunk
  } catch (error) {
    // The message is shorter or longer than it says.
    if (error instanceof CseError && error.code === 'ERR_S3CSE_RESPONSE_UNEXPECTED') throw new DecryptionError()
    throw error
  }
}

function tooLong(limit: number): CseError {
  return new CseError(
    'ERR_S3CSE_BODY_TOO_LARGE',
    `The message has no frames, is verified as a whole, and is longer than maxBufferedBytes (${limit}). Raise that, or give the message as bytes or a Blob.`,
  )
}
