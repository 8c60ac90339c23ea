import { HeadObjectCommand } from '@aws-sdk/client-s3'
import type { HeadObjectCommandInput, S3Client } from '@aws-sdk/client-s3'

import { CseError } from '../errors.js'
import type { ObjectName } from '../formats/format.js'
import { storedPart } from './body-envelope.js'
import { asStored } from './internal.js'
import { unexpected } from './open-object.js'
import { requireEtag } from './rotation.js'
import { sendOptions, statusOf } from './sdk.js'
import type { Input, Output } from './sdk.js'
import { carriedMembers } from './stored-file.js'

/** An object as it was looked at, and its stored bytes: of that object only, or they are an error (412). */
export interface StoredObject {
  readonly object: ObjectName
  /** With the members that requests for the object need. */
  readonly input: Input
  readonly head: Output
  /** In bytes. */
  readonly length: number
  /** The first `count` bytes, or all where there are fewer. */
  start(count: number): Promise<Uint8Array>
  /** Bytes [start, end) of it, in memory. */
  part(start: number, end: number): Promise<Uint8Array>
}

export interface Looked {
  readonly client: S3Client
  readonly object: ObjectName
  readonly input: Input
  /** Default: the current version. */
  readonly versionId?: string | undefined
  readonly signal: AbortSignal | undefined
}

/** What is read when the first bytes are wanted: most headers, and all of a small object, in one request. */
const FIRST_LENGTH = 64 * 1024
/** How often a part is asked for whose connection broke. */
const MAX_READS = 3

/** Rejects with the SDK's NotFound if there is none. Throws ERR_S3CSE_ROTATION for what no write can be pinned to. */
export async function storedObject(l: Looked): Promise<StoredObject> {
  const { client, object, input, versionId, signal } = l
  const get = {
    ...carriedMembers(input),
    Bucket: object.bucket,
    Key: object.key,
    VersionId: versionId,
    ChecksumMode: 'ENABLED',
  } as HeadObjectCommandInput
  const head = (await client.send(new HeadObjectCommand(asStored(get)), sendOptions(signal))) as unknown as Output
  requireEtag(head.ETag, object, object.key)
  const length = head.ContentLength
  if (typeof length !== 'number') throw unexpected(`The response for ${object.bucket}/${object.key} has no length`)
  let had: Uint8Array = new Uint8Array(0)
  const read = async (start: number, end: number): Promise<Uint8Array> => {
    const bytes = await untilWhole(() => storedPart(l, head, { start, end }), signal)
    if (bytes.length === end - start) return bytes
    throw unexpected(`The response for ${object.bucket}/${object.key} is shorter than the object`)
  }
  return {
    object,
    input,
    head,
    length,
    async start(count) {
      const end = Math.min(count, length)
      if (had.length < end) had = await read(0, Math.min(Math.max(end, FIRST_LENGTH), length))
      return had.subarray(0, end)
    },
    part: async (start, end) => (end <= had.length ? had.subarray(start, end) : read(start, end)),
  }
}

/** The SDK sends no request again whose answer breaks off in its body. */
async function untilWhole(read: () => Promise<Uint8Array>, signal: AbortSignal | undefined): Promise<Uint8Array> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await read()
    } catch (error) {
      const isAnswer = statusOf(error) !== undefined || error instanceof CseError
      if (attempt === MAX_READS || isAnswer || signal?.aborted === true) throw error
    }
  }
}
