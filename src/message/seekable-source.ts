import { runtime } from '#runtime'
import { viewOf } from '../bytes/body.js'
import { configError } from '../errors.js'
import { isBlob } from './byte-input.js'

/** Stored bytes that can be read at any place. */
export interface SeekableSource {
  /** In bytes; does not change. */
  readonly length: number
  /** Fills `into` with the bytes from `offset` on, which are there, and leaves it alone afterwards. May be called again before it is done. */
  read(offset: number, into: Uint8Array): Promise<void>
}

/** A FileHandle of node:fs/promises. It is yours: it is never closed here, and has to stay open. */
export interface FileHandleLike {
  readonly fd: number
}

/** Ciphertext that can be read at any place. */
export type SeekableInput = SeekableSource | Uint8Array | Blob | FileHandleLike

export async function seekableSource(owner: string, input: SeekableInput): Promise<SeekableSource> {
  const known = knownSource(input)
  if (known !== undefined) return known
  const file = runtime.files?.openFile(input)
  if (file !== undefined) return { length: await file.size(), read: (offset, into) => file.read(offset, into) }
  const { length, read } = ((input as unknown) ?? {}) as Partial<SeekableSource>
  if (typeof read !== 'function' || typeof length !== 'number' || !Number.isSafeInteger(length) || length < 0) {
    throw configError(
      `${owner}: the source must be a Uint8Array, a Blob, a FileHandle or an object with length and read`,
    )
  }
  return { length, read: (offset, into) => read.call(input, offset, into) }
}

/** Of bytes in memory, and of a Blob. */
export function knownSource(input: unknown): SeekableSource | undefined {
  const bytes = viewOf(input)
  if (bytes !== undefined) {
    return {
      length: bytes.length,
      read: async (offset, into) => into.set(bytes.subarray(offset, offset + into.length)),
    }
  }
  if (!isBlob(input)) return undefined
  return {
    length: input.size,
    read: async (offset, into) =>
      into.set(new Uint8Array(await input.slice(offset, offset + into.length).arrayBuffer())),
  }
}

/** A span that is there: whole numbers, not beyond the end. */
export function takeSpan(length: number, start: number, end: number): { start: number; end: number } {
  if (!Number.isSafeInteger(start) || start < 0 || Number.isNaN(end) || end < start) {
    throw configError('start and end must be whole numbers of bytes, and end not less than start')
  }
  if (end !== Infinity && !Number.isSafeInteger(end)) throw configError('end must be a whole number of bytes')
  return { start: Math.min(start, length), end: Math.min(end, length) }
}
