/**
 * The text in which what is known of a multipart upload is kept or passed on: a header in clear, then records, one a
 * line, each encrypted with AES-256-GCM under a key of this text alone (HKDF-SHA-512 of the object's content key or of a
 * state key, with the header's salt) and bound to the header and its place. A text may be followed by another one of the
 * same upload, which says everything again.
 *
 * A record ends with a full stop, so that a line that a crash has torn is told from one that was changed. What the torn
 * line would have said has let nothing leave the process, and is not needed.
 */
import { decodeBase64, encodeBase64 } from '../bytes/base64.js'
import { isPlainObject } from '../bytes/plain-object.js'
import { hkdfSha512 } from '../crypto/hkdf.js'
import { CseError, DecryptionError } from '../errors.js'
import type { ObjectMetadata } from '../formats/format.js'
import type { Aes } from '../runtime/runtime.js'
import { runtime } from '#runtime'
import { isPartSize } from './request-options.js'
import type { UploadFile } from './uploads.js'

const VERSION = 1
const INFO = 's3-cse upload state v1'
const SALT_LENGTH = 32
const KEY_LENGTH = 32
/** Ends a record. */
const END = '.'

/** A header has a key of up to 1,024 bytes and an envelope of up to 64 KiB; JSON may write a character as several. */
const MAX_HEADER = 256 * 1024
/** Characters: states of the longest object have some 1.5 million, a last part that is kept 7 million. */
const MAX_LINE = 32 * 1024 * 1024
/** Characters: a stream of 64 GiB has some 16 million, and a text that follows it at most one such line. */
const MAX_TEXT = 256 * 1024 * 1024
/** Every slice of the longest object and every part of it, some of them several times. */
const MAX_LINES = 1_000_000
/** Texts of which not even the first record was saved. */
const MAX_TORN_TEXTS = 1000

/** Who may do what with it. 'owner': everything. 'worker': send parts. 'receipt': what a worker sent. */
export type UploadRole = 'owner' | 'worker' | 'receipt'

export interface UploadHeader {
  readonly bucket: string
  readonly key: string
  readonly uploadId: string
  /** The object's envelope. */
  readonly metadata: ObjectMetadata
  readonly role: UploadRole
  /** In bytes. */
  readonly partSize: number | undefined
  readonly instructionFile: UploadFile | undefined
  readonly checksumAlgorithm: string | undefined
  readonly fullObjectChecksum: boolean
  /** Whether a state key is needed to read it. */
  readonly stateKey: boolean
}

/** Derives a key for a salt: from the content key, or from a state key. */
export type DeriveKey = (salt: Uint8Array, info: string) => Promise<Uint8Array>

export interface TextWriter {
  /** One record as a line; the first one is preceded by the header. */
  line(record: object): Promise<string>
  destroy(): void
}

/** A header with its records, still encrypted. */
export interface UploadText {
  readonly header: UploadHeader
  /** Throws DecryptionError. */
  records(derive: DeriveKey): Promise<Record<string, unknown>[]>
}

export function fromStateKey(stateKey: Uint8Array): DeriveKey {
  return async (salt, info) => {
    const hkdf = await hkdfSha512({ salt, inputKey: stateKey })
    try {
      return await hkdf.expand(new TextEncoder().encode(info), KEY_LENGTH)
    } finally {
      hkdf.destroy()
    }
  }
}

/** Records are counted; no text has two with one number, and each text has its own key. */
function nonce(index: number): Uint8Array {
  const bytes = new Uint8Array(12)
  new DataView(bytes.buffer).setUint32(8, index)
  return bytes
}

async function cipherFor(derive: DeriveKey, salt: Uint8Array): Promise<Aes> {
  const key = await derive(salt, INFO)
  try {
    return await runtime.aes(key)
  } finally {
    key.fill(0)
  }
}

export async function textWriter(header: UploadHeader, derive: DeriveKey): Promise<TextWriter> {
  const salt = runtime.randomBytes(SALT_LENGTH)
  const head = JSON.stringify({ 's3-cse-upload': VERSION, ...header, salt: encodeBase64(salt) })
  const aad = new TextEncoder().encode(head)
  const aes = await cipherFor(derive, salt)
  let index = 0
  return {
    async line(record) {
      const at = index++
      const plaintext = new TextEncoder().encode(JSON.stringify(record))
      const sealed = await aes.gcmEncrypt(nonce(at), aad, plaintext)
      plaintext.fill(0)
      // (What a crash left of a line before is ended first.)
      return `${at === 0 ? `\n${head}\n` : ''}${encodeBase64(sealed)}${END}\n`
    },
    destroy: () => aes.destroy(),
  }
}

function invalid(what: string): CseError {
  return new CseError('ERR_S3CSE_UPLOAD_STATE', `The state of an upload cannot be read: ${what}.`)
}

function optionalString(value: unknown, name: string): string | undefined {
  if (value === undefined || typeof value === 'string') return value
  throw invalid(`its ${name} is not text`)
}

