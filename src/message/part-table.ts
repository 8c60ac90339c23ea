import { configError, CseError } from '../errors.js'
import { MAX_PART_BYTES, MAX_PARTS, MIN_PART_BYTES, otherBytes, uploadState } from './multipart-types.js'
import type { MultipartOptions, PartKind, PartRecord } from './multipart-types.js'
import type { PartOrder } from './part-order.js'
import { sealedPartLength } from './part-slices.js'
import type { PartExtent } from './part-slices.js'

/** A part as it is known in this process. */
export interface Part {
  readonly number: number
  length: number
  extent: PartExtent | undefined
  /** Of its slices, as far as they were sealed. */
  readonly states: Uint8Array[]
  /** How many of the states are on record. */
  saved: number
  /** Its length is on record. */
  placed: boolean
  /** All of it was sealed, in this process or before. */
  complete: boolean
  /** Attempts that have begun and not ended. */
  attempts: number
  /** What is being sealed now, and when that is over. */
  sealing: PartKind | undefined
  /** Who seals it has been told to stop, and will. */
  ending: boolean
  idle: Promise<void>
  /** What does not fill a segment, and leads the next part. Plaintext. */
  tail: Uint8Array | undefined
  /** By which the same tail is recognised when it is not kept any more. Secret. */
  tailMark: Uint8Array | undefined
  /** A last part that was sent without the trailer, and is too short to be followed by another. */
  kept: Uint8Array | undefined
  /** The version of it that was stored last, as far as is known. */
  stored: 'with-trailer' | 'without-trailer' | undefined
}

/** The parts of one upload: which there are, how long they are, which is the last one. */
export interface PartTable {
  readonly order: PartOrder
  get(number: number): Part | undefined
  /** In no order. */
  all(): Iterable<Part>
  /** Those below a number, as far as there are any. */
  below(number: number): Part[]
  /** Finds a part, or makes it. Throws what can be told from its number and length. */
  register(number: number, length: number): Part
  /** Where a part at this offset begins and ends. Throws where S3 would not take it. */
  extent(part: Part, offset: number): PartExtent
  /** What the part before left over for this one. */
  lead(part: Part, offset: number): Uint8Array
  clear(): void
}

export interface PartTableOptions extends Pick<MultipartOptions, 'sealer' | 'partSize' | 'minPartBytes'> {
  readonly order: PartOrder
  /** No part may be new any more. */
  readonly isFrozen: () => boolean
}

export function recordOf({ number, length, states }: Part, offset: number, from = 0): PartRecord {
  return { number, offset, length, states: states.slice(from), from }
}

export function fittingSize(alignment: number, wanted: number): number {
  return Math.max(Math.ceil(MIN_PART_BYTES / alignment), Math.floor(wanted / alignment)) * alignment
}

function newPart(number: number, length: number): Part {
  return {
    number,
    length,
    extent: undefined,
    states: [],
    saved: 0,
    placed: false,
    complete: false,
    attempts: 0,
    sealing: undefined,
    ending: false,
    idle: Promise.resolve(),
    tail: undefined,
    tailMark: undefined,
    kept: undefined,
    stored: undefined,
  }
}

