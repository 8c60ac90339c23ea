import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import type {
  AbortMultipartUploadCommandInput,
  CopyObjectCommandInput,
  DeleteObjectCommandInput,
  HeadObjectCommandInput,
  S3Client,
  UploadPartCopyCommandInput,
} from '@aws-sdk/client-s3'

import { runtime } from '#runtime'
import { encodeHex } from '../bytes/hex.js'
import { CseError } from '../errors.js'
import type { ObjectName } from '../formats/format.js'
import { asStored } from './internal.js'
import { lostProperty } from './object-properties.js'
import { MAX_KEY_BYTES } from './option-values.js'
import { statusOf, untilAborted } from './sdk.js'
import type { Input, Output } from './sdk.js'
import { carriedMembers } from './stored-file.js'

/** A way to store an object under a condition; 'parts' is a copy in parts. */
export type ConditionalWrite = 'copy' | 'parts' | 'complete' | 'put'

/** Of no object. */
const WRONG_ETAG = '"00000000000000000000000000000000"'

const NAME = '.s3-cse-probe-'
const PROBE_BYTES = 1

export interface Probing {
  readonly client: S3Client
  readonly input: Input
  readonly object: ObjectName
  /** Of a copy: the members that name and pin its source. */
  readonly source?: Input
  /** The object as it was looked at. */
  readonly head: Output
  readonly signal: AbortSignal | undefined
}

/** By client and bucket: what was found out once stays. */
const known = new WeakMap<S3Client, Map<string, Promise<void>>>()

/**
 * Makes sure that the server keeps conditions of writes, without which a rotation would overwrite what others write
 * meanwhile: writes under conditions that cannot hold have to fail. They go to a name beside the object's, where nothing
 * is; a server that stores something there all the same is found out, and what it has stored is deleted. Once for each
 * client, bucket and way to write. Throws ERR_S3CSE_ROTATION.
 */
export async function requireConditions(p: Probing, way: ConditionalWrite): Promise<void> {
  const found = known.get(p.client) ?? new Map<string, Promise<void>>()
  known.set(p.client, found)
  const id = `${way} ${p.object.bucket}`
  for (;;) {
    let probing = found.get(id)
    const isOwn = probing === undefined
    probing ??= remembered(found, id, probe(p, way))
    try {
      // Others may wait for it as well: it goes on when this one leaves.
      await untilAborted(probing, p.signal)
      return
    } catch (error) {
      // That of somebody else may have failed for their object, which was deleted meanwhile.
      if (isOwn || error instanceof CseError || p.signal?.aborted === true) throw error
    }
  }
}

function remembered(found: Map<string, Promise<void>>, id: string, probing: Promise<void>): Promise<void> {
  found.set(id, probing)
  // What failed, perhaps for a network, is tried again.
  probing.catch(() => found.delete(id))
  return probing
}

/**
 * Sends a write under its condition; with allowUnconditional without it where the server has none of the kind (501, which
 * is no answer to a write).
 */
export async function conditionally<T>(
  { allowUnconditional }: { readonly allowUnconditional: boolean },
  condition: { readonly IfMatch: string } | { readonly IfNoneMatch: '*' },
  send: (condition: Input) => Promise<T>,
): Promise<T> {
  try {
    return await send(condition)
  } catch (error) {
    if (!allowUnconditional || statusOf(error) !== 501) throw error
    return send({})
  }
}

type Target = Input & { readonly Bucket: string; readonly Key: string }

async function probe(p: Probing, way: ConditionalWrite): Promise<void> {
  const { client, input, object } = p
  const target: Target = { ...carriedMembers(input), Bucket: object.bucket, Key: probeKey(object.key) }
  if (way === 'copy') {
    await probeCopy(p, target)
  } else if (way === 'put') {
    const put = asStored({ ...target, Body: new Uint8Array(PROBE_BYTES), IfMatch: WRONG_ETAG })
    await mustFail(p, target, 'IfMatch', () => client.send(new PutObjectCommand(put)))
  } else {
    await probeUpload(p, target, way)
  }
}

