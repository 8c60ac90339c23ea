import { runtime } from '#runtime'
import { crypt4ghRuntime } from '#runtime/crypt4gh'
import { DecryptionError } from '../../errors.js'
import { crypt4ghAlgorithm } from '../../keyrings/crypt4gh-keys.js'
import type { EncryptedDataKey } from '../../keyrings/keyring.js'
import { isBytes } from '../../keyrings/options.js'
import { readersOf } from '../../keyrings/readers.js'
import type { ChaChaPoly } from '../../runtime/runtime.js'
import type { ObjectName, OpenRequest, StoredBytes } from '../format.js'
import { invalidMessage } from '../names.js'
import { notForCrypt4gh, refused, suiteForKeyrings, summaryOf } from './check.js'
import { parseContent, type DataKeyContent, type DataMethod } from './content.js'
import { MAX_HEADER_LENGTH, packetNonce, parseHeader, type Crypt4ghHeader, type Packet } from './header.js'
import { segmentReader, type OpenKey, type SegmentReader } from './open-segments.js'
import type { Crypt4ghSettings } from './options.js'
import { orderOf, type Order, type OrderKind, type OrderMark } from './order.js'
import { NONCE_LENGTH } from './segments.js'

/** Distinct ones that a header may have for one reader: nobody writes more than a few, and each may have to be tried. */
const MAX_DATA_KEYS = 16

/** What is read first, in bytes: most headers are shorter. */
export const HEADER_START_LENGTH = 4096

/** Reads as much of the start as the header needs. Throws ERR_S3CSE_ENVELOPE_INVALID. */
export async function readHeader(
  stored: StoredBytes,
  { maxPackets }: Crypt4ghSettings,
  object: ObjectName,
): Promise<Crypt4ghHeader> {
  for (let wanted = HEADER_START_LENGTH; ;) {
    const start = await stored.start(wanted)
    const result = parseHeader(start, maxPackets)
    if ('header' in result) return result.header
    if ('fault' in result) throw invalidMessage(object, result.fault)
    if (start.length < wanted) throw invalidMessage(object, 'it ends inside its header.')
    // Packet by packet it would be a request for each.
    wanted = Math.min(MAX_HEADER_LENGTH + 1, Math.max(result.needs, wanted * 4))
  }
}

/** A packet with its content, where the keyring opens it. */
export interface OpenedPacket {
  readonly packet: Packet
  /** Whoever gets it wipes it. */
  readonly content: Uint8Array | undefined
  /** Which of the keyring's readers has opened it. */
  readonly reader: number
}

/** What a message is opened with. */
export type Opening = Pick<OpenRequest, 'keyring' | 'commitmentPolicy' | 'signal'>

/** Asks the keyring for each packet. Throws ERR_S3CSE_CONFIG where it is for other formats. */
export async function openPackets(
  { packets }: Crypt4ghHeader,
  { keyring, commitmentPolicy, signal }: Opening,
): Promise<readonly OpenedPacket[]> {
  if (keyring.algorithms?.includes(crypt4ghAlgorithm) === false) throw notForCrypt4gh()
  const opened: OpenedPacket[] = []
  try {
    for (const packet of packets) {
      const { encrypted } = packet
      let [content, reader]: [unknown, number] = [undefined, 0]
      for (const [index, one] of (encrypted ? readersOf(keyring) : []).entries()) {
        const { ciphertext } = encrypted as EncryptedDataKey
        content = await one.unwrap({
          suite: suiteForKeyrings(ciphertext.length - NONCE_LENGTH - 16),
          context: {},
          encryptedDataKeys: [encrypted as EncryptedDataKey],
          commitmentPolicy,
          ...(signal && { signal }),
        })
        reader = index
        if (isBytes(content)) break
      }
      opened.push({ packet, content: isBytes(content) ? content : undefined, reader })
    }
    return opened
  } catch (error) {
    wipe(opened)
    throw error
  }
}

export function wipe(packets: readonly OpenedPacket[]): void {
  for (const { content } of packets) content?.fill(0)
}

/** What the packets of a header say together. */
export interface HeaderContents {
  readonly method: DataMethod
  /** Distinct ones; to be wiped by whoever gets them. */
  readonly keys: readonly DataKeyContent[]
  /** One for each reader, all the same one. */
  readonly editLists: readonly EditListPacket[]
  /** The nonces of the packets with data keys. */
  readonly nonces: readonly Uint8Array[]
}

interface EditListPacket {
  readonly lengths: readonly bigint[]
  readonly nonce: Uint8Array
  /** Of the packet: there as long as that is. */
  readonly content: Uint8Array
}

/**
 * What can be opened counts, what cannot does not. Throws DecryptionError where that is no message: no data key, data keys
 * of several methods, several edit lists; and PolicyError for the draft mode where that is not to be read.
 */
