import { joined } from '../../bytes/body.js'
import type { EncryptedDataKey } from '../../keyrings/keyring.js'
import { crypt4ghAlgorithm } from '../../keyrings/crypt4gh-keys.js'

/** The first bytes of every message: GA4GH Crypt4GH 1.0, section 3.1. */
export const MAGIC: Uint8Array = new TextEncoder().encode('crypt4gh')
const VERSION = 1
/** Magic, version and number of packets, in bytes. All integers are little-endian. */
export const START_LENGTH: number = MAGIC.length + 8

/** X25519 and ChaCha20-Poly1305: the one method of packets (section 3.2). */
const PACKET_METHOD = 0
/** Length and method. */
const PACKET_LEAD = 8
const WRITER_LENGTH = 32
const NONCE_LENGTH = 12
const TAG_LENGTH = 16
const PACKET_OVERHEAD = PACKET_LEAD + WRITER_LENGTH + NONCE_LENGTH + TAG_LENGTH

/** Bytes of a header: room for an edit list of some 130,000 lengths, or for packets. */
export const MAX_HEADER_LENGTH: number = 1024 * 1024

/** A packet as it is stored. */
export interface Packet {
  /** All of it, with its length. */
  readonly bytes: Uint8Array
  /** What a keyring opens; `undefined` for a method that is not known. */
  readonly encrypted: EncryptedDataKey | undefined
}

export interface Crypt4ghHeader {
  readonly packets: readonly Packet[]
  /** In bytes. */
  readonly length: number
}

/** How a header is read: whole, or how many bytes that needs at least, or what is wrong with it. */
export type HeaderResult = { readonly header: Crypt4ghHeader } | { readonly needs: number } | { readonly fault: string }

/** Whether bytes begin as a message does. */
export function isMessage(start: Uint8Array): boolean {
  return start.length >= MAGIC.length && MAGIC.every((byte, index) => start[index] === byte)
}

/** Reads what is there. Nothing is believed: neither how many packets there are nor how long they are. */
export function parseHeader(start: Uint8Array, maxPackets: number): HeaderResult {
  if (!isMessage(start))
    return start.length < MAGIC.length ? { needs: START_LENGTH } : { fault: 'it does not begin with crypt4gh.' }
  if (start.length < START_LENGTH) return { needs: START_LENGTH }
  const view = new DataView(start.buffer, start.byteOffset, start.length)
  const version = view.getUint32(MAGIC.length, true)
  if (version !== VERSION) return { fault: `it has version ${version}; ${VERSION} is read.` }
  const count = view.getUint32(MAGIC.length + 4, true)
  if (count === 0) return { fault: 'its header has no packets.' }
  if (count > maxPackets) return { fault: `its header has ${count} packets, more than maxPackets (${maxPackets}).` }
  const packets: Packet[] = []
  let at = START_LENGTH
  while (packets.length < count) {
    if (start.length < at + 4) return tooLong(at + 4) ?? { needs: at + 4 }
    const length = view.getUint32(at, true)
    if (length < PACKET_LEAD) return { fault: `a packet of its header has a length of ${length}.` }
    const end = at + length
    if (start.length < end) return tooLong(end) ?? { needs: end }
    const bytes = start.subarray(at, end)
    const method = view.getUint32(at + 4, true)
    if (method === PACKET_METHOD && length < PACKET_OVERHEAD) {
      return { fault: `a packet of its header has ${length} bytes, too few for its method.` }
    }
    packets.push({ bytes, encrypted: method === PACKET_METHOD ? encryptedOf(bytes) : undefined })
    at = end
  }
  return { header: { packets, length: at } }
}

function tooLong(length: number): { readonly fault: string } | undefined {
  return length > MAX_HEADER_LENGTH ? { fault: `its header is longer than ${MAX_HEADER_LENGTH} bytes.` } : undefined
}

function encryptedOf(bytes: Uint8Array): EncryptedDataKey {
  const at = PACKET_LEAD + WRITER_LENGTH
  return {
    algorithm: crypt4ghAlgorithm,
    provider: 'x25519',
    info: bytes.slice(PACKET_LEAD, at),
    ciphertext: bytes.slice(at),
  }
}

/** Of an encrypted content, which stands first in it. */
export function packetNonce({ ciphertext }: EncryptedDataKey): Uint8Array {
  return ciphertext.subarray(0, NONCE_LENGTH)
}

/** In bytes, with a content of that length. */
export function packetLength(contentLength: number): number {
  return PACKET_OVERHEAD + contentLength
}

/** As it is stored. */
export function packetBytes({ info, ciphertext }: EncryptedDataKey): Uint8Array {
  const lead = new Uint8Array(PACKET_LEAD)
  const view = new DataView(lead.buffer)
  view.setUint32(0, PACKET_LEAD + info.length + ciphertext.length, true)
  view.setUint32(4, PACKET_METHOD, true)
  return joined(lead, info, ciphertext)
}

/** `undefined` where no reader would take so many packets, or so long a header. */
export function headerBytes(packets: readonly Uint8Array[], maxPackets: number): Uint8Array | undefined {
  const start = new Uint8Array(START_LENGTH)
  start.set(MAGIC)
  const view = new DataView(start.buffer)
  view.setUint32(MAGIC.length, VERSION, true)
  view.setUint32(MAGIC.length + 4, packets.length, true)
  const header = joined(start, ...packets)
  return packets.length > maxPackets || header.length > MAX_HEADER_LENGTH ? undefined : header
}
