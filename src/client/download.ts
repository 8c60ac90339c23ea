import type { GetObjectCommandInput, GetObjectCommandOutput, S3Client } from '@aws-sdk/client-s3'

import { runtime } from '#runtime'
import { CseError } from '../errors.js'
import { downloadOptions, type DownloadOptions, type DownloadProgress } from './download-options.js'
import { checkDestination } from './download-target.js'
import { transfer } from './download-transfer.js'
import { settingsOf } from './internal.js'
import { objectName, requestSettings } from './request-options.js'
import { abortError, throwIfAborted, type Input } from './sdk.js'

/** GetObject's input, of the whole object. It may carry `requestOptions`. */
export type DownloadInput = Omit<GetObjectCommandInput, 'Range' | 'PartNumber'>

/** A FileHandle of node:fs/promises, by what is used of it. */
export interface DownloadHandle {
  readonly fd: number
  /** Writes bytes at a position of the file. */
  write(data: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesWritten: number }>
  /** Cuts the file to a length in bytes. */
  truncate(length: number): Promise<void>
}

/** What GetObject returns but its Body, in terms of the plaintext; `encryptionInfo` knows the rest. */
export interface DownloadResult extends Omit<GetObjectCommandOutput, 'Body' | 'ContentRange' | 'ContentLength'> {
  /** Length of the plaintext, in bytes. */
  readonly ContentLength: number
  /** Bytes of it that an earlier download had left in the partial file. */
  readonly resumedBytes: number
}

/**
 * Downloads an object to a file, decrypted: in ranges of one version, several at a time, of which none counts before all
 * have been verified together.
 *
 * A path (or file: URL) gets the file when all of it is verified and on the disk, in one step: until then nothing is
 * there, or the file that was there before, whose permissions the new one takes over. A symbolic link is replaced, not
 * followed. The plaintext is written to a private file beside it (mode 0600, `.<name>.….s3-cse-part`), which is removed if
 * the download fails, unless that is to be resumed; of a process that is killed it stays. A FileHandle is written in place,
 * from its beginning, and needs `delayedAuthentication`; if the download fails it is truncated to 0 bytes.
 *
 * A range whose response breaks off is asked for again. The object may be overwritten meanwhile: that is an error
 * (ERR_S3CSE_RESPONSE_UNEXPECTED). `passthrough` decides over plain objects, which are not verified. A format that cannot
 * be read in ranges is read in one.
 *
 * Throws ERR_S3CSE_CONFIG for mistakes in arguments, ERR_S3CSE_FILE for what the file system refuses, an AbortError, what
 * the SDK throws for requests, and everything that GetObject throws (DecryptionError, PolicyError, …).
 */
export async function download(
  client: S3Client,
  input: DownloadInput,
  destination: string | URL | DownloadHandle,
  options: DownloadOptions = {},
): Promise<DownloadResult> {
  const settings = settingsOf(client, 'download')
  const checked = downloadOptions(options)
  const { signal, resume } = checked
  const copy: Input = { ...input }
  const object = objectName(copy)
  for (const member of ['Range', 'PartNumber']) {
    if (copy[member] === undefined) continue
    throw new CseError('ERR_S3CSE_RANGE_REFUSED', `download reads whole objects: ${member} must not be given`)
  }
  const request = requestSettings(settings, copy, object.bucket, object.key)
  const delayedAuthentication = checked.delayedAuthentication ?? request.delayedAuthentication
  const place = await checkDestination(runtime.files, destination, { resume, delayedAuthentication })
  throwIfAborted(signal)

  const { onProgress } = checked
  const ending = new AbortController()
  // One that answers later may fail as well.
  const report = (progress: DownloadProgress): void => {
    const answer: unknown = onProgress?.(progress)
    if (answer instanceof Promise) answer.catch((error: unknown) => ending.abort(error))
  }
  const abort = (): void => {
    if (signal !== undefined) ending.abort(abortError(signal))
  }
  signal?.addEventListener('abort', abort, { once: true })
  try {
    return await transfer({
      client,
      settings,
      input: copy as unknown as GetObjectCommandInput,
      object,
      request,
      place,
      options: { ...checked, onProgress: onProgress && report },
      signal: ending.signal,
    })
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}
