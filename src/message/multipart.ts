/**
 * One message in the parts of a multipart upload: in any order, each as often as it is sent, with the trailer made once.
 *
 * A position is sealed once. Its identity is the state of each slice (see `PositionalSealer.sealPiece`), which is
 * recorded before a byte of the slice is given out. What is sent again is sealed again and compared: other bytes would
 * use the same keystream twice, and are refused.
 */
import { joined } from '../bytes/body.js'
import { configError } from '../errors.js'
import { runtime } from '#runtime'
import { MAX_PARTS, uploadState } from './multipart-types.js'
import type { Ending, Multipart, MultipartOptions, PartRecord, StoredVersion } from './multipart-types.js'
import { lockPart, partAttempt } from './part-attempt.js'
import type { AttemptContext } from './part-attempt.js'
import { partOrder } from './part-order.js'
import { partSlice, sealedPartLength, sliceCount } from './part-slices.js'
import { fittingSize, partTable, recordOf } from './part-table.js'
import type { Part } from './part-table.js'
import { partTurns } from './part-turns.js'

export { MAX_PART_BYTES, MAX_PARTS, MIN_PART_BYTES, uploadState } from './multipart-types.js'
export type {
  Ending,
  EndingCheck,
  Multipart,
  MultipartOptions,
  PartAttempt,
  PartRecord,
  StoredVersion,
  UploadRecord,
} from './multipart-types.js'

/** Bytes of the key and of the marks that tails are recognised by. */
const MARK_LENGTH = 32

/** Done once; again only if it failed. */
function once<A, T>(make: (argument: A) => Promise<T>): (argument: A) => Promise<T> {
  let made: Promise<T> | undefined
  return (argument) =>
    (made ??= make(argument).catch((error: unknown) => {
      made = undefined
      throw error
    }))
}

