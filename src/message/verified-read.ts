import type { Budget } from '../bytes/budget.js'
import { exactReader } from '../bytes/reader.js'
import type { ExactReader } from '../bytes/reader.js'
import { CseError, DecryptionError } from '../errors.js'
import type { ByteSource, Spool } from '../runtime/runtime.js'
import type { Extent, Opener } from './opener.js'
import { sourceOf, trimmed } from './streamed-read.js'
import type { ReadOptions } from './streamed-read.js'

/** Length in bytes of the slices whose hash states pass one keeps: 16 bytes each, 1 MiB for the largest object. */
export const SLICE_LENGTH: number = 1024 * 1024

/** Length in bytes of what is decrypted at once. */
const PIECE_LENGTH = 64 * 1024

export interface VerifiedReadOptions extends ReadOptions {
  /** Memory that all reads of a client share. */
  readonly memory: Budget
  /** Disk space that they share. */
  readonly disk: Budget
  /** Absent: what does not fit in memory is read twice. */
  readonly createSpool: (() => Promise<Spool>) | undefined
  /** Asks for the same object once more. */
  reread(): Promise<ByteSource>
  /** Told once the whole message has been verified, or not, and how long that and writing the spool took. */
  readonly observe?: ((step: 'spool' | 'verify', bytes: number, milliseconds: number, ok: boolean) => void) | undefined
}

/** The parts of an opener of a format that is verified as a whole, or of which only the end can be checked. */
export interface WholeOpener extends Opener {
  absorb: NonNullable<Opener['absorb']>
  matches: NonNullable<Opener['matches']>
  verify: NonNullable<Opener['verify']>
}

export interface Slice {
  readonly offset: number
  readonly length: number
  readonly last: boolean
}

export function* slices(opener: Opener, sealedLength: number): Generator<Slice, void> {
  const end = sealedLength - opener.trailerLength
  for (let offset = opener.headerLength; offset < end; offset += SLICE_LENGTH) {
    const length = Math.min(SLICE_LENGTH, end - offset)
    yield { offset, length, last: offset + length === end }
  }
}

/** What is decrypted: all, or an extent. Slices beside it are verified and not kept. */
function wantedOf({ opener, range, sealedLength }: VerifiedReadOptions): Extent {
  return range === undefined ? { start: 0, end: sealedLength, offset: 0 } : opener.extent(range.start, range.end)
}

function isWanted({ offset, length }: Slice, { start, end }: Extent): boolean {
  return offset < end && offset + length > start
}

/** In pieces: a fresh buffer of a whole slice costs more, page by page, than the cipher. */
export async function* openSlice(
  opener: WholeOpener,
  { offset, length, last }: Slice,
  sealed: Uint8Array,
  wanted: Extent,
): AsyncGenerator<Uint8Array, void> {
  const pieceLength = Math.ceil(PIECE_LENGTH / opener.alignment) * opener.alignment
  const end = Math.min(length, wanted.end - offset)
  for (let at = Math.max(0, wanted.start - offset); at < end; at += pieceLength) {
    const piece = sealed.subarray(at, Math.min(at + pieceLength, end))
    const plaintext = await opener.open(offset + at, piece, last && at + piece.length === length)
    // What others are chained to, or only padding.
    if (plaintext.length > 0) yield plaintext
  }
}

async function finish(reader: ExactReader, opener: WholeOpener, sealedLength: number): Promise<void> {
  const trailer = await reader.read(opener.trailerLength)
  await reader.end()
  await opener.verify(sealedLength, trailer)
}

/** Tells of pass one, however it ends. */
async function observed<T>({ observe, sealedLength }: VerifiedReadOptions, passOne: () => Promise<T>): Promise<T> {
  if (observe === undefined) return passOne()
  const start = performance.now()
  let ok = false
  try {
    const result = await passOne()
    ok = true
    return result
  } finally {
    observe('verify', sealedLength, performance.now() - start, ok)
  }
}

