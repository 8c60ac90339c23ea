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
  undo(w: FileWriting): Promise<unknown>
  /** The object that was there, where only that tells whether the new one is. */
  readonly replaced?: HeadObjectCommandOutput | undefined
}

type Undo = (w: FileWriting, stored: Output) => Promise<unknown>

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
  try {
    if ((await existing(w)) === undefined) return
  } catch (error) {
    // Who may only write cannot see it.
    if (statusOf(error) === 403) return
    throw error
  }
  await overwritable(w)
}

async function writeFile(w: FileWriting): Promise<Written> {
  try {
    return await store(w, { IfNoneMatch: '*' }, remove)
  } catch (error) {
    if (statusOf(error) !== 412) throw error
  }
  const versioned = await overwritable(w)
  const before = versioned ? undefined : await existing(w)
  const replaced = leavesMarks(w) ? undefined : await head(w, w.object.key).catch(() => undefined)
  if (versioned) return { ...(await store(w, {}, remove)), replaced }
  if (before === undefined) return store(w, { IfNoneMatch: '*' }, remove)
  const { ETag, Metadata, ContentType } = before.output
  const old = { Body: before.bytes, Metadata, ContentType }
  return { ...(await store(w, { IfMatch: ETag }, (free, now) => put(free, { ...old, IfMatch: now.ETag }))), replaced }
}

/** V1 and V2 leave nothing on the object. */
function leavesMarks({ file }: FileWriting): boolean {
  return Object.keys(file.onObject).length > 0
}

/** Sends the file. It may be stored though the answer was lost: the SDK's next try is refused then, or there is just an error. */
async function store(w: FileWriting, more: Record<string, unknown>, undo: Undo): Promise<Written> {
  const written = (output: Output): Written => ({ output, undo: (free) => undo(free, output) })
  try {
    return written(await put(w, more))
  } catch (error) {
    const status = statusOf(error)
    if (status === 412) {
      const found = await own(w)
      if (found !== undefined) return written(found)
    } else if (status === undefined || status >= 500) {
      const free = { ...w, signal: undefined }
      const found = await own(free).catch(() => undefined)
      if (found !== undefined) await undo(free, found).catch(() => undefined)
    }
    throw error
  }
}

/** The stored file, if it is this one: its wrapped key is like no other. */
async function own(w: FileWriting): Promise<Output | undefined> {
  const found = await existing(w)
  return found !== undefined && new TextDecoder().decode(found.bytes) === w.file.text ? found.output : undefined
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

async function put(w: FileWriting, more: Record<string, unknown>): Promise<Output> {
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
  return (await client.send(new PutObjectCommand(asStored(input)), options(w))) as unknown as Output
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
  if (!(await isStored(free, written.replaced))) await written.undo(free)
}

/** Whether the object is stored all the same, because only the answer was lost. Where that cannot be seen the file stays: without it such an object would be lost. */
async function isStored(w: FileWriting, replaced: HeadObjectCommandOutput | undefined): Promise<boolean> {
  const object = await head(w, w.object.key)
  if (object === undefined) return false
  if (leavesMarks(w)) return Object.entries(w.file.onObject).every(([name, value]) => object.Metadata?.[name] === value)
  if (replaced !== undefined && object.ETag === replaced.ETag && object.VersionId === replaced.VersionId) return false
  // An upload that is not there any more was completed.
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
