import { decodeBase64 } from '../bytes/base64.js'
import { isPlainObject } from '../bytes/plain-object.js'
import { uploadState } from '../message/multipart.js'
import type { PartRecord, StoredVersion } from '../message/multipart.js'
import { runtime } from '#runtime'
import type { UploadRole } from './upload-text.js'
import type { ActiveUpload, OwnPart, StoredPart } from './uploads.js'

const STATE_LENGTH = 16

type Json = Readonly<Record<string, unknown>>

/** What records say, one after the other. */
interface Known {
  readonly parts: Map<number, KnownPart>
  frozen: number | undefined
  own: OwnPart | undefined
}

interface KnownPart {
  readonly number: number
  readonly offset: number
  readonly length: number
  readonly states: readonly Uint8Array[]
  readonly stored: { readonly part: StoredPart; readonly version: StoredVersion } | undefined
}

export interface RestoredPart {
  readonly record: PartRecord
  readonly part: StoredPart | undefined
  readonly version: StoredVersion | undefined
}

function invalid(): Error {
  return uploadState('The state of an upload cannot be read: a record of it does not make sense.')
}

function objectOf(value: unknown): Json {
  if (!isPlainObject(value)) throw invalid()
  return value
}

function bytes(value: unknown): Uint8Array {
  const decoded = typeof value === 'string' ? decodeBase64(value) : undefined
  if (decoded === undefined) throw invalid()
  return decoded
}

function numberOf(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw invalid()
  return value
}

/** ETag and checksums, and nothing else that CompleteMultipartUpload might be sent with. */
function storedPartOf(value: unknown): StoredPart {
  const entries = Object.entries(objectOf(value))
  if (!entries.every(([name, text]) => /^(ETag|Checksum\w+)$/.test(name) && typeof text === 'string')) throw invalid()
  return Object.freeze(Object.fromEntries(entries)) as StoredPart
}

function statesOf(value: unknown): Uint8Array[] {
  const all = bytes(value)
  if (all.length % STATE_LENGTH !== 0) throw invalid()
  const states = Array.from({ length: all.length / STATE_LENGTH }, (_, index) =>
    all.slice(index * STATE_LENGTH, (index + 1) * STATE_LENGTH),
  )
  all.fill(0)
  return states
}

function addPart({ parts }: Known, value: Json): void {
  const number = numberOf(value.number)
  const from = numberOf(value.from)
  const offset = numberOf(value.offset)
  const length = numberOf(value.length)
  const states = statesOf(value.states)
  const before = parts.get(number)
  const same = before?.offset === offset && before.length === length
  const kept = same ? before.states : []
  // A part of which nothing was sealed may have been replaced by one of another length.
  if (from > kept.length || (!same && (before?.states.length ?? 0) > 0)) throw invalid()
  const agrees = states.every((state, index) => {
    const other = kept[from + index]
    return other === undefined || runtime.equal(state, other)
  })
  if (!agrees) throw uploadState(`What the state says of part ${number} does not agree: it was encrypted twice.`)
  const all = [...kept, ...states.slice(kept.length - from)]
  parts.set(number, { number, offset, length, states: all, stored: same ? before.stored : undefined })
}

function addStored({ parts }: Known, value: Json): void {
  const part = parts.get(numberOf(value.number))
  if (part === undefined) throw invalid()
  const kept = value.kept === undefined ? undefined : bytes(value.kept)
  const version = { withTrailer: value.withTrailer === true, kept }
  parts.set(part.number, { ...part, stored: { part: storedPartOf(value.stored), version } })
}

function addOwn(known: Known, value: Json): void {
  const number = numberOf(value.number)
  const replaces = value.replaces === true
  known.own = { number, replaces, stored: storedPartOf(value.stored) }
}

function recordsOf(line: Json): Json[] {
  if (!Array.isArray(line.records)) throw invalid()
  return line.records.map(objectOf)
}

function add(known: Known, record: Json): void {
  if ('part' in record) addPart(known, objectOf(record.part))
  else if ('stored' in record) addStored(known, objectOf(record.stored))
  else if ('frozen' in record) known.frozen = numberOf(record.frozen)
  else if ('own' in record) addOwn(known, objectOf(record.own))
  else throw invalid()
}

/** Only the owner makes the trailer, when all parts are known; it goes with the last one or into one after that. */
function checkEnd({ parts, frozen, own }: Known, role: UploadRole): void {
  if (frozen !== undefined && role !== 'owner') throw invalid()
  if (own === undefined) return
  const last = Math.max(0, ...parts.keys())
  if (frozen === undefined || own.number !== (own.replaces ? last : last + 1)) throw invalid()
}

/** Takes what the lines of a text say into an upload. Returns it, part by part. */
export async function restoreRecords(
  upload: ActiveUpload,
  lines: readonly Json[],
  role: UploadRole,
): Promise<RestoredPart[]> {
  const known: Known = { parts: new Map(), frozen: undefined, own: undefined }
  for (const record of lines.flatMap(recordsOf)) add(known, record)
  checkEnd(known, role)
  const restored: RestoredPart[] = []
  for (const part of [...known.parts.values()].sort((a, b) => a.number - b.number)) {
    const { number, offset, length, states, stored } = part
    const record = { number, offset, length, states, from: 0 }
    await upload.multipart.restore(record, stored?.version)
    if (stored !== undefined) upload.stored.set(number, stored.part)
    restored.push({ record, part: stored?.part, version: stored?.version })
  }
  if (known.frozen !== undefined) upload.multipart.freeze(known.frozen)
  upload.own ??= known.own
  return restored
}
