import {
  DeleteObjectCommand,
  GetBucketVersioningCommand,
  HeadObjectCommand,
  ListPartsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import type {
  DeleteObjectCommandInput,
  GetBucketVersioningCommandInput,
  HeadObjectCommandInput,
  HeadObjectCommandOutput,
  ListPartsCommandInput,
  PutObjectCommandInput,
  S3Client,
} from '@aws-sdk/client-s3'

import { CseError } from '../errors.js'
import type { ObjectMetadata, ObjectName } from '../formats/format.js'
import { asStored } from './internal.js'
import type { Settings } from './options.js'
import type { RequestSettings } from './request-options.js'
import { carriedMembers, readStoredFile, statusOf } from './stored-file.js'
import type { StoredFile } from './stored-file.js'
import type { Input, Output } from './sdk.js'

/** An envelope that is written beside its object. */
export interface EnvelopeFile {
  readonly suffix: string
  readonly text: string
  readonly metadata: ObjectMetadata
  /** What of the envelope stays on the object. */
  readonly onObject: ObjectMetadata
}

/** What the file is stored with, as its object is. Archives apart: a file must be there when its object has been restored. */
const STORED_WITH = [
  'ACL',
  'GrantFullControl',
  'GrantRead',
  'GrantReadACP',
  'GrantWriteACP',
  'ServerSideEncryption',
  'SSEKMSKeyId',
  'SSEKMSEncryptionContext',
  'BucketKeyEnabled',
  'StorageClass',
  'Tagging',
  'ObjectLockMode',
  'ObjectLockRetainUntilDate',
  'ObjectLockLegalHoldStatus',
] as const
const ARCHIVES: readonly unknown[] = ['GLACIER', 'DEEP_ARCHIVE']

/** No secrets are among them: an SSE-C key comes with each request. */
export function fileMembers(input: Input): Record<string, unknown> {
  const members = Object.fromEntries(
    STORED_WITH.filter((name) => input[name] !== undefined).map((name) => [name, input[name]]),
  )
  if (ARCHIVES.includes(members.StorageClass)) delete members.StorageClass
  return members
}

/** The file that a whole envelope is written into; `undefined` where it goes into the metadata. Throws ERR_S3CSE_ENVELOPE_TOO_LARGE. */
export function fileOf(
  settings: Settings,
  { instructionFileSuffix: suffix }: Pick<RequestSettings, 'instructionFileSuffix'>,
  envelope: ObjectMetadata,
): EnvelopeFile | undefined {
  const files = settings.format.instructionFiles
  if (!settings.instructionFile.write || files === undefined) return undefined
  const { object: onObject, file } = files.split(envelope)
  if (file.text.length > files.maxLength) {
    throw new CseError(
      'ERR_S3CSE_ENVELOPE_TOO_LARGE',
      `The instruction file would have ${file.text.length} bytes; at most ${files.maxLength} are read. Shorten the encryption context or the materials description.`,
    )
  }
  return { suffix, ...file, onObject }
}

export interface FileWriting {
  readonly client: S3Client
  readonly settings: Settings
  readonly object: ObjectName
  readonly file: EnvelopeFile
  /** The request that stores the object. */
  readonly args: { readonly input: Input }
  /** Of the multipart upload that it completes. */
  readonly uploadId?: string
  readonly signal: AbortSignal | undefined
}

/** A file that was written, and how to take it back. */
interface Written {
  readonly output: Output
  /** `w`: without the signal of the request. */
  undo(w: FileWriting): Promise<void>
}

/**
 * Writes the file, then the object. A reader between the two finds a file without its object, or one that does not fit
 * yet; never an object that has no key. If the object is not stored, what was there before is there again. Throws
 * ERR_S3CSE_INSTRUCTION_FILE where a file is in the way that may not be replaced.
 */
export async function withInstructionFile<T>(w: FileWriting, storeObject: () => Promise<T>): Promise<T> {
  const written = await writeFile(w)
  try {
    return await storeObject()
  } catch (error) {
    // The caller is to hear of this error, whatever comes of it.
    await takeBack(w, written).catch(() => undefined)
    throw error
  }
}

/** Throws ERR_S3CSE_INSTRUCTION_FILE if the file could not be written: to know it before a large upload. */
export async function checkFileWritable(w: FileWriting): Promise<void> {
  if ((await existing(w)) !== undefined) await overwritable(w)
}

async function writeFile(w: FileWriting): Promise<Written> {
  try {
    return await put(w, { IfNoneMatch: '*' })
  } catch (error) {
    if (statusOf(error) !== 412) throw error
  }
  const before = await existing(w)
  // The first answer was lost, and the SDK has sent it again; or a request that failed is repeated.
  if (before !== undefined && new TextDecoder().decode(before.bytes) === w.file.text) {
    return { output: before.output, undo: (free) => remove(free, before.output) }
  }
  if (await overwritable(w)) return put(w, {})
  if (before === undefined) return put(w, { IfNoneMatch: '*' })
  const { ETag, Metadata, ContentType } = before.output
  const written = await put(w, { IfMatch: ETag })
  const again = { Body: before.bytes, Metadata, ContentType, IfMatch: written.output.ETag }
  return {
    ...written,
    undo: async (free) => {
      await put(free, again)
    },
  }
}

function fileKey({ object, file }: FileWriting): string {
  return `${object.key}${file.suffix}`
}

function options({ signal }: FileWriting): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal }
}

