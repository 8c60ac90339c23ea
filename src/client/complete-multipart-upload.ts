import { UploadPartCommand } from '@aws-sdk/client-s3'
import type { CompletedPart, UploadPartCommandInput } from '@aws-sdk/client-s3'

import { CseError } from '../errors.js'
import { uploadState } from '../message/multipart.js'
import type { Ending } from '../message/multipart.js'
import { digestMembers } from './checksums.js'
import { callersParts, checkNamed, partsOf, withOwnPart, withStoredChecksums } from './complete-list.js'
import { verifyFullObjectChecksum } from './full-object-checksum.js'
import { setInfo, takeChecksums } from './info.js'
import { splitOff } from './envelope-file.js'
import { withInstructionFile } from './instruction-file.js'
import type { FileWriting } from './instruction-file.js'
import { asStored } from './internal.js'
import type { Settings } from './options.js'
import { checkPlaintextLength, objectName } from './request-options.js'
import { sendOptions, untilAborted } from './sdk.js'
import type { CommandContext, Input, Output, Result } from './sdk.js'
import { partMembers, storedPart } from './upload-part.js'
import type { ActiveUpload, CompletedUpload, OwnPart } from './uploads.js'

function lengthError(found: number, declared: unknown): CseError {
  return new CseError(
    'ERR_S3CSE_BODY_LENGTH',
    `MpuObjectSize says ${String(declared)} bytes, but the parts have ${found} of plaintext; the upload was not completed.`,
  )
}

function checkSize(input: Input, length: number): void {
  if (input.MpuObjectSize !== undefined && Number(input.MpuObjectSize) !== length) {
    throw lengthError(length, input.MpuObjectSize)
  }
}

async function sendOwnPart(
  { client, args: { input }, signal }: CommandContext,
  upload: ActiveUpload,
  { number, body, replaces }: NonNullable<Ending['send']>,
): Promise<OwnPart> {
  const own = {
    Bucket: upload.bucket,
    Key: upload.key,
    UploadId: upload.uploadId,
    PartNumber: number,
    Body: body,
    ContentLength: body.length,
    ...upload.partMembers,
    ...partMembers(input),
    ...(upload.checksumAlgorithm === undefined ? {} : { ChecksumAlgorithm: upload.checksumAlgorithm }),
  } as UploadPartCommandInput
  const output = await client.send(new UploadPartCommand(asStored(own)), sendOptions(signal))
  return { number, replaces, stored: storedPart(output as unknown as Output) }
}

function encrypted(input: Input, parts: CompletedPart[], sealedLength: number): Record<string, unknown> {
  const changed: Record<string, unknown> = {
    ...input,
    MultipartUpload: { ...(input.MultipartUpload as object), Parts: parts },
  }
  for (const member of digestMembers(input)) Reflect.deleteProperty(changed, member)
  if (input.MpuObjectSize !== undefined) changed.MpuObjectSize = sealedLength
  return changed
}

/** What is being completed: there is one trailer, and one request after another sends it. */
const completing = new WeakMap<ActiveUpload, Promise<unknown>>()

/** Sends the trailer, where no part has it yet, and completes the upload. A failure leaves everything as it was: Complete can be sent again. */
export async function completeMultipartUpload(c: CommandContext, settings: Settings): Promise<Result> {
  const { input } = c.args
  const { bucket, key } = objectName(input)
  for (;;) {
    const done = settings.uploads.completed(bucket, key, input.UploadId)
    if (done !== undefined) return again(c, done)
    const upload = settings.uploads.active(bucket, key, input.UploadId)
    const before = completing.get(upload)
    if (before === undefined) return complete(c, settings, upload)
    await untilAborted(before, c.signal)
  }
}

async function complete(c: CommandContext, settings: Settings, upload: ActiveUpload): Promise<Result> {
  const leave = settings.uploads.use(upload)
  let finished = (): void => undefined
  completing.set(upload, new Promise<void>((resolve) => (finished = resolve)))
  try {
    const result = await finishAndSend(c, settings, upload)
    if ('completed' in result) settings.uploads.complete(upload, result.completed)
    return result.answer
  } finally {
    completing.delete(upload)
    finished()
    leave()
  }
}