export function partTable({
  sealer,
  partSize,
  order,
  isFrozen,
  minPartBytes = MIN_PART_BYTES,
}: PartTableOptions): PartTable {
  const { alignment } = sealer
  const parts = new Map<number, Part>()
  let lastNumber: number | undefined

  /** By S3's rules, or by the size of all parts, nothing can follow such a part. */
  function isLast(number: number, length: number): boolean {
    return number === MAX_PARTS || length < (partSize ?? minPartBytes)
  }

  /** A higher part that is sealed, or about to be. What failed before that does not count. */
  function above(number: number): number | undefined {
    for (const part of parts.values()) {
      if (part.number > number && (part.states.length > 0 || part.attempts > 0)) return part.number
    }
    return undefined
  }

  function check(number: number, length: number): void {
    if (!Number.isInteger(number) || number < 1 || number > MAX_PARTS) {
      throw configError(`PartNumber must be a whole number from 1 to ${MAX_PARTS}`)
    }
    if (partSize !== undefined && length > partSize) {
      throw new CseError(
        'ERR_S3CSE_BODY_LENGTH',
        `Part ${number} has ${length} bytes, and partSize says ${partSize}: every part but the last has exactly that many.`,
      )
    }
    if (lastNumber !== undefined && number > lastNumber) {
      throw uploadState(
        `Part ${number} cannot follow part ${lastNumber}, which is the last one: it is shorter than ${partSize === undefined ? '5 MiB, as only the last part may be' : 'partSize'}.`,
      )
    }
  }

  function checkNew(number: number, length: number, found: Part | undefined): void {
    if (isFrozen()) throw uploadState(`Part ${number} is new, and the upload is being completed already.`)
    const changed = found !== undefined && found.length !== length
    const follower = isLast(number, length) || changed ? above(number) : undefined
    if (follower !== undefined && isLast(number, length)) {
      throw uploadState(
        `Part ${number} has ${length} bytes, too few for a part that others follow: part ${follower} was sent before.`,
      )
    }
    // Those above were placed behind the length that it had before.
    if (follower !== undefined && changed && partSize === undefined) throw otherBytes(number)
    // Throws where the message would become too long.
    const offset = order.known(number)
    if (offset !== undefined) sealer.sealedLength(offset + length)
  }

  return {
    order,
    get: (number) => parts.get(number),
    all: () => parts.values(),
    below(number) {
      const found: Part[] = []
      for (let lower = 1; lower < number; lower++) {
        const part = parts.get(lower)
        if (part !== undefined) found.push(part)
      }
      return found
    },
    register(number, length) {
      check(number, length)
      const found = parts.get(number)
      if (found !== undefined && found.states.length > 0) {
        if (found.length !== length) throw otherBytes(number)
        return found
      }
      if (found !== undefined && found.length !== length && found.attempts > 0) {
        throw uploadState(`Part ${number} is being sent already, with ${found.length} bytes instead of ${length}.`)
      }
      checkNew(number, length, found)
      const part = found ?? newPart(number, length)
      part.length = length
      parts.set(number, part)
      order.set(number, length)
      if (isLast(number, length)) lastNumber = number
      else if (lastNumber === number) lastNumber = undefined
      return part
    },
    extent({ number, length: plaintextLength }, offset) {
      const last = number === lastNumber
      const behind = offset + plaintextLength
      sealer.sealedLength(behind)
      const start = offset - (offset % alignment)
      const end = last ? behind : behind - (behind % alignment)
      const extent = { start, end, last }
      const length = sealedPartLength(sealer, extent)
      if (length + (last ? sealer.trailerLength : 0) > MAX_PART_BYTES) {
        throw new CseError(
          'ERR_S3CSE_BODY_TOO_LARGE',
          `Part ${number} has ${length} bytes when encrypted; S3 takes parts of up to ${MAX_PART_BYTES}.`,
        )
      }
      if (!last && length < minPartBytes) {
        throw uploadState(
          `Part ${number} would have ${length} bytes when encrypted, because ${behind % alignment} bytes at its end do not fill a segment of ${alignment}, and S3 takes no part below ${minPartBytes} before the last. Use a partSize of ${fittingSize(alignment, plaintextLength + alignment)}.`,
        )
      }
      return extent
    },
    lead({ number, length }, offset) {
      const missing = offset % alignment
      if (missing === 0) return new Uint8Array(0)
      const tail = parts.get(number - 1)?.tail
      if (tail?.length === missing) return tail
      throw uploadState(
        `Part ${number} begins inside a segment of ${alignment} bytes whose beginning is not at hand any more. Use a partSize that is a multiple of ${alignment}, such as ${fittingSize(alignment, length)}.`,
      )
    },
    clear() {
      parts.clear()
    },
  }
}
