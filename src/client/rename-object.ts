import { sameEntries } from '../bytes/same-entries.js'
import { CseError } from '../errors.js'
import type { ObjectName } from '../formats/format.js'
import type { Context } from '../keyrings/keyring.js'
import { unsupported } from './commands.js'
import { decoded, headSource, NO_ETAG, pinnedTo } from './copy-source.js'
import type { SourceConditions } from './copy-source.js'
import { divided } from './envelope-metadata.js'
import { asWritten, envelopeToMove, withMovedFile } from './moved-file.js'
import type { Settings } from './options.js'
import { deletePinned } from './own-file.js'
import { objectName, requestSettings } from './request-options.js'
import type { CommandContext, Input, Output, Result } from './sdk.js'

const CONDITIONS: SourceConditions = [
  ['SourceIfMatch', 'IfMatch'],
  ['SourceIfNoneMatch', 'IfNoneMatch'],
  ['SourceIfModifiedSince', 'IfModifiedSince'],
  ['SourceIfUnmodifiedSince', 'IfUnmodifiedSince'],
]

/** Where RenameObject takes the object from: a key of the same bucket, with or without the bucket's name before it. */
function sourceKey(text: unknown, bucket: string): string {
  const name = typeof text === 'string' ? text.replace(/^\//, '') : ''
  const path = decoded(name) || name
  return path.startsWith(`${bucket}/`) ? path.slice(bucket.length + 1) : path
}

/** Renames an object of a directory bucket. Its instruction file is copied before and deleted afterwards, so that the object always has one. */
export async function renameObject(c: CommandContext, settings: Settings): Promise<Result> {
  const { args, next } = c
  const { input } = args
  const object = objectName(input)
  const source = { bucket: object.bucket, key: sourceKey(input.RenameSource, object.bucket) }
  if (source.key === '') return next(args)
  checkContext(settings, input, source, object)
  if (!settings.instructionFile.read) return next(args)
  return pinnedTo(
    () => headSource(c, { Bucket: source.bucket, Key: source.key }, CONDITIONS),
    (head, again) => renameFrom(c, settings, { source, object, head, again }),
  )
}

/** Throws ERR_S3CSE_UNSUPPORTED_COMMAND where the object would not be read at its new key. */
function checkContext(settings: Settings, input: Input, source: ObjectName, object: ObjectName): void {
  const contextAt = ({ bucket, key }: ObjectName): Context =>
    requestSettings(settings, input, bucket, key).encryptionContext
  if (sameEntries(contextAt(source), contextAt(object))) return
  throw unsupported(
    'RenameObjectCommand',
    'the object is bound to its key (bind, or an encryptionContext made of it), and a rename changes no envelope. Copy it to the new key with CopyObject and delete the old one.',
  )
}

interface Renaming {
  readonly source: ObjectName
  readonly object: ObjectName
  readonly head: Output | undefined
  readonly again: boolean
}

async function renameFrom(c: CommandContext, settings: Settings, r: Renaming): Promise<Result> {
  const { args, next, client, signal } = c
  const { source, object, head, again } = r
  const input: Record<string, unknown> = { ...args.input, SourceIfMatch: head?.ETag ?? NO_ETAG }
  for (const [member] of CONDITIONS) if (member !== 'SourceIfMatch') Reflect.deleteProperty(input, member)
  const rename = (): Promise<Result> => next({ ...args, input })
  if (head === undefined) return rename()
  const found = { ...args.input, Bucket: source.bucket, Key: source.key, VersionId: undefined }
  const { file } =
    (await envelopeToMove({ client, settings, input: found, object: source, signal, again }, head, true)) ?? {}
  if (file === undefined) return rename()
  const onObject = divided(head, settings.format.reservedKeys).envelope
  const moved = { ...c, settings, object, file: asWritten(file, onObject), etag: head.ETag as string | undefined }
  const result = await withMovedFile(moved, rename)
  try {
    await deletePinned(c, { ...file, object: source })
  } catch (error) {
    throw new CseError(
      'ERR_S3CSE_INSTRUCTION_FILE',
      `The object was renamed to ${object.bucket}/${object.key}, but its old instruction file ${file.key} was not deleted.`,
      { cause: error },
    )
  }
  return result
}