async function probeCopy(p: Probing, target: Target): Promise<void> {
  const { client, source } = p
  const copy = (conditions: Input) => (): Promise<unknown> =>
    client.send(
      new CopyObjectCommand(asStored({ ...target, ...source, ...conditions } as unknown as CopyObjectCommandInput)),
    )
  // Not pinned: a 412 must not be about a source that was replaced meanwhile.
  const loose = { CopySourceIfMatch: undefined, IfMatch: WRONG_ETAG }
  const status = await mustFail(p, target, 'IfMatch', copy(loose))
  await mustFail(p, target, 'CopySourceIfMatch', copy({ CopySourceIfMatch: WRONG_ETAG }), [412])
  if (status === 404) await requireSource(p)
}

/** It is as it was looked at; otherwise a 404 may have been about it. */
async function requireSource({ client, input, object, head }: Probing): Promise<void> {
  const { VersionId, ETag } = head
  const same = { ...carriedMembers(input), Bucket: object.bucket, Key: object.key, VersionId, IfMatch: ETag }
  await client.send(new HeadObjectCommand(asStored(same as HeadObjectCommandInput)))
}

async function probeUpload(p: Probing, target: Target, way: 'parts' | 'complete'): Promise<void> {
  const { client, source } = p
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(asStored(target)))
  const upload = { ...target, UploadId }
  const first = { ...upload, PartNumber: 1 }
  try {
    if (way === 'parts') {
      const wrong = { ...first, ...source, CopySourceRange: 'bytes=0-0', CopySourceIfMatch: WRONG_ETAG }
      const command = new UploadPartCopyCommand(asStored(wrong as unknown as UploadPartCopyCommandInput))
      await mustFail(p, target, 'CopySourceIfMatch', () => client.send(command), [412])
    }
    const part = asStored({ ...first, Body: new Uint8Array(PROBE_BYTES) })
    const { ETag } = await client.send(new UploadPartCommand(part))
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] }
    const complete = asStored({
      ...upload,
      MultipartUpload,
      IfMatch: WRONG_ETAG,
    })
    await mustFail(p, target, 'IfMatch', () => client.send(new CompleteMultipartUploadCommand(complete)))
  } finally {
    const abort = asStored(upload as AbortMultipartUploadCommandInput)
    await client.send(new AbortMultipartUploadCommand(abort)).catch(() => undefined)
  }
}

/** Resolves to the status that it has failed with. */
async function mustFail(
  p: Probing,
  { Bucket, Key }: Target,
  condition: string,
  send: () => Promise<unknown>,
  statuses: readonly number[] = [404, 412],
): Promise<number> {
  const { client, object, input } = p
  let output: { VersionId?: string; CopyPartResult?: unknown }
  try {
    output = (await send()) as typeof output
  } catch (error) {
    const status = statusOf(error) ?? 0
    if (statuses.includes(status)) return status
    if (status === 501) throw ignoring(object, condition, 'does not know')
    if (status !== 403) throw error
    throw lostProperty(
      object,
      `whether the server keeps the condition ${condition} could not be tried at ${Key}, because access is denied. Allow it for that name; or, where nobody writes meanwhile, set allowUnconditional: true.`,
    )
  }
  let left = ''
  // (A part goes with its upload.)
  if (output.CopyPartResult === undefined) {
    const { RequestPayer, ExpectedBucketOwner } = carriedMembers(input)
    const del = { Bucket, Key, VersionId: output.VersionId, RequestPayer, ExpectedBucketOwner }
    await client.send(new DeleteObjectCommand(asStored(del as DeleteObjectCommandInput))).catch((error: unknown) => {
      const version = output.VersionId === undefined ? '' : ` (version ${output.VersionId})`
      const { name } = error as Error
      left = ` What was stored to try it, ${Bucket}/${Key}${version}, could not be deleted (${name}): delete it.`
    })
  }
  throw ignoring(object, condition, 'ignores', left)
}

function ignoring(object: ObjectName, condition: string, how: string, left = ''): CseError {
  return lostProperty(
    object,
    `the server ${how} the condition ${condition}, so that what somebody writes meanwhile could be lost. Where nobody does, set allowUnconditional: true.${left}`,
  )
}

/** Beside the object, as permissions often go by prefixes. */
function probeKey(key: string): string {
  const name = `${NAME}${encodeHex(runtime.randomBytes(16))}`
  // A character that is cut in two becomes another one of three bytes.
  const room = MAX_KEY_BYTES - name.length - 3
  return `${new TextDecoder().decode(new TextEncoder().encode(key).subarray(0, room))}${name}`
}
