import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import type {
  AbortMultipartUploadCommandInput,
  CompletedPart,
  CompleteMultipartUploadCommandInput,
  CreateMultipartUploadCommandInput,
  PutObjectCommandInput,
  S3Client,
  UploadPartCommandInput,
  UploadPartCopyCommandInput,
} from '@aws-sdk/client-s3'

import type { NewHeader, ObjectName } from '../formats/format.js'
import { conditionally, requireConditions } from './condition-probe.js'
import { inParallel } from './in-parallel.js'
import { asStored } from './internal.js'
import { checksumMembers, partChecksum } from './kept-checksum.js'
import type { ByteRange } from './range.js'
import { MIN_PART } from './request-options.js'
import { pinnedSource } from './rotate-copy.js'
import type { StoredCopy } from './rotate-copy.js'
import type { RotationSettings } from './rotation-options.js'
import { sendOptions, untilAborted } from './sdk.js'
import type { Input, Output } from './sdk.js'
import { carriedMembers } from './stored-file.js'
import type { StoredObject } from './stored-object.js'

/** An object to be made of a new header and of stored bytes: header ‖ source [from, to). */
export interface NewObject {
  readonly client: S3Client
  readonly source: StoredObject
  readonly target: ObjectName
  /** With the members that requests for the target need. */
  readonly input: Input
  readonly made: Pick<NewHeader, 'header' | 'from' | 'to'>
  /** What it is stored with, user metadata included. */
  readonly members: Input
  /** `undefined`: whatever is there. */
  readonly condition: { readonly IfMatch: string } | { readonly IfNoneMatch: '*' } | undefined
  readonly options: Pick<RotationSettings, 'allowUnconditional' | 'copyPartSize' | 'signal'>
}

/** How the stored bytes get there. */
export interface Division {
  /** So many of them, from the first on, go through here. */
  readonly moved: number
  /** The others S3 copies, part by part: offsets in the source. */
  readonly copied: readonly ByteRange[]
}

const CONCURRENCY = 4
/** Those that are copied: one more is the header's. */
const MAX_COPIES = 9_999
const USUAL_PART = 512 * 1024 ** 2

/**
 * The first part has the header and as many stored bytes as S3's least part (5 MiB) needs. Nothing is copied of what is
 * no larger than that: S3 copies no range of such a source.
 */
export function divide(
  { header, from, to }: NewObject['made'],
  sourceLength: number,
  copyPartSize: number | undefined,
): Division {
  const isSmall = header.length + (to - from) <= MIN_PART || sourceLength <= MIN_PART
  const moved = isSmall ? to - from : Math.min(to - from, Math.max(0, MIN_PART - header.length))
  const rest = to - from - moved
  const length = Math.max(copyPartSize ?? USUAL_PART, Math.ceil(rest / MAX_COPIES))
  const copied = Array.from({ length: Math.ceil(rest / length) }, (_, index) => {
    const start = from + moved + index * length
    return { start, end: Math.min(start + length, to) }
  })
  return { moved, copied }
}

/** Stores it, if the condition holds and the source is what was looked at. What was begun and fails leaves nothing. */
export async function storeNewObject(
  n: NewObject,
  { moved, copied }: Division,
  beforeStoring: () => void,
): Promise<StoredCopy> {
  const { source, made, options, condition, client, target: object, input } = n
  const { signal } = options
  if (!options.allowUnconditional && (condition !== undefined || copied.length > 0)) {
    const probing = { client, input, object, source: pinnedSource(source), head: source.head, signal }
    await requireConditions(probing, copied.length > 0 ? 'parts' : 'put')
  }
  const first = new Uint8Array(made.header.length + moved)
  first.set(made.header)
  first.set(await source.part(made.from, made.from + moved), made.header.length)
  return copied.length > 0 ? inParts(n, first, copied, beforeStoring) : putWhole(n, first, beforeStoring)
}

