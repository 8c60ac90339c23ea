import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import type { DeleteObjectCommandInput, PutObjectCommandInput } from '@aws-sdk/client-s3'

import { CseError } from '../errors.js'
import type { ObjectMetadata, ObjectName } from '../formats/format.js'
import { isTooLong } from './instruction-file.js'
import { asStored } from './internal.js'
import type { Settings } from './options.js'
import { suffixOf } from './request-options.js'
import { pick, sendOptions, statusOf } from './sdk.js'
import type { CommandContext, Input } from './sdk.js'
import { carriedMembers, headStored, readStoredFile } from './stored-file.js'
import type { StoredFile } from './stored-file.js'

/** The instruction file of an object that is to be deleted. */
export interface OwnFile extends StoredFile {
  readonly object: ObjectName
  readonly key: string
}

/** What is at the name of the object's file, if it is an instruction file, by its mark or its contents. Throws ERR_S3CSE_INSTRUCTION_FILE. */
export async function ownFile(
  { client, args: { input }, signal }: CommandContext,
  settings: Settings,
  object: ObjectName,
): Promise<OwnFile | undefined> {
  const files = settings.format.instructionFiles
  if (files === undefined) return undefined
  const suffix = suffixOf(settings, input)
  const key = `${object.key}${suffix}`
  try {
    const found = await readStoredFile({ client, input, object, key, maxLength: files.maxLength, signal })
    if (found === undefined) return undefined
    const metadata = (found.output.Metadata ?? {}) as ObjectMetadata
    if (!files.isInstructionFile({ key, suffix, bytes: found.bytes }, metadata, object)) return undefined
    return { ...found, object, key }
  } catch (error) {
    if (isTooLong(error)) return undefined
    // (S3 answers 400 where the file is under a customer's key.)
    if (statusOf(error) !== 403 && statusOf(error) !== 400) throw error
    throw new CseError(
      'ERR_S3CSE_INSTRUCTION_FILE',
      `Nothing was deleted: whether ${object.bucket}/${object.key} has an instruction file ${key} cannot be seen, because S3 denies access to that. Allow s3:GetObject for it, and s3:ListBucket, without which S3 does not say that a file does not exist (with SSE-C, give the members SSECustomer… as well); or set instructionFile: { delete: false }.`,
      { cause: error },
    )
  }
}

/** What requests for the file need of a request that deletes. */
export function deleteMembers(input: Input): Record<string, unknown> {
  return pick(input, ['RequestPayer', 'ExpectedBucketOwner', 'ChecksumAlgorithm'])
}

/** Deletes the file that was looked at, and no other: a new object of that name has one of its own by then. */
export async function deletePinned(c: CommandContext, file: OwnFile): Promise<void> {
  const { client, args, signal } = c
  const { object, key, output } = file
  // Without an ETag nothing says that it is still the same.
  if (output.ETag === undefined) return
  const del = { ...deleteMembers(args.input), Bucket: object.bucket, Key: key, IfMatch: output.ETag }
  try {
    await client.send(new DeleteObjectCommand(asStored(del) as DeleteObjectCommandInput), sendOptions(signal))
    await restoreFile(c, file)
  } catch (error) {
    if (statusOf(error) !== 412 && statusOf(error) !== 404) throw error
  }
}

/**
 * Puts a file that was deleted back, if its object is there: somebody has stored it between the two deletions, and his
 * file was what has been found. He looks for it, too, after his object is stored: whoever of the two comes last finds what
 * the other has done.
 */
export async function restoreFile({ client, args: { input } }: CommandContext, file: OwnFile): Promise<void> {
  const { object, key, bytes, output } = file
  try {
    if ((await headStored({ client, input, object, signal: undefined })) === undefined) return
  } catch (error) {
    // Where it cannot be seen, no more can be done.
    if (statusOf(error) === 403) return
    throw error
  }
  const { ContentType, Metadata } = output
  const members = { ...carriedMembers(input), Bucket: object.bucket }
  const put = { ...members, Key: key, Body: bytes, ContentType, Metadata, IfNoneMatch: '*' }
  await client.send(new PutObjectCommand(asStored(put as PutObjectCommandInput)))
}
