import { randomBytes } from 'node:crypto'
import { open, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { CseError } from '../errors.js'
import type { Spool } from './runtime.js'

/**
 * Bytes of one write: a whole slice. Linux takes memory for its cache in pieces as large as the write. What that costs
 * depends on the memory it finds, from run to run more than on this; of 64 KiB to 1 MiB this cost least, side by side.
 */
const WRITE_LENGTH = 1024 * 1024

function spoolError(what: string, cause: unknown): CseError {
  return new CseError(
    'ERR_S3CSE_SPOOL',
    `The temporary file for a verified read could not be ${what}. Check free space and permissions of the directory, ` +
      'choose another one with the option spool.directory, or set spool: false to read large objects twice instead.',
    { cause },
  )
}

/**
 * A private temporary file: created exclusively (O_EXCL, which follows no link), mode 0600, and unlinked at once, so
 * that it has no name and is gone with its descriptor, even if the process is killed. Where an open file cannot be
 * unlinked (Windows) it is removed on close.
 */
export async function createSpool(directory: string | undefined): Promise<Spool> {
  const path = join(directory ?? tmpdir(), `s3-cse-${randomBytes(16).toString('hex')}.tmp`)
  let handle
  try {
    handle = await open(path, 'wx+', 0o600)
  } catch (error) {
    throw spoolError('created', error)
  }
  const file = handle
  const named = await unlink(path).then(
    () => false,
    () => true,
  )
  let end = 0
  let closing: Promise<void> | undefined
  async function close(): Promise<void> {
    await file.close().catch(() => undefined)
    if (named) await unlink(path).catch(() => undefined)
  }
  return {
    async write(data) {
      try {
        for (let done = 0; done < data.length;) {
          const { bytesWritten } = await file.write(data, done, Math.min(WRITE_LENGTH, data.length - done), end)
          done += bytesWritten
          end += bytesWritten
        }
      } catch (error) {
        throw spoolError('written', error)
      }
    },
    async read(offset, into) {
      try {
        for (let done = 0; done < into.length;) {
          const { bytesRead } = await file.read(into, done, into.length - done, offset + done)
          if (bytesRead === 0) throw new Error('the file is shorter than what was written to it')
          done += bytesRead
        }
      } catch (error) {
        throw spoolError('read', error)
      }
    },
    close: () => (closing ??= close()),
  }
}
