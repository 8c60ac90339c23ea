import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import type {
  CompletedPart,
  CreateMultipartUploadCommandInput,
  GetObjectCommandInput,
  GetObjectCommandOutput,
  PutObjectCommandInput,
  S3Client,
} from '@aws-sdk/client-s3'

import { runtime } from '#runtime'
import { gatherer } from '../bytes/gather.js'
import { RotationError } from '../errors.js'
import type { ByteSource } from '../runtime/runtime.js'
import { viewWith } from './add-encryption.js'
import { conditionally, requireConditions } from './condition-probe.js'
import { divided } from './envelope-metadata.js'
import { encryptionInfo } from './info.js'
import type { LocatedEnvelope } from './locate-envelope.js'
import { lostProperty, requireKeepable, storedMembers, tagMembers } from './object-properties.js'
import { withoutContext } from './open-object.js'
import { opens } from './rotate-wrap.js'
import { isUnopened, outcome, rewrapRequest } from './rotation.js'
import type { Opening, Outcome, Rotation } from './rotation.js'
import { sendOptions, untilAborted } from './sdk.js'
import type { Input, Output } from './sdk.js'
import { carriedMembers } from './stored-file.js'

/** Bytes of plaintext up to which an object is one PUT, from memory, and of the parts of a larger one. */
const PART_LENGTH = 16 * 1024 ** 2
/** A part less than S3 takes: the last one may be the trailer alone. */
const MAX_PARTS = 9_999

/**
 * Reads the object with the old key, or with the new one where only that opens it, verified, and writes it with the new
 * one, in place of exactly what was read.
 */
export async function rewriteObject(r: Rotation, head: Output, located: LocatedEnvelope): Promise<Outcome> {
  const { input, object, options, client, settings } = r
  const { signal, acl } = options
  requireKeepable(head, object)
  const hasVersions = head.VersionId !== undefined && head.VersionId !== 'null'
  if (located.file !== undefined && settings.instructionFile.write && !hasVersions) {
    throw lostProperty(
      object,
      'its instruction file would be replaced first and the object then; if the process died in between, it would have lost its key. Rotate with a client without instructionFile.write, which puts the envelope into the metadata; or without rewrite.',
    )
  }
  const request = { ...carriedMembers(input), Bucket: object.bucket, Key: object.key }
  const get = { ...request, VersionId: head.VersionId, IfMatch: head.ETag } as unknown as GetObjectCommandInput
  const read = (by: Opening) => withKey(r, by).send(new GetObjectCommand(get), sendOptions(signal))
  let output: GetObjectCommandOutput
  try {
    await requireRotation(r, located)
    output = await read(r.from)
  } catch (error) {
    if (!isUnopened(error) || !(await opens(r, located))) throw error
    if (isDone(head, options)) return outcome('unchanged', withoutContext(located.summary), head)
    output = await read(r.to)
  }
  const source = runtime.source(output.Body)
  try {
    const keeping = { client, input, object, head, signal }
    const members = {
      ...request,
      ...(await storedMembers({ ...keeping, acl })),
      ...(await tagMembers(keeping)),
      Metadata: divided(head, settings.format.reservedKeys).own,
    }
    const length = output.ContentLength
    return await write(r, { source, members, request, head, length })
  } catch (error) {
    source.cancel(error as Error)
    throw error
  }
}

/** Of what only the new key opens. */
function isDone({ LastModified }: Output, { olderThan }: Rotation['options']): boolean {
  return olderThan !== undefined && LastModified instanceof Date && LastModified >= olderThan
}

/** Tries the new key on the old data key. Throws ERR_S3CSE_ROTATION where the old one opens that, too. */
async function requireRotation(r: Rotation, located: LocatedEnvelope): Promise<void> {
  const { enforceRotation, reEncrypt, signal } = r.options
  if (!enforceRotation || located.rewrap === undefined) return
  try {
    await untilAborted(located.rewrap(rewrapRequest(r, reEncrypt)), signal)
  } catch (error) {
    // What has legacy wraps only is what a rewrite is for.
    if (!(error instanceof RotationError) || !error.needsRewrite) throw error
  }
}

/** The client with another key, and with the context as it is. */
function withKey({ client, settings }: Rotation, { keyring, encryptionContext }: Opening): S3Client {
  return viewWith(client, { ...settings, keyring, encryptionContext, bind: undefined })
}

interface Writing {
  readonly source: ByteSource
  /** What the object is stored with. */
  readonly members: Input
  /** What every request needs. */
  readonly request: Input
  /** What is replaced. */
  readonly head: Output
  /** Of the plaintext, in bytes; `undefined` where only its end shows it. */
  readonly length: number | undefined
}

async function write(r: Rotation, w: Writing): Promise<Outcome> {
  const partLength = Math.max(PART_LENGTH, Math.ceil((w.length ?? 0) / MAX_PARTS))
  const read = pieces(w.source, partLength)
  const first = await read()
  const writer = withKey(r, r.to)
  const way = first.last ? 'put' : 'complete'
  const { signal } = r.options
  if (!r.options.allowUnconditional) await requireConditions({ ...r, head: w.head, signal }, way)
  const output = first.last
    ? await conditionally(r.options, { IfMatch: w.head.ETag as string }, (condition) => {
        const put = { ...w.members, Body: first.bytes, ...condition } as unknown as PutObjectCommandInput
        return writer.send(new PutObjectCommand(put), sendOptions(signal))
      })
    : await upload(r, w, { writer, first: first.bytes, read })
  const info = encryptionInfo(output)
  const facts = withoutContext(info?.envelope as NonNullable<typeof info>['envelope'] & object)
  return outcome('rewritten', facts, output)
}

interface Piece {
  readonly bytes: Uint8Array
  readonly last: boolean
}

/** Pieces of exactly `length` bytes but for the last one, which is known to be it. */
function pieces(source: ByteSource, length: number): () => Promise<Piece> {
  const gathered = gatherer()
  return async () => {
    let ended = false
    while (!ended && gathered.length <= length) {
      const chunk = await source.next()
      if (chunk === undefined) ended = true
      else gathered.push(chunk)
    }
    return { bytes: gathered.take(Math.min(length, gathered.length)), last: ended && gathered.length === 0 }
  }
}

async function upload(
  r: Rotation,
  { members, request, head }: Writing,
  { writer, first, read }: { writer: S3Client; first: Uint8Array; read: () => Promise<Piece> },
) {
  const options = sendOptions(r.options.signal)
  const create = members as unknown as CreateMultipartUploadCommandInput
  const { UploadId } = await writer.send(new CreateMultipartUploadCommand(create), options)
  const upload = { ...(request as { Bucket: string; Key: string }), UploadId }
  try {
    const Parts: CompletedPart[] = []
    for (let piece: Piece | undefined = { bytes: first, last: false }; piece !== undefined;) {
      const PartNumber = Parts.length + 1
      const { ETag } = await writer.send(new UploadPartCommand({ ...upload, PartNumber, Body: piece.bytes }), options)
      Parts.push({ PartNumber, ETag })
      piece = piece.last ? undefined : await read()
    }
    return await conditionally(r.options, { IfMatch: head.ETag as string }, (condition) => {
      const complete = { ...upload, MultipartUpload: { Parts }, ...condition }
      return writer.send(new CompleteMultipartUploadCommand(complete), options)
    })
  } catch (error) {
    await writer.send(new AbortMultipartUploadCommand(upload)).catch(() => undefined)
    throw error
  }
}
