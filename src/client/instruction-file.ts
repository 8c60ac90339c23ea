import { DeleteObjectCommand, GetBucketVersioningCommand, ListPartsCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import type {
  DeleteObjectCommandInput,
  GetBucketVersioningCommandInput,
  HeadObjectCommandOutput,
  ListPartsCommandInput,
  PutObjectCommandInput,
  S3Client,
} from '@aws-sdk/client-s3'

import { CseError } from '../errors.js'
import type { ObjectMetadata, ObjectName } from '../formats/format.js'
import { fileMembers } from './envelope-file.js'
import type { EnvelopeFile } from './envelope-file.js'
import { asStored } from './internal.js'
import type { Settings } from './options.js'
import { carriedMembers, headStored, isPossibleKey, readStoredFile } from './stored-file.js'
import type { StoredFile } from './stored-file.js'
import { sendOptions, statusOf } from './sdk.js'
import type { Input, Output } from './sdk.js'

export interface FileWriting {
  readonly client: S3Client
  readonly settings: Settings
  readonly object: ObjectName
  readonly file: EnvelopeFile
  /** The request that stores the object. */
  readonly args: { readonly input: Input }
  /** Of the multipart upload that it completes. */
  readonly uploadId?: string
  /** Of the object as it will be, where that is known: a rename changes neither that nor its time. */
  readonly etag?: string | undefined
  /** Gets what takes a file back that stays although its object may not come to be. */
  readonly kept?: (undo: () => Promise<void>) => void
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
  let stored: T
  try {
    stored = await storeObject()
  } catch (error) {
    // S3 may still complete an upload whose request was given up, and a repeated Complete needs the file.
    if (w.uploadId !== undefined && !isRefusal(error)) {
      w.kept?.(async () => {
        await written.undo(withoutSignal(w)).catch(() => undefined)
      })
    } else {
      // The caller is to hear of this error, whatever comes of it.
      await takeBack(w, written).catch(() => undefined)
    }
    throw error
  }
  await keepFile(w)
  return stored
}

/**
 * Somebody may have deleted the object that was there before, and found the new file already: then it is written once
 * more. (Who deletes looks for the object afterwards: see `restoreFile`.) What was asked for is done, so that what fails
 * here fails nothing.
 */
export async function keepFile(w: FileWriting): Promise<void> {
  try {
    if ((await head(w, fileKey(w))) === undefined) await put(w, { IfNoneMatch: '*' })
  } catch {
    // As above.
  }
}

/** Whether S3 has answered, and so does nothing more with the request. */
function isRefusal(error: unknown): boolean {
  const status = statusOf(error)
  return status !== undefined && status !== 408
}

/** Milliseconds that is waited for what is to be put in order after a failure. */
const CLEANUP_TIME = 5_000

/** The request may have been aborted: what is left to do is not, but the caller does not wait for ever. */
function withoutSignal<W extends object>(w: W): W & { readonly signal: AbortSignal } {
  return { ...w, signal: AbortSignal.timeout(CLEANUP_TIME) }
}

/** Throws ERR_S3CSE_INSTRUCTION_FILE if the file could not be written: to know it before a large upload. */
export async function checkFileWritable(w: FileWriting): Promise<void> {
  checkKey(w)
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
  checkKey(w)
  try {
    return await store(w, { IfNoneMatch: '*' }, remove)
  } catch (error) {
    if (statusOf(error) !== 412) throw error
    // What the caller asked not to replace is there: S3 would say the same of the object.
    if (w.args.input.IfNoneMatch === '*' && (await head(w, w.object.key)) !== undefined) throw error
  }
  const versioned = await overwritable(w)
  const before = await replaceable(w, versioned)
  const replaced = leavesMarks(w) ? undefined : await head(w, w.object.key).catch(() => undefined)
  if (versioned) return { ...(await store(w, {}, remove)), replaced }
  if (before === undefined) return store(w, { IfNoneMatch: '*' }, remove)
  const { ETag, Metadata, ContentType } = before.output
  const old = { Body: before.bytes, Metadata, ContentType }
  try {
    return { ...(await store(w, { IfMatch: ETag }, (free, now) => put(free, { ...old, IfMatch: now.ETag }))), replaced }
  } catch (error) {
    if (statusOf(error) !== 412) throw error
    throw fileError(
      `The instruction file ${w.object.bucket}/${fileKey(w)} is being replaced by another writer at the same time. Nothing was stored: try again.`,
    )
  }
}

/** What is to be replaced: an instruction file, and nothing that somebody else has put there. */
async function replaceable(w: FileWriting, versioned: boolean): Promise<StoredFile | undefined> {
  let before
  try {
    before = await existing(w)
  } catch (error) {
    // Who may only write cannot see it; with versions nothing is lost.
    if (versioned && statusOf(error) === 403) return undefined
    throw isTooLong(error) ? notOurs(w) : error
  }
  if (before === undefined) return undefined
  const { bytes, output } = before
  const file = { key: fileKey(w), suffix: w.file.suffix, bytes }
  const metadata = (output.Metadata ?? {}) as ObjectMetadata
  if (w.settings.format.instructionFiles?.isInstructionFile(file, metadata, w.object) === true) return before
  throw notOurs(w)
}

export function isTooLong(error: unknown): boolean {
  return error instanceof CseError && error.code === 'ERR_S3CSE_ENVELOPE_INVALID'
}

function notOurs(w: FileWriting): CseError {
  return fileError(
    `${w.object.bucket}/${fileKey(w)}, the name of the instruction file, is that of another object. Nothing was stored: take another suffix (instructionFile.suffix).`,
  )
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
      const free = withoutSignal(w)
      const found = await own(free).catch(() => undefined)
      if (found !== undefined) await undo(free, found).catch(() => undefined)
    }
    throw error
  }
}

