import type { CompletedPart, S3Client } from '@aws-sdk/client-s3'

import { decodeBase64 } from '../bytes/base64.js'
import { configError, DecryptionError } from '../errors.js'
import type { Envelope } from '../formats/format.js'
import { multipart, uploadState } from '../message/multipart.js'
import type { Multipart } from '../message/multipart.js'
import type { PositionalSealer } from '../message/sealer.js'
import { summaryWith } from './envelope-file.js'
import { settingsOf } from './internal.js'
import { onlyMembers } from './option-values.js'
import { emitterFor } from './events.js'
import type { Settings } from './options.js'
import { timedSealer } from './timed.js'
import { objectName, requestSettings, saveOption, stateKeyOption } from './request-options.js'
import type { RequestSettings, SaveUpload } from './request-options.js'
import { abortError } from './sdk.js'
import { startUploadLog } from './upload-log.js'
import type { UploadName } from './upload-receipt.js'
import { restoreRecords } from './upload-records.js'
import { fromStateKey, readUploadText } from './upload-text.js'
import type { UploadHeader, UploadText } from './upload-text.js'
import { completedParts, partBuffers } from './uploads.js'
import type { ActiveUpload } from './uploads.js'

/** The options of `importUpload`. */
export interface ImportUploadOptions {
  /** The key that the state was exported or saved with. A state that was not is refused then. */
  readonly stateKey?: Uint8Array | undefined
  /** Goes on saving, as in `requestOptions`; may append to the same file, as everything that is known is said first. Without it the state is old as soon as another part is sent, and must not be imported again. */
  readonly saveUpload?: SaveUpload | undefined
}

/** An upload that can be continued. */
export interface ImportedUpload extends UploadName {
  /** The parts that are stored already, as CompleteMultipartUpload wants them. Every other part has to be sent (again), with the same bytes as before. */
  readonly Parts: CompletedPart[]
  /** Bytes of plaintext of each part but the last, if the upload was created with a partSize. */
  readonly partSize: number | undefined
}

/** Uploads that are being imported. */
const importing = new WeakMap<Settings, Set<string>>()

async function once<T>(settings: Settings, uploadId: string, step: () => Promise<T>): Promise<T> {
  const ids = importing.get(settings) ?? new Set<string>()
  importing.set(settings, ids)
  if (ids.has(uploadId) || settings.uploads.knows(uploadId)) {
    throw uploadState(`The upload '${uploadId}' is under way in this client already.`)
  }
  ids.add(uploadId)
  try {
    return await step()
  } finally {
    ids.delete(uploadId)
  }
}

function checkHeader(header: UploadHeader, bucket: string, key: string, { partSize, stateKey }: RequestSettings): void {
  if (header.role === 'receipt') throw configError('This is a receipt: give it to importReceipts')
  if (header.bucket !== bucket || header.key !== key) {
    throw uploadState(`The state is of an upload of ${header.bucket}/${header.key}, not of ${bucket}/${key}.`)
  }
  if (partSize !== undefined && partSize !== header.partSize) {
    throw configError(
      `partSize was ${String(header.partSize)} when the upload was created, and cannot be ${partSize} now`,
    )
  }
  if (header.stateKey && stateKey === undefined) {
    throw uploadState('The state was encrypted with a stateKey: give the same one.')
  }
  // Who can make data keys for the keyring could write such a state; the stateKey says who may.
  if (!header.stateKey && stateKey !== undefined) {
    throw uploadState('The state was not encrypted with a stateKey: leave it out, if such a state is what you expect.')
  }
}

async function unlock(
  { header, ...text }: UploadText,
  envelope: Envelope,
  settings: Settings,
  { keyring, encryptionContext, stateKey }: RequestSettings,
): Promise<{ sealer: PositionalSealer; lines: Record<string, unknown>[] }> {
  const { commitmentPolicy } = settings
  const opening = { keyring, commitmentPolicy, encryptionContext, object: { bucket: header.bucket, key: header.key } }
  if (envelope.resume === undefined) throw uploadState('No upload of this format can be continued from its state.')
  if (stateKey === undefined) {
    const sealer = await envelope.resume(opening)
    try {
      return { sealer, lines: await text.records((salt, info) => sealer.deriveKey(salt, info)) }
    } catch (error) {
      sealer.destroy()
      throw error
    }
  }
  const lines = await text.records(fromStateKey(stateKey))
  const key = typeof lines[0]?.key === 'string' ? decodeBase64(lines[0].key) : undefined
  if (key === undefined) throw new DecryptionError()
  try {
    return { sealer: await envelope.resume({ ...opening, key }), lines }
  } finally {
    key.fill(0)
  }
}