/** The file goes with the object that others see, which is there only now. */
function fileWriting(c: CommandContext, settings: Settings, upload: ActiveUpload): FileWriting | undefined {
  const { bucket, key, metadata, instructionFile } = upload
  const files = settings.format.instructionFiles
  if (instructionFile === undefined) return undefined
  if (files === undefined)
    throw uploadState('The format of this client has no instruction files, and the upload needs one.')
  const { suffix, members } = instructionFile
  const input = { ...members, ...upload.partMembers, ...c.args.input }
  return {
    ...c,
    args: { input },
    settings,
    object: { bucket, key },
    file: splitOff(files, metadata, suffix),
    uploadId: upload.uploadId,
    kept: (undo) => (upload.undoFile = undo),
  }
}

async function finishAndSend(
  c: CommandContext,
  settings: Settings,
  upload: ActiveUpload,
): Promise<{ answer: Result } | { answer: Result; completed: CompletedUpload }> {
  const { args, next, signal } = c
  const { input } = args
  const { multipart, stored, bucket, key, summary: envelope, metadata } = upload
  const frozen = multipart.frozen !== undefined
  let parts: CompletedPart[] = []
  const named = callersParts(partsOf(input), upload.own, frozen, multipart.records().length)
  const finishing = multipart.finish(
    named.map(({ PartNumber }) => PartNumber as number),
    ({ length, lengths, lastAsStored }) => {
      checkSize(input, length)
      checkPlaintextLength(upload.request, length)
      verifyFullObjectChecksum(upload, input, lengths)
      parts = withStoredChecksums(named, upload)
      const last = parts.at(-1)
      if (lastAsStored && last !== undefined) checkNamed(last, stored.get(parts.length))
    },
  )
  const { length, sealedLength, send } = await untilAborted(finishing, signal)
  if (send === undefined) upload.own = undefined
  else upload.own ??= await sendOwnPart(c, upload, send)
  const { own } = upload
  // S3 may have completed it when the answer is lost: who goes on then cannot send this part again.
  const logged = own === undefined ? undefined : upload.log?.own(own)
  if (logged !== undefined) await untilAborted(logged, signal)
  const storeObject = (): Promise<Result> =>
    next({ ...args, input: encrypted(input, withOwnPart(parts, own), sealedLength) })
  const file = fileWriting(c, settings, upload)
  const answer = await (file === undefined ? storeObject() : withInstructionFile(file, storeObject))
  if (answer.output.presigned !== undefined) return { answer }
  const { digests } = upload
  const completed = { bucket, key, own, stored, digests, length, sealedLength, envelope, metadata }
  showCompleted(answer.output, completed)
  return { answer, completed }
}

function showCompleted(output: Output, { envelope, metadata, sealedLength: storedLength }: CompletedUpload): void {
  setInfo(output, { status: 'encrypted', envelope, metadata, storedLength, checksums: takeChecksums(output) })
}

/** S3 answers a repeated Complete of the same parts as it did the first time. */
async function again({ args, next }: CommandContext, done: CompletedUpload): Promise<Result> {
  const { input } = args
  checkSize(input, done.length)
  if (digestMembers(input).length > 0) {
    throw uploadState('The upload was completed before: its digest cannot be verified any more. Leave it out.')
  }
  const parts = withStoredChecksums(callersParts(partsOf(input), done.own, false, 0), done)
  const result = await next({ ...args, input: encrypted(input, withOwnPart(parts, done.own), done.sealedLength) })
  showCompleted(result.output, done)
  return result
}

/** Forgets the upload once S3 has. */
export async function abortMultipartUpload(c: CommandContext, settings: Settings): Promise<Result> {
  const { args, next } = c
  const { bucket, key } = objectName(args.input)
  const undo = settings.uploads.find(bucket, key, args.input.UploadId)?.undoFile
  const forget = (): void => settings.uploads.forget(bucket, key, args.input.UploadId)
  try {
    const result = await next(args)
    if (result.output.presigned !== undefined) return result
    forget()
    await undo?.()
    return result
  } catch (error) {
    if ((error as Partial<Error>).name === 'NoSuchUpload') forget()
    throw error
  }
}