/** Under the condition, where there is one. */
function stored<T>({ condition, options }: NewObject, send: (condition: Input) => Promise<T>): Promise<T> {
  return condition === undefined ? send({}) : conditionally(options, condition, send)
}

function targetOf({ input, target }: NewObject): Input {
  return { ...carriedMembers(input), Bucket: target.bucket, Key: target.key }
}

async function putWhole(n: NewObject, Body: Uint8Array, beforeStoring: () => void): Promise<StoredCopy> {
  const { ChecksumAlgorithm } = checksumMembers(n.source.head)
  const put = { ...targetOf(n), ...n.members, ...(ChecksumAlgorithm && { ChecksumAlgorithm }), Body }
  beforeStoring()
  const { ETag, VersionId } = await stored(n, (condition) => {
    const input = { ...put, ...condition } as unknown as PutObjectCommandInput
    return n.client.send(new PutObjectCommand(asStored(input)), sendOptions(n.options.signal))
  })
  return { ETag, VersionId }
}

async function inParts(
  n: NewObject,
  first: Uint8Array,
  copied: readonly ByteRange[],
  beforeStoring: () => void,
): Promise<StoredCopy> {
  const { client, options } = n
  const { signal } = options
  const target = targetOf(n)
  const create = { ...target, ...n.members, ...checksumMembers(n.source.head) } as unknown
  const creating = client.send(new CreateMultipartUploadCommand(asStored(create as CreateMultipartUploadCommandInput)))
  // Not given the signal: an upload whose id is never told could not be given up.
  const { UploadId, ChecksumAlgorithm } = await untilAborted(creating, signal, (late) => {
    void giveUp(n, { ...target, UploadId: late.UploadId })
  })
  const upload = { ...target, UploadId }
  const checksum = ChecksumAlgorithm ?? checksumMembers(n.source.head).ChecksumAlgorithm
  try {
    const Parts = await inParallel(partTasks(n, upload, { first, copied, checksum }), CONCURRENCY, signal)
    beforeStoring()
    const { ETag, VersionId } = await stored(n, (condition) => {
      const complete = { ...upload, MultipartUpload: { Parts }, ...condition }
      const input = complete as unknown as CompleteMultipartUploadCommandInput
      return client.send(new CompleteMultipartUploadCommand(asStored(input)), sendOptions(signal))
    })
    return { ETag, VersionId }
  } catch (error) {
    await giveUp(n, upload)
    throw error
  }
}

async function giveUp({ client }: NewObject, upload: Input): Promise<void> {
  const abort = asStored(upload as unknown as AbortMultipartUploadCommandInput)
  await client.send(new AbortMultipartUploadCommand(abort)).catch(() => undefined)
}

function partTasks(
  { client, source, options }: NewObject,
  upload: Input,
  parts: { readonly first: Uint8Array; readonly copied: readonly ByteRange[]; readonly checksum: string | undefined },
): (() => Promise<CompletedPart>)[] {
  const sending = sendOptions(options.signal)
  const { first: Body, copied, checksum } = parts
  const algorithm = checksum === undefined ? {} : { ChecksumAlgorithm: checksum }
  const first = { ...upload, ...algorithm, PartNumber: 1, Body } as unknown as UploadPartCommandInput
  const pinned = pinnedSource(source)
  const partOf = (PartNumber: number, output: object | undefined): CompletedPart => ({
    PartNumber,
    ETag: (output as CompletedPart | undefined)?.ETag,
    ...partChecksum((output ?? {}) as Output, checksum),
  })
  const copies = copied.map(({ start, end }, index) => async () => {
    const PartNumber = index + 2
    const part = { ...upload, ...pinned, PartNumber, CopySourceRange: `bytes=${start}-${end - 1}` }
    const command = new UploadPartCopyCommand(asStored(part as unknown as UploadPartCopyCommandInput))
    return partOf(PartNumber, (await client.send(command, sending)).CopyPartResult)
  })
  return [async () => partOf(1, await client.send(new UploadPartCommand(asStored(first)), sending)), ...copies]
}
