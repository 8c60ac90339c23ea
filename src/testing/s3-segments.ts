/** Bodies that are made of others (multipart objects), and reading of any body in pieces. */
import { open, type FileHandle } from 'node:fs/promises'
import { memoryBody, type StoredBody } from './s3-body.js'

const PIECE_BYTES = 512 * 1024

/** One body of several, without copying a byte. Takes over the references to them. */
export function joinBodies(segments: readonly StoredBody[]): StoredBody {
  const [first, second] = segments
  if (first === undefined) return memoryBody(new Uint8Array(0))
  if (second === undefined) return first
  const size = segments.reduce((sum, one) => sum + one.size, 0)
  return { size, bytes: undefined, file: undefined, segments, references: 1 }
}

/** Reads one body, from front to back at best: one file is open at a time. */
export interface BodyReader {
  /** At least one byte of [start, end), in `buffer` or where it lies in memory. `start` is before the end of the body. */
  read(buffer: Uint8Array, start: number, end: number): Promise<Uint8Array>
  close(): Promise<void>
}

/** The caller holds a reference to the body until the reader is closed. */
export function bodyReader(body: StoredBody): BodyReader {
  const leaves = body.segments ?? [body]
  let index = 0
  /** Where leaves[index] starts in the body. */
  let base = 0
  let opened: { readonly file: string; readonly handle: FileHandle } | undefined

  const seek = (position: number): StoredBody => {
    if (position < base) index = base = 0
    for (let leaf = leaves[index]; leaf !== undefined; leaf = leaves[++index]) {
      if (position < base + leaf.size) return leaf
      base += leaf.size
    }
    throw new RangeError(`${position} is behind the end of the body`)
  }
  const close = async (): Promise<void> => {
    await opened?.handle.close()
    opened = undefined
  }
  return {
    async read(buffer, start, end) {
      const leaf = seek(start)
      const from = start - base
      const to = Math.min(leaf.size, end - base)
      if (leaf.bytes !== undefined) return leaf.bytes.subarray(from, to)
      if (leaf.file === undefined) throw new Error('the bytes of this body were discarded')
      if (opened?.file !== leaf.file) {
        await close()
        opened = { file: leaf.file, handle: await open(leaf.file) }
      }
      const { bytesRead } = await opened.handle.read(buffer, 0, Math.min(buffer.length, to - from), from)
      if (bytesRead === 0) throw new Error(`${leaf.file} is shorter than it was`)
      return buffer.subarray(0, bytesRead)
    },
    close,
  }
}

/** The bytes [start, end) of a body, each piece in a buffer of its own. The caller holds a reference until it is done. */
export async function* pieces(body: StoredBody, start = 0, end: number = body.size): AsyncGenerator<Uint8Array, void> {
  const reader = bodyReader(body)
  try {
    for (let at = start; at < end;) {
      const piece = await reader.read(Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, end - at)), at, end)
      at += piece.length
      yield piece
    }
  } finally {
    await reader.close()
  }
}

/** All of a body; the caller holds a reference. */
export async function readBody(body: StoredBody): Promise<Uint8Array> {
  const all = new Uint8Array(body.size)
  let at = 0
  for await (const piece of pieces(body)) {
    all.set(piece, at)
    at += piece.length
  }
  return all
}
