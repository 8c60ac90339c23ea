import { DeleteObjectsCommand } from '@aws-sdk/client-s3'
import type { _Error as DeleteError, DeleteObjectsCommandInput, ObjectIdentifier } from '@aws-sdk/client-s3'

import { CseError } from '../errors.js'
import { inParallel } from './in-parallel.js'
import { asStored } from './internal.js'
import type { Settings } from './options.js'
import { deleteMembers, deletePinned, ownFile, restoreFile } from './own-file.js'
import type { OwnFile } from './own-file.js'
import { objectName } from './request-options.js'
import { sendOptions, statusOf, throwIfAborted } from './sdk.js'
import type { CommandContext, Result } from './sdk.js'

/** How many files are looked for at a time. */
const CONCURRENCY = 16
/** What one DeleteObjects takes (S3 API reference). */
const MAX_DELETES = 1000

/** What is the answer where the file is not there any more, or not the one that was looked at. */
const NOT_OURS: readonly unknown[] = ['PreconditionFailed', 'NoSuchKey', 'NoSuchVersion']

/**
 * Deletes the object, then its instruction file, if what is at its name is one. The file is pinned to what was looked at,
 * and put back if the object is there again afterwards: a writer who stores it meanwhile keeps his.
 */
export async function deleteObject(c: CommandContext, settings: Settings): Promise<Result> {
  const { args, next, signal } = c
  const { input } = args
  // Other versions of the object may have the same file, and the file has versions of its own.
  if (!settings.instructionFile.delete || input.VersionId !== undefined) return next(args)
  const object = objectName(input)
  const file = await ownFile(c, settings, object)
  const result = await next(args)
  if (file === undefined) return result
  try {
    await deletePinned(c, file)
  } catch (error) {
    throwIfAborted(signal)
    const why =
      statusOf(error) === 501
        ? 'the server does not delete under a condition (If-Match). Delete it with a plain client.'
        : "delete it once more, with its object's key."
    throw new CseError(
      'ERR_S3CSE_INSTRUCTION_FILE',
      `What was asked for is deleted, but not the instruction file ${object.bucket}/${file.key}: ${why}`,
      { cause: error },
    )
  }
  return result
}

/** The same for many: the files are deleted in a request of their own, after those objects that could be deleted. */
export async function deleteObjects(c: CommandContext, settings: Settings): Promise<Result> {
  const { args, next, signal } = c
  const bucket = args.input.Bucket as string
  const asked = args.input.Delete as { Objects?: readonly ObjectIdentifier[] } | undefined
  if (!settings.instructionFile.delete || !Array.isArray(asked?.Objects)) return next(args)
  // As it is now: the caller may go on with the list while files are looked for, and objects and files must be the same.
  const named = (asked.Objects as readonly ObjectIdentifier[]).map((one) => ({ ...one }))
  const input = { ...args.input, Delete: { ...asked, Objects: named } }
  const keys = named.filter(({ VersionId }) => VersionId === undefined).map(({ Key }) => Key)
  const unique = [...new Set(keys)].filter((key) => typeof key === 'string' && key !== '') as string[]
  const looking = unique.map((key) => () => ownFile(c, settings, { bucket, key }))
  const files = (await inParallel(looking, CONCURRENCY, signal)).filter(
    (file): file is OwnFile => file?.output.ETag !== undefined,
  )
  const result = await next({ ...args, input })
  const errors = ((result.output as { Errors?: DeleteError[] }).Errors ??= [])
  const kept = new Set(errors.filter(({ VersionId }) => VersionId === undefined).map(({ Key }) => Key))
  const gone = files.filter(({ object }) => !kept.has(object.key))
  for (let at = 0; at < gone.length; at += MAX_DELETES) {
    errors.push(...(await deleteFiles(c, bucket, gone.slice(at, at + MAX_DELETES))))
  }
  if (errors.length === 0) Reflect.deleteProperty(result.output, 'Errors')
  return result
}

/** What is not deleted is an error like those of objects, by its own key: what S3 has said of the objects stays. */
async function deleteFiles(c: CommandContext, Bucket: string, files: readonly OwnFile[]): Promise<DeleteError[]> {
  const Objects = files.map(({ key, output }) => ({ Key: key, ETag: output.ETag }))
  const input = {
    ...deleteMembers(c.args.input),
    Bucket,
    Delete: { Objects, Quiet: true },
  } as DeleteObjectsCommandInput
  const failed = ({ key }: OwnFile, error: unknown): DeleteError => ({
    Key: key,
    Code: error instanceof Error ? error.name : 'Error',
    Message: error instanceof Error ? error.message : String(error),
  })
  let errors: DeleteError[]
  try {
    errors = (await c.client.send(new DeleteObjectsCommand(asStored(input)), sendOptions(c.signal))).Errors ?? []
  } catch (error) {
    return files.map((file) => failed(file, error))
  }
  const kept = new Set(errors.map(({ Key }) => Key))
  const restoring = files.filter(({ key }) => !kept.has(key))
  const tasks = restoring.map((file) => async (): Promise<void> => {
    await restoreFile(c, file).catch((error: unknown) => errors.push(failed(file, error)))
  })
  await inParallel(tasks, CONCURRENCY, undefined)
  return errors.filter(({ Code }) => !NOT_OURS.includes(Code))
}
