import { configError } from '../errors.js'
import { runtime } from '#runtime'
import { MAX_PARTS, MIN_PART_BYTES, otherBytes, uploadState } from './multipart-types.js'
import type { MultipartOptions, PartAttempt, PartKind } from './multipart-types.js'
import { sealPartBytes, sealPartStream } from './part-sealing.js'
import type { PartSealing } from './part-sealing.js'
import { partSlice, sealedPartLength, sliceCount, sliceLength } from './part-slices.js'
import type { PartExtent } from './part-slices.js'
import { recordOf } from './part-table.js'
import type { Part, PartTable } from './part-table.js'
import type { PartTurns } from './part-turns.js'
import type { ByteSource } from '../runtime/runtime.js'

/** From this length on, in bytes, it is worth the way to another thread. */
const APART_LENGTH = 1024 * 1024

/** What attempts share. */
export interface AttemptContext {
  readonly options: MultipartOptions
  readonly table: PartTable
  readonly turns: PartTurns
  /** Throws once the upload is over, and wipes the secrets that came too late. */
  alive(...secrets: readonly Uint8Array[]): void
  /** Makes the trailer, for a plaintext of that many bytes. */
  trailer(length: number): Promise<Uint8Array>
  /** Equal only for equal bytes; a keyed hash that means nothing to anybody else. */
  mark(bytes: Uint8Array): Promise<Uint8Array>
}

type Waits = Pick<AttemptContext, 'alive' | 'options'>

/** Waits for what comes by itself, no longer than until the request is aborted. */
async function wait(context: Waits, promise: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) {
    await promise
  } else if (!signal.aborted) {
    let abort: (() => void) | undefined
    await Promise.race([
      promise,
      new Promise<void>((resolve) => {
        abort = resolve
        signal.addEventListener('abort', abort, { once: true })
      }),
    ])
    if (abort !== undefined) signal.removeEventListener('abort', abort)
  }
  if (signal?.aborted === true) throw context.options.abortError(signal)
  context.alive()
}

export interface PartLock {
  /** Idempotent. */
  release(): void
  /** It will be released, whatever the caller of the request does. */
  ends(): void
}

/** A part is sealed by one at a time. The next stream is refused, because it might wait for ever. */
export async function lockPart(waits: Waits, part: Part, kind: PartKind, signal?: AbortSignal): Promise<PartLock> {
  while (part.sealing !== undefined) {
    if (!part.ending && (part.sealing === 'stream' || kind === 'stream')) {
      throw uploadState(`Part ${part.number} is being sent already: wait for that, or abort it first.`)
    }
    await wait(waits, part.idle, signal)
  }
  let release = (): void => undefined
  part.sealing = kind
  part.idle = new Promise<void>((resolve) => {
    release = () => {
      part.sealing = undefined
      part.ending = false
      resolve()
    }
  })
  let held = true
  return {
    release() {
      if (held) release()
      held = false
    },
    ends() {
      if (held) part.ending = true
    },
  }
}

/** Puts on record what is known of a part, as far as it is not there yet. */
async function record({ options, table }: AttemptContext, part: Part, offset: number): Promise<void> {
  const { number, states, saved: from } = part
  const count = states.length
  if (options.save === undefined || from === count) return
  const all = options.partSize === undefined && from === 0 ? table.below(number) : []
  const lower = all.filter(({ placed }) => !placed)
  await options.save({
    part: recordOf(part, offset, from),
    below: lower.map((one) => recordOf(one, table.order.known(one.number) as number)),
  })
  part.saved = count
  for (const one of [part, ...lower]) one.placed = true
}

/** Keeps what leads the next part, as long as that may need it. */
async function keepTail(context: AttemptContext, part: Part, bytes: Uint8Array): Promise<void> {
  if (bytes.length === 0) return
  const found = await context.mark(bytes)
  const next = context.table.get(part.number + 1)
  const used = part.states.length > 0 || (next !== undefined && next.states.length > 0)
  if (used && part.tailMark !== undefined && !runtime.equal(part.tailMark, found)) throw otherBytes(part.number)
  part.tailMark = found
  if (next?.stored === undefined) part.tail = Uint8Array.from(bytes)
}

