import type { CompletedPart, S3Client } from '@aws-sdk/client-s3'

import { configError } from '../errors.js'
import { uploadState } from '../message/multipart.js'
import { settingsOf } from './internal.js'
import { objectName } from './request-options.js'
import { writeReceipt } from './upload-log.js'
import { restoreRecords } from './upload-records.js'
import { readUploadText } from './upload-text.js'
import { completedParts } from './uploads.js'
import type { ActiveUpload } from './uploads.js'

const receipts = new WeakMap<object, () => Promise<string>>()

/** Remembers of which part an output is. */
export function rememberReceipt(output: object, upload: ActiveUpload, number: number): void {
  receipts.set(output, () => writeReceipt(upload, number))
}

/**
 * The receipt for a part that this process has sent: text for `importReceipts` in the process that completes the upload,
 * encrypted under the object's key. It has the part's place, its ETag and checksums, its hash states, and of a last part
 * below 5 MiB the ciphertext. `output` is what UploadPart returned, itself and not a copy.
 *
 * Throws ERR_S3CSE_CONFIG for any other object, ERR_S3CSE_UPLOAD_STATE once the upload is over here.
 */
export async function uploadReceipt(output: object): Promise<string> {
  const make = receipts.get(output)
  if (make === undefined) {
    throw configError('uploadReceipt takes an output of UploadPart, as the encrypting client has returned it')
  }
  return make()
}

/** Which upload is meant. */
export interface UploadName {
  readonly Bucket: string
  readonly Key: string
  readonly UploadId: string
}

/** One after the other: two receipts of one part, given at the same time, are the same receipt or a contradiction. */
const importing = new WeakMap<ActiveUpload, Promise<void>>()

async function inTurn(upload: ActiveUpload, step: () => Promise<void>): Promise<void> {
  const turn = (importing.get(upload) ?? Promise.resolve()).then(step)
  importing.set(
    upload,
    turn.catch(() => undefined),
  )
  await turn
}

async function importReceipt(upload: ActiveUpload, text: string): Promise<void> {
  const { header, ...receipt } = readUploadText(text)
  const { bucket, key, uploadId, multipart, log } = upload
  if (
    header.role !== 'receipt' ||
    header.bucket !== bucket ||
    header.key !== key ||
    header.uploadId !== uploadId ||
    header.stateKey
  ) {
    throw uploadState(`What was given is no receipt for the upload '${uploadId}' of ${bucket}/${key}.`)
  }
  const lines = await receipt.records((salt, info) => multipart.sealer.deriveKey(salt, info))
  for (const { record, part, version } of await restoreRecords(upload, lines, 'receipt')) {
    await log?.received(record, part, version)
  }
}

/**
 * Takes over parts that other processes have sent, in any order; a receipt may be given again. Resolves to all parts that
 * are stored now, as CompleteMultipartUpload wants them, once what the receipts say is saved (`saveUpload`).
 *
 * Throws ERR_S3CSE_UPLOAD_STATE for a receipt of another upload, and for one that does not agree with what is known: then
 * two processes have encrypted one part, and the upload has to be aborted. Throws DecryptionError for one that was
 * changed. Receipts before the one at fault are taken over.
 */
export async function importReceipts(
  client: S3Client,
  name: UploadName,
  texts: readonly string[],
): Promise<CompletedPart[]> {
  const settings = settingsOf(client, 'importReceipts')
  const { bucket, key } = objectName(name as unknown as Record<string, unknown>)
  if (!Array.isArray(texts)) throw configError('importReceipts takes an array of receipts')
  const upload = settings.uploads.active(bucket, key, name.UploadId)
  const leave = settings.uploads.use(upload)
  try {
    for (const text of texts as readonly string[]) await inTurn(upload, () => importReceipt(upload, text))
    return completedParts(upload)
  } finally {
    leave()
  }
}