/** Small enough for one piece: one call of the cipher. */
async function* openAtOnce(o: VerifiedReadOptions, wanted: Extent): AsyncGenerator<Uint8Array, void> {
  const { opener, upstream, sealedLength } = o
  const plaintext = await observed(o, async () => {
    const reader = exactReader(upstream)
    const sealed = await reader.read(sealedLength)
    await reader.end()
    return opener.openWhole(sealed)
  })
  if (plaintext.length > wanted.offset) yield plaintext.subarray(wanted.offset)
}

async function* openInMemory(
  o: VerifiedReadOptions,
  opener: WholeOpener,
  wanted: Extent,
): AsyncGenerator<Uint8Array, void> {
  const kept: { slice: Slice; sealed: Uint8Array }[] = []
  await observed(o, async () => {
    const reader = exactReader(o.upstream)
    await reader.read(opener.headerLength)
    const passing = o.range === undefined ? undefined : sliceBuffer(o)
    for (const slice of slices(opener, o.sealedLength)) {
      const keep = isWanted(slice, wanted)
      const sealed = await reader.read(slice.length, keep ? undefined : passing)
      await opener.absorb(slice.offset, sealed)
      if (keep) kept.push({ slice, sealed })
    }
    await finish(reader, opener, o.sealedLength)
  })
  kept.reverse()
  for (let item = kept.pop(); item !== undefined; item = kept.pop()) {
    yield* openSlice(opener, item.slice, item.sealed, wanted)
  }
}

function sliceBuffer({ sealedLength }: VerifiedReadOptions): Uint8Array {
  return new Uint8Array(Math.min(SLICE_LENGTH, sealedLength))
}

export interface KeptSlice {
  readonly slice: Slice
  readonly state: Uint8Array
}

/** Pass two: whatever is read again is hashed again, and released only if it is what pass one has verified. */
export async function* release(
  opener: WholeOpener,
  kept: readonly KeptSlice[],
  wanted: Extent,
  read: (slice: Slice) => Promise<Uint8Array>,
): AsyncGenerator<Uint8Array, void> {
  for (const { slice, state } of kept) {
    const sealed = await read(slice)
    if (!(await opener.matches(state, slice.offset, sealed))) throw new DecryptionError()
    yield* openSlice(opener, slice, sealed, wanted)
  }
}

async function* openSpooled(
  o: VerifiedReadOptions,
  opener: WholeOpener,
  wanted: Extent,
  create: () => Promise<Spool>,
): AsyncGenerator<Uint8Array, void> {
  const bytes = bytesKept(o, wanted)
  if (!o.disk.reserve(bytes)) {
    throw new CseError(
      'ERR_S3CSE_SPOOL',
      `A verified read of ${bytes} bytes does not fit in spool.maxBytes beside the reads that are under way. Read fewer objects at a time or raise the limit.`,
    )
  }
  o.resources.hold(() => o.disk.release(bytes))
  const spool = await create()
  o.resources.hold(() => void spool.close())

  const kept: KeptSlice[] = []
  const buffers = [sliceBuffer(o), sliceBuffer(o)] as const
  await observed(o, async () => {
    const reader = exactReader(o.upstream)
    await reader.read(opener.headerLength)
    const write = observedWrites(o, spool)
    let writing = Promise.resolve()
    for (const slice of slices(opener, o.sealedLength)) {
      // Two buffers in turn: one is filled while the other is written.
      const sealed = await reader.read(slice.length, buffers[kept.length % 2])
      const state = await opener.absorb(slice.offset, sealed)
      if (!isWanted(slice, wanted)) continue
      kept.push({ slice, state })
      await writing
      writing = write(sealed)
      writing.catch(() => undefined) // reported by the next await; the reader may fail first
    }
    await writing
    await finish(reader, opener, o.sealedLength)
  })

  yield* release(opener, kept, wanted, readAhead(spool, kept, buffers))
}

/** Tells of all writes when the spool is given back. */
function observedWrites(
  { observe, resources }: VerifiedReadOptions,
  spool: Spool,
): (data: Uint8Array) => Promise<void> {
  if (observe === undefined) return (data) => spool.write(data)
  let bytes = 0
  let milliseconds = 0
  let ok = true
  resources.hold(() => observe('spool', bytes, milliseconds, ok))
  return async (data) => {
    const start = performance.now()
    try {
      await spool.write(data)
      bytes += data.length
    } catch (error) {
      ok = false
      throw error
    } finally {
      milliseconds += performance.now() - start
    }
  }
}