export function contentsOf(
  packets: readonly OpenedPacket[],
  settings: Crypt4ghSettings,
  object: ObjectName,
): HeaderContents {
  const keys: DataKeyContent[] = []
  const nonces: Uint8Array[] = []
  const editLists = new Map<number, EditListPacket>()
  let method: DataMethod | undefined
  try {
    for (const { packet, content, reader } of packets) {
      if (content === undefined || packet.encrypted === undefined) continue
      const parsed = parseContent(content)
      if (parsed === undefined) throw new DecryptionError()
      if (parsed.type === 'edit list') {
        if (editLists.has(reader)) throw new DecryptionError()
        editLists.set(reader, {
          lengths: parsed.lengths,
          nonce: packetNonce(packet.encrypted),
          content,
        })
      } else if (parsed.type === 'data key') {
        const isFirst = !keys.some(
          ({ key, sequence }) => sequence === parsed.sequence && runtime.equal(key, parsed.key),
        )
        if (isFirst) keys.push(parsed)
        else parsed.key.fill(0)
        // Each segment may be any of them.
        if (keys.length > MAX_DATA_KEYS) throw new DecryptionError()
        if (method !== undefined && method !== parsed.method) throw new DecryptionError()
        method = parsed.method
        nonces.push(packetNonce(packet.encrypted))
      }
    }
    if (method === undefined) throw new DecryptionError()
    if (method === 1 && !settings.readsAuthenticatedMode) {
      throw refused(
        object,
        "is in the draft's authenticated mode (data method 1), which is not read unless experimentalAuthenticatedMode is 'read' or 'write'.",
        summaryOf(1),
      )
    }
    // Each reader has his own, and it is the same one.
    const [list, ...others] = editLists.values()
    if (others.some(({ lengths }) => String(lengths) !== String(list?.lengths))) throw new DecryptionError()
    return { method, keys, editLists: [...editLists.values()], nonces }
  } catch (error) {
    for (const { key } of keys) key.fill(0)
    throw error
  }
}

/** What the packet with the data key says (see order.ts). */
export interface Bound extends OrderMark {
  /** Wiped with the reader. */
  readonly order: Order
}

/** A header that was opened. */
export interface OpenedHeader {
  readonly method: DataMethod
  readonly editList: readonly bigint[] | undefined
  /** `undefined`: somebody else has written it. */
  readonly bound: Bound | undefined
  readonly reader: SegmentReader
  readonly integrity: 'segment' | 'ordered'
}

/** Makes what opens the segments. Throws DecryptionError for packets that are not to be together. */
export async function openedHeader({ method, keys, editLists, nonces }: HeaderContents): Promise<OpenedHeader> {
  const ciphers: ChaChaPoly[] = []
  let bound: Bound | undefined
  try {
    bound = await boundOrder(keys, nonces)
    if (bound !== undefined) await checkEditLists(bound, editLists)
    const open: OpenKey[] = []
    for (const { key, sequence } of keys) {
      const cipher = await crypt4ghRuntime.chacha20Poly1305(key)
      ciphers.push(cipher)
      open.push({ cipher, sequence })
    }
    const lengths = editLists[0]?.lengths
    const editList = lengths?.length === 0 ? undefined : lengths
    // In method 1 the additional data bind the order, and the end as well.
    const reader = segmentReader({ method, keys: open, order: method === 0 ? bound : undefined })
    return { method, editList, bound, reader, integrity: integrityOf(method, bound?.kind, editList) }
  } catch (error) {
    for (const cipher of ciphers) cipher.destroy()
    bound?.order.destroy()
    throw error
  } finally {
    for (const { key } of keys) key.fill(0)
  }
}

/** `kind`: `undefined` where somebody else has written it. */
export function integrityOf(
  method: DataMethod,
  kind: OrderKind | undefined,
  editList: readonly bigint[] | undefined,
): 'segment' | 'ordered' {
  if (kind === undefined) return method === 1 && editList === undefined ? 'ordered' : 'segment'
  return method === 1 || kind !== 'open' ? 'ordered' : 'segment'
}

/**
 * Anybody who has the recipient's public key can put an edit list into a header, and leave one out: that of a part is
 * marked as the data key's packet is, and nothing else has one. Throws DecryptionError.
 */
async function checkEditLists({ order, kind, first }: Bound, editLists: readonly EditListPacket[]): Promise<void> {
  if ((kind === 'part') !== editLists.length > 0) throw new DecryptionError()
  for (const { content, nonce } of editLists) {
    if (!runtime.equal(nonce, await order.listNonce(content, first))) throw new DecryptionError()
  }
}

/**
 * Whether the writer has bound the order: one of the packets has a mark for a nonce then. Others can be put beside it by
 * anybody who has the recipient's public key; there must be no other data key than the one that is marked, or its segments
 * could be mixed with others.
 */
async function boundOrder(keys: readonly DataKeyContent[], nonces: readonly Uint8Array[]): Promise<Bound | undefined> {
  for (const { key } of keys) {
    const order = await orderOf(key)
    const [mark, ...others] = nonces.flatMap((nonce) => order.markIn(nonce) ?? [])
    const isOne = others.every(({ kind, first }) => kind === mark?.kind && first === mark.first)
    if (mark !== undefined && isOne && keys.length === 1) return { order, ...mark }
    order.destroy()
    if (mark !== undefined) throw new DecryptionError()
  }
  return undefined
}
