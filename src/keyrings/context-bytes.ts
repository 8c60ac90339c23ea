import type { Context } from './keyring.js'

/** Pairs of an encryption context, in the order in which they are stored. */
export type ContextPairs = readonly (readonly [key: string, value: string])[]

/** Of the stored form, in bytes: its length has 16 bits, and so have those of each key and value. */
export const MAX_CONTEXT_LENGTH = 0xffff

const encoder = new TextEncoder()

/**
 * The stored form of an encryption context: count ‖ (length ‖ key ‖ length ‖ value)…, sorted by the bytes of the keys in
 * UTF-8; nothing at all where it is empty. `undefined` where it does not fit into 65,535 bytes. It is the AAD of wraps.
 * `order`: another one of the keys, as an old writer had it.
 */
export function serialiseContext(context: Context, order?: (a: string, b: string) => number): Uint8Array | undefined {
  const entries = Object.entries(context)
  if (order !== undefined) entries.sort(([a], [b]) => order(a, b))
  const pairs = entries.map(([key, value]) => [encoder.encode(key), encoder.encode(value)] as const)
  if (order === undefined) pairs.sort(([a], [b]) => compareBytes(a, b))
  if (pairs.length === 0) return new Uint8Array(0)
  const length = pairs.reduce((sum, [key, value]) => sum + 4 + key.length + value.length, 2)
  if (length > MAX_CONTEXT_LENGTH) return undefined
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, pairs.length)
  let at = 2
  for (const pair of pairs) {
    for (const field of pair) {
      view.setUint16(at, field.length)
      bytes.set(field, at + 2)
      at += 2 + field.length
    }
  }
  return bytes
}

/** The pairs of a stored form that is not empty; a text where it is not one, which says what is wrong. */
export function parseContext(bytes: Uint8Array): ContextPairs | string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  if (bytes.length < 2) return 'its encryption context is cut off.'
  const count = view.getUint16(0)
  if (count === 0) return 'its encryption context has no pairs, and yet a length.'
  const pairs: [string, string][] = []
  const seen = new Set<string>()
  let at = 2
  const field = (): string | undefined => {
    if (at + 2 > bytes.length) return undefined
    const end = at + 2 + view.getUint16(at)
    if (end > bytes.length) return undefined
    const value = text.decode(bytes.subarray(at + 2, end))
    at = end
    return value
  }
  for (let i = 0; i < count; i++) {
    let key: string | undefined
    let value: string | undefined
    try {
      key = field()
      value = key === undefined ? undefined : field()
    } catch {
      return 'its encryption context is not UTF-8.'
    }
    if (key === undefined || value === undefined) return 'its encryption context is cut off.'
    if (seen.has(key)) return 'its encryption context names a key twice.'
    seen.add(key)
    pairs.push([key, value])
  }
  return at === bytes.length ? pairs : 'its encryption context is longer than its pairs.'
}

export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}
