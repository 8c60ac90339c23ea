import { resources } from '../bytes/resources.js'
import { peekable } from '../bytes/peekable.js'
import { noObject } from '../formats/names.js'
import { readHeader } from '../formats/crypt4gh/packets.js'
import { crypt4ghSettings, type Crypt4ghMessageOptions } from '../formats/crypt4gh/options.js'
import { inputSource, type ByteInput } from '../message/byte-input.js'
import { holdSignal, takeSignal, unlessReleased } from '../message/byte-stream.js'
import { seekableSource, type SeekableInput } from '../message/seekable-source.js'
import { takeNames } from './options.js'
import { storedBytes } from '../message/span-reader.js'
import { isSeekable } from './stored.js'

/** The options of `inspectHeader`. */
export interface InspectHeaderOptions extends Pick<Crypt4ghMessageOptions, 'maxPackets'> {
  /** Gives it up. Default: none. */
  readonly signal?: AbortSignal | undefined
}

/** What a header says without any key. Nothing of it is authenticated. */
export interface InspectedHeader {
  /** In bytes: where the segments begin. */
  readonly length: number
  /** In their order. What is in them, and for whom, only the recipients can tell. */
  readonly packets: readonly InspectedPacket[]
}

/** One packet of a header. */
export interface InspectedPacket {
  /** In bytes. A data key takes 108, in the draft's authenticated mode 116; an edit list of n lengths 76 + 8 n. */
  readonly length: number
  /** How it is encrypted: 0 for X25519 and ChaCha20-Poly1305; others are not standard. */
  readonly method: number
  /** Of who has written it, or the one-time key that was written with; `undefined` for other methods. */
  readonly writerPublicKey: Uint8Array | undefined
}

/**
 * Reads a message's header and tells what can be told without a key. Of an input that can be read at any place no more
 * than the header is read, a little at a time; a stream is given back when it was.
 *
 * @throws CseError `ERR_S3CSE_CONFIG` for a wrong option or input, `ERR_S3CSE_ENVELOPE_INVALID` for what is no message.
 * Errors of the input pass unchanged.
 */
export async function inspectHeader(
  input: SeekableInput | ByteInput,
  options: InspectHeaderOptions = {},
): Promise<InspectedHeader> {
  const owner = 'inspectHeader'
  const taken = takeNames(owner, options, ['maxPackets', 'signal'])
  const settings = crypt4ghSettings(owner, { maxPackets: taken.maxPackets })
  const signal = takeSignal(owner, taken.signal)
  const held = resources()
  try {
    const start = isSeekable(input) ? await seekableStart(owner, input) : streamStart(owner, input, held)
    holdSignal(held, signal)
    const { length, packets } = await unlessReleased(held, readHeader({ length: undefined, start }, settings, noObject))
    return Object.freeze({
      length,
      packets: Object.freeze(
        packets.map(({ bytes, encrypted }) =>
          Object.freeze({
            length: bytes.length,
            method: new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(4, true),
            writerPublicKey: encrypted?.info,
          }),
        ),
      ),
    })
  } catch (caught) {
    throw held.error ?? caught
  } finally {
    held.release()
  }
}

type Start = (count: number) => Promise<Uint8Array>

async function seekableStart(owner: string, input: SeekableInput): Promise<Start> {
  const stored = storedBytes(await seekableSource(owner, input))
  return (count) => stored.start(count)
}

function streamStart(owner: string, input: ByteInput, held: ReturnType<typeof resources>): Start {
  const source = peekable(inputSource(owner, input, { atOnce: true }))
  held.hold((error) => source.cancel(error))
  return (count) => source.start(count)
}