/** Gives slice by slice what was spooled, and reads the next one meanwhile: two buffers in turn. */
export function readAhead(
  spool: Pick<Spool, 'read'>,
  kept: readonly Pick<KeptSlice, 'slice'>[],
  [even, odd]: readonly [Uint8Array, Uint8Array],
): () => Promise<Uint8Array> {
  const first = kept[0]?.slice.offset ?? 0
  let index = 0
  const begin = async (): Promise<Uint8Array> => {
    const { offset, length } = kept[index]?.slice ?? { offset: first, length: 0 }
    const sealed = (index % 2 === 0 ? even : odd).subarray(0, length)
    await spool.read(offset - first, sealed)
    return sealed
  }
  let reading = begin()
  return async () => {
    const sealed = await reading
    index++
    reading = begin()
    reading.catch(() => undefined) // reported when its turn has come, if it does
    return sealed
  }
}

async function* openTwice(
  o: VerifiedReadOptions,
  opener: WholeOpener,
  wanted: Extent,
): AsyncGenerator<Uint8Array, void> {
  const kept: KeptSlice[] = []
  const buffer = sliceBuffer(o)
  await observed(o, async () => {
    const first = exactReader(o.upstream)
    await first.read(opener.headerLength)
    for (const slice of slices(opener, o.sealedLength)) {
      const state = await opener.absorb(slice.offset, await first.read(slice.length, buffer))
      if (isWanted(slice, wanted)) kept.push({ slice, state })
    }
    await finish(first, opener, o.sealedLength)
  })

  const again = await o.reread()
  o.resources.hold((error) => again.cancel(error))
  const second = exactReader(again)
  let at = (await second.read(opener.headerLength)).length
  yield* release(opener, kept, wanted, async ({ offset, length }) => {
    while (at < offset) at += (await second.read(Math.min(SLICE_LENGTH, offset - at), buffer)).length
    at += length
    return second.read(length, buffer)
  })
  // Of a part no more is read than what it needs.
  if (o.range !== undefined) return
  await second.read(opener.trailerLength)
  await second.end()
}

/** Of how many sealed bytes the read keeps what it decrypts after the end. */
function bytesKept(o: VerifiedReadOptions, wanted: Extent): number {
  if (o.range === undefined) return o.sealedLength
  let bytes = 0
  for (const slice of slices(o.opener, o.sealedLength)) if (isWanted(slice, wanted)) bytes += slice.length
  return bytes
}

export function isWhole(opener: Opener): opener is WholeOpener {
  return opener.absorb !== undefined && opener.matches !== undefined && opener.verify !== undefined
}

async function* verified(o: VerifiedReadOptions, wanted: Extent): AsyncGenerator<Uint8Array, void> {
  const { opener, sealedLength, memory } = o
  const atOnce = sealedLength <= SLICE_LENGTH || !isWhole(opener)
  const bytes = atOnce ? sealedLength : bytesKept(o, wanted)
  if (memory.reserve(bytes)) {
    o.resources.hold(() => memory.release(bytes))
    if (atOnce) yield* openAtOnce(o, wanted)
    else yield* openInMemory(o, opener, wanted)
    return
  }
  if (!isWhole(opener)) throw new DecryptionError()
  if (o.createSpool !== undefined) yield* openSpooled(o, opener, wanted, o.createSpool)
  else yield* openTwice(o, opener, wanted)
}

/**
 * Gives plaintext only after the whole message was verified (of a format that authenticates nothing: its end). What fits in the memory budget is kept there as
 * ciphertext; more is spooled to a temporary file, or read twice. Of a message over 1 MiB only the slices that `range`
 * touches are kept or spooled. Nothing is read, reserved or created before the first `next()`.
 */
export function verifiedRead(options: VerifiedReadOptions): ByteSource {
  const { range, resources } = options
  const wanted = wantedOf(options)
  const plaintext = verified(options, wanted)
  return sourceOf(
    range === undefined ? plaintext : trimmed(plaintext, range.start - wanted.offset, range.end - range.start),
    resources,
  )
}
