import { resources } from '../bytes/resources.js'
import type { Resources } from '../bytes/resources.js'
import { sealMessage } from '../formats/esdk/seal.js'
import { chunksOf, inputSource, type ByteInput } from '../message/byte-input.js'
import {
  byteStream,
  holdSignal,
  later,
  throwIfReleased,
  unlessReleased,
  type ByteStream,
} from '../message/byte-stream.js'
import type { ByteSource } from '../runtime/runtime.js'
import { messageHeader, type MessageHeader } from './header.js'
import { ENCRYPT_NAMES, takeMessageOptions, type EncryptMessageOptions, type TakenOptions } from './options.js'

/** What is sealed at once, in bytes of plaintext, in whole frames: at least one. More is not faster, and has to be gathered. */
const PIECE_LENGTH = 64 * 1024

/** A message that is being written. */
export interface MessageEncryption extends ByteStream {
  /** There as soon as the keyring has answered, which is asked with the first read; rejects with what the stream fails with. Need not be listened to. */
  readonly header: Promise<WrittenHeader>
}

/** The header of a message that is being written. */
export interface WrittenHeader extends MessageHeader {
  /** How long the whole message is for a plaintext of that length, in bytes, exactly. Throws ERR_S3CSE_BODY_TOO_LARGE. */
  messageLength(plaintextLength: number): number
}

/**
 * Encrypts a stream of any length as a message of the AWS Encryption SDK. Memory: a few frames, 64 KiB at least. Nothing
 * is read, and the keyring not asked, before the message is read.
 *
 * @throws CseError `ERR_S3CSE_CONFIG` for a wrong option or input. The stream fails with that where the keyring's answer
 * does not fit, with `ERR_S3CSE_BODY_TOO_LARGE` for more than 2^32 - 2 frames, and with what the keyring throws. Errors of
 * the input pass unchanged.
 */
export function encryptStream(plaintext: ByteInput, options: EncryptMessageOptions): MessageEncryption {
  const owner = 'encryptStream'
  const taken = takeMessageOptions(owner, options, ENCRYPT_NAMES)
  const held = resources()
  const source = inputSource(owner, plaintext, { atOnce: true })
  held.hold((error) => source.cancel(error))
  const header = later<WrittenHeader>(held)
  const message = byteStream(sealed(source, taken, held, header.resolve), held)
  holdSignal(held, taken.signal)
  return { ...message, header: header.promise }
}

async function* sealed(
  source: ByteSource,
  { settings, ...request }: TakenOptions,
  held: Resources,
  tell: (header: WrittenHeader) => void,
): AsyncGenerator<Uint8Array, void> {
  const { keyring, commitmentPolicy, encryptionContext, signal } = request
  const asked = { keyring, commitmentPolicy, encryptionContext, ...(signal && { signal }) }
  const sealing = sealMessage(asked, settings)
  const { sealer, suite, context, header } = await unlessReleased(held, sealing, (late) => late.sealer.destroy())
  held.hold(() => sealer.destroy())
  const { frameLength } = settings
  tell({
    ...messageHeader(suite, { stored: context, given: encryptionContext, frameLength, length: header.length }),
    messageLength: (length) => sealer.sealedLength(length),
  })
  yield header
  const pieceLength = Math.max(1, Math.floor(PIECE_LENGTH / frameLength)) * frameLength
  let room: Uint8Array | undefined
  held.hold(() => room?.fill(0))
  const pieces = chunksOf(source, pieceLength)
  let offset = 0
  for (let last = false; !last;) {
    const piece = (await pieces.next(() => (room ??= new Uint8Array(pieceLength)))) ?? new Uint8Array(0)
    // A stream that was cancelled may end like one that is complete: there must be no message of a part of it.
    throwIfReleased(held)
    last = piece.length < pieceLength
    const bytes = await sealer.seal(offset, piece, last)
    offset += piece.length
    yield bytes
  }
  const footer = await sealer.trailer(offset)
  if (footer.length > 0) yield footer
}
