import { HeadObjectCommand } from '@aws-sdk/client-s3'
import type { HeadObjectCommandInput } from '@aws-sdk/client-s3'

import { configError } from '../errors.js'
import { asStored } from './internal.js'
import { isFileMismatch } from './file-mismatch.js'
import { sendOptions, statusOf } from './sdk.js'
import type { CommandContext, Input, Output } from './sdk.js'
import { carriedMembers } from './stored-file.js'

/** How often a source that is replaced meanwhile is looked at. */
const MAX_ATTEMPTS = 5

/** Of no object: S3 answers as if the condition of the caller had failed, or as if nothing were there. */
export const NO_ETAG = '"none"'

/** Where a copy comes from. */
export interface CopySource {
  /** A bucket's name, or the ARN of an access point. */
  readonly bucket: string
  readonly key: string
  readonly versionId: string | undefined
}

/** `bucket/key` or `<ARN of an access point>/object/key`, URL-encoded, with or without `?versionId=`. Throws ERR_S3CSE_CONFIG. */
export function parseCopySource(text: unknown, member: string): CopySource {
  const [, name = '', version] = /^([^?]*)(?:\?versionId=([^&?]+))?$/.exec(typeof text === 'string' ? text : '') ?? []
  const path = decoded(name)
  const [, bucket, key] = /^\/?(arn:[^/]+\/.+?)\/object\/(.+)$/s.exec(path) ?? /^\/?([^/]+)\/(.+)$/s.exec(path) ?? []
  const versionId = version === undefined ? undefined : decoded(version)
  if (bucket === undefined || key === undefined || versionId === '') {
    throw configError(
      `${member} must name bucket and key, URL-encoded: 'bucket/key', with '?versionId=…' for a version`,
    )
  }
  return { bucket, key, versionId }
}

/** As S3 takes a name in a header; empty for what is not encoded well. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', '%20'))
  } catch {
    return ''
  }
}

/** For a CopySource member. */
export function copySourceText({ bucket, key, versionId }: CopySource): string {
  const name = bucket.startsWith('arn:') ? `${bucket}/object/${key}` : `${bucket}/${key}`
  const path = name.split('/').map(encodeURIComponent).join('/')
  return versionId === undefined ? path : `${path}?versionId=${encodeURIComponent(versionId)}`
}

/** The input of a copy, as one of a request for its source: options of the request included. */
export function sourceInput(input: Input, { bucket, key, versionId }: CopySource): Input {
  const members = {
    ...input,
    Bucket: bucket,
    Key: key,
    VersionId: versionId,
    ExpectedBucketOwner: input.ExpectedSourceBucketOwner,
    SSECustomerAlgorithm: input.CopySourceSSECustomerAlgorithm,
    SSECustomerKey: input.CopySourceSSECustomerKey,
    SSECustomerKeyMD5: input.CopySourceSSECustomerKeyMD5,
  }
  return members
}

/** The caller's conditions on a source: members of the request, and those of a HeadObject that mean the same. */
export type SourceConditions = readonly (readonly [member: string, name: string])[]

/** HeadObject has no body that says why: S3 says it of the request as well. */
const SAID_BY_REQUEST: readonly number[] = [304, 400, 403, 404, 405, 412]

/** `undefined`: there is no source, or it does not meet the caller's conditions. What S3 says of that comes from the request. */
export async function headSource(
  { client, args, signal }: CommandContext,
  source: Input,
  conditions: SourceConditions,
): Promise<Output | undefined> {
  const asked = Object.fromEntries(conditions.map(([member, name]) => [name, args.input[member]]))
  const { Bucket, Key, VersionId } = source
  const head = { ...carriedMembers(source), ...asked, Bucket, Key, VersionId } as HeadObjectCommandInput
  try {
    return (await client.send(new HeadObjectCommand(asStored(head)), sendOptions(signal))) as unknown as Output
  } catch (error) {
    if (SAID_BY_REQUEST.includes(statusOf(error) ?? 0)) return undefined
    throw error
  }
}

/**
 * Takes a step that is pinned to what was looked at, again and again while that is replaced meanwhile. `again`: the file
 * of the source did not fit the last time.
 */
export async function pinnedTo<T>(
  look: () => Promise<Output | undefined>,
  step: (head: Output | undefined, again: boolean) => Promise<T>,
): Promise<T> {
  let head = await look()
  let again = false
  for (let attempt = 1; ; attempt++) {
    try {
      return await step(head, again)
    } catch (error) {
      const isUnfit: boolean = !again && isFileMismatch(error)
      if (attempt === MAX_ATTEMPTS || !(isUnfit || statusOf(error) === 412)) throw error
      again ||= isUnfit
      const before = head?.ETag
      head = await look()
      // Not the source: a condition of the caller has failed.
      if (!isUnfit && head?.ETag === before) throw error
    }
  }
}