export function partAttempt(context: AttemptContext, part: Part, kind: PartKind): PartAttempt {
  const { options, table } = context
  const { sealer, worker, minPartBytes = MIN_PART_BYTES } = options
  const { number, length: plaintextLength } = part
  let lock: PartLock | undefined
  let stream: ByteSource | undefined
  let offset = 0
  let extent: PartExtent | undefined
  let withTrailer = false
  let keep = false
  let ended = false
  let working: Promise<Uint8Array> | undefined
  part.attempts++

  async function whenBelowIdle(kinds: readonly PartKind[], signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      const busy = table.below(number).find(({ sealing }) => sealing !== undefined && kinds.includes(sealing))
      if (busy === undefined) return
      await wait(context, busy.idle, signal)
    }
  }
  function allBelowComplete(): boolean {
    const lower = table.below(number)
    return lower.length === number - 1 && lower.every(({ complete }) => complete)
  }

  /** What follows was sealed behind other bytes than these might be. */
  function checkNotPassed(placed: PartExtent): void {
    if (part.states.length === sliceCount(sealer, placed)) return
    for (const { number: above, states } of table.all()) {
      if (above <= number || states.length === 0) continue
      throw uploadState(
        `Part ${above} was encrypted before part ${number} was encrypted to its end, and this format encrypts in order. Abort the upload to start again.`,
      )
    }
  }

  async function placeLast(length: number, signal: AbortSignal | undefined): Promise<void> {
    const short = length < minPartBytes
    const needsTrailer = number === MAX_PARTS && !short
    if (worker) {
      if (needsTrailer) {
        throw uploadState(
          `Part ${number} must be sent by the process that completes the upload: no part can follow it with the trailer.`,
        )
      }
      keep = short
      return
    }
    await whenBelowIdle(needsTrailer ? ['bytes', 'stream'] : ['bytes'], signal)
    withTrailer = allBelowComplete()
    if (needsTrailer && !withTrailer) {
      throw uploadState(`Part ${number} must be sent after all others: no part can follow it with the trailer.`)
    }
    keep = short && !withTrailer
  }

  async function seal(index: number, plaintext: Uint8Array, into: Uint8Array | undefined): Promise<Uint8Array> {
    const { start, last } = partSlice(sealer, extent as PartExtent, index)
    context.alive()
    const before = part.states[index]
    const { sealed, state } = await (before === undefined
      ? sealer.sealPiece(start, plaintext, last, into)
      : sealer.sealAgain(start, plaintext, last, into))
    context.alive(state)
    if (before === undefined) {
      part.states.push(state)
      return sealed
    }
    const same = runtime.equal(before, state)
    state.fill(0)
    if (same) return sealed
    sealed.fill(0)
    throw otherBytes(number)
  }

  /** Only what was not sealed before: something else there would be sealed, up to its end, before it is compared. */
  function sealerOfAll(): PartSealing['all'] {
    if (sealer.sealPieces === undefined || part.states.length > 0 || extent === undefined) return undefined
    const { start, end } = extent
    if (end - start < APART_LENGTH || start % 16 !== 0 || sliceLength(sealer) % 16 !== 0) return undefined
    const lengths = Array.from({ length: sliceCount(sealer, extent) }, (_, index) => {
      const slice = partSlice(sealer, extent as PartExtent, index)
      return slice.end - slice.start
    })
    const { sealPieces } = sealer
    return async (plaintext, into, hash) => {
      context.alive()
      const { states, sha256 } = await sealPieces(start, lengths, plaintext, into, hash).catch((error: unknown) => {
        // It may be over because the upload is.
        context.alive()
        throw error
      })
      context.alive(...states)
      part.states.push(...states)
      return sha256
    }
  }
  function sealing(): PartSealing {
    if (extent === undefined) throw configError('A part is placed before it is sealed.')
    return {
      all: sealerOfAll(),
      sealer,
      part: number,
      length: plaintextLength,
      extent,
      lead: table.lead(part, offset),
      slice: seal,
      record: () => record(context, part, offset),
      tail: (bytes) => keepTail(context, part, bytes),
      async trailer() {
        part.complete = true
        context.turns.check()
        return withTrailer ? context.trailer(offset + plaintextLength) : new Uint8Array(0)
      },
    }
  }

  return {
    number,
    async place(signal) {
      lock = await lockPart(context, part, kind, signal)
      if (sealer.ordered) await context.turns.turn(number, signal)
      offset = await table.order.offset(number, signal)
      context.alive()
      extent = table.extent(part, offset)
      if (sealer.ordered) checkNotPassed(extent)
      if (part.states.length > 0 && part.extent !== undefined && part.extent.last !== extent.last) {
        throw otherBytes(number)
      }
      part.extent = extent
      if (extent.start !== offset) {
        const before = table.get(number - 1)
        while (before?.sealing !== undefined && before.tail === undefined) await wait(context, before.idle, signal)
      }
      const length = sealedPartLength(sealer, extent)
      if (extent.last) await placeLast(length, signal)
      return length + (withTrailer ? sealer.trailerLength : 0)
    },
    async sealBytes(plaintext, buffer, hashed) {
      working = sealPartBytes({ ...sealing(), plaintext, buffer, hashed })
      try {
        const body = await working
        if (keep) part.kept = Uint8Array.from(body)
        return body
      } finally {
        working = undefined
        if (ended) lock?.release()
      }
    },
    sealStream(plaintext, observe, finish) {
      stream = sealPartStream({ ...sealing(), plaintext, observe, finish, ended: () => lock?.release() })
      return stream
    },
    end() {
      if (!ended) part.attempts--
      ended = true
      // What is being sealed right now, or put on record, is waited for by whoever sends the part next.
      lock?.ends()
      if (stream !== undefined) stream.cancel()
      else if (working === undefined) lock?.release()
    },
    stored() {
      part.stored = withTrailer ? 'with-trailer' : 'without-trailer'
      // The part before is not needed any more to send this one.
      const before = table.get(number - 1)
      before?.tail?.fill(0)
      if (before !== undefined) before.tail = undefined
      return { withTrailer, kept: withTrailer ? undefined : part.kept }
    },
  }
}
