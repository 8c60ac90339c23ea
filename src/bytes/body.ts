import { configError, CseError } from '../errors.js'
import type { ByteSource } from '../runtime/runtime.js'
import { gatherer } from './gather.js'

/** The bytes of a view or an ArrayBuffer, without a copy. */
export function viewOf(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
  return value instanceof ArrayBuffer ? new Uint8Array(value) : undefined
}

/** Bodies that are in memory, as bytes; views and buffers without a copy. `undefined` for everything else. */
export function bytesOf(body: unknown): Uint8Array | undefined {
  if (body === undefined || body === null) return new Uint8Array(0)
  if (typeof body === 'string') return new TextEncoder().encode(body)
  const view = viewOf(body)
  if (view !== undefined) return view
  if (typeof SharedArrayBuffer !== 'undefined' && body instanceof SharedArrayBuffer) return new Uint8Array(body)
  return undefined
}

/** Bytes as a source, in pieces of at most `pieceLength` bytes. */
export function sourceOfBytes(bytes: Uint8Array, pieceLength: number): ByteSource {
  let offset = 0
  return {
    next: async () => {
      if (offset >= bytes.length) return undefined
      const piece = bytes.subarray(offset, offset + pieceLength)
      offset += piece.length
      return piece
    },
    cancel() {
      offset = bytes.length
    },
  }
}

export function concat(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const [first] = chunks
  if (chunks.length === 1 && first?.length === length) return first
  const all = new Uint8Array(length)
  let offset = 0
  for (const chunk of chunks) {
    all.set(chunk, offset)
    offset += chunk.length
  }
  return all
}

/** All pieces, one after the other. Where only one is not empty, that one itself. */
export function joined(...pieces: readonly Uint8Array[]): Uint8Array {
  const kept = pieces.filter((piece) => piece.length > 0)
  return concat(
    kept,
    kept.reduce((sum, piece) => sum + piece.length, 0),
  )
}

/** Reads a source to its end into memory. Above `limit` bytes the source is cancelled and `tooLarge` thrown. */
export async function collect(source: ByteSource, limit: number, tooLarge: () => CseError): Promise<Uint8Array> {
  const gathered = gatherer()
  for (;;) {
    const chunk = await source.next()
    if (chunk === undefined) return gathered.take(gathered.length)
    if (gathered.length + chunk.length > limit) {
      const error = tooLarge()
      source.cancel(error)
      throw error
    }
    gathered.push(chunk)
  }
}

/** A ContentLength that a caller gave: a whole number of bytes, or an error that names it. */
export function checkedLength(value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw configError(`${name} must be a whole number of bytes, not ${typeof value === 'number' ? value : typeof value}`)
}
