import type { GetObjectCommandInput, S3Client } from '@aws-sdk/client-s3'
import { GetObjectCommand } from '@aws-sdk/client-s3'

import { runtime } from '#runtime'
import { exactReader } from '../bytes/reader.js'
import { CseError } from '../errors.js'
import type { Envelope, ObjectName, StoredBytes } from '../formats/format.js'
import type { Opener } from '../message/opener.js'
import { planReads, type ReadPlan } from '../message/parallel-read-plan.js'
import { isParallel, parallelRead } from '../message/parallel-read.js'
import { plainOpener } from '../message/plain-opener.js'
import type { DownloadResult } from './download.js'
import type { CheckedOptions } from './download-options.js'
import { recorder, type Recorder } from './download-record.js'
import { isObjectChanged, isRetryable, objectRequests } from './download-requests.js'
import type { FoundObject, ObjectRequests } from './download-requests.js'
import { fitsPlan, resumable, type Begun } from './download-resume.js'
import type { PartialFile } from '../runtime/runtime.js'
import { handleTarget, partialTarget, type Destination, type Target } from './download-target.js'
import { setInfo, showPlaintext } from './info.js'
import { isFileMismatch } from './file-mismatch.js'
import { fileWanted, locateEnvelope } from './locate-envelope.js'
import { checkObjectSize, notEncrypted, openEnvelope, recogniseObject, takesPlain } from './open-object.js'
import type { Settings } from './options.js'
import { recogniseStart } from './body-envelope.js'
import type { RequestSettings } from './request-options.js'
import { untilAborted } from './sdk.js'
import type { Input, Output } from './sdk.js'

export interface Download {
  readonly client: S3Client
  readonly settings: Settings
  readonly input: GetObjectCommandInput
  readonly object: ObjectName
  readonly request: RequestSettings
  readonly place: Destination
  readonly options: CheckedOptions
  /** Its reason is the error to throw. */
  readonly signal: AbortSignal
}

/** What a transfer has made so far, to be given back whatever happens. */
interface Held {
  begun: Begun | undefined
  /** Partial files of other objects. */
  readonly others: PartialFile[]
  found: FoundObject | undefined
  opener: Opener | undefined
  target: Target | undefined
  record: Recorder | undefined
}

export async function transfer(d: Download): Promise<DownloadResult> {
  const requests = objectRequests(d.client, d.input, `${d.object.bucket}/${d.object.key}`, d.signal)
  const held: Held = {
    begun: undefined,
    others: [],
    found: undefined,
    opener: undefined,
    target: undefined,
    record: undefined,
  }
  try {
    return await run(d, requests, held)
  } catch (caught) {
    // After an abort everything else is its consequence.
    const error: unknown = d.signal.aborted ? d.signal.reason : caught
    held.found?.first?.source.cancel(error instanceof Error ? error : undefined)
    const keep =
      d.options.resume && (held.record?.any ?? held.begun !== undefined) && mayGoOn(error, held.opener !== undefined)
    await held.target?.abandon(keep)
    throw error
  } finally {
    for (const file of held.others) await file.leave()
    held.opener?.destroy()
  }
}