async function restore(text: UploadText, settings: Settings, request: RequestSettings): Promise<ActiveUpload> {
  const { header } = text
  const { bucket, key, uploadId, metadata, role, partSize, instructionFile } = header
  const envelope = settings.format.recognise(metadata, { bucket, key })
  if (envelope === undefined) throw uploadState('The state has an envelope of another format than the client writes.')
  const { lines, ...unlocked } = await unlock(text, envelope, settings, request)
  const sealer = timedSealer(unlocked.sealer, emitterFor(settings.observer, { bucket, key }))
  let parts: Multipart | undefined
  try {
    const active: { current?: ActiveUpload } = {}
    parts = multipart({
      sealer,
      partSize,
      maxWait: settings.uploadPartWait,
      worker: role === 'worker',
      abortError,
      save: (record) => active.current?.log?.save(record) ?? Promise.resolve(),
    })
    const upload: ActiveUpload = {
      bucket,
      key,
      uploadId,
      multipart: parts,
      metadata,
      resumption: metadata,
      summary: summaryWith(instructionFile, key, envelope.summary),
      instructionFile,
      request: { ...request, stateKey: undefined },
      checksumAlgorithm: header.checksumAlgorithm,
      fullObjectChecksum: header.fullObjectChecksum,
      crcs: new Map(),
      buffers: partBuffers(),
      stored: new Map(),
      digests: new Map(),
      log: undefined,
      partMembers: {},
      own: undefined,
    }
    await restoreRecords(upload, lines, role)
    active.current = upload
    upload.log = await startUploadLog(upload, request)
    return upload
  } catch (error) {
    if (parts === undefined) sealer.destroy()
    else parts.destroy(error as Error)
    throw error
  }
}

/**
 * Makes an upload of another client or process known to this one, from its exported or saved state: UploadPart,
 * CompleteMultipartUpload and AbortMultipartUpload then work with its `UploadId`. `input` names bucket and key that the
 * state must be of, and may carry `requestOptions` (keyring, encryptionContext, saveUpload, stateKey), as at
 * CreateMultipartUpload. Headers that every request needs, such as a customer's SSE-C key, are not in the state: name
 * them in the requests that follow, CompleteMultipartUpload included.
 *
 * Only one process may go on with an upload, from its latest state: make sure that the one before is gone.
 *
 * Throws ERR_S3CSE_UPLOAD_STATE for a state that cannot be read, is of another object or is known here already,
 * DecryptionError for one that was changed or is under another key, and what reading the object would throw.
 */
export async function importUpload(
  client: S3Client,
  input: { readonly Bucket: string; readonly Key: string },
  state: string,
  options: ImportUploadOptions = {},
): Promise<ImportedUpload> {
  const settings = settingsOf(client, 'importUpload')
  const given = onlyMembers(options, ['stateKey', 'saveUpload'], 'importUpload')
  const { bucket, key } = objectName(input)
  const common = requestSettings(settings, input, bucket, key)
  const stateKey = stateKeyOption(given.stateKey)
  const request = {
    ...common,
    saveUpload: saveOption(given.saveUpload, 'saveUpload') ?? common.saveUpload,
    stateKey: stateKey ?? common.stateKey,
  }
  try {
    const text = readUploadText(state)
    checkHeader(text.header, bucket, key, request)
    const { uploadId: UploadId, partSize } = text.header
    return await once(settings, UploadId, async () => {
      const upload = await restore(text, settings, request)
      settings.uploads.add(upload)
      return { Bucket: bucket, Key: key, UploadId, Parts: completedParts(upload), partSize }
    })
  } finally {
    stateKey?.fill(0)
  }
}
