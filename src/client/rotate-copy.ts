import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import type {
  AbortMultipartUploadCommandInput,
  CompletedPart,
  CompleteMultipartUploadCommandInput,
  CopyObjectCommandInput,
  CreateMultipartUploadCommandInput,
  S3Client,
  UploadPartCopyCommandInput,
} from '@aws-sdk/client-s3'

import type { ObjectName } from '../formats/format.js'
import { conditionally } from './condition-probe.js'
import { copySourceText } from './copy-source.js'
import { inParallel } from './in-parallel.js'
import { asStored } from './internal.js'
import { storedMembers, tagMembers } from './object-properties.js'
import type { RotationSettings } from './rotation-options.js'
import { sendOptions } from './sdk.js'
import type { Input, Output } from './sdk.js'
import { carriedMembers } from './stored-file.js'

/** A copy of an object onto itself, with other metadata. */
export interface SelfCopy {
  readonly client: S3Client
  readonly input: Input
  readonly object: ObjectName
  /** The object as it was looked at: the copy is pinned to it. */
  readonly head: Output
  /** All user metadata of the copy. */
  readonly metadata: Input
  readonly options: RotationSettings
}

/** What was stored. */
export interface StoredCopy {
  readonly ETag: string | undefined
  readonly VersionId: string | undefined
}

const CONCURRENCY = 4
const MAX_PARTS = 10_000
const USUAL_PART = 512 * 1024 ** 2

/** The source of a copy: this version and no other. */
export function pinnedSource({ input, object, head }: Pick<SelfCopy, 'input' | 'object' | 'head'>): Input {
  const { bucket, key } = object
  return {
    CopySource: copySourceText({ bucket, key, versionId: head.VersionId as string | undefined }),
    CopySourceIfMatch: head.ETag,
    CopySourceSSECustomerAlgorithm: input.SSECustomerAlgorithm,
    CopySourceSSECustomerKey: input.SSECustomerKey,
    CopySourceSSECustomerKeyMD5: input.SSECustomerKeyMD5,
    ExpectedSourceBucketOwner: input.ExpectedBucketOwner,
  }
}

export function isInParts({ head, options }: Pick<SelfCopy, 'head' | 'options'>): boolean {
  return Number(head.ContentLength) > options.copyInPartsAbove
}

/**
 * Copies the object onto itself, if it still is what was looked at, and what is there as well. Everything else of it stays:
 * see docs/rotation.md.
 */
export async function copyOntoItself(s: SelfCopy): Promise<StoredCopy> {
  const { client, object, metadata, options, input, head } = s
  const { acl, signal } = options
  const kept = await storedMembers({ client, input, object, head, acl, signal })
  const target = { ...carriedMembers(input), Bucket: object.bucket, Key: object.key }
  const members = { ...target, ...kept, Metadata: metadata }
  if (isInParts(s)) return copyInParts(s, target, members)
  const copy = { ...members, ...pinnedSource(s), MetadataDirective: 'REPLACE' }
  const output = await conditionally(options, { IfMatch: head.ETag as string }, (condition) => {
    const input = { ...copy, ...condition } as unknown as CopyObjectCommandInput
    return client.send(new CopyObjectCommand(asStored(input)), sendOptions(signal))
  })
  return { ETag: output.CopyObjectResult?.ETag, VersionId: output.VersionId }
}

function partLength({ head, options }: SelfCopy): number {
  const least = Math.ceil(Number(head.ContentLength) / MAX_PARTS)
  return Math.max(options.copyPartSize ?? USUAL_PART, least)
}

async function copyInParts(s: SelfCopy, target: Input, members: Input): Promise<StoredCopy> {
  const { client, object, head, options, input } = s
  const { signal } = options
  const tags = await tagMembers({ client, input, object, head, signal })
  const create = { ...members, ...tags } as unknown as CreateMultipartUploadCommandInput
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(asStored(create)), sendOptions(signal))
  const upload = { ...target, UploadId }
  try {
    const Parts = await copyParts(s, upload)
    const { ETag, VersionId } = await conditionally(options, { IfMatch: head.ETag as string }, (condition) => {
      const complete = { ...upload, MultipartUpload: { Parts }, ...condition }
      const input = complete as unknown as CompleteMultipartUploadCommandInput
      return client.send(new CompleteMultipartUploadCommand(asStored(input)), sendOptions(signal))
    })
    return { ETag, VersionId }
  } catch (error) {
    const abort = asStored(upload as unknown as AbortMultipartUploadCommandInput)
    await client.send(new AbortMultipartUploadCommand(abort)).catch(() => undefined)
    throw error
  }
}

function copyParts(s: SelfCopy, upload: Input): Promise<CompletedPart[]> {
  const { client, head, options } = s
  const size = Number(head.ContentLength)
  const length = partLength(s)
  const source = pinnedSource(s)
  const tasks = Array.from({ length: Math.ceil(size / length) }, (_, index) => async (): Promise<CompletedPart> => {
    const start = index * length
    const range = `bytes=${start}-${Math.min(start + length, size) - 1}`
    const part = { ...upload, ...source, PartNumber: index + 1, CopySourceRange: range }
    const command = new UploadPartCopyCommand(asStored(part as unknown as UploadPartCopyCommandInput))
    const { CopyPartResult } = await client.send(command, sendOptions(options.signal))
    return { PartNumber: index + 1, ETag: CopyPartResult?.ETag }
  })
  return inParallel(tasks, CONCURRENCY, options.signal)
}
