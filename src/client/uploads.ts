import type { CompletedPart } from '@aws-sdk/client-s3'

import type { EnvelopeSummary, ObjectMetadata } from '../formats/format.js'
import { uploadState } from '../message/multipart.js'
import type { Multipart } from '../message/multipart.js'
import type { PartBuffers } from './part-buffers.js'
import type { RequestSettings } from './request-options.js'
import type { UploadLog } from './upload-log.js'

export { partBuffers } from './part-buffers.js'

/** What S3 said of a part that it stored: what CompleteMultipartUpload names it by. */
export interface StoredPart {
  readonly ETag?: string | undefined
  readonly [checksum: `Checksum${string}`]: string | undefined
}

/** A part that this client sent itself, with the trailer. */
export interface OwnPart {
  readonly number: number
  /** Whether it is the last one of the caller's once more. */
  readonly replaces: boolean
  readonly stored: StoredPart
}

/** The instruction file of an upload. */
export interface UploadFile {
  readonly suffix: string
  /** Of the request that created the upload, what the file is stored with. */
  readonly members: Readonly<Record<string, unknown>>
}

/** A multipart upload between Create and Complete. */
export interface ActiveUpload {
  readonly bucket: string
  readonly key: string
  readonly uploadId: string
  readonly multipart: Multipart
  readonly metadata: ObjectMetadata
  /** The same with what a saved state has beside it. */
  readonly resumption: ObjectMetadata
  readonly summary: EnvelopeSummary
  /** Where the envelope goes when the upload is completed; `undefined`: it is in the metadata. */
  readonly instructionFile: UploadFile | undefined
  /** Takes the file back that a Complete without an answer has left. */
  undoFile?: () => Promise<void>
  /** As announced at CreateMultipartUpload. */
  readonly checksumAlgorithm: string | undefined
  readonly fullObjectChecksum: boolean
  /** CRCs of the plaintext of parts, where a full-object checksum was announced. Never sent, never stored. */
  readonly crcs: Map<number, bigint>
  readonly buffers: PartBuffers
  /** Keyring and context of the object. */
  readonly request: RequestSettings
  readonly stored: Map<number, StoredPart>
  /** Digests of plaintext that came with parts, and were right. Never sent, never stored. */
  readonly digests: Map<number, Readonly<Record<string, unknown>>>
  /** Set before the upload is used. */
  log: UploadLog | undefined
  /** Members that every part was sent with, and a part of our own needs as well. */
  partMembers: Readonly<Record<string, unknown>>
  own: OwnPart | undefined
}

/** An upload that was completed: what a repeated CompleteMultipartUpload has to be sent with. */
export interface CompletedUpload {
  readonly bucket: string
  readonly key: string
  readonly own: OwnPart | undefined
  readonly stored: ActiveUpload['stored']
  readonly digests: ActiveUpload['digests']
  /** Of plaintext, in bytes. */
  readonly length: number
  readonly sealedLength: number
  readonly envelope: EnvelopeSummary
  readonly metadata: ObjectMetadata
}

/** As CompleteMultipartUpload wants them, which takes checksums only of the algorithm that was announced. */
export function completedParts({ stored, checksumAlgorithm }: ActiveUpload): CompletedPart[] {
  return [...stored]
    .sort(([a], [b]) => a - b)
    .map(([PartNumber, part]) => {
      const names = Object.entries(part).filter(
        ([name]) => name === 'ETag' || name === `Checksum${checksumAlgorithm ?? ''}`,
      )
      return { PartNumber, ...Object.fromEntries(names) }
    })
}

/** Milliseconds without a part after which buffers are let go. */
const IDLE_TIME = 10_000

/** How many completed uploads are remembered. */
const MAX_COMPLETED = 100

export interface Uploads {
  add(upload: ActiveUpload): void
  /** Throws ERR_S3CSE_UPLOAD_STATE for an upload that this client knows nothing of. */
  active(bucket: string, key: string, uploadId: unknown): ActiveUpload
  knows(uploadId: string): boolean
  find(bucket: string, key: string, uploadId: unknown): ActiveUpload | undefined
  completed(bucket: string, key: string, uploadId: unknown): CompletedUpload | undefined
  /** A part begins; the returned function ends it. Until then, and for `maxAge` after, the upload is kept. */
  use(upload: ActiveUpload): () => void
  complete(upload: ActiveUpload, done: CompletedUpload): void
  /** Takes it out, with all that is known of it. Throws ERR_S3CSE_UPLOAD_STATE while a request uses it. */
  take(upload: ActiveUpload): void
  /** Wipes what is known of it. */
  forget(bucket: string, key: string, uploadId: unknown): void
}

