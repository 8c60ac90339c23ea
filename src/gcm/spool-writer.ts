import type { Resources } from '../bytes/resources.js'
import { CseError } from '../errors.js'
import { SLICE_LENGTH } from '../message/verified-read.js'
import type { Spool } from '../runtime/runtime.js'

/** What is done with ciphertext that cannot be read again. */
export interface Keeping {
  /** Of ciphertext, in bytes. */
  readonly maxMemory: number
  readonly maxDisk: number
  /** Absent: there is no disk, or none is to be used. */
  readonly createSpool: (() => Promise<Spool>) | undefined
}

/** Writes slices to a temporary file while the next one is read. */
export interface SpoolWriter {
  readonly spool: Spool
  readonly buffers: readonly [Uint8Array, Uint8Array]
  /** Where the next slice may be read to: what was written last may still be on its way. */
  readonly room: () => Uint8Array
  write(sealed: Uint8Array): Promise<void>
  flush(): Promise<void>
}

export async function spoolWriter({ createSpool, maxMemory, maxDisk }: Keeping, held: Resources): Promise<SpoolWriter> {
  if (createSpool === undefined) {
    throw new CseError(
      'ERR_S3CSE_BODY_TOO_LARGE',
      `A message of more than ${maxMemory} bytes (maxBufferedBytes) can only be verified before it is released where there is a temporary file for it, or where it can be read twice: give a Blob, raise the limit, or ask for release: 'unverified'.`,
    )
  }
  const spool = await createSpool()
  held.hold(() => void spool.close())
  const buffers = [new Uint8Array(SLICE_LENGTH), new Uint8Array(SLICE_LENGTH)] as const
  let rooms = 0
  let written = 0
  let writing = Promise.resolve()
  return {
    spool,
    buffers,
    room: () => buffers[rooms++ % 2] as Uint8Array,
    async write(sealed) {
      written += sealed.length
      if (written > maxDisk) {
        throw new CseError(
          'ERR_S3CSE_SPOOL',
          `The ciphertext is longer than spool.maxBytes, ${maxDisk} bytes. Raise the limit.`,
        )
      }
      await writing
      writing = spool.write(sealed)
      writing.catch(() => undefined) // reported by the next await; the reader may fail first
    },
    flush: () => writing,
  }
}
