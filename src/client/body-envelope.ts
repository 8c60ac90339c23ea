import { GetObjectCommand } from '@aws-sdk/client-s3'
import type { GetObjectCommandInput, S3Client } from '@aws-sdk/client-s3'

import { runtime } from '#runtime'
import { exactReader } from '../bytes/reader.js'
import type { Envelope, ObjectName, OpenRequest, StoredBytes } from '../formats/format.js'
import { asStored } from './internal.js'
import type { Settings } from './options.js'
import { answeredRange } from './range-answer.js'
import { formatRange } from './range.js'
import type { ByteRange } from './range.js'
import { sendOptions } from './sdk.js'
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
  if (bodyEnvelopes === undefined || length === 0) return shown
  const stored = storedBytes(l, output, length)
  const isKnown = shown !== undefined && !readsBody && length !== undefined
  if (isKnown && shown.plaintextLength(length) !== undefined) return withStored(shown, stored)
  const found = bodyEnvelopes.recognise(await stored.start(bodyEnvelopes.startLength), object) ?? shown
  return found && withStored(found, stored)
}

/** Of the whole stored object, in bytes. */
function storedLengthOf({ ContentLength, ContentRange }: Output): number | undefined {
  const total = typeof ContentRange === 'string' ? /\/(\d+)$/.exec(ContentRange)?.[1] : undefined
  if (total !== undefined) return Number(total)
  return typeof ContentLength === 'number' ? ContentLength : undefined
}

function withStored(envelope: Envelope, stored: StoredBytes): Envelope {
  return {
    get summary() {
      return envelope.summary
    },
    inBody: true,
    plaintextLength: (sealedLength) => envelope.plaintextLength(sealedLength),
    open: (request: OpenRequest) => envelope.open({ stored, ...request }),
  }
}

function storedBytes(l: Looking, output: Output, length: number | undefined): StoredBytes {
  let had: Uint8Array = new Uint8Array(0)
  return {
    length,
    async start(count) {
      const most = length === undefined ? count : Math.min(count, length)
      if (l.start !== undefined) return l.start(count)
      if (had.length < most) had = await part(l, output, { start: 0, end: most })
      return had.subarray(0, most)
    },
  }
}

/** A part of exactly what an output has told of. */
async function part(
  { client, input, object, signal }: Looking,
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
    const length = answered === undefined ? storedLengthOf(answer) : answered.end - answered.start
    const reader = exactReader(source)
    const bytes = await reader.read(Math.min(end - start, length ?? 0))
    if (answered !== undefined) await reader.end()
    return bytes
  } finally {
    source.cancel()
  }
}
