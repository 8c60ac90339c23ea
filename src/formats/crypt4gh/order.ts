import { runtime } from '#runtime'
import { NONCE_LENGTH } from './segments.js'

/**
 * Method 0 binds a segment neither to its place nor to the message's end. What this library writes does both, with
 * nothing but nonces, which every reader takes as they are: those of the segments are counted from a start that comes
 * from the data key, the last one marked, and the nonce of the packet with the data key is a mark as well, which says so.
 * Whoever has the data key can tell that it was written like this, and then every segment has to be in its place. The
 * mark cannot be taken away, because it is the nonce of an authenticated packet, and looks like any other to who has no key.
 */

/** 'ended': the last segment is marked. 'empty': there is none. 'open': only the order is bound; how many there would be was not known. */
export type OrderKind = 'ended' | 'empty' | 'open'

const KINDS: Readonly<Record<OrderKind, number>> = Object.freeze({ ended: 1, empty: 2, open: 3 })
const label = new TextEncoder().encode('s3-cse crypt4gh order v1')

/** What follows from one data key. */
export interface Order {
  /** The nonce of the segment with that number; its last bit is turned in the last one. */
  nonce(index: number, isLast: boolean): Uint8Array
  /** What number a nonce has: not below 0, and not above 2^48. `undefined` for any other nonce. */
  indexOf(nonce: Uint8Array): number | undefined
  /** The nonce of the data key's packet. `first`: the number of the first segment of the message. */
  mark(kind: OrderKind, first: number): Promise<Uint8Array>
  /** Wipes what was derived. */
  destroy(): void
}

export async function orderOf(dataKey: Uint8Array): Promise<Order> {
  const derived = await runtime.hmac('SHA-512', dataKey, label)
  const start = derived.slice(0, NONCE_LENGTH)
  const markKey = derived.slice(32)
  derived.fill(0)
  // 48 bits at the start count, and one at the end marks: no two segments have the same.
  const nonce = (index: number, isLast: boolean): Uint8Array => {
    const bytes = start.slice()
    let left = index
    for (let at = 0; at < 6; at++) {
      bytes[at] = (bytes[at] as number) ^ (left % 256)
      left = Math.floor(left / 256)
    }
    if (isLast) bytes[NONCE_LENGTH - 1] = (bytes[NONCE_LENGTH - 1] as number) ^ 1
    return bytes
  }
  return {
    nonce,
    indexOf(found) {
      let index = 0
      for (let at = 5; at >= 0; at--) index = index * 256 + ((found[at] as number) ^ (start[at] as number))
      const isOne = runtime.equal(found, nonce(index, false)) || runtime.equal(found, nonce(index, true))
      return isOne ? index : undefined
    },
    async mark(kind, first) {
      const text = new Uint8Array(9)
      text[0] = KINDS[kind]
      new DataView(text.buffer).setBigUint64(1, BigInt(first))
      return (await runtime.hmac('SHA-256', markKey, text)).slice(0, NONCE_LENGTH)
    },
    destroy() {
      start.fill(0)
      markKey.fill(0)
    },
  }
}
