import { runtime } from '#runtime'
import { crypt4ghRuntime } from '#runtime/crypt4gh'
import { DecryptionError } from '../../errors.js'
import type { ChaChaPoly } from '../../runtime/runtime.js'
import type { DataKeyContent, DataMethod } from './content.js'
import type { EditListPacket, HeaderContents } from './contents.js'
import { segmentReader, type OpenKey, type SegmentReader } from './open-segments.js'
import { orderOf, type Order, type OrderKind, type OrderMark } from './order.js'

/** What the packet with the data key says (see order.ts). */
export interface Bound extends OrderMark {
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
  /** Wipes the keys, the reader's and those of the order. */
  readonly destroy: () => void
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
    const integrity = integrityOf(method, bound?.kind, editList)
    const destroy = (): void => {
      reader.destroy()
      bound?.order.destroy()
    }
    return {
      method,
      editList,
      bound,
      reader,
      integrity,
      destroy,
    }
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
