import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3'
import type { GetObjectCommandInput, S3Client } from '@aws-sdk/client-s3'

import { runtime } from '#runtime'
import { peekable } from '../bytes/peekable.js'
import type { PeekableSource } from '../bytes/peekable.js'
import { CseError } from '../errors.js'
import type { ByteSource } from '../runtime/runtime.js'
import { asStored } from './internal.js'
import { unexpected } from './open-object.js'
import { statusOf } from './sdk.js'
import type { Output } from './sdk.js'

/** Which version of an object a download reads. */
export interface Pin {
  readonly etag: string
  readonly versionId: string | undefined
  /** In bytes. */
  readonly sealedLength: number
}

/** What the first answer said of the stored object. */
export interface FoundObject extends Pin {
  readonly output: Output
  /** The stored bytes [0, length), if they were asked for. */
  readonly first?: { readonly source: PeekableSource; readonly length: number }
  /** The server answered with the whole object although a part was asked for. */
  readonly ignoresRange: boolean
}

export interface ObjectRequests {
  /** Asks for the first `length` bytes. */
  begin(length: number): Promise<FoundObject>
  /** Asks whether the object is still the one that was read before; `undefined` if not. */
  again(pin: Pin): Promise<FoundObject | undefined>
  /** The stored bytes [from, to) of exactly that version. */
  range(pin: Pin, from: number, to: number, signal: AbortSignal): Promise<ByteSource>
  /** What a request for the same version has failed with, or that the object is not the same any more. */
  changed(error: unknown): unknown
  /** The input of a request for the same version. */
  pinned(pin: Pin): GetObjectCommandInput
}

const changed = new WeakSet()

/** Whether an error says that the object is not any more what the download began with. */
export function isObjectChanged(error: unknown): boolean {
  return typeof error === 'object' && error !== null && changed.has(error)
}

function objectChanged(where: string, cause?: unknown): CseError {
  const error = new CseError(
    'ERR_S3CSE_RESPONSE_UNEXPECTED',
    `${where} was overwritten while it was downloaded: download it again`,
    cause === undefined ? {} : { cause },
  )
  changed.add(error)
  return error
}

const TRANSPORT_CODES: ReadonlySet<unknown> = new Set(['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'ETIMEDOUT', 'EAI_AGAIN'])

/** Whether a request that failed may be sent again, as the SDK would judge (it has tried several times by then). */
export function isRetryable(error: unknown): boolean {
  if (typeof error !== 'object' || error === null || error instanceof CseError) return false
  const { name, code, $retryable } = error as { name?: unknown; code?: unknown; $retryable?: unknown }
  if (name === 'AbortError') return false
  const status = statusOf(error)
  if (status !== undefined && (status >= 500 || status === 429 || status === 408)) return true
  return $retryable !== undefined || name === 'TimeoutError' || TRANSPORT_CODES.has(code)
}

interface ContentRange {
  readonly start: number
  /** Exclusive. */
  readonly end: number
  readonly total: number
}

function contentRange(value: unknown): ContentRange | undefined {
  const match = typeof value === 'string' ? /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16})$/.exec(value) : null
  if (match === null) return undefined
  const [start, last, total] = [Number(match[1]), Number(match[2]), Number(match[3])]
  return [start, last + 1, total].every(Number.isSafeInteger) ? { start, end: last + 1, total } : undefined
}

function lengthOf(output: Output): number | undefined {
  const length = output.ContentLength
  return typeof length === 'number' && Number.isSafeInteger(length) && length >= 0 ? length : undefined
}

