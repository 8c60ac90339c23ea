/**
 * `Range` headers by S3's rules: one range of `bytes`. What does not parse, several ranges, and a first byte behind the
 * last one are ignored, and the whole object is the answer. Numbers count bytes; first and last are both included.
 */
export type RangeSpec = { readonly first: number; readonly last: number | undefined } | { readonly suffix: number }

/** Bytes [start, end). */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** AES blocks, on which a range of stored bytes begins, and the tag at its end: both 16 bytes. */
const BLOCK = 16
const TAG = 16

/** Beyond every object. */
const MAX = Number.MAX_SAFE_INTEGER

function count(digits: string): number {
  return Math.min(Number(digits), MAX)
}

/** `undefined`: S3 ignores the header. */
export function parseRange(header: string): RangeSpec | undefined {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(header.trim()) ?? []
  if (first === '') return last === '' ? undefined : { suffix: count(last) }
  if (last === '') return { first: count(first), last: undefined }
  return BigInt(last) < BigInt(first) ? undefined : { first: count(first), last: count(last) }
}

export function formatRange(spec: RangeSpec): string {
  return 'suffix' in spec ? `bytes=-${spec.suffix}` : `bytes=${spec.first}-${spec.last ?? ''}`
}

/** What a range is of `length` bytes: clamped to them. Empty for the last bytes of nothing. `undefined`: unsatisfiable (416). */
export function resolveRange(spec: RangeSpec, length: number): ByteRange | undefined {
  if ('suffix' in spec) {
    return spec.suffix === 0 ? undefined : { start: Math.max(0, length - spec.suffix), end: length }
  }
  if (spec.first >= length) return undefined
  return { start: spec.first, end: Math.min(length, (spec.last ?? MAX) + 1) }
}

/**
 * The stored bytes to ask for, before it is known what is stored: right for AES-GCM with its tag at the end (S3EC).
 * Where a format needs others, they are asked for afterwards.
 */
export function storedSpec(spec: RangeSpec): RangeSpec {
  if (!('suffix' in spec)) return { first: spec.first - (spec.first % BLOCK), last: spec.last }
  // Unsatisfiable as it is; S3 says so.
  if (spec.suffix === 0) return spec
  return { suffix: Math.min(spec.suffix + TAG + BLOCK - 1, MAX) }
}
