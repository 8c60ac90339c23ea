import { decodeBase64, encodeBase64 } from '../bytes/base64.js'
import { joined } from '../bytes/body.js'
import { crc32 } from '../bytes/crc.js'
import { encodeHex } from '../bytes/hex.js'
import { isPlainObject } from '../bytes/plain-object.js'
import type { ObjectName } from '../formats/format.js'
import type { ReadPlan } from '../message/parallel-read-plan.js'
import type { OpenFile } from '../runtime/runtime.js'
import { MAX_PART_SIZE, MIN_PART_SIZE } from './download-options.js'
import type { Pin } from './download-requests.js'

/**
 * What a broken download leaves behind its plaintext in the partial file: which object it reads and which parts are
 * there. No key, no hash. A record is not trusted: all that it can do is to say that parts are there, which are verified
 * with all others.
 *
 * At the end of the file: JSON, then the CRC-32 of that (a record may be half written when a machine stops) and its
 * length, 8 hexadecimal digits each, and 8 letters.
 */
export interface DownloadRecord extends ObjectName, Pin {
  /** In bytes. */
  readonly partSize: number
  /** One bit a range, the first in the lowest bit of the first byte. */
  readonly finished: Uint8Array
}

const MAGIC = 's3cse-01'
const END_LENGTH = 8 + 8 + MAGIC.length

/** Of the JSON: the longest key, ETag and the bits of 2^20 parts have room. */
const MAX_LENGTH = 256 * 1024

/** S3 User Guide, "Creating object key names" (1,024 bytes of UTF-8), and more than an ETag or a version id has. */
const MAX_TEXT = 1024

const encoder = new TextEncoder()

export function encodeRecord(record: DownloadRecord): Uint8Array {
  const { bucket, key, etag, versionId, sealedLength, partSize } = record
  const finished = encodeBase64(record.finished)
  const json = encoder.encode(JSON.stringify({ bucket, key, etag, versionId, sealedLength, partSize, finished }))
  const end = encoder.encode(`${checksum(json)}${json.length.toString(16).padStart(8, '0')}${MAGIC}`)
  return joined(json, end)
}

function checksum(bytes: Uint8Array): string {
  const crc = crc32()
  crc.update(bytes)
  // Digested at once: the type is shared with digests that are not.
  return encodeHex(crc.digest() as Uint8Array)
}

/** The record at the end of a file, and where it begins; `undefined` if there is none that makes sense. */
export async function readRecord(file: OpenFile): Promise<{ record: DownloadRecord; offset: number } | undefined> {
  const size = await file.size()
  if (size < END_LENGTH) return undefined
  const end = new Uint8Array(END_LENGTH)
  await file.read(size - END_LENGTH, end)
  const match = /^([0-9a-f]{8})([0-9a-f]{8})s3cse-01$/.exec(String.fromCharCode(...end))
  const length = parseInt(match?.[2] ?? '0', 16)
  const offset = size - END_LENGTH - length
  if (match === null || length === 0 || length > MAX_LENGTH || offset < 0) return undefined
  const json = new Uint8Array(length)
  await file.read(offset, json)
  if (checksum(json) !== match[1]) return undefined
  const record = parseRecord(json)
  return record === undefined ? undefined : { record, offset }
}

function parseRecord(json: Uint8Array): DownloadRecord | undefined {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json))
  } catch {
    return undefined
  }
  if (!isPlainObject(value)) return undefined
  const { bucket, key, etag, versionId, sealedLength, partSize, finished } = value
  if (!isText(bucket) || !isText(key) || !isHeaderText(etag)) return undefined
  if (versionId !== undefined && !isHeaderText(versionId)) return undefined
  if (!isCount(sealedLength, 0, Number.MAX_SAFE_INTEGER) || !isCount(partSize, MIN_PART_SIZE, MAX_PART_SIZE)) {
    return undefined
  }
  const bits = typeof finished === 'string' ? decodeBase64(finished) : undefined
  return bits && { bucket, key, etag, versionId, sealedLength, partSize, finished: bits }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_TEXT
}

/** What a request can carry as it is. */
function isHeaderText(value: unknown): value is string {
  return isText(value) && /^[\x21-\x7e]+$/.test(value)
}

function isCount(value: unknown, least: number, most: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most
}

/** Keeps the record of a partial file. */
export interface Recorder {
  readonly isFinished: (index: number) => boolean
  /** Whether there is something that a later download could go on with. */
  readonly any: boolean
  /** Resolves when the range and the record of it are in the file, in this order. */
  readonly finish: (index: number) => Promise<void>
}

/** `begun` is the record that the file has already. */
export function recorder(
  file: OpenFile,
  plan: ReadPlan,
  object: Omit<DownloadRecord, 'finished'>,
  begun: DownloadRecord | undefined,
): Recorder {
  const finished = begun === undefined ? new Uint8Array(bitsLength(plan)) : Uint8Array.from(begun.finished)
  let recorded = finished.some((byte) => byte !== 0)
  let waiting: number[] = []
  let next: Promise<void> | undefined
  let last = Promise.resolve()

  const write = async (): Promise<void> => {
    next = undefined
    const indexes = waiting
    waiting = []
    // What the record says is there must be on the disk before the record can be.
    await file.sync()
    for (const index of indexes) finished[index >> 3] = (finished[index >> 3] ?? 0) | (1 << (index & 7))
    await file.write(plan.plaintextLength, encodeRecord({ ...object, finished }))
    recorded = true
  }
  return {
    isFinished: (index) => ((finished[index >> 3] ?? 0) & (1 << (index & 7))) !== 0,
    get any() {
      return recorded
    },
    finish(index) {
      waiting.push(index)
      // Those that come while one is written share the next.
      next ??= last = last.then(write)
      return next
    },
  }
}

/** Bytes of `finished`. */
export function bitsLength({ count }: ReadPlan): number {
  return Math.ceil(count / 8)
}