/** The requests of one download. They ask for the stored bytes, past the encryption of the client. */
export function objectRequests(
  client: S3Client,
  input: GetObjectCommandInput,
  where: string,
  signal: AbortSignal,
): ObjectRequests {
  const strange = (what: string): CseError => unexpected(`The response for ${where} ${what}`)

  const get = async (request: GetObjectCommandInput, abortSignal: AbortSignal): Promise<Output> =>
    (await client.send(new GetObjectCommand(asStored(request)), { abortSignal })) as unknown as Output

  /** Gives the body of an output to `use`, or to nobody: a body that is dropped would hold its socket. */
  const withBody = <T>(output: Output, use: (source: ByteSource) => T): T => {
    if (runtime.streamKind(output.Body) === undefined) throw strange('has no readable body')
    const source = runtime.source(output.Body)
    try {
      return use(source)
    } catch (error) {
      source.cancel(error as Error)
      throw error
    }
  }

  const pinOf = (output: Output, sealedLength: number): Pin => {
    const { ETag, VersionId } = output
    if (typeof ETag !== 'string' || ETag === '') throw strange('has no ETag, by which the parts could be kept together')
    return { etag: ETag, versionId: typeof VersionId === 'string' ? VersionId : undefined, sealedLength }
  }

  const pinned = ({ etag, versionId }: Pin): GetObjectCommandInput => {
    // The conditions were the first request's; what is read from now on is what that has found.
    const request = { ...input, IfMatch: etag, ...(versionId === undefined ? {} : { VersionId: versionId }) }
    delete request.IfNoneMatch
    delete request.IfModifiedSince
    delete request.IfUnmodifiedSince
    return request
  }

  const isPinned = (output: Output, { etag, versionId }: Pin): boolean =>
    output.ETag === etag && (versionId === undefined || output.VersionId === versionId)

  const changedError = (error: unknown): unknown => (statusOf(error) === 412 ? objectChanged(where, error) : error)

  return {
    pinned,
    changed: changedError,
    async begin(length) {
      const output = await get({ ...input, Range: `bytes=0-${length - 1}` }, signal).catch((error: unknown) => {
        if (statusOf(error) !== 416) throw error
        // No byte can be asked for: the object is empty.
        return get(input, signal)
      })
      return withBody(output, (source) => {
        const found = contentRange(output.ContentRange)
        const got = lengthOf(output)
        if (statusOf(output) === 206) {
          if (found?.start !== 0 || found.end !== Math.min(length, found.total) || got !== found.end) {
            throw strange('is not the range that was asked for')
          }
          const first = { source: peekable(source), length: found.end }
          return { ...pinOf(output, found.total), output, first, ignoresRange: false }
        }
        if (output.ContentRange !== undefined || got === undefined) {
          throw strange('has no usable Content-Length, or a Content-Range without status 206')
        }
        const first = { source: peekable(source), length: got }
        return { ...pinOf(output, got), output, first, ignoresRange: got > length }
      })
    },
    async again(pin) {
      let output: Output
      try {
        const command = new HeadObjectCommand(asStored(pinned(pin)))
        output = (await client.send(command, { abortSignal: signal })) as unknown as Output
      } catch (error) {
        const status = statusOf(error) ?? 0
        // 405: a delete marker. 400: a version id that no version can have.
        if ([404, 405, 412].includes(status) || (status === 400 && pin.versionId !== undefined)) return undefined
        throw error
      }
      if (lengthOf(output) !== pin.sealedLength || !isPinned(output, pin)) return undefined
      return { ...pin, output, ignoresRange: false }
    },
    async range(pin, from, to, abortSignal) {
      const whole = from === 0 && to === pin.sealedLength
      const range = whole ? {} : { Range: `bytes=${from}-${to - 1}` }
      let output: Output
      try {
        output = await get({ ...pinned(pin), ...range }, abortSignal)
      } catch (error) {
        throw changedError(error)
      }
      return withBody(output, (source) => {
        if (!isPinned(output, pin)) throw objectChanged(where)
        const found = contentRange(output.ContentRange)
        const right = whole
          ? output.ContentRange === undefined
          : statusOf(output) === 206 && found?.start === from && found.end === to && found.total === pin.sealedLength
        if (!right || lengthOf(output) !== to - from) throw strange('is not the range that was asked for')
        return source
      })
    },
  }
}
