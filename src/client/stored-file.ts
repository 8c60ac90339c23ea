import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3'
import type {
  GetObjectCommandInput,
  HeadObjectCommandInput,
  HeadObjectCommandOutput,
  S3Client,
} from '@aws-sdk/client-s3'

import { CseError } from '../errors.js'
import type { ObjectName } from '../formats/format.js'
import { runtime } from '#runtime'
import { collectUntilAborted } from './collect-body.js'
import { asStored } from './internal.js'
import { unexpected } from './open-object.js'
import { MAX_KEY_BYTES } from './option-values.js'
import { pick, sendOptions, statusOf } from './sdk.js'
import type { Input, Output } from './sdk.js'

/** What a request for the file needs of a request for the object. All else is about the object alone. */
export const CARRIED = [
  'RequestPayer',
  'ExpectedBucketOwner',
  'SSECustomerAlgorithm',
  'SSECustomerKey',
  'SSECustomerKeyMD5',
] as const

/** The same, as the SDK's inputs have them. */
export type CarriedMembers = Partial<Pick<HeadObjectCommandInput, (typeof CARRIED)[number]>>

export function carriedMembers(input: Input): Record<string, unknown> {
  return pick(input, CARRIED)
}

/** Whether an object can have this name: a file's is longer than its object's. */
export function isPossibleKey(key: string): boolean {
  return new TextEncoder().encode(key).length <= MAX_KEY_BYTES
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
    output = (await client.send(new GetObjectCommand(asStored(get)), sendOptions(signal))) as unknown as Output
  } catch (error) {
    if (statusOf(error) === 404) return undefined
    throw error
  }
  if (runtime.streamKind(output.Body) === undefined) throw unexpected(`The response for ${key} has no readable body`)
  const source = runtime.source(output.Body)
  try {
    const { ContentLength, ContentRange } = output
    if (ContentRange !== undefined) throw unexpected(`The response for ${key} is a range, but none was asked for`)
    const tooLong = (): CseError =>
      new CseError(
        'ERR_S3CSE_ENVELOPE_INVALID',
        `The instruction file ${object.bucket}/${key} has more than the ${maxLength} bytes that are read.`,
      )
    if (typeof ContentLength === 'number' && ContentLength > maxLength) throw tooLong()
    const bytes = await collectUntilAborted(source, maxLength, tooLong, signal)
    if (ContentLength !== bytes.length) throw unexpected(`The response for ${key} has another length than it says`)
    return { bytes, output }
  } catch (error) {
    source.cancel(error as Error)
    throw error
  }
}

/** What is stored at a key, without its body; `undefined` if nothing is. */
export async function headStored(
  { client, input, object, signal }: Pick<FileRequest, 'client' | 'input' | 'object' | 'signal'>,
  key: string = object.key,
): Promise<HeadObjectCommandOutput | undefined> {
  const head = { ...carriedMembers(input), Bucket: object.bucket, Key: key } as HeadObjectCommandInput
  try {
    return await client.send(new HeadObjectCommand(asStored(head)), sendOptions(signal))
  } catch (error) {
    if (statusOf(error) === 404) return undefined
    throw error
  }
}
