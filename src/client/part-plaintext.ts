import { bytesOf, checkedLength, sourceOfBytes } from '../bytes/body.js'
import { configError, CseError } from '../errors.js'
import { MIN_PART_BYTES } from '../message/multipart.js'
import type { ByteSource } from '../runtime/runtime.js'
import { runtime } from '#runtime'
import { collectBody, tooLarge } from './collect-body.js'
import type { Settings } from './options.js'
import { sendsStreams, untilAborted } from './sdk.js'
import type { CommandContext } from './sdk.js'

/** The plaintext of a part: bytes, or a source of known length. */
export type PartPlaintext = { readonly bytes: Uint8Array } | { readonly source: ByteSource; readonly length: number }

/** Bodies in memory that are too large for a second copy are sealed in pieces of this size, in bytes. */
const PIECE_LENGTH = 1024 * 1024

function lengthError(message: string): CseError {
  return new CseError('ERR_S3CSE_BODY_LENGTH', message)
}

/** A source whose first chunk was read already. */
function withFirst(first: Uint8Array, source: ByteSource): ByteSource {
  let pending: Uint8Array | undefined = first
  return {
    async next() {
      if (pending === undefined) return source.next()
      const chunk = pending
      pending = undefined
      return chunk
    },
    cancel: (error) => source.cancel(error),
  }
}

/**
 * What is sealed for a part. What is short is collected, because it may have to be sent again; of a stream the first
 * bytes are awaited. Throws ERR_S3CSE_BODY_LENGTH.
 */
export async function partPlaintext(
  c: CommandContext,
  source: ByteSource | undefined,
  settings: Settings,
  number: number,
): Promise<PartPlaintext> {
  const { input } = c.args
  if (input.Body === undefined) {
    throw configError(
      `Part ${number} has no Body. Give an empty one ('') for a part that is empty, and so the last one`,
    )
  }
  const declared = input.ContentLength === undefined ? undefined : checkedLength(input.ContentLength, 'ContentLength')
  const limit = settings.maxBufferedBytes
  const streaming = sendsStreams(c.config)
  const given = source === undefined ? bytesOf(input.Body) : undefined
  if (given !== undefined) {
    if (declared !== undefined && declared !== given.length) {
      throw lengthError(
        `The body of part ${number} has ${given.length} bytes, but ContentLength says ${declared}; nothing was sent.`,
      )
    }
    if (given.length > limit && given.length >= MIN_PART_BYTES && streaming) {
      return { source: sourceOfBytes(given, PIECE_LENGTH), length: given.length }
    }
    return { bytes: given }
  }
  if (source === undefined) {
    throw configError(
      `Body is of a type that cannot be encrypted (${typeof input.Body}). Give a string, bytes, a Blob, or a stream with its ContentLength.`,
    )
  }
  const length = declared ?? (await runtime.streamLength(input.Body))
  if (length === undefined) {
    throw lengthError(
      `The body of part ${number} is a stream of unknown length; nothing was sent. Give its ContentLength.`,
    )
  }
  // A short part may have to be sent again with the trailer, and a Blob can be sent again by the SDK if it is held.
  const collected = !streaming || length < MIN_PART_BYTES || (input.Body instanceof Blob && length <= limit)
  if (!collected) {
    const first = await untilAborted(source.next(), c.signal)
    // Where the handler reads the bytes from elsewhere, the body is an empty placeholder.
    if (first === undefined) throw lengthError(`The body of part ${number} is empty, not ${length} bytes long.`)
    return { source: withFirst(first, source), length }
  }
  if (length > Math.max(limit, MIN_PART_BYTES)) throw tooLarge(limit, "the client's request handler sends no streams")
  const bytes = await collectBody(source, length, 'parts are', c.signal).catch((error: unknown) => {
    if ((error as Partial<CseError>).code !== 'ERR_S3CSE_BODY_TOO_LARGE') throw error
    throw lengthError(`The body of part ${number} is longer than its declared length of ${length} bytes.`)
  })
  if (bytes.length !== length) {
    throw lengthError(`The body of part ${number} has ${bytes.length} bytes, not ${length}; nothing was sent.`)
  }
  return { bytes }
}
