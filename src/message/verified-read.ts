import type { Budget } from '../bytes/budget.js'
import { exactReader } from '../bytes/reader.js'
import type { ExactReader } from '../bytes/reader.js'
import { CseError, DecryptionError } from '../errors.js'
import type { ByteSource, Spool } from '../runtime/runtime.js'
import type { Opener } from './opener.js'
import { sourceOf } from './streamed-read.js'
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
}

/** The parts of an opener of a format that is verified as a whole. */
interface WholeOpener extends Opener {
  absorb: NonNullable<Opener['absorb']>
  matches: NonNullable<Opener['matches']>
  verify: NonNullable<Opener['verify']>
}

interface Slice {
  readonly offset: number
  readonly length: number
  readonly last: boolean
}

function* slices(opener: Opener, sealedLength: number): Generator<Slice, void> {
  const end = sealedLength - opener.trailerLength
  for (let offset = opener.headerLength; offset < end; offset += SLICE_LENGTH) {
    const length = Math.min(SLICE_LENGTH, end - offset)
    yield { offset, length, last: offset + length === end }
  }
}

/** In pieces: a fresh buffer of a whole slice costs more, page by page, than the cipher. */
async function* openSlice(
  opener: WholeOpener,
  { offset, length, last }: Slice,
  sealed: Uint8Array,
): AsyncGenerator<Uint8Array, void> {
  const pieceLength = Math.ceil(PIECE_LENGTH / opener.alignment) * opener.alignment
  for (let at = 0; at < length; at += pieceLength) {
    const piece = sealed.subarray(at, Math.min(at + pieceLength, length))
    yield await opener.open(offset + at, piece, last && at + piece.length === length)
  }
}

async function finish(reader: ExactReader, opener: WholeOpener, sealedLength: number): Promise<void> {
  const trailer = await reader.read(opener.trailerLength)
  await reader.end()
  await opener.verify(sealedLength, trailer)
}

/** Small enough for one piece: one call of the cipher. */
async function* openAtOnce({ opener, upstream, sealedLength }: VerifiedReadOptions): AsyncGenerator<Uint8Array, void> {
  const reader = exactReader(upstream)
  const sealed = await reader.read(sealedLength)
  await reader.end()
  const plaintext = await opener.openWhole(sealed)
  if (plaintext.length > 0) yield plaintext
}

async function* openInMemory(o: VerifiedReadOptions, opener: WholeOpener): AsyncGenerator<Uint8Array, void> {
  const reader = exactReader(o.upstream)
  await reader.read(opener.headerLength)
  const kept: { slice: Slice; sealed: Uint8Array }[] = []
  for (const slice of slices(opener, o.sealedLength)) {
    const sealed = await reader.read(slice.length)
    await opener.absorb(slice.offset, sealed)
    kept.push({ slice, sealed })
  }
  await finish(reader, opener, o.sealedLength)
  kept.reverse()
  for (let item = kept.pop(); item !== undefined; item = kept.pop()) {
    yield* openSlice(opener, item.slice, item.sealed)
  }
}

/** Pass two: whatever is read again is hashed again, and released only if it is what pass one has verified. */
async function* release(
  opener: WholeOpener,
  sealedLength: number,
  states: readonly Uint8Array[],
  read: (slice: Slice) => Promise<Uint8Array>,
): AsyncGenerator<Uint8Array, void> {
  let index = 0
  for (const slice of slices(opener, sealedLength)) {
    const sealed = await read(slice)
    const state = states[index++]
    if (state === undefined || !(await opener.matches(state, slice.offset, sealed))) throw new DecryptionError()
    yield* openSlice(opener, slice, sealed)
  }
}

async function* openSpooled(
  o: VerifiedReadOptions,
  opener: WholeOpener,
  create: () => Promise<Spool>,
): AsyncGenerator<Uint8Array, void> {
  if (!o.disk.reserve(o.sealedLength)) {
    throw new CseError(
      'ERR_S3CSE_SPOOL',
      `A verified read of ${o.sealedLength} bytes does not fit in spool.maxBytes beside the reads that are under way. Read fewer objects at a time or raise the limit.`,
    )
  }
  o.resources.hold(() => o.disk.release(o.sealedLength))
  const spool = await create()
  o.resources.hold(() => void spool.close())

  const reader = exactReader(o.upstream)
  await reader.read(opener.headerLength)
  const states: Uint8Array[] = []
  const bufferLength = Math.min(SLICE_LENGTH, o.sealedLength)
  const buffers = [new Uint8Array(bufferLength), new Uint8Array(bufferLength)]
  let writing = Promise.resolve()
  for (const slice of slices(opener, o.sealedLength)) {
    // Two buffers in turn: one is filled while the other is written.
    const sealed = await reader.read(slice.length, buffers[states.length % 2])
    states.push(await opener.absorb(slice.offset, sealed))
    await writing
    writing = spool.write(sealed)
    writing.catch(() => undefined) // reported by the next await; the reader may fail first
  }
  await writing
  await finish(reader, opener, o.sealedLength)

  const [buffer = new Uint8Array(bufferLength)] = buffers
  yield* release(opener, o.sealedLength, states, async ({ offset, length }) => {
    const sealed = buffer.subarray(0, length)
    await spool.read(offset - opener.headerLength, sealed)
    return sealed
  })
}

async function* openTwice(o: VerifiedReadOptions, opener: WholeOpener): AsyncGenerator<Uint8Array, void> {
  const first = exactReader(o.upstream)
  await first.read(opener.headerLength)
  const states: Uint8Array[] = []
  const buffer = new Uint8Array(Math.min(SLICE_LENGTH, o.sealedLength))
  for (const slice of slices(opener, o.sealedLength)) {
    states.push(await opener.absorb(slice.offset, await first.read(slice.length, buffer)))
  }
  await finish(first, opener, o.sealedLength)

  const again = await o.reread()
  o.resources.hold((error) => again.cancel(error))
  const second = exactReader(again)
  await second.read(opener.headerLength)
  yield* release(opener, o.sealedLength, states, ({ length }) => second.read(length, buffer))
  await second.read(opener.trailerLength)
  await second.end()
}

function isWhole(opener: Opener): opener is WholeOpener {
  return opener.absorb !== undefined && opener.matches !== undefined && opener.verify !== undefined
}

async function* verified(o: VerifiedReadOptions): AsyncGenerator<Uint8Array, void> {
  const { opener, sealedLength, memory } = o
  if (memory.reserve(sealedLength)) {
    o.resources.hold(() => memory.release(sealedLength))
    if (sealedLength <= SLICE_LENGTH || !isWhole(opener)) yield* openAtOnce(o)
    else yield* openInMemory(o, opener)
    return
  }
  if (!isWhole(opener)) throw new DecryptionError()
  if (o.createSpool !== undefined) yield* openSpooled(o, opener, o.createSpool)
  else yield* openTwice(o, opener)
}

/**
 * Gives plaintext only after the whole message was verified. What fits in the memory budget is kept there as
 * ciphertext; more is spooled to a temporary file, or read twice. Nothing is read, reserved or created before the first
 * `next()`.
 */
export function verifiedRead(options: VerifiedReadOptions): ByteSource {
  return sourceOf(verified(options), options.resources)
}
