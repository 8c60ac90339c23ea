/** Stored bodies: small ones in memory, large ones in files, shared by reference count (copies, reads in flight). */
import { rm, type FileHandle } from 'node:fs/promises'

/** An immutable body. */
export interface StoredBody {
  readonly size: number
  /** Where the bytes are: one of the three is set (none: they were discarded). */
  readonly bytes: Uint8Array | undefined
  readonly file: string | undefined
  /** In this order; they are not made of segments themselves. This body holds one reference to each. */
  readonly segments?: readonly StoredBody[]
  references: number
}

/** Where an upload goes until it is complete. */
export interface BodyWriter {
  /** Takes over the bytes; they must not change afterwards. */
  write(bytes: Uint8Array): void
  /** Resolves when little enough is waiting to be written; undefined if it already is. Rejects if the disk failed. */
  room(): Promise<void> | undefined
  /** A body with one reference. */
  finish(): Promise<StoredBody>
  discard(): Promise<void>
}

const WRITE_BYTES = 1024 * 1024
const BACKLOG_BYTES = 4 * WRITE_BYTES

export function memoryBody(bytes: Uint8Array): StoredBody {
  return { size: bytes.length, bytes, file: undefined, references: 1 }
}

export function memoryWriter(): BodyWriter {
  const parts: Uint8Array[] = []
  return {
    write: (bytes) => void parts.push(bytes),
    room: () => undefined,
    finish: async () => memoryBody(Buffer.concat(parts)),
    discard: async () => void parts.splice(0),
  }
}

/** For bodies that are read and thrown away. */
export function nullWriter(): BodyWriter {
  return {
    write: () => undefined,
    room: () => undefined,
    finish: async () => memoryBody(new Uint8Array(0)),
    discard: async () => undefined,
  }
}

/** For benchmarks: bodies that are only a length. */
export function discardingWriter(): BodyWriter {
  let size = 0
  return {
    write: (bytes) => void (size += bytes.length),
    room: () => undefined,
    finish: async () => ({ size, bytes: undefined, file: undefined, references: 1 }),
    discard: async () => undefined,
  }
}

/** Whether (some of) the bytes are not there. */
export function isDiscarded(body: StoredBody): boolean {
  if (body.segments !== undefined) return body.segments.some(isDiscarded)
  return body.bytes === undefined && body.file === undefined
}

/** Writes to a new file in large pieces while more arrives. */
export function fileWriter(file: string, handle: FileHandle): BodyWriter {
  let waiting: Uint8Array[] = []
  let waitingBytes = 0
  let size = 0
  let running: Promise<void> | undefined

  const flush = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = waiting
      const length = waitingBytes
      waiting = []
      waitingBytes = 0
      const { bytesWritten } = await handle.writev(batch, size)
      if (bytesWritten !== length) throw new Error(`${file}: wrote ${bytesWritten} of ${length} bytes`)
      size += length
    }
    running = undefined
  }
  const start = (): Promise<void> => {
    if (running === undefined && waiting.length > 0) {
      running = flush()
      running.catch(() => undefined) // room and finish report it: a rejected promise stays
    }
    return running ?? Promise.resolve()
  }
  return {
    write(bytes) {
      waiting.push(bytes)
      waitingBytes += bytes.length
      if (waitingBytes >= WRITE_BYTES) void start()
    },
    room: () => (waitingBytes >= BACKLOG_BYTES ? start() : undefined),
    async finish() {
      await start()
      await handle.close()
      return { size, bytes: undefined, file, references: 1 }
    },
    async discard() {
      await running?.catch(() => undefined)
      await handle.close().catch(() => undefined)
      await rm(file, { force: true })
    },
  }
}

export function retain(body: StoredBody): StoredBody {
  body.references++
  return body
}

/** Removes the files with the last reference. */
export async function release(body: StoredBody): Promise<void> {
  if (--body.references > 0) return
  if (body.file !== undefined) await rm(body.file, { force: true })
  for (const segment of body.segments ?? []) await release(segment)
}