async function run(d: Download, requests: ObjectRequests, held: Held): Promise<DownloadResult> {
  const { options, place, signal } = d
  held.begun =
    options.resume && place.place !== undefined ? await resumable(d, requests, place.place, held.others) : undefined
  if (held.begun !== undefined) held.target = partialTarget(held.begun.file)
  held.found = held.begun?.found ?? (await requests.begin(options.partSize))
  let envelope
  try {
    envelope = await envelopeOf(d, requests, held, false)
    held.opener = await openerFor(d, requests, held.found, envelope)
  } catch (error) {
    if (!isFileMismatch(error) || held.begun !== undefined) throw error
    // The object or its instruction file may have been replaced in between: both are read once more.
    held.found.first?.source.cancel(error as Error)
    held.found = await requests.begin(options.partSize)
    envelope = await envelopeOf(d, requests, held, true)
    held.opener = await openerFor(d, requests, held.found, envelope)
  }
  const { found, opener } = held
  for (const file of held.others.splice(0)) await file.remove()
  const planFor = (partSize: number): ReadPlan | undefined =>
    isParallel(opener) ? planReads(opener, found.sealedLength, partSize) : undefined
  let partSize = held.begun?.record.partSize ?? (found.ignoresRange ? found.sealedLength : options.partSize)
  let plan = planFor(partSize)
  if (held.begun !== undefined && (plan === undefined || !isResumable(opener) || !fitsPlan(held.begun, plan))) {
    await held.target?.abandon(false)
    held.begun = held.target = undefined
    partSize = options.partSize
    plan = planFor(partSize)
  }
  const target = (held.target ??=
    place.place === undefined ? await handleTarget(place.handle) : partialTarget(await place.place.create()))
  if (plan === undefined) return inOneStream(d, requests, found, target)

  const { onProgress, concurrency, maxAttempts } = options
  const total = plan.plaintextLength
  if (options.resume && isResumable(opener)) {
    const { etag, versionId, sealedLength } = found
    const record = { ...d.object, etag, versionId, sealedLength, partSize }
    held.record = recorder(target.file, plan, record, held.begun?.record)
  }
  const { record } = held
  const resumedBytes = record === undefined ? 0 : finishedBytes(plan, record)
  await parallelRead({
    opener,
    plan,
    file: target.file,
    concurrency,
    maxAttempts,
    request: (from, to, ending) => requests.range(found, from, to, ending),
    retryable: isRetryable,
    first: found.first,
    isFinished: record?.isFinished,
    finished: record?.finish,
    onProgress: onProgress && ((loaded) => onProgress({ loaded, total })),
    signal,
  })
  if (total === 0) onProgress?.({ loaded: 0, total })
  signal.throwIfAborted()
  await target.finish(total)
  return resultOf(d, found, envelope, total, resumedBytes)
}

async function envelopeOf(
  d: Download,
  requests: ObjectRequests,
  held: Held,
  again: boolean,
): Promise<Envelope | undefined> {
  const { client, settings, object, signal } = d
  const { output, first, ...found } = held.found as FoundObject
  const { bodyEnvelopes } = settings.format
  const wanted = fileWanted(settings, output, object)
  if (bodyEnvelopes !== undefined && wanted !== 'needed') {
    const shown = recogniseObject(settings, output, object)
    if (shown !== undefined) return shown
    const start = await startOf(requests, held.found as FoundObject, bodyEnvelopes.startLength, signal)
    const plain = { ...output, ContentLength: found.sealedLength }
    const envelope = recogniseStart(bodyEnvelopes, start, object, () => takesPlain(settings, plain, object))
    if (envelope !== undefined || wanted === undefined) return envelope
  }
  // The file's request must not wait for the socket that this one holds: it is asked for again.
  if (first !== undefined && wanted !== undefined) {
    first.source.cancel()
    held.found = { ...found, output }
  }
  const input = d.input as unknown as Input
  // What its first bytes show was seen above.
  const start = (): Promise<Uint8Array> => Promise.resolve(new Uint8Array(0))
  return locateEnvelope({ client, settings, input, object, signal, again, start }, output)
}

/** The first bytes of the stored object: of the first answer, where that is there. */
async function startOf(
  requests: ObjectRequests,
  found: FoundObject,
  count: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const length = Math.min(count, found.sealedLength)
  if (length === 0) return new Uint8Array(0)
  if (found.first !== undefined && length <= found.first.length) {
    return untilAborted(found.first.source.start(length), signal)
  }
  const source = await requests.range(found, 0, length, signal)
  try {
    return await untilAborted(exactReader(source).read(length), signal)
  } finally {
    source.cancel()
  }
}

