import type { PositionalSealer } from './sealer.js'

/** In bytes, rounded down to whole segments: of what is sealed, or opened, at once, and has one hash state of 16 bytes. */
const SLICE_LENGTH = 1024 * 1024

/** A stretch of the plaintext that is sealed at once, by offset in the whole plaintext. */
export interface PartSlice {
  readonly start: number
  readonly end: number
  readonly last: boolean
}

export interface PartExtent {
  /** Offset in the plaintext of the first byte that is sealed with this part: a multiple of the alignment. */
  readonly start: number
  /** Behind its last byte. What the part has beyond that leads the next one. */
  readonly end: number
  /** Whether the plaintext ends here. */
  readonly last: boolean
}

export function sliceLength({ alignment }: { readonly alignment: number }): number {
  return Math.max(1, Math.floor(SLICE_LENGTH / alignment)) * alignment
}

/** How many slices a part has: the last part has one at least, which may be empty. */
export function sliceCount(sealer: Pick<PositionalSealer, 'alignment'>, { start, end, last }: PartExtent): number {
  return Math.max(Math.ceil((end - start) / sliceLength(sealer)), last ? 1 : 0)
}

export function partSlice(
  sealer: Pick<PositionalSealer, 'alignment'>,
  { start, end, last }: PartExtent,
  index: number,
): PartSlice {
  const length = sliceLength(sealer)
  const from = start + index * length
  const to = Math.min(from + length, end)
  return { start: from, end: to, last: last && to === end }
}

/** Bytes that the part is stored in, without a trailer. */
export function sealedPartLength(sealer: PositionalSealer, { start, end, last }: PartExtent): number {
  const from = start === 0 ? 0 : sealer.sealedOffset(start)
  return (last ? sealer.sealedLength(end) - sealer.trailerLength : sealer.sealedOffset(end)) - from
}
