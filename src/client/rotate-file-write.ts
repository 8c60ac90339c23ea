import { PutObjectCommand } from '@aws-sdk/client-s3'
import type { PutObjectCommandInput } from '@aws-sdk/client-s3'

import { CseError } from '../errors.js'
import type { Envelope, InstructionFiles, ObjectMetadata, RewrappedEnvelope } from '../formats/format.js'
import { conditionally, requireConditions } from './condition-probe.js'
import { fileMembers, splitOff } from './envelope-file.js'
import { asStored } from './internal.js'
import type { FoundFile } from './locate-envelope.js'
import { lostProperty, storedMembers, tagMembers } from './object-properties.js'
import { opensBody } from './rotate-wrap.js'
import { isUnopened, requireEtag } from './rotation.js'
import type { Rotation, Sent } from './rotation.js'
import { sendOptions } from './sdk.js'
import type { Output } from './sdk.js'
import { carriedMembers, readStoredFile } from './stored-file.js'

/**
 * Writes the new envelope in place of a file that was found, if it still is what is there; everything else of the file
 * stays. In one write: a reader finds the one or the other.
 */
export async function replaceFile(r: Rotation, found: FoundFile, made: RewrappedEnvelope): Promise<void> {
  const { client, input, object, options } = r
  const { body } = fileOf(r, made.metadata, found.suffix)
  requireEtag(found.output.ETag, object, found.key)
  const { signal, acl } = options
  const name = { bucket: object.bucket, key: found.key }
  const keeping = { client, input, object: name, head: found.output, signal }
  if (!options.allowUnconditional) await requireConditions({ ...r, head: found.output, signal }, 'put')
  const put = {
    ...carriedMembers(input),
    ...(await storedMembers({ ...keeping, acl })),
    ...(await tagMembers(keeping)),
    Bucket: name.bucket,
    Key: name.key,
    Body: body,
    Metadata: found.output.Metadata,
  }
  r.sent.push({ file: body, reEncrypted: made.reEncrypted })
  await conditionally(options, { IfMatch: found.output.ETag as string }, (condition) => {
    const input = { ...put, ...condition } as unknown as PutObjectCommandInput
    return client.send(new PutObjectCommand(asStored(input)), sendOptions(signal))
  })
}

/** What was sent, if that is what is there: the answer was lost. */
export function sentAs({ sent }: Rotation, bytes: Uint8Array | undefined): Sent | undefined {
  if (bytes === undefined) return undefined
  return sent.find(({ file }) => file?.length === bytes.length && file.every((byte, index) => byte === bytes[index]))
}

function filesOf({ settings, object }: Rotation): InstructionFiles {
  const files = settings.format.instructionFiles
  if (files === undefined) throw lostProperty(object, 'its format has no instruction files.')
  return files
}

/** Throws ERR_S3CSE_ENVELOPE_TOO_LARGE for what nobody could read. */
function fileOf(r: Rotation, envelope: ObjectMetadata, suffix: string): { body: Uint8Array; metadata: ObjectMetadata } {
  const files = filesOf(r)
  const { text, metadata } = splitOff(files, envelope, suffix)
  const body = new TextEncoder().encode(text)
  if (body.length <= files.maxLength) return { body, metadata }
  throw new CseError(
    'ERR_S3CSE_ENVELOPE_TOO_LARGE',
    `The instruction file of ${r.object.bucket}/${r.object.key} would have ${body.length} bytes; at most ${files.maxLength} are read. Nothing was stored: shorten the encryption context or the materials description.`,
  )
}

export interface Second {
  readonly first: FoundFile
  readonly suffix: string
  readonly made: RewrappedEnvelope
}

/** For another key beside the first: new, or in place of one of this object's that one of the two keys opens. */
export async function writeSecond(r: Rotation, head: Output, { first, suffix, made }: Second): Promise<void> {
  const { client, input, object, options } = r
  const files = filesOf(r)
  const key = `${object.key}${suffix}`
  const { signal } = options
  const before = await readStoredFile({ client, input, object, key, maxLength: files.maxLength, signal })
  if (before !== undefined) {
    if (sentAs(r, before.bytes) !== undefined) return
    const metadata = (before.output.Metadata ?? {}) as ObjectMetadata
    if (!files.isInstructionFile({ key, suffix, bytes: before.bytes }, metadata, object)) {
      throw new CseError(
        'ERR_S3CSE_INSTRUCTION_FILE',
        `${object.bucket}/${key} is there and is no instruction file. Nothing was stored: take another suffix.`,
      )
    }
    if (!(await isOurs(r, head, { key, suffix, ...before }))) {
      throw new CseError(
        'ERR_S3CSE_INSTRUCTION_FILE',
        `${object.bucket}/${key} is there, and neither the old key nor the new one opens this object with it: it may be another object's, or for somebody else. Nothing was stored: delete it if nobody needs it, or take another suffix.`,
      )
    }
    return replaceFile(r, { key, suffix, ...before }, made)
  }
  const { body, metadata } = fileOf(r, made.metadata, suffix)
  if (!options.allowUnconditional) await requireConditions({ ...r, head: first.output, signal }, 'put')
  const put = {
    ...carriedMembers(input),
    ...fileMembers(await storedMembers({ client, input, object, head: first.output, acl: 'private', signal })),
    Bucket: object.bucket,
    Key: key,
    Body: body,
    Metadata: metadata,
  }
  r.sent.push({ file: body, reEncrypted: made.reEncrypted })
  await conditionally(options, { IfNoneMatch: '*' }, (condition) => {
    const input = { ...put, ...condition } as unknown as PutObjectCommandInput
    return client.send(new PutObjectCommand(asStored(input)), sendOptions(signal))
  })
}

/** Whether one of the two keys opens the object with this file. */
async function isOurs(r: Rotation, head: Output, file: FoundFile): Promise<boolean> {
  let envelope: Envelope
  try {
    envelope = filesOf(r).recognise((head.Metadata ?? {}) as ObjectMetadata, file, r.object)
  } catch (error) {
    if (isUnopened(error)) return false
    throw error
  }
  return (await opensBody(r, head, envelope, r.from)) || (await opensBody(r, head, envelope, r.to))
}