/** The stored file, if it is this one: its wrapped key is like no other. */
async function own(w: FileWriting): Promise<Output | undefined> {
  // What is too long, or must not be seen, is not known to be it.
  const found = await existing(w).catch((error: unknown) => {
    if (isTooLong(error) || statusOf(error) === 403) return undefined
    throw error
  })
  return found !== undefined && new TextDecoder().decode(found.bytes) === w.file.text ? found.output : undefined
}

function checkKey(w: FileWriting): void {
  if (isPossibleKey(fileKey(w))) return
  throw fileError(
    `The name of the object and '${w.file.suffix}', that of its instruction file, have more than the 1,024 bytes of a key. Nothing was stored: take a shorter name or suffix, or put the envelope into the metadata.`,
  )
}

function fileError(message: string): CseError {
  return new CseError('ERR_S3CSE_INSTRUCTION_FILE', message)
}

function fileKey({ object, file }: FileWriting): string {
  return `${object.key}${file.suffix}`
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
  return (await client.send(new PutObjectCommand(asStored(input)), sendOptions(w.signal))) as unknown as Output
}

/** Exactly what was written, whatever has been put there since. */
async function remove(w: FileWriting, { ETag, VersionId }: Output): Promise<void> {
  const { RequestPayer, ExpectedBucketOwner } = carriedMembers(w.args.input)
  const versioned = typeof VersionId === 'string' && VersionId !== 'null'
  const which = versioned ? { VersionId } : { IfMatch: ETag }
  const input = { Bucket: w.object.bucket, Key: fileKey(w), RequestPayer, ExpectedBucketOwner, ...which }
  await w.client.send(new DeleteObjectCommand(asStored(input) as DeleteObjectCommandInput), sendOptions(w.signal))
}

/** Whether the bucket keeps what is replaced; if not, it must be allowed. */
async function overwritable(w: FileWriting): Promise<boolean> {
  const { client, object, args, settings } = w
  const { ExpectedBucketOwner } = carriedMembers(args.input)
  const input = { Bucket: object.bucket, ExpectedBucketOwner } as GetBucketVersioningCommandInput
  let status: string
  try {
    const output = await client.send(new GetBucketVersioningCommand(asStored(input)), sendOptions(w.signal))
    if (output.Status === 'Enabled') return true
    status = 'is not enabled'
  } catch (error) {
    if (statusOf(error) === undefined) throw error
    status = 'cannot be seen (s3:GetBucketVersioning)'
  }
  if (settings.instructionFile.overwrite) return false
  throw fileError(
    `There is an instruction file ${object.bucket}/${fileKey(w)} already, and versioning of the bucket ${status}. Nothing was stored: if the file were replaced and the process died before it has stored the new object, the old object would have lost its key. Enable versioning, delete object and file first, or allow it with instructionFile: { overwrite: true }. (If there is no such object, the file was left by a write that failed, or belongs to one that is under way.)`,
  )
}

async function takeBack(w: FileWriting, written: Written): Promise<void> {
  const free = withoutSignal(w)
  if (await isStored(free, written.replaced)) return
  await written.undo(free)
  // It may have come to be in between, although the request was given up.
  if (leavesMarks(w) && (await isStored(free, undefined))) await put(free, {})
}

/** Whether the object is stored all the same, because only the answer was lost. Where that cannot be seen the file stays: without it such an object would be lost. */
async function isStored(w: FileWriting, replaced: HeadObjectCommandOutput | undefined): Promise<boolean> {
  const object = await head(w, w.object.key)
  if (object === undefined) return false
  if (leavesMarks(w)) return Object.entries(w.file.onObject).every(([name, value]) => object.Metadata?.[name] === value)
  if (w.etag !== undefined) return object.ETag === w.etag
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
    await w.client.send(new ListPartsCommand(asStored(input as ListPartsCommandInput)), sendOptions(w.signal))
    return true
  } catch (error) {
    if (statusOf(error) === 404) return false
    throw error
  }
}

function head({ client, args: { input }, object, signal }: FileWriting, key: string) {
  return headStored({ client, input, object, signal }, key)
}
