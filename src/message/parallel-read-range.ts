import { exactReader } from '../bytes/reader.js'
import { DecryptionError } from '../errors.js'
import type { ByteSource, OpenFile } from '../runtime/runtime.js'
import type { Opener } from './opener.js'
import type { ReadPlan, ReadRange } from './parallel-read-plan.js'
import { sliceLength } from './part-slices.js'
import { lastPieceAt } from './streamed-read.js'

/** The body of a response broke off; `cause` is what its source said. */
export class Interrupted extends Error {
  constructor(cause: unknown) {
    super('The response was interrupted.', { cause })
    this.name = 'Interrupted'
  }
}

/** What reads of one message share. */
export interface RangeReader {
  readonly opener: Opener
  readonly plan: ReadPlan
  readonly file: Pick<OpenFile, 'read' | 'write'>
  /** Bytes of plaintext more. */
  readonly progress: (bytes: number) => void
}

/** Memory of one reader, reused for every range that it reads. */
export interface Buffers {
  readonly sealed: Uint8Array
  readonly plaintext: Uint8Array
}

interface State {
  readonly offset: number
  readonly length: number
  readonly state: Uint8Array
}

export function buffersFor({ opener, plan }: Pick<RangeReader, 'opener' | 'plan'>): Buffers {
  const { bodyStart, bodyEnd } = plan.range(0)
  const lastLength = plan.sealedLength - opener.trailerLength - lastPieceAt(opener, plan.sealedLength)
  const length = Math.max(Math.min(sliceLength(opener), bodyEnd - bodyStart), lastLength)
  return { sealed: new Uint8Array(length), plaintext: new Uint8Array(length) }
}

/**
 * Reads one range from a response that begins with its first byte and is `length` bytes long, and writes its plaintext.
 * What was hashed counts only when all of it has been written: until then another attempt may begin again. Returns the
 * trailer with the last range. Throws Interrupted if the response broke off.
 */
export async function readRange(
  r: RangeReader,
  range: ReadRange,
  response: { readonly source: ByteSource; readonly length: number },
  buffers: Buffers,
): Promise<Uint8Array | undefined> {
  const { opener, plan } = r
  const reader = exactReader(response.source)
  const read = async (length: number, into?: Uint8Array): Promise<Uint8Array> => {
    try {
      return await reader.read(length, into)
    } catch (error) {
      throw new Interrupted(error)
    }
  }
  const states: State[] = []
  try {
    await read(range.bodyStart - range.from)
    const most = sliceLength(opener)
    const lastAt = lastPieceAt(opener, plan.sealedLength)
    let offset = range.start
    for (let at = range.bodyStart; at < range.bodyEnd;) {
      const left = at < lastAt ? Math.min(most, range.bodyEnd - at, lastAt - at) : range.bodyEnd - at
      const sealed = await read(left, buffers.sealed)
      if (opener.hash !== undefined) {
        states.push({ offset: at, length: sealed.length, state: await opener.hash(at, sealed) })
      }
      const last = range.last && at + sealed.length === plan.sealedLength - opener.trailerLength
      const plaintext = await opener.open(at, sealed, last, buffers.plaintext)
      // An opener that gave more would write into its neighbour's place.
      if (offset + plaintext.length > range.end) throw new DecryptionError()
      await r.file.write(offset, plaintext)
      r.progress(plaintext.length)
      at += sealed.length
      offset += plaintext.length
    }
    if (offset !== range.end) throw new DecryptionError()
    const trailer = range.to === plan.sealedLength ? Uint8Array.from(await read(opener.trailerLength)) : undefined
    await read(response.length - (range.to - range.from))
    await reader.end().catch((error: unknown) => {
      throw new Interrupted(error)
    })
    for (const { offset: place, length, state } of states) await opener.join?.(place, length, state)
    return trailer
  } finally {
    for (const { state } of states) state.fill(0)
  }
}

/** Takes a range that is in the file already into the check, by what is in the file now. */
export async function resealRange(r: RangeReader, range: ReadRange, { plaintext: buffer }: Buffers): Promise<void> {
  for (let offset = range.start; offset < range.end;) {
    const plaintext = buffer.subarray(0, Math.min(buffer.length, range.end - offset))
    await r.file.read(offset, plaintext)
    await r.opener.absorbPlaintext?.(offset, plaintext)
    offset += plaintext.length
    r.progress(plaintext.length)
  }
}
