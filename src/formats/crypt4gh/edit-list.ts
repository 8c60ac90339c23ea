/** Plaintext [start, end) that an edit list keeps, in bytes of what is stored; `before`: how much is kept before it. */
export interface KeptRange {
  readonly start: number
  readonly end: number
  readonly before: number
}

/** What an edit list leaves of a plaintext: GA4GH Crypt4GH 1.0, section 3.2.5. */
export interface EditedPlaintext {
  /** In bytes; `undefined` where it goes on to the end of a plaintext whose length is not known. */
  readonly length: number
  readonly ranges: readonly KeptRange[]
  /** How many bytes are kept before `offset` of what is stored. */
  keptBefore(offset: number): number
  /** Where the kept byte at `offset` is stored; `offset` within what is kept. */
  storedAt(offset: number): number
  /** What of the bytes stored from `offset` on is kept: a view where that is one piece. */
  keep(offset: number, plaintext: Uint8Array): Uint8Array
}

/**
 * Applies an edit list to a plaintext of `storedLength` bytes (Infinity: not known yet). `undefined` where it names bytes
 * behind the end.
 */
export function edited(lengths: readonly bigint[], storedLength: number): EditedPlaintext | undefined {
  const found = rangesOf(lengths, storedLength)
  if (found === undefined) return undefined
  const { ranges, length } = found
  /** Index of the first range that ends behind `offset`. */
  const indexAfter = (offset: number): number => firstOf(ranges, ({ end }) => end > offset)
  const keptBefore = (offset: number): number => {
    const range = ranges[indexAfter(offset)]
    return range === undefined ? length : range.before + Math.max(0, offset - range.start)
  }
  return {
    length,
    ranges,
    keptBefore,
    storedAt(offset) {
      const range = ranges[firstOf(ranges, ({ before, start, end }) => before + end - start > offset)]
      if (range === undefined) throw new RangeError('It is not within what is kept.')
      return range.start + offset - range.before
    },
    keep(offset, plaintext) {
      const end = offset + plaintext.length
      const first = indexAfter(offset)
      const only = ranges[first]
      if (only === undefined || only.start >= end) return plaintext.subarray(0, 0)
      const from = Math.max(only.start, offset) - offset
      const next = ranges[first + 1]
      if (next === undefined || next.start >= end) return plaintext.subarray(from, Math.min(only.end, end) - offset)
      // In place: what is kept moves to the front.
      let at = 0
      for (let index = first; index < ranges.length; index++) {
        const range = ranges[index] as KeptRange
        if (range.start >= end) break
        const piece = plaintext.subarray(Math.max(range.start, offset) - offset, Math.min(range.end, end) - offset)
        plaintext.copyWithin(
          at,
          piece.byteOffset - plaintext.byteOffset,
          piece.byteOffset - plaintext.byteOffset + piece.length,
        )
        at += piece.length
      }
      return plaintext.subarray(0, at)
    },
  }
}

function firstOf(ranges: readonly KeptRange[], holds: (range: KeptRange) => boolean): number {
  let [low, high] = [0, ranges.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (holds(ranges[middle] as KeptRange)) high = middle
    else low = middle + 1
  }
  return low
}

/** An odd number of lengths ends with one to discard, behind which all is kept. */
function rangesOf(
  lengths: readonly bigint[],
  storedLength: number,
): { readonly ranges: readonly KeptRange[]; readonly length: number } | undefined {
  const ranges: KeptRange[] = []
  let [at, kept] = [0, 0]
  const add = (end: number): void => {
    if (end === at) return
    const last = ranges.at(-1)
    if (last?.end === at) ranges[ranges.length - 1] = { ...last, end }
    else ranges.push({ start: at, end, before: kept })
    kept += end - at
  }
  for (const [index, length] of lengths.entries()) {
    // Numbers of 64 bits, whose sum may have more.
    const end = BigInt(at) + length
    if (end > BigInt(Number.MAX_SAFE_INTEGER) || Number(end) > storedLength) return undefined
    if (index % 2 === 1) add(Number(end))
    at = Number(end)
  }
  if (lengths.length % 2 === 1) add(storedLength)
  return { ranges, length: kept }
}

/** The last byte that a list names, in bytes of what is stored: there must be as many. */
export function namedLength(lengths: readonly bigint[]): bigint {
  return lengths.reduce((sum, length) => sum + length, 0n)
}
