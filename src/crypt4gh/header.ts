import { START_LENGTH, type Crypt4ghHeader } from '../formats/crypt4gh/header.js'
import type { OpenedHeader } from '../formats/crypt4gh/open.js'
import type { SealedMessage } from '../formats/crypt4gh/seal.js'

/** What the header of a message says to who can open it. */
export interface MessageHeader {
  /** In bytes. */
  readonly length: number
  /** How many, those that are for others included. */
  readonly packets: number
  /** 0: ChaCha20-Poly1305, segment by segment. 1: the draft's authenticated mode. */
  readonly dataMethod: 0 | 1
  /**
   * 'ordered': order of the segments and end of the message are authenticated. 'segment': each segment is by itself only,
   * so that segments of this message could have been swapped, repeated or left out by who could write to it.
   */
  readonly integrity: 'segment' | 'ordered'
  /** As it is stored: bytes to discard, to keep, to discard … `undefined` where there is none, or an empty one. */
  readonly editList: readonly bigint[] | undefined
}

/** The header of a message that is being written. */
export interface WrittenHeader extends Omit<MessageHeader, 'editList'> {
  /** The header itself. */
  readonly bytes: Uint8Array
  /** How long the whole message is for a plaintext of that length, in bytes, exactly, header included. Throws ERR_S3CSE_BODY_TOO_LARGE. */
  messageLength(plaintextLength: number): number
}

export function openedHeader(
  { length, packets }: Crypt4ghHeader,
  { method, integrity, editList }: OpenedHeader,
): MessageHeader {
  return Object.freeze({
    length,
    packets: packets.length,
    dataMethod: method,
    integrity,
    editList: editList && Object.freeze([...editList]),
  })
}

export function writtenHeader({ header, method, integrity, sealer }: SealedMessage): WrittenHeader {
  return Object.freeze({
    bytes: header.slice(),
    length: header.length,
    packets: packetsIn(header),
    dataMethod: method,
    integrity,
    messageLength: (plaintextLength: number) => sealer.sealedLength(plaintextLength),
  })
}

/** The last number before the packets says how many there are. */
export function packetsIn({ buffer, byteOffset, length }: Uint8Array): number {
  return new DataView(buffer, byteOffset, length).getUint32(START_LENGTH - 4, true)
}