function requiredString(value: unknown, name: string): string {
  if (typeof value === 'string' && value !== '') return value
  throw invalid(`it has no ${name}`)
}

function metadataOf(value: unknown): ObjectMetadata {
  if (!isPlainObject(value)) throw invalid('it has no envelope')
  const entries = Object.entries(value)
  if (!entries.every(([, text]) => typeof text === 'string')) throw invalid('its envelope is not text')
  return Object.fromEntries(entries) as ObjectMetadata
}

function instructionFileOf(value: unknown): UploadFile | undefined {
  if (value === undefined) return undefined
  if (!isPlainObject(value) || !isPlainObject(value.members)) throw invalid('its instruction file is none')
  const members: Record<string, unknown> = { ...value.members }
  const { ObjectLockRetainUntilDate: date } = members
  if (typeof date === 'string') members.ObjectLockRetainUntilDate = new Date(date)
  return { suffix: requiredString(value.suffix, 'suffix'), members }
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw invalid(`${what} is not JSON`)
  }
}

function parseHeader(line: string): { header: UploadHeader; salt: Uint8Array } {
  if (line.length > MAX_HEADER) throw invalid(`a header has more than ${MAX_HEADER} characters`)
  const value = parseJson(line, 'a header')
  if (!isPlainObject(value)) throw invalid('a header is not an object')
  const given = value
  if (given['s3-cse-upload'] !== VERSION) throw invalid('it is none, or one of another version of s3-cse')
  const salt = typeof given.salt === 'string' ? decodeBase64(given.salt) : undefined
  if (salt?.length !== SALT_LENGTH) throw invalid('it has no salt')
  const { role, partSize } = given
  if (role !== 'owner' && role !== 'worker' && role !== 'receipt') throw invalid('its role is unknown')
  if (partSize !== undefined && !isPartSize(partSize)) throw invalid('its partSize is none')
  const header: UploadHeader = {
    bucket: requiredString(given.bucket, 'bucket'),
    key: requiredString(given.key, 'key'),
    uploadId: requiredString(given.uploadId, 'upload id'),
    metadata: metadataOf(given.metadata),
    role,
    partSize,
    instructionFile: instructionFileOf(given.instructionFile),
    checksumAlgorithm: optionalString(given.checksumAlgorithm, 'checksum algorithm'),
    fullObjectChecksum: given.fullObjectChecksum === true,
    stateKey: given.stateKey === true,
  }
  return { header, salt }
}

async function decrypt(
  lines: readonly string[],
  head: string,
  salt: Uint8Array,
  derive: DeriveKey,
): Promise<Record<string, unknown>[]> {
  const aad = new TextEncoder().encode(head)
  const aes = await cipherFor(derive, salt)
  try {
    const records: Record<string, unknown>[] = []
    for (const [index, line] of lines.entries()) {
      const sealed = line.endsWith(END) ? decodeBase64(line.slice(0, -END.length)) : undefined
      const plaintext = sealed === undefined ? undefined : await aes.gcmDecrypt(nonce(index), aad, sealed)
      if (plaintext === undefined) throw new DecryptionError()
      const record = parseJson(new TextDecoder().decode(plaintext), 'a record')
      plaintext.fill(0)
      if (!isPlainObject(record)) throw invalid('a record is not an object')
      records.push(record)
    }
    return records
  } finally {
    aes.destroy()
  }
}

/** The lines of the text that begins at `start`, its header first, without one that a crash has torn. */
function linesOf(text: string, start: number, end: number): string[] {
  const lines: string[] = []
  for (let at = start; at < end;) {
    const next = text.indexOf('\n', at)
    const to = next < 0 || next > end ? end : next
    if (to - at > MAX_LINE) throw invalid(`a line has more than ${MAX_LINE} characters`)
    if (to > at && lines.push(text.slice(at, to)) > MAX_LINES) throw invalid(`it has more than ${MAX_LINES} lines`)
    at = to + 1
  }
  if (lines.at(-1)?.includes(END) === false) lines.pop()
  return lines
}

/**
 * The latest text of those that follow one another and have a record: that says everything that was known. Throws
 * ERR_S3CSE_UPLOAD_STATE.
 */
export function readUploadText(text: unknown): UploadText {
  if (typeof text !== 'string') throw invalid('it must be a string')
  if (text.length > MAX_TEXT) throw invalid(`it has more than ${MAX_TEXT} characters`)
  let end = text.length
  for (let torn = 0; end > 0 && torn < MAX_TORN_TEXTS; torn++) {
    const before = text.lastIndexOf('\n{', end - 1)
    const start = before < 0 ? 0 : before + 1
    const [head, ...lines] = linesOf(text, start, end)
    if (head?.startsWith('{') === true && lines.length > 0) {
      const { header, salt } = parseHeader(head)
      return { header, records: (derive) => decrypt(lines, head, salt, derive) }
    }
    end = before
  }
  throw invalid('it has no header with a record')
}