function existing(w: FileWriting): Promise<StoredFile | undefined> {
  const { client, settings, object, signal } = w
  const maxLength = settings.format.instructionFiles?.maxLength ?? 0
  return readStoredFile({ client, input: w.args.input, object, key: fileKey(w), maxLength, signal })
}

async function put(w: FileWriting, more: Record<string, unknown>): Promise<Written> {
  const { client, object, file, args } = w
  const input = {
    ...fileMembers(args.input),
    ...carriedMembers(args.input),
    Bucket: object.bucket,
    Key: fileKey(w),
    Body: new TextEncoder().encode(file.text),
    Metadata: file.metadata,
    ...more,
  } as PutObjectCommandInput
  const output = (await client.send(new PutObjectCommand(asStored(input)), options(w))) as unknown as Output
  return { output, undo: (free) => remove(free, output) }
}

/** Exactly what was written, whatever has been put there since. */
async function remove(w: FileWriting, { ETag, VersionId }: Output): Promise<void> {
  const { RequestPayer, ExpectedBucketOwner } = carriedMembers(w.args.input)
  const versioned = typeof VersionId === 'string' && VersionId !== 'null'
  const which = versioned ? { VersionId } : { IfMatch: ETag }
  const input = { Bucket: w.object.bucket, Key: fileKey(w), RequestPayer, ExpectedBucketOwner, ...which }
  await w.client.send(new DeleteObjectCommand(asStored(input) as DeleteObjectCommandInput))
}

/** Whether the bucket keeps what is replaced; if not, it must be allowed. */
async function overwritable(w: FileWriting): Promise<boolean> {
  const { client, object, args, settings } = w
  const { ExpectedBucketOwner } = carriedMembers(args.input)
  const input = { Bucket: object.bucket, ExpectedBucketOwner } as GetBucketVersioningCommandInput
  let status: string
  try {
    const output = await client.send(new GetBucketVersioningCommand(asStored(input)), options(w))
    if (output.Status === 'Enabled') return true
    status = 'is not enabled'
  } catch (error) {
    if (statusOf(error) === undefined) throw error
    status = 'cannot be seen (s3:GetBucketVersioning)'
  }
  if (settings.instructionFile.overwrite) return false
  throw new CseError(
    'ERR_S3CSE_INSTRUCTION_FILE',
    `There is an instruction file ${object.bucket}/${fileKey(w)} already, and versioning of the bucket ${status}. Nothing was stored: replaced, with the process dying before the object is, it would leave the object that is there without its key. Enable versioning, delete object and file first, or allow it with instructionFile: { overwrite: true }.`,
  )
}

async function takeBack(w: FileWriting, written: Written): Promise<void> {
  // The request may have been aborted: what is left to do is not.
  const free = { ...w, signal: undefined }
  if (!(await isStored(free))) await written.undo(free)
}

/** Whether the object is stored all the same, because only the answer was lost. Where that cannot be seen the file stays: without it such an object would be lost. */
async function isStored(w: FileWriting): Promise<boolean> {
  const object = await head(w, w.object.key)
  if (object === undefined) return false
  const marks = Object.entries(w.file.onObject)
  if (marks.length > 0) return marks.every(([name, value]) => object.Metadata?.[name] === value)
  // V1 and V2 leave nothing on the object. An upload that is not there any more was completed.
  if (w.uploadId !== undefined) return !(await isUploading(w, w.uploadId))
  // Times are in whole seconds.
  const file = await head(w, fileKey(w))
  return (object.LastModified?.getTime() ?? Infinity) >= (file?.LastModified?.getTime() ?? 0)
}

async function isUploading(w: FileWriting, UploadId: string): Promise<boolean> {
  const input = { ...carriedMembers(w.args.input), Bucket: w.object.bucket, Key: w.object.key, UploadId, MaxParts: 1 }
  try {
    await w.client.send(new ListPartsCommand(asStored(input as ListPartsCommandInput)))
    return true
  } catch (error) {
    if (statusOf(error) === 404) return false
    throw error
  }
}

async function head(w: FileWriting, key: string): Promise<HeadObjectCommandOutput | undefined> {
  const input = { ...carriedMembers(w.args.input), Bucket: w.object.bucket, Key: key } as HeadObjectCommandInput
  try {
    return await w.client.send(new HeadObjectCommand(asStored(input)))
  } catch (error) {
    if (statusOf(error) === 404) return undefined
    throw error
  }
}
