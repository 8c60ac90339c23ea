import { runtime } from '#runtime'
import { crypt4ghRuntime } from '#runtime/crypt4gh'
import { DecryptionError, PolicyError, type ObjectFacts } from '../../errors.js'
import { crypt4ghAlgorithm } from '../../keyrings/crypt4gh-keys.js'
import type { EncryptedDataKey } from '../../keyrings/keyring.js'
import { isBytes } from '../../keyrings/options.js'
import type { ChaChaPoly } from '../../runtime/runtime.js'
import type { EnvelopeSummary, ObjectName, OpenRequest, StoredBytes } from '../format.js'
import { invalidMessage, nameOf } from '../names.js'
import { notForCrypt4gh, suiteForKeyrings, summaryOf } from './check.js'
import { parseContent, type DataKeyContent, type DataMethod } from './content.js'
import { MAX_HEADER_LENGTH, packetNonce, parseHeader, type Crypt4ghHeader, type Packet } from './header.js'
import { segmentReader, type OpenKey, type SegmentReader } from './open-segments.js'
import type { Crypt4ghSettings } from './options.js'
import { orderOf, type Order, type OrderMark } from './order.js'
import { NONCE_LENGTH } from './segments.js'

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
      for (const [index, one] of (encrypted ? (keyring.readers ?? [keyring]) : []).entries()) {
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
  /** As stored; `undefined` where there is none, or an empty one. */
  readonly editList: readonly bigint[] | undefined
  /** The nonces of the packets with data keys. */
  readonly nonces: readonly Uint8Array[]
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
  const editLists = new Map<number, readonly bigint[]>()
  let method: DataMethod | undefined
  try {
    for (const { packet, content, reader } of packets) {
      if (content === undefined || packet.encrypted === undefined) continue
      const parsed = parseContent(content)
      if (parsed === undefined) throw new DecryptionError()
      if (parsed.type === 'edit list') {
        if (editLists.has(reader)) throw new DecryptionError()
        editLists.set(reader, parsed.lengths)
      } else if (parsed.type === 'data key') {
        const isFirst = !keys.some(
          ({ key, sequence }) => sequence === parsed.sequence && runtime.equal(key, parsed.key),
        )
        if (isFirst) keys.push(parsed)
        else parsed.key.fill(0)
        if (method !== undefined && method !== parsed.method) throw new DecryptionError()
        method = parsed.method
        nonces.push(packetNonce(packet.encrypted))
      }
    }
    if (method === undefined) throw new DecryptionError()
    if (method === 1 && !settings.readsAuthenticatedMode) throw draftMode(object)
    // Each reader has his own, and it is the same one.
    const [editList, ...others] = editLists.values()
    if (others.some((other) => String(other) !== String(editList))) throw new DecryptionError()
    return { method, keys, editList: editList?.length === 0 ? undefined : editList, nonces }
  } catch (error) {
    for (const { key } of keys) key.fill(0)
    throw error
  }
}

/** Only who could have read it gets to see this. */
function draftMode(object: ObjectName): PolicyError {
  const facts: Partial<EnvelopeSummary> = { ...summaryOf(1) }
  delete (facts as { context?: unknown }).context
  return new PolicyError(
    'ERR_S3CSE_POLICY',
    `${nameOf(object)} is in the draft's authenticated mode (data method 1), which is not read unless experimentalAuthenticatedMode is 'read' or 'write'.`,
    facts as ObjectFacts,
  )
}

/** How the order of the segments is bound, by their nonces (see order.ts). */
export interface Bound extends OrderMark {
  /** Wiped with the reader. */
  readonly order: Order
}

/** A header that was opened. */
export interface OpenedHeader {
  readonly method: DataMethod
  readonly editList: readonly bigint[] | undefined
  /** `undefined`: nothing binds the order of the segments (method 0), or their additional data do (method 1). */
  readonly bound: Bound | undefined
  readonly reader: SegmentReader
  readonly integrity: 'segment' | 'ordered'
}

/** Makes what opens the segments. Throws DecryptionError for data keys that are not to be together. */
export async function openedHeader({ method, keys, editList, nonces }: HeaderContents): Promise<OpenedHeader> {
  const ciphers: ChaChaPoly[] = []
  let bound: Bound | undefined
  try {
    if (method === 0) bound = await boundOrder(keys, nonces)
    const open: OpenKey[] = []
    for (const { key, sequence } of keys) {
      const cipher = await crypt4ghRuntime.chacha20Poly1305(key)
      ciphers.push(cipher)
      open.push({ cipher, sequence })
    }
    return {
      method,
      editList,
      bound,
      reader: segmentReader({ method, keys: open, order: bound }),
      integrity: method === 1 || bound?.kind === 'ended' || bound?.kind === 'empty' ? 'ordered' : 'segment',
    }
  } catch (error) {
    for (const cipher of ciphers) cipher.destroy()
    bound?.order.destroy()
    throw error
  } finally {
    for (const { key } of keys) key.fill(0)
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
