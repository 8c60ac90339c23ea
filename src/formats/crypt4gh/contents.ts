import { runtime } from '#runtime'
import { DecryptionError } from '../../errors.js'
import type { ObjectName } from '../format.js'
import { refused, summaryOf } from './check.js'
import { parseContent, type DataKeyContent, type DataMethod } from './content.js'
import { packetNonce } from './header.js'
import type { Crypt4ghSettings } from './options.js'
import type { OpenedPacket } from './packets.js'

/** Distinct ones that a header may have for one reader: nobody writes more than a few, and each may have to be tried. */
const MAX_DATA_KEYS = 16

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

export interface EditListPacket {
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
