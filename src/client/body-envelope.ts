import { GetObjectCommand } from '@aws-sdk/client-s3'
import type { GetObjectCommandInput, S3Client } from '@aws-sdk/client-s3'

import { runtime } from '#runtime'
import { exactReader } from '../bytes/reader.js'
import { CseError } from '../errors.js'
import type {
  BodyEnvelopes,
  Envelope,
  ObjectName,
  OpenRequest,
  RearrangeRequest,
  ReencryptRequest,
  StoredBytes,
} from '../formats/format.js'
import { asStored } from './internal.js'
import { fileMismatch } from './file-mismatch.js'
import { unexpected } from './open-object.js'
import type { Settings } from './options.js'
import { answeredRange } from './range-answer.js'
import { formatRange } from './range.js'
import type { ByteRange } from './range.js'
import { sendOptions, statusOf, untilAborted } from './sdk.js'
import type { Input, Output } from './sdk.js'
import { carriedMembers } from './stored-file.js'

/** What is needed to look into an object's body. */
export interface Looking {
  readonly client: S3Client
  readonly settings: Settings
  readonly input: Input
  readonly object: ObjectName
  readonly signal: AbortSignal | undefined
  readonly start?: ((count: number) => Promise<Uint8Array>) | undefined
  readonly readsBody?: boolean
}

/**
 * The envelope in the body of an object as an output of GetObject or HeadObject tells of it, `shown` in its metadata or
 * not. Of one that the metadata show, the body is not read where they say how long the plaintext is.
 */
export async function envelopeInBody(
  l: Looking,
  output: Output,
  shown: Envelope | undefined,
): Promise<Envelope | undefined> {
  const { settings, object, readsBody = false } = l
  const { bodyEnvelopes } = settings.format
  const length = storedLengthOf(output)
  // (A request that is being presigned has no answer.)
  if (bodyEnvelopes === undefined || length === 0 || output.presigned !== undefined) return shown
  const stored = storedBytes(l, output, length)
  const isKnown = shown !== undefined && !readsBody && length !== undefined
  if (isKnown && shown.plaintextLength(length) !== undefined) return withStored(shown, stored)
  const found = bodyEnvelopes.recognise(await stored.start(bodyEnvelopes.startLength), object) ?? shown
  return found && withStored(found, stored, shown)
}

/**
 * The envelope that a body begins with. What begins like one and is none is a plain object to who takes those; to all
 * others it is damaged (ERR_S3CSE_ENVELOPE_INVALID).
 */
export function recogniseStart(
  bodyEnvelopes: BodyEnvelopes,
  start: Uint8Array,
  object: ObjectName,
  takesPlain: () => boolean,
): Envelope | undefined {
  try {
    return bodyEnvelopes.recognise(start, object)
  } catch (error) {
    if (takesPlain()) return undefined
    throw error
  }
}

/** Of the whole stored object, in bytes. */
function storedLengthOf({ ContentLength, ContentRange }: Output): number | undefined {
  const total = typeof ContentRange === 'string' ? /\/(\d+)$/.exec(ContentRange)?.[1] : undefined
  if (total !== undefined) return Number(total)
  return typeof ContentLength === 'number' ? ContentLength : undefined
}

/** `shown`: what the metadata say, where the body says less of lengths. */
function withStored(envelope: Envelope, stored: StoredBytes, shown?: Envelope): Envelope {
  const reencrypt = envelope.reencrypt?.bind(envelope)
  const rearrange = envelope.rearrange?.bind(envelope)
  return {
    get summary() {
      return envelope.summary
    },
    inBody: true,
    plaintextLength: (sealedLength) => envelope.plaintextLength(sealedLength) ?? shown?.plaintextLength(sealedLength),
    open: (request: OpenRequest) => envelope.open({ stored, ...request }),
    ...(reencrypt && { reencrypt: (request: ReencryptRequest) => reencrypt({ stored, ...request }) }),
    ...(rearrange && { rearrange: (request: RearrangeRequest) => rearrange({ stored, ...request }) }),
  }
}

function storedBytes(l: Looking, output: Output, length: number | undefined): StoredBytes {
  let had: Uint8Array = new Uint8Array(0)
  return {
    length,
    async start(count) {
      const most = length === undefined ? count : Math.min(count, length)
      if (l.start !== undefined) return l.start(count)
      if (had.length < most) had = await firstBytes(l, output, most)
      return had.subarray(0, most)
    },
  }
}

async function firstBytes(l: Looking, output: Output, count: number): Promise<Uint8Array> {
  try {
    return await storedPart(l, output, { start: 0, end: count })
  } catch (error) {
    throw unreadable(error, `${l.object.bucket}/${l.object.key}`)
  }
}

/**
 * A part of exactly what an output has told of; less of it where the object is shorter. Rejects with what the SDK makes
 * of an answer that is none, such as a 412 where the object was replaced.
 */
export async function storedPart(
  { client, input, object, signal }: Pick<Looking, 'client' | 'input' | 'object' | 'signal'>,
  output: Output,
  { start, end }: ByteRange,
): Promise<Uint8Array> {
  const spec = { first: start, last: end - 1 }
  const { bucket, key } = object
  const get = {
    ...carriedMembers(input),
    Bucket: bucket,
    Key: key,
    VersionId: output.VersionId ?? input.VersionId,
    IfMatch: output.ETag,
    Range: formatRange(spec),
  } as GetObjectCommandInput
  const answer = (await client.send(new GetObjectCommand(asStored(get)), sendOptions(signal))) as unknown as Output
  const source = runtime.source(answer.Body)
  try {
    const answered = answeredRange(answer, spec, `${bucket}/${key}`)?.part
    if (answered === undefined && start > 0) {
      throw unexpected(`The server ignores Range: no part of ${bucket}/${key} can be read from it by itself`)
    }
    const length = answered === undefined ? storedLengthOf(answer) : answered.end - answered.start
    const reader = exactReader(source)
    const bytes = await untilAborted(reader.read(Math.min(end - start, length ?? 0)), signal)
    if (answered !== undefined) await untilAborted(reader.end(), signal)
    return bytes
  } finally {
    source.cancel()
  }
}

/** What S3 refuses here it may have answered: an archived object has a HeadObject and no body. */
function unreadable(error: unknown, where: string): unknown {
  const status = statusOf(error)
  if (status === undefined || status >= 500) return error
  if (status === 412) return fileMismatch(`${where} was replaced while it was looked at: ask again`)
  const { name } = error as { name?: string }
  return new CseError(
    'ERR_S3CSE_RESPONSE_UNEXPECTED',
    `The first bytes of ${where}, which show whether it is a message, cannot be read (${status} ${name ?? ''})`,
    { cause: error },
  )
}