export function multipart(options: MultipartOptions): Multipart {
  const { sealer, partSize, worker } = options
  const { alignment } = sealer
  if (partSize !== undefined && partSize % alignment !== 0) {
    throw configError(
      `partSize must be a multiple of ${alignment} bytes with this format: ${fittingSize(alignment, partSize)} fits.`,
    )
  }
  if (worker && sealer.ordered) {
    throw uploadState(
      'This format encrypts in order: parts cannot be encrypted by several processes. Let one send all of them.',
    )
  }
  let frozen: number | undefined
  const order = partOrder(options)
  const table = partTable({ ...options, order, isFrozen: () => frozen !== undefined })
  const turns = partTurns({ ...options, table })
  let destroyed: Error | undefined
  let markKey: Uint8Array | undefined

  const context: AttemptContext = {
    options,
    table,
    turns,
    alive(...secrets) {
      if (destroyed === undefined) return
      for (const secret of secrets) secret.fill(0)
      throw destroyed
    },
    trailer: once(async (length) => {
      frozen ??= length
      await options.save?.({ frozen: length })
      context.alive()
      return sealer.trailer(length)
    }),
    async mark(bytes) {
      markKey ??= runtime.randomBytes(MARK_LENGTH)
      return (await runtime.hmac('SHA-512', markKey, bytes)).subarray(0, MARK_LENGTH)
    },
  }
  /** What fills no segment, where the last part did not know that it was that. */
  const rest = once(({ extent, tail }: Part) =>
    sealer.sealPiece(extent?.end ?? 0, tail ?? new Uint8Array(0), true).then(({ sealed, state }) => {
      state.fill(0)
      return sealed
    }),
  )

  /** The last part, if these are the parts that were sealed. */
  function checkComplete(numbers: readonly number[]): Part {
    const count = numbers.length
    if (count === 0) throw uploadState('CompleteMultipartUpload names no parts.')
    numbers.forEach((number, index) => {
      if (number !== index + 1) {
        throw uploadState(
          `CompleteMultipartUpload must name parts 1 to ${count} in order, without gaps: at place ${index + 1} it names part ${number}.`,
        )
      }
      const part = table.get(number)
      if (part?.complete !== true) {
        throw uploadState(
          part === undefined
            ? `Part ${number} was never encrypted by this client. If another process did, import its receipt first.`
            : part.attempts > 0
              ? `Part ${number} is being sent: wait until its UploadPart has resolved.`
              : `Part ${number} was begun and not finished: send it again first.`,
        )
      }
    })
    // (What failed before anything of it was sealed is no part.)
    for (const { number, states, attempts } of table.all()) {
      if (number <= count || (states.length === 0 && attempts === 0)) continue
      throw uploadState(
        `CompleteMultipartUpload names parts 1 to ${count}, but part ${number} was encrypted as well: the object is made of all of them. Abort the upload to start again.`,
      )
    }
    return table.get(count) as Part
  }

  /** The last part is stored without the trailer for certain, and can be followed by it. */
  function checkFollowed({ number, stored, extent, tail }: Part, length: number): void {
    if (extent?.last !== true) {
      if (extent?.end === length || tail !== undefined) return
      throw uploadState(`The last bytes of part ${number} are not at hand any more: send it again.`)
    }
    if (stored === undefined) {
      throw uploadState(`It is not known how part ${number} was stored, with the trailer or without: send it again.`)
    }
    if (number === MAX_PARTS) {
      throw uploadState(`No part can follow part ${number} with the trailer: send part ${number} again.`)
    }
  }

  async function restore(part: Part, record: PartRecord, stored: Partial<StoredVersion> | undefined): Promise<void> {
    const { number, offset, length, states } = record
    const agrees = part.states.every(
      (state, index) => states[index] === undefined || runtime.equal(state, states[index]),
    )
    if (part.length !== length || !agrees) {
      throw uploadState(`What is known of part ${number} does not agree: it was encrypted twice.`)
    }
    if (order.known(number) !== offset) {
      throw uploadState(`Part ${number} does not begin where the parts before it end.`)
    }
    const extent = table.extent(part, offset)
    const count = sliceCount(sealer, extent)
    const kept = stored?.kept
    if (
      (stored === undefined ? states.length > count : states.length !== count) ||
      (kept !== undefined && (!extent.last || kept.length !== sealedPartLength(sealer, extent)))
    ) {
      throw uploadState(`What is known of part ${number} does not fit its length.`)
    }
    part.extent = extent
    for (let index = part.states.length; index < states.length; index++) {
      const { start, end } = partSlice(sealer, extent, index)
      const state = Uint8Array.from(states[index] as Uint8Array)
      await sealer.join(start, end - start, state)
      context.alive(state)
      part.states.push(state)
    }
    if (stored === undefined) return
    const version = stored.withTrailer === true ? 'with-trailer' : 'without-trailer'
    part.kept ??= kept
    // Of two versions nobody knows which was stored last: one that can be sent again with the trailer is.
    const differs = part.stored !== undefined && part.stored !== version
    part.stored = differs && part.kept !== undefined ? 'without-trailer' : version
    part.complete = true
    turns.check()
  }

  return {
    sealer,
    partSize,
    worker,
    get frozen() {
      return frozen
    },
    begin(number, length, kind) {
      context.alive()
      return partAttempt(context, table.register(number, length), kind)
    },
    freeze(length) {
      frozen = length
    },
    async restore(record, stored) {
      context.alive()
      const { number, length } = record
      const found = table.get(number)
      const part = found !== undefined && found.states.length > 0 ? found : table.register(number, length)
      const lock = await lockPart(context, part, 'bytes')
      try {
        await restore(part, record, stored)
      } finally {
        lock.release()
      }
    },
    records() {
      context.alive()
      const all = [...table.all()].sort((a, b) => a.number - b.number)
      const last = all.findLast(({ states }) => states.length > 0)?.number ?? 0
      return all.flatMap((part) => {
        const { number, states, kept, stored } = part
        const offset = order.known(number)
        // Of the others the length is needed, where it tells where those after them begin.
        const needed = states.length > 0 || (partSize === undefined && number < last)
        if (offset === undefined || !needed) return []
        const withTrailer = stored === 'with-trailer'
        return [{ record: recordOf(part, offset), stored: { withTrailer, kept: withTrailer ? undefined : kept } }]
      })
    },
    async finish(numbers, check): Promise<Ending> {
      context.alive()
      if (worker) {
        throw uploadState(
          'This client seals parts for another process, which alone completes the upload: give it the receipts.',
        )
      }
      const part = checkComplete(numbers)
      const { number, extent, kept, stored } = part
      const offset = order.known(number)
      if (offset === undefined || extent === undefined) throw uploadState('Parts are missing.')
      const length = offset + part.length
      const sealedLength = sealer.sealedLength(length)
      if (frozen !== undefined && frozen !== length) {
        throw uploadState(`The upload was completed with ${frozen} bytes before, and has ${length} now.`)
      }
      const replaces = stored !== 'with-trailer' && kept !== undefined
      check?.({
        length,
        lengths: numbers.map((one) => (table.get(one) as Part).length),
        lastAsStored: extent.last && !replaces,
      })
      if (stored === 'with-trailer') {
        await context.trailer(length)
        return { length, sealedLength, send: undefined }
      }
      if (replaces) {
        const body = joined(kept, await context.trailer(length))
        return { length, sealedLength, send: { number, body, replaces } }
      }
      checkFollowed(part, length)
      // From here on no part may be new.
      frozen = length
      const last = extent.last ? new Uint8Array(0) : await rest(part)
      const body = joined(last, await context.trailer(length))
      // A format that needs nothing behind the last whole segment.
      if (body.length === 0) return { length, sealedLength, send: undefined }
      return { length, sealedLength, send: { number: number + 1, body, replaces } }
    },
    destroy(error) {
      if (destroyed !== undefined) return
      destroyed = error
      order.close(error)
      turns.close(error)
      for (const { states, tail, tailMark } of table.all()) {
        for (const secret of [...states, tail, tailMark, markKey]) secret?.fill(0)
      }
      table.clear()
      sealer.destroy()
    },
  }
}