interface Entry {
  readonly upload: ActiveUpload
  users: number
  timer: ReturnType<typeof setTimeout> | undefined
}

function unknownUpload(bucket: string, key: string, uploadId: unknown): Error {
  return uploadState(
    `Nothing is known of the upload '${String(uploadId)}' of ${bucket}/${key}, whose key is needed. It was created by another client or process, or it was completed, aborted, exported or forgotten (uploadStateMaxAge). To go on with an upload elsewhere, export its state with exportUpload and import it with importUpload.`,
  )
}

function gone(): Error {
  return uploadState('The upload was completed, aborted or forgotten, and its key is wiped.')
}

/** Uploads of one client, by upload id. Each is forgotten `maxAge` milliseconds after its last part. */
export function uploads(maxAge: number): Uploads {
  const entries = new Map<string, Entry>()
  const done = new Map<string, CompletedUpload>()

  const fits = (one: { bucket: string; key: string }, bucket: string, key: string): boolean =>
    one.bucket === bucket && one.key === key

  /** A timer that does not keep the process alive. (Browsers have numbers for timers.) */
  function later(entry: Entry, milliseconds: number, step: () => void): void {
    entry.timer = setTimeout(step, milliseconds)
    ;(entry.timer as { unref?: () => void }).unref?.()
  }
  function rest(entry: Entry): void {
    clearTimeout(entry.timer)
    if (entry.users > 0) return
    const idle = Math.min(IDLE_TIME, maxAge)
    later(entry, idle, () => {
      entry.upload.buffers.clear()
      later(entry, maxAge - idle, () => drop(entry.upload))
    })
  }
  function drop(upload: ActiveUpload): void {
    const { uploadId, multipart, log, buffers } = upload
    const entry = entries.get(uploadId)
    if (entry?.upload === upload) {
      clearTimeout(entry.timer)
      entries.delete(uploadId)
    }
    multipart.destroy(gone())
    log?.destroy()
    buffers.clear()
  }
  function find(bucket: string, key: string, uploadId: unknown): Entry | undefined {
    const entry = entries.get(uploadId as string)
    return entry !== undefined && fits(entry.upload, bucket, key) ? entry : undefined
  }

  return {
    add(upload) {
      const { uploadId } = upload
      const before = entries.get(uploadId)
      if (before !== undefined) drop(before.upload)
      done.delete(uploadId)
      const entry: Entry = { upload, users: 0, timer: undefined }
      entries.set(uploadId, entry)
      rest(entry)
    },
    active(bucket, key, uploadId) {
      const entry = find(bucket, key, uploadId)
      if (entry === undefined) throw unknownUpload(bucket, key, uploadId)
      return entry.upload
    },
    knows: (uploadId) => entries.has(uploadId),
    find: (bucket, key, uploadId) => find(bucket, key, uploadId)?.upload,
    completed(bucket, key, uploadId) {
      const found = done.get(uploadId as string)
      return found !== undefined && fits(found, bucket, key) ? found : undefined
    },
    use(upload) {
      const entry = entries.get(upload.uploadId)
      if (entry === undefined) throw gone()
      entry.users++
      clearTimeout(entry.timer)
      let used = true
      return () => {
        if (!used) return
        used = false
        entry.users--
        if (entries.get(upload.uploadId) === entry) rest(entry)
      }
    },
    complete(upload, completed) {
      drop(upload)
      done.set(upload.uploadId, completed)
      const [oldest] = done.keys()
      if (done.size > MAX_COMPLETED && oldest !== undefined) done.delete(oldest)
    },
    take({ uploadId }) {
      const entry = entries.get(uploadId)
      if (entry === undefined) throw gone()
      if (entry.users > 0) {
        throw uploadState(
          'Requests of this upload are under way, and what they send would be missing: wait for them, or abort them, first.',
        )
      }
      clearTimeout(entry.timer)
      entries.delete(uploadId)
    },
    forget(bucket, key, uploadId) {
      const entry = find(bucket, key, uploadId)
      if (entry !== undefined) drop(entry.upload)
    },
  }
}
