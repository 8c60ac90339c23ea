import type { Opener } from './opener.js'

/** A stretch of a message that is read by one request. Offsets in bytes; ends are exclusive. */
export interface ReadRange {
  readonly index: number
  /** Its plaintext. */
  readonly start: number
  readonly end: number
  /** Its part of the sealed body. */
  readonly bodyStart: number
  readonly bodyEnd: number
  /** The stored bytes to ask for: with the header before the first body, and the trailer behind the last one. */
  readonly from: number
  readonly to: number
  readonly last: boolean
}

export interface ReadPlan {
  readonly plaintextLength: number
  readonly sealedLength: number
  /** Ranges 0 to count - 1 are the whole message. */
  readonly count: number
  range(index: number): ReadRange
  /** The trailer alone, for when the last body is there already. */
  readonly trailer: ReadRange
}

/**
 * Cuts a message into ranges of at most `partSize` stored bytes of body, at places where opening can start; with the last
 * one comes what only ends the message.
 * `undefined` if that cannot be: the length of the plaintext is not known without the key, a segment is longer, or its
 * plaintext is of any length.
 */
export function planReads(opener: Opener, sealedLength: number, partSize: number): ReadPlan | undefined {
  const length = opener.plaintextLength(sealedLength)
  if (length === undefined || opener.isUneven === true) return undefined
  const bodyEnd = sealedLength - opener.trailerLength
  const step = stepOf(opener, length, bodyEnd, partSize)
  if (step === 0 && length > 0) return undefined
  const count = length === 0 ? 1 : Math.ceil(length / step)
  const bodyAt = (index: number): number => {
    if (index === 0) return opener.headerLength
    return index === count ? bodyEnd : opener.extent(index * step, Math.min(length, (index + 1) * step)).start
  }
  const range = (index: number): ReadRange => {
    const last = index === count - 1
    const [bodyStart, end] = [bodyAt(index), bodyAt(index + 1)]
    return {
      index,
      start: index * step,
      end: last ? length : (index + 1) * step,
      bodyStart,
      bodyEnd: end,
      from: index === 0 ? 0 : bodyStart,
      to: last ? sealedLength : end,
      last,
    }
  }
  const trailer: ReadRange = {
    index: count,
    start: length,
    end: length,
    bodyStart: bodyEnd,
    bodyEnd,
    from: bodyEnd,
    to: sealedLength,
    last: true,
  }
  return { plaintextLength: length, sealedLength, count, range, trailer }
}

/** Plaintext of a range: as much as has at most `partSize` stored bytes, the header included, in whole segments. */
function stepOf(opener: Opener, length: number, bodyEnd: number, partSize: number): number {
  const fits = (end: number): boolean => (end < length ? opener.extent(0, end).end : bodyEnd) <= partSize
  if (fits(length)) return length
  // What segments add is the opener's business: the longest stretch is searched for.
  let [most, tooMuch] = [0, length]
  while (tooMuch - most > 1) {
    const middle = most + Math.floor((tooMuch - most) / 2)
    if (fits(middle)) most = middle
    else tooMuch = middle
  }
  return most === 0 ? 0 : opener.extent(most, most + 1).offset
}