async function openerFor(
  d: Download,
  requests: ObjectRequests,
  found: FoundObject,
  envelope: Envelope | undefined,
): Promise<Opener> {
  const { settings, object, request, signal } = d
  if (envelope !== undefined) {
    checkObjectSize(envelope, found.sealedLength, settings, `${object.bucket}/${object.key}`)
    const stored: StoredBytes = {
      length: found.sealedLength,
      start: (count) => startOf(requests, found, count, signal),
    }
    return openEnvelope({ envelope, settings, request, object, signal, stored })
  }
  if (takesPlain(settings, { ...found.output, ContentLength: found.sealedLength }, object)) return plainOpener()
  throw notEncrypted(object, settings, d.input as unknown as Input)
}

/**
 * Whether what is in a file can be verified together with what is still to come: it is encrypted again, and hashed with
 * the rest. Where each segment has a tag of its own there is nothing to compare with: the segments were verified before
 * they were written, and the file may have been changed since. Such a download starts anew.
 */
function isResumable(opener: Opener): boolean {
  return opener.authentication === 'whole' && opener.absorbPlaintext !== undefined
}

/**
 * Whether a later download may go on after this error: what is wrong is neither the object nor what is in the file, of
 * which nothing was looked at before the object was opened.
 */
function mayGoOn(error: unknown, opened: boolean): boolean {
  if (!opened) return !isObjectChanged(error)
  const spoiled = ['ERR_S3CSE_DECRYPTION_FAILED', 'ERR_S3CSE_ENVELOPE_INVALID', 'ERR_S3CSE_NOT_ENCRYPTED']
  return !isObjectChanged(error) && !(error instanceof CseError && spoiled.includes(error.code))
}

function finishedBytes(plan: ReadPlan, record: Recorder): number {
  let bytes = 0
  for (let index = 0; index < plan.count; index++) {
    const { start, end } = plan.range(index)
    if (record.isFinished(index)) bytes += end - start
  }
  return bytes
}

/** What cannot be read in ranges, by an ordinary GetObject of the encrypting client. */
async function inOneStream(
  { client, options, signal }: Download,
  requests: ObjectRequests,
  found: FoundObject,
  target: Target,
): Promise<DownloadResult> {
  found.first?.source.cancel()
  const command = new GetObjectCommand(requests.pinned(found))
  const output = await client.send(command, { abortSignal: signal }).catch((error: unknown) => {
    throw requests.changed(error)
  })
  const source = runtime.source(output.Body)
  const cancel = (): void => source.cancel(signal.reason as Error)
  signal.addEventListener('abort', cancel, { once: true })
  let length = 0
  try {
    if (signal.aborted) cancel()
    for (let chunk = await source.next(); chunk !== undefined; chunk = await source.next()) {
      await target.file.write(length, chunk)
      length += chunk.length
      options.onProgress?.({ loaded: length, total: output.ContentLength })
    }
    signal.throwIfAborted()
  } catch (error) {
    source.cancel(error as Error)
    throw error
  } finally {
    signal.removeEventListener('abort', cancel)
  }
  await target.finish(length)
  // The output itself: `encryptionInfo` knows it.
  const result = output as unknown as Output
  delete result.Body
  return Object.assign(result, { ContentLength: length, resumedBytes: 0 }) as unknown as DownloadResult
}

function resultOf(
  { settings }: Download,
  found: FoundObject,
  envelope: Envelope | undefined,
  length: number,
  resumedBytes: number,
): DownloadResult {
  // showPlaintext takes the stored object's length from it.
  const output: Output = { ...found.output, ContentLength: found.sealedLength, resumedBytes }
  delete output.Body
  delete output.ContentRange
  if (envelope === undefined) setInfo(output, { status: 'plain', metadata: {}, checksums: {}, authentication: 'none' })
  else showPlaintext(output, { envelope, reserved: settings.format.reservedKeys, length, authentication: 'verified' })
  return output as unknown as DownloadResult
}
