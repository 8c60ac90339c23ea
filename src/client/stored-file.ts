import { GetObjectCommand } from '@aws-sdk/client-s3'
import type { GetObjectCommandInput, S3Client } from '@aws-sdk/client-s3'

import { collect } from '../bytes/body.js'
import { CseError } from '../errors.js'
import type { ObjectName } from '../formats/format.js'
import { runtime } from '#runtime'
import { asStored } from './internal.js'
import { unexpected } from './open-object.js'
import { throwIfAborted } from './sdk.js'
import type { Input, Output } from './sdk.js'

/** What a request for the file needs of a request for the object. All else is about the object alone. */
const CARRIED = [
  'RequestPayer',
  'ExpectedBucketOwner',
  'SSECustomerAlgorithm',
  'SSECustomerKey',
  'SSECustomerKeyMD5',
] as const

export function carriedMembers(input: Input): Record<string, unknown> {
  return Object.fromEntries(CARRIED.filter((name) => input[name] !== undefined).map((name) => [name, input[name]]))
}

/** Of the name of an object, in bytes of UTF-8. */
const MAX_KEY_BYTES = 1024

/** Whether an object can have this name: a file's is longer than its object's. */
export function isPossibleKey(key: string): boolean {
  return new TextEncoder().encode(key).length <= MAX_KEY_BYTES
}

/** Status of a response that the SDK has made an error of. */
export function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } } | null | undefined)?.$metadata?.httpStatusCode
}

export interface StoredFile {
  readonly bytes: Uint8Array
  readonly output: Output
}

export interface FileRequest {
  readonly client: S3Client
  /** The request for the object. */
  readonly input: Input
  readonly object: ObjectName
  /** Of the file. */
  readonly key: string
  readonly versionId?: string | undefined
  /** In bytes: a longer file is an error. */
  readonly maxLength: number
  readonly signal: AbortSignal | undefined
}

/** The stored bytes of a small file; `undefined` if there is none. Rejects with what the SDK makes of everything else. */
export async function readStoredFile(request: FileRequest): Promise<StoredFile | undefined> {
  const { client, input, object, key, versionId, maxLength, signal } = request
  if (!isPossibleKey(key)) return undefined
  const get = {
    ...carriedMembers(input),
    Bucket: object.bucket,
    Key: key,
    ...(versionId === undefined ? {} : { VersionId: versionId }),
  } as GetObjectCommandInput
  let output: Output
  try {
    const options = signal === undefined ? {} : { abortSignal: signal }
    output = (await client.send(new GetObjectCommand(asStored(get)), options)) as unknown as Output
  } catch (error) {
    if (statusOf(error) === 404) return undefined
    throw error
  }
  if (runtime.streamKind(output.Body) === undefined) throw unexpected(`The response for ${key} has no readable body`)
  const source = runtime.source(output.Body)
  const cancel = (): void => source.cancel(signal?.reason as Error)
  signal?.addEventListener('abort', cancel, { once: true })
  try {
    const { ContentLength, ContentRange } = output
    if (ContentRange !== undefined) throw unexpected(`The response for ${key} is a range, but none was asked for`)
    const tooLong = (): CseError =>
      new CseError(
        'ERR_S3CSE_ENVELOPE_INVALID',
        `The instruction file ${object.bucket}/${key} has more than the ${maxLength} bytes that are read.`,
      )
    if (typeof ContentLength === 'number' && ContentLength > maxLength) throw tooLong()
    const bytes = await collect(source, maxLength, tooLong)
    throwIfAborted(signal)
    if (ContentLength !== bytes.length) throw unexpected(`The response for ${key} has another length than it says`)
    return { bytes, output }
  } catch (error) {
    source.cancel(error as Error)
    throwIfAborted(signal)
    throw error
  } finally {
    signal?.removeEventListener('abort', cancel)
  }
}
