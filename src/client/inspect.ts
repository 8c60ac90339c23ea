import { HeadObjectCommand } from '@aws-sdk/client-s3'
import type { HeadObjectCommandInput, S3Client } from '@aws-sdk/client-s3'

import type { ObjectFacts } from '../errors.js'
import { asStored, settingsOf } from './internal.js'
import { locateEnvelope } from './locate-envelope.js'
import { problemOf, withoutContext } from './open-object.js'
import { refuseRanges } from './range-request.js'
import { objectName } from './request-options.js'
import { sendOptions } from './sdk.js'
import type { Output } from './sdk.js'

/** What `inspect` takes: HeadObject's input. It may carry `requestOptions` with an `instructionFileSuffix`. */
export type InspectInput = Omit<HeadObjectCommandInput, 'Range' | 'PartNumber'>

/**
 * What an object is, as far as it can be told without any key. Nothing of it is authenticated. 'encrypted': it has an
 * envelope; 'plain': none was found (for formats V1 and V2 it may be in an instruction file of another suffix);
 * 'unknown': what looks like an envelope is damaged, incomplete or of a kind that this library does not know.
 */
export type Inspection = InspectedObject &
  (
    | {
        readonly status: 'encrypted'
        /** Format, suite, wrap, names in the stored map, instruction file, and the switches that reading needs. */
        readonly facts: ObjectFacts
        readonly problem: undefined
      }
    | { readonly status: 'plain'; readonly facts: undefined; readonly problem: undefined }
    | {
        readonly status: 'unknown'
        readonly facts: undefined
        /** Why. */
        readonly problem: string
      }
  )

/** What can be told of every object. */
export interface InspectedObject {
  /** Of the stored object, in bytes. */
  readonly storedLength: number | undefined
  /** Of the plaintext, in bytes; `undefined` where only the key shows it (AES-CBC). */
  readonly plaintextLength: number | undefined
  readonly versionId: string | undefined
  readonly etag: string | undefined
}

/** The options of `inspect`. */
export interface InspectOptions {
  readonly signal?: AbortSignal | undefined
}

/**
 * Says what an object is, from a HeadObject (and a GetObject of the instruction file, where the envelope is not in the
 * metadata; of its first bytes, where those are the envelope). No key is used and no key service asked; whether the client may read the object does not matter.
 *
 * Throws ERR_S3CSE_CONFIG for mistakes in the arguments, and what the SDK throws for the requests.
 */
export function inspect(client: S3Client, input: InspectInput, { signal }: InspectOptions = {}): Promise<Inspection> {
  return inspectObject(client, input, { signal, readsBody: true })
}

/** `readsBody`: a header in the body is read, also where the metadata say how long the plaintext is. */
export async function inspectObject(
  client: S3Client,
  input: InspectInput,
  { signal, readsBody }: { readonly signal: AbortSignal | undefined; readonly readsBody: boolean },
): Promise<Inspection> {
  const own = settingsOf(client, 'inspect')
  const settings = { ...own, instructionFile: { ...own.instructionFile, read: true } }
  const object = objectName(input)
  refuseRanges(input)
  const command = new HeadObjectCommand(asStored({ ...input }))
  const output = (await client.send(command, sendOptions(signal))) as unknown as Output
  const stored = output.ContentLength
  const found = {
    storedLength: typeof stored === 'number' ? stored : undefined,
    versionId: output.VersionId as string | undefined,
    etag: output.ETag as string | undefined,
  }
  const plain = { facts: undefined, problem: undefined, plaintextLength: found.storedLength }
  try {
    const locating = { client, settings, input, object, signal, again: false, everySuffix: true, readsBody }
    const envelope = await locateEnvelope(locating, output)
    if (envelope === undefined) return { ...found, ...plain, status: 'plain' }
    return {
      ...found,
      status: 'encrypted',
      facts: withoutContext(envelope.summary),
      problem: undefined,
      plaintextLength: found.storedLength === undefined ? undefined : envelope.plaintextLength(found.storedLength),
    }
  } catch (error) {
    return { ...found, status: 'unknown', facts: undefined, problem: problemOf(error), plaintextLength: undefined }
  }
}
