/** Contents of header packets: GA4GH Crypt4GH 1.0, section 3.2.4 and following. All integers are little-endian. */

/** Of a data key: ChaCha20-Poly1305; the same with additional data (a draft, hts-specs pull request 736). */
export type DataMethod = 0 | 1

/** A data key and what goes with it. */
export interface DataKeyContent {
  readonly type: 'data key'
  readonly method: DataMethod
  /** 32 bytes. */
  readonly key: Uint8Array
  /** Method 1: what the additional data of the first segment is; 0 otherwise. */
  readonly sequence: bigint
}

export interface EditListContent {
  readonly type: 'edit list'
  /** Bytes to discard, to keep, to discard … */
  readonly lengths: readonly bigint[]
}

export type Content = DataKeyContent | EditListContent | { readonly type: 'unknown' }

const DATA_KEY = 0
const EDIT_LIST = 1
const TYPE_LENGTH = 4
const KEY_AT = 8
const KEY_END = 40
/** In bytes. */
export const SEQUENCE_LENGTH = 8

/** `undefined` for what is no content: too short for its type, a method that is not known. More bytes than needed are padding. */
export function parseContent(bytes: Uint8Array): Content | undefined {
  if (bytes.length < TYPE_LENGTH) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const type = view.getUint32(0, true)
  if (type === EDIT_LIST) return editList(view)
  if (type !== DATA_KEY) return { type: 'unknown' }
  if (bytes.length < KEY_END) return undefined
  const method = view.getUint32(TYPE_LENGTH, true)
  const key = bytes.slice(KEY_AT, KEY_END)
  if (method === 0) return { type: 'data key', method, key, sequence: 0n }
  if (method !== 1 || bytes.length < KEY_END + SEQUENCE_LENGTH) return undefined
  return { type: 'data key', method, key, sequence: view.getBigUint64(KEY_END, true) }
}

/** Without a copy of a key in it. */
export function contentType(bytes: Uint8Array): Content['type'] {
  const type = bytes.length < TYPE_LENGTH ? undefined : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
  if (type === DATA_KEY) return 'data key'
  return type === EDIT_LIST ? 'edit list' : 'unknown'
}

/** Of a content with a data key, without padding, in bytes. */
export function dataKeyLength(bytes: Uint8Array): number {
  return KEY_END + (bytes[TYPE_LENGTH] === 1 ? SEQUENCE_LENGTH : 0)
}

function editList(view: DataView): EditListContent | undefined {
  if (view.byteLength < 8) return undefined
  const count = view.getUint32(4, true)
  // Before any memory is taken for them.
  if (count > (view.byteLength - 8) / 8) return undefined
  const lengths = Array.from({ length: count }, (_, index) => view.getBigUint64(8 + index * 8, true))
  return { type: 'edit list', lengths }
}

/** Whoever gets it wipes it. */
export function dataKeyContent({ method, key, sequence }: Omit<DataKeyContent, 'type'>): Uint8Array {
  const bytes = new Uint8Array(KEY_END + (method === 1 ? SEQUENCE_LENGTH : 0))
  const view = new DataView(bytes.buffer)
  view.setUint32(0, DATA_KEY, true)
  view.setUint32(TYPE_LENGTH, method, true)
  bytes.set(key, KEY_AT)
  if (method === 1) view.setBigUint64(KEY_END, sequence, true)
  return bytes
}

export function editListContent(lengths: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(8 + lengths.length * 8)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, EDIT_LIST, true)
  view.setUint32(4, lengths.length, true)
  lengths.forEach((length, index) => view.setBigUint64(8 + index * 8, BigInt(length), true))
  return bytes
}
