import { encodeBase64 } from '../bytes/base64.js'
import { joined } from '../bytes/body.js'
import { uploadState } from '../message/multipart.js'
import type { PartRecord, StoredVersion, UploadRecord } from '../message/multipart.js'
import type { RequestSettings, SaveUpload } from './request-options.js'
import { fromStateKey, textWriter } from './upload-text.js'
import type { DeriveKey, TextWriter, UploadHeader, UploadRole } from './upload-text.js'
import type { ActiveUpload, OwnPart, StoredPart } from './uploads.js'

/** Puts on record, where a crash does not reach it, what is needed to go on with an upload. */
export interface UploadLog {
  save(record: UploadRecord): Promise<void>
  stored(number: number, stored: StoredPart, version: StoredVersion): Promise<void>
  /** What a receipt said of a part. */
  received(record: PartRecord, stored: StoredPart | undefined, version: StoredVersion | undefined): Promise<void>
  /** The part with the trailer. */
  own(own: OwnPart): Promise<void>
  destroy(): void
}

function headerOf(upload: ActiveUpload, role: UploadRole, stateKey: boolean): UploadHeader {
  const { bucket, key, uploadId, resumption, instructionFile, checksumAlgorithm, fullObjectChecksum, multipart } =
    upload
  const { partSize } = multipart
  return {
    bucket,
    key,
    uploadId,
    metadata: resumption,
    role,
    partSize,
    instructionFile,
    checksumAlgorithm,
    fullObjectChecksum,
    stateKey,
  }
}

function partLine({ number, offset, length, from, states }: PartRecord): object {
  return { part: { number, offset, length, from, states: encodeBase64(joined(...states)) } }
}

function storedLine(number: number, stored: StoredPart, { withTrailer, kept }: StoredVersion): object {
  return {
    stored: { number, stored, withTrailer, ...(kept === undefined ? {} : { kept: encodeBase64(kept) }) },
  }
}

function linesOf(
  record: PartRecord,
  stored: StoredPart | undefined,
  version: StoredVersion | undefined,
): readonly object[] {
  const known = stored !== undefined && version !== undefined ? [storedLine(record.number, stored, version)] : []
  return [partLine(record), ...known]
}

/** Everything that is known, as records. */
function snapshot({ multipart, stored, own }: ActiveUpload): readonly object[] {
  return [
    ...multipart
      .records()
      .flatMap(({ record, stored: version }) => linesOf(record, stored.get(record.number), version)),
    ...(multipart.frozen === undefined ? [] : [{ frozen: multipart.frozen }]),
    ...(own === undefined ? [] : [{ own }]),
  ]
}

/** The key that texts of this upload are encrypted under. */
function keySource({ multipart }: ActiveUpload, stateKey: Uint8Array | undefined): DeriveKey {
  if (stateKey !== undefined) return fromStateKey(stateKey)
  return (salt, info) => multipart.sealer.deriveKey(salt, info)
}

/** The whole state as text, and the writer that can add to it. */
export async function writeSnapshot(
  upload: ActiveUpload,
  role: UploadRole,
  stateKey: Uint8Array | undefined,
): Promise<{ text: string; writer: TextWriter }> {
  const writer = await textWriter(headerOf(upload, role, stateKey !== undefined), keySource(upload, stateKey))
  try {
    // With a state key nobody is asked to unwrap the data key: the content key stands in the text.
    const key = stateKey === undefined ? undefined : upload.multipart.sealer.exportKey()
    const first = { key: key === undefined ? null : encodeBase64(key), records: snapshot(upload) }
    key?.fill(0)
    return { text: await writer.line(first), writer }
  } catch (error) {
    writer.destroy()
    throw error
  }
}

/** What another process needs to know of a part that this one has sent. */
export async function writeReceipt(upload: ActiveUpload, number: number): Promise<string> {
  const found = upload.multipart.records().find(({ record }) => record.number === number)
  const stored = upload.stored.get(number)
  if (found === undefined || stored === undefined) throw new TypeError(`part ${number} was not stored`)
  // Now: the states are wiped when the upload ends.
  const records = linesOf(found.record, stored, found.stored)
  const writer = await textWriter(headerOf(upload, 'receipt', false), keySource(upload, undefined))
  try {
    return await writer.line({ records })
  } finally {
    writer.destroy()
  }
}

/** `undefined` where there is no `saveUpload`. The first text is saved before this resolves. */
export async function startUploadLog(
  upload: ActiveUpload,
  { saveUpload, stateKey }: RequestSettings,
): Promise<UploadLog | undefined> {
  if (saveUpload === undefined) return undefined
  const log = uploadLog(upload, saveUpload, stateKey === undefined ? undefined : Uint8Array.from(stateKey))
  try {
    await log.start()
    return log
  } catch (error) {
    log.destroy()
    throw error
  }
}

function uploadLog(
  upload: ActiveUpload,
  save: SaveUpload,
  stateKey: Uint8Array | undefined,
): UploadLog & { start(): Promise<void> } {
  const role = upload.multipart.worker ? 'worker' : 'owner'
  let writer: TextWriter | undefined
  // One at a time, so that lines arrive in the order of their numbers.
  let queue = Promise.resolve()
  let over = false
  const alive = (): void => {
    if (over) throw uploadState('The upload is over: it was completed, aborted, exported or forgotten.')
  }
  async function append(record: object): Promise<void> {
    try {
      alive()
      let text
      if (writer === undefined) ({ text, writer } = await writeSnapshot(upload, role, stateKey))
      else text = await writer.line(record)
      alive()
      await save(text)
      alive()
    } catch (error) {
      // Nobody knows what of it was saved: the next time everything is said again.
      writer?.destroy()
      writer = undefined
      throw error
    }
  }
  const queued = (...records: readonly object[]): Promise<void> => {
    const appended = queue.then(() => append({ records }))
    queue = appended.catch(() => undefined)
    return appended
  }
  return {
    start: () => queued(),
    save: (record) =>
      'part' in record ? queued(...record.below.map(partLine), partLine(record.part)) : queued(record),
    stored: (number, stored, version) => queued(storedLine(number, stored, version)),
    received: (record, stored, version) => queued(...linesOf(record, stored, version)),
    own: (own) => queued({ own }),
    destroy() {
      over = true
      writer?.destroy()
      stateKey?.fill(0)
    },
  }
}
