import type { S3Client } from '@aws-sdk/client-s3'

import { uploadState } from '../message/multipart.js'
import { settingsOf } from './internal.js'
import { booleanOption, onlyMembers } from './option-values.js'
import type { Settings } from './options.js'
import { objectName, stateKeyOption } from './request-options.js'
import { checkImportable } from './upload-importable.js'
import { writeSnapshot } from './upload-log.js'
import type { UploadName } from './upload-receipt.js'
import type { ActiveUpload } from './uploads.js'

/** The options of `exportUpload`. */
export interface ExportUploadOptions {
  /** 32 random bytes that encrypt the state, for an importer that may not decrypt objects. Who has state and key can decrypt the object. Default: importing unwraps the object's data key. */
  readonly stateKey?: Uint8Array | undefined
  /** `true`: for processes that only send parts, and return a receipt for each (`uploadReceipt`), while this client goes on. Default: false, for a process that goes on in place of this client. */
  readonly worker?: boolean | undefined
}

async function textOf(
  upload: ActiveUpload,
  settings: Settings,
  role: 'owner' | 'worker',
  stateKey: Uint8Array | undefined,
): Promise<string> {
  const { bucket, key, resumption: metadata, multipart } = upload
  const { sealer, partSize } = multipart
  const request = { ...upload.request, stateKey }
  await checkImportable({ bucket, key, metadata, sealer, partSize, settings, request, signal: undefined })
  const { text, writer } = await writeSnapshot(upload, role, stateKey)
  writer.destroy()
  return text
}

/** Only one process may go on, so that no position is encrypted twice and only one trailer is made. */
async function handOver(upload: ActiveUpload, settings: Settings, stateKey: Uint8Array | undefined): Promise<string> {
  settings.uploads.take(upload)
  let text
  try {
    text = await textOf(upload, settings, 'owner', stateKey)
  } catch (error) {
    settings.uploads.add(upload)
    throw error
  }
  upload.multipart.destroy(uploadState('The upload was exported: whoever imports it goes on alone.'))
  upload.log?.destroy()
  upload.buffers.clear()
  return text
}

/**
 * The state of a multipart upload of this client, as text for `importUpload` in another process. It is encrypted under
 * the object's data key (or `stateKey`) and bound to bucket, key and upload id; the wrapped data key stands in it.
 *
 * The upload is handed over: this client forgets it, and the text is to be imported once. It is old as soon as another
 * part is sent from it, as is from now on what `saveUpload` has saved here. An old state together with a changed source
 * repeats keystream, which nobody notices: keep states where only uploaders can write, and use `saveUpload`
 * (requestOptions) for one that is always the latest.
 *
 * With `worker: true` this client goes on, and any number of workers, each with a client of its own, may import the
 * text. Each part must be sent by one of them only. A worker that may have to be started again needs a `saveUpload` of
 * its own, and then imports what that has saved, not this text.
 *
 * Asks the keyring to unwrap the data key, to see that somebody can import the state, unless `stateKey` is given. Throws
 * ERR_S3CSE_UPLOAD_STATE where the keyring cannot, for an unknown upload, for workers of an upload without `partSize`,
 * and while requests of the upload are under way (not for workers).
 */
export async function exportUpload(
  client: S3Client,
  name: UploadName,
  options: ExportUploadOptions = {},
): Promise<string> {
  const settings = settingsOf(client, 'exportUpload')
  const given = onlyMembers(options, ['stateKey', 'worker'], 'exportUpload')
  const worker = booleanOption(given.worker, 'worker')
  const { bucket, key } = objectName(name as unknown as Record<string, unknown>)
  const upload = settings.uploads.active(bucket, key, name.UploadId)
  const { multipart } = upload
  if (!worker && multipart.worker) {
    throw uploadState('This client is a worker for the upload: only the process that exported it can hand it over.')
  }
  if (worker && multipart.partSize === undefined) {
    throw uploadState(
      'This upload was created without partSize (requestOptions): workers cannot know where a part begins.',
    )
  }
  const stateKey = stateKeyOption(given.stateKey)
  try {
    if (!worker) return await handOver(upload, settings, stateKey)
    const leave = settings.uploads.use(upload)
    try {
      return await textOf(upload, settings, 'worker', stateKey)
    } finally {
      leave()
    }
  } finally {
    stateKey?.fill(0)
  }
}
