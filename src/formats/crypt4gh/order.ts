import { runtime } from '#runtime'
import { NONCE_LENGTH } from './segments.js'

/**
 * Method 0 binds a segment neither to its place nor to the message's end. What this library writes does both, with
 * nothing but nonces, which every reader takes as they are: those of the segments are counted from a start that comes
 * from the data key, the last one marked, and the nonce of the packet with the data key is a mark as well, which says so.
 * Whoever has the data key can tell that it was written like this, and then every segment has to be in its place. The
 * mark cannot be taken away, because it is the nonce of an authenticated packet, and looks like any other to who has no key.
 */

/**
 * 'ended': the last segment is marked. 'empty': there is none. 'open': only the order is bound; how many there would be was
 * not known. 'part': it was cut out of another message, and the edit list says where it ends. Only a part has an edit list.
 */
export type OrderKind = 'ended' | 'empty' | 'open' | 'part'

const KINDS: readonly OrderKind[] = Object.freeze(['ended', 'empty', 'open', 'part'])
const label = new TextEncoder().encode('s3-cse crypt4gh order v1')
const listLabel = new TextEncoder().encode('s3-cse crypt4gh edit list v1')
/** Of a nonce, in bytes: what counts, at its end in marks and at its start in segments. */
const COUNTER_LENGTH = 6

/** What the packet with a data key says of the order. */
export interface OrderMark {
  readonly kind: OrderKind
  /** The number of the first segment; 0 but for parts. */
  readonly first: number
}

/** What follows from one data key. */
export interface Order {
  /** The nonce of the segment with that number, below 2^48; its last bit is turned in the last one. */
  nonce(index: number, isLast: boolean): Uint8Array
  /** The nonce of the data key's packet. */
  mark(mark: OrderMark): Uint8Array
  /** What the nonce of the data key's packet says; `undefined` where somebody else has made it. */
  markIn(nonce: Uint8Array): OrderMark | undefined
  /** The nonce of the packet with the edit list, which only who has the data key can make for that content. */
  listNonce(content: Uint8Array, first: number): Promise<Uint8Array>
  /** Wipes what was derived. */
  destroy(): void
}

export async function orderOf(dataKey: Uint8Array): Promise<Order> {
  const derived = await runtime.hmac('SHA-512', dataKey, label)
  const part = (index: number): Uint8Array => derived.slice(index * NONCE_LENGTH, (index + 1) * NONCE_LENGTH)
  const start = part(0)
  const marks = KINDS.map((_, index) => part(index + 1))
  derived.fill(0)
  const listKey = await runtime.hmac('SHA-256', dataKey, listLabel)
  const atEnd = NONCE_LENGTH - COUNTER_LENGTH
  return {
    // 48 bits at the start count, and one at the end marks: no two segments have the same.
    nonce(index, isLast) {
      const nonce = counted(start, 0, index)
      if (isLast) nonce[NONCE_LENGTH - 1] = (nonce[NONCE_LENGTH - 1] as number) ^ 1
      return nonce
    },
    mark: ({ kind, first }) => counted(marks[KINDS.indexOf(kind)] as Uint8Array, atEnd, first),
    markIn(nonce) {
      const index = marks.findIndex((mark) => runtime.equal(mark.subarray(0, atEnd), nonce.subarray(0, atEnd)))
      const kind = KINDS[index]
      if (kind === undefined) return undefined
      const first = counterIn(marks[index] as Uint8Array, atEnd, nonce)
      return kind === 'part' || first === 0 ? { kind, first } : undefined
    },
    async listNonce(content, first) {
      const text = new Uint8Array(8 + content.length)
      new DataView(text.buffer).setFloat64(0, first)
      text.set(content, 8)
      return (await runtime.hmac('SHA-256', listKey, text)).slice(0, NONCE_LENGTH)
    },
    destroy() {
      for (const secret of [start, listKey, ...marks]) secret.fill(0)
    },
  }
}

/** A nonce with a number in it, 48 bits, little-endian. */
function counted(base: Uint8Array, at: number, value: number): Uint8Array {
  const nonce = base.slice()
  for (let i = at, left = value; i < at + COUNTER_LENGTH; i++, left = Math.floor(left / 256)) {
    nonce[i] = (nonce[i] as number) ^ (left % 256)
  }
  return nonce
}

function counterIn(base: Uint8Array, at: number, nonce: Uint8Array): number {
  let value = 0
  for (let i = at + COUNTER_LENGTH - 1; i >= at; i--) value = value * 256 + ((nonce[i] as number) ^ (base[i] as number))
  return value
}
