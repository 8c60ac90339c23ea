import { configError, CseError } from '../errors.js'
import type { FilePlace, Files, OpenFile, PartialFile } from '../runtime/runtime.js'

/** Where the plaintext goes while it is not verified, and what becomes of it. */
export interface Target {
  readonly file: OpenFile
  /** All of it is there and verified. */
  finish(length: number): Promise<void>
  /** It is not. `keep`: a later download will go on. */
  abandon(keep: boolean): Promise<void>
}

/** A destination that was checked; nothing has been made yet. */
export type Destination =
  { readonly place: FilePlace; readonly handle?: undefined } | { readonly place?: undefined; readonly handle: OpenFile }

export interface DestinationOptions {
  readonly resume: boolean
  readonly delayedAuthentication: boolean
}

/** Throws ERR_S3CSE_CONFIG and ERR_S3CSE_FILE for what nothing can be downloaded to. */
export async function checkDestination(
  files: Files | undefined,
  destination: unknown,
  { resume, delayedAuthentication }: DestinationOptions,
): Promise<Destination> {
  if (files === undefined) throw configError('download needs a file system, which this runtime does not have')
  if (typeof destination === 'string' || destination instanceof URL) return { place: await files.place(destination) }
  const handle = files.openFile(destination)
  if (handle === undefined) throw configError('The destination must be a path, a file: URL or a FileHandle')
  if (!delayedAuthentication) {
    throw configError(
      'A FileHandle has plaintext written to it before that is verified: allow it with delayedAuthentication, or give a path, which is replaced when all is verified',
    )
  }
  if (resume) throw configError('resume needs a path: what was written to a FileHandle is taken back on an error')
  return { handle }
}

export function partialTarget(file: PartialFile): Target {
  return {
    file,
    finish: (length) => file.publish(length),
    abandon: (keep) => (keep ? file.leave() : file.remove()),
  }
}

/** Empties the file: from now on it is either what was downloaded or empty. */
export async function handleTarget(file: OpenFile): Promise<Target> {
  await file.truncate(0)
  // A file that was opened for appending puts everything at its end, whatever place was given.
  await file.write(1, new Uint8Array(1))
  const size = await file.size()
  await file.truncate(0)
  if (size !== 2) throw configError("The FileHandle was opened for appending ('a'): open it with 'w' or 'r+'")
  return {
    file,
    finish: (length) => file.truncate(length),
    async abandon() {
      try {
        await file.truncate(0)
      } catch (error) {
        throw new CseError(
          'ERR_S3CSE_FILE',
          'The download failed, and the file handle could not be truncated: the file may hold plaintext that was not verified',
          { cause: error },
        )
      }
    },
  }
}
