import { collect } from '../bytes/body.js'
import { CseError } from '../errors.js'
import type { ByteSource } from '../runtime/runtime.js'
import { abortError, throwIfAborted } from './sdk.js'

export function tooLarge(limit: number, why: string): CseError {
  return new CseError(
    'ERR_S3CSE_BODY_TOO_LARGE',
    `The body is larger than maxBufferedBytes (${limit}) and must be held in memory because ${why}. Use Upload of @aws-sdk/lib-storage, or raise the limit.`,
  )
}

/** Makes a source end with the abort of its request, also while it waits. */
function onAbort(signal: AbortSignal | undefined, source: ByteSource): () => void {
  if (signal === undefined) return () => undefined
  const abort = (): void => source.cancel(abortError(signal))
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  return () => signal.removeEventListener('abort', abort)
}

/** The whole body in memory. Throws ERR_S3CSE_BODY_TOO_LARGE above `limit` bytes; `why` says what it is held for. */
export function collectBody(
  source: ByteSource,
  limit: number,
  why: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  return collectUntilAborted(source, limit, () => tooLarge(limit, why), signal)
}

/** Reads a source to its end into memory, at most `limit` bytes. Rejects with the abort of the request. */
export async function collectUntilAborted(
  source: ByteSource,
  limit: number,
  tooLong: () => CseError,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const remove = onAbort(signal, source)
  try {
    return await collect(source, limit, tooLong)
  } catch (error) {
    throwIfAborted(signal)
    throw error
  } finally {
    remove()
  }
}
