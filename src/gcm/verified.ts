import { joined } from '../bytes/body.js'
import type { Resources } from '../bytes/resources.js'
import { GCM_TAG_LENGTH } from '../crypto/gcm-blocks.js'
import {
  openSlice,
  readAhead,
  release,
  SLICE_LENGTH,
  slices,
  type KeptSlice,
  type Slice,
  type WholeOpener,
} from '../message/verified-read.js'
import type { ByteSource } from '../runtime/runtime.js'
import { chunksOf } from '../message/byte-input.js'
import { throwIfReleased, unlessReleased } from '../message/byte-stream.js'
import type { SeekableSource } from '../message/seekable-source.js'
import { spoolWriter, type Keeping, type SpoolWriter } from './spool-writer.js'

/** One message whose tag is checked before anything of it is given out. */
export interface Verifying {
  readonly opener: WholeOpener
  readonly tag: () => Promise<Uint8Array>
  /** Holds the opener. */
  readonly held: Resources
}

/** The states of all slices of a message that is authentic. */
export async function verifySource(
  { opener, tag, held }: Verifying,
  source: SeekableSource,
  buffers: readonly [Uint8Array, Uint8Array],
): Promise<KeptSlice[]> {
  const kept = keptSlices(held)
  const list = [...slices(opener, source.length + GCM_TAG_LENGTH)]
  const read = readerAhead(source, list, buffers)
  for (const slice of list) {
    const sealed = await read()
    throwIfReleased(held)
    kept.push({ slice, state: await opener.absorb(slice.offset, sealed) })
  }
  await opener.verify(source.length + GCM_TAG_LENGTH, await unlessReleased(held, tag()))
  return kept
}

/** Gives slice by slice, and reads the next one meanwhile: two buffers in turn. */
export function readerAhead(
  source: Pick<SeekableSource, 'read'>,
  list: readonly Slice[],
  buffers: readonly [Uint8Array, Uint8Array],
): () => Promise<Uint8Array> {
  const first = list[0]?.offset ?? 0
  const file = {
    read: async (offset: number, into: Uint8Array) => {
      if (into.length > 0) await source.read(first + offset, into)
    },
  }
  return readAhead(
    file,
    list.map((slice) => ({ slice })),
    buffers,
  )
}

export function sliceBuffers(length: number): readonly [Uint8Array, Uint8Array] {
  const one = (): Uint8Array => new Uint8Array(Math.min(SLICE_LENGTH, length))
  return [one(), one()]
}

/** With a slice's ciphertext its state gives away the key of the authentication. */
function keptSlices(held: Resources): KeptSlice[] {
  const kept: KeptSlice[] = []
  held.hold(() => {
    for (const { state } of kept) state.fill(0)
  })
  return kept
}

/** What can be read again is read twice: the second time each slice has to be the one that was verified. */
export async function* readTwice(v: Verifying, source: SeekableSource): AsyncGenerator<Uint8Array, void> {
  if (source.length < SLICE_LENGTH) {
    const sealed = new Uint8Array(source.length + GCM_TAG_LENGTH)
    if (source.length > 0) await source.read(0, sealed.subarray(0, source.length))
    yield* openAtOnce(v, sealed)
    return
  }
  const buffers = sliceBuffers(source.length)
  const kept = await verifySource(v, source, buffers)
  const list = kept.map(({ slice }) => slice)
  yield* release(v.opener, kept, whole(source.length), readerAhead(source, list, buffers))
}

const whole = (length: number): { start: number; end: number; offset: number } => ({ start: 0, end: length, offset: 0 })

/** `sealed` has room for the tag. */
async function* openAtOnce({ opener, tag, held }: Verifying, sealed: Uint8Array): AsyncGenerator<Uint8Array, void> {
  sealed.set(await unlessReleased(held, tag()), sealed.length - GCM_TAG_LENGTH)
  const plaintext = await opener.openWhole(sealed)
  if (plaintext.length > 0) yield plaintext
}

/** What can be read once is kept as ciphertext until its tag was checked: in memory, and what is too long for that on disk. */
export async function* readOnce(v: Verifying, keep: Keeping, source: ByteSource): AsyncGenerator<Uint8Array, void> {
  const { opener, tag, held } = v
  const next = nextSlice(source, held)
  const first = await next()
  if (first === undefined || first.length < SLICE_LENGTH) {
    yield* openAtOnce(v, joined(first ?? new Uint8Array(0), new Uint8Array(GCM_TAG_LENGTH)))
    return
  }

  const kept = keptSlices(held)
  let memory: Uint8Array[] = []
  let disk: SpoolWriter | undefined
  let length = 0
  for (let sealed: Uint8Array | undefined = first; sealed !== undefined; sealed = await next(disk?.room)) {
    const slice = { offset: length, length: sealed.length, last: false }
    kept.push({ slice, state: await opener.absorb(length, sealed) })
    length += sealed.length
    if (disk === undefined && length > keep.maxMemory) {
      disk = await spoolWriter(keep, held)
      for (const earlier of memory) await disk.write(earlier)
      memory = []
    }
    if (disk === undefined) memory.push(sealed)
    else await disk.write(sealed)
  }
  await disk?.flush()
  await opener.verify(length + GCM_TAG_LENGTH, await unlessReleased(held, tag()))

  if (disk !== undefined) {
    yield* release(opener, kept, whole(length), readAhead(disk.spool, kept, disk.buffers))
    return
  }
  memory.reverse()
  for (const { slice } of kept) yield* openSlice(opener, slice, memory.pop() as Uint8Array, whole(length))
}

/** Slice by slice, in memory that nobody else writes to: what was verified is what is decrypted. */
function nextSlice(source: ByteSource, held: Resources): (room?: () => Uint8Array) => Promise<Uint8Array | undefined> {
  const chunks = chunksOf(source, SLICE_LENGTH)
  return async (room = () => new Uint8Array(SLICE_LENGTH)) => {
    let own: Uint8Array | undefined
    const sealed = await chunks.next(() => (own = room()))
    throwIfReleased(held)
    if (sealed === undefined || own !== undefined) return sealed
    const target = room().subarray(0, sealed.length)
    target.set(sealed)
    return target
  }
}
