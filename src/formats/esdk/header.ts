import type { EncryptedDataKey } from '../../keyrings/keyring.js'
import { parseContext, type ContextPairs } from '../../keyrings/context-bytes.js'
import { messageIdLengths, suiteById, type EsdkSuite, type MessageVersion } from './suites.js'

export const TAG_LENGTH = 16
export const IV_LENGTH = 12
export const COMMITMENT_LENGTH = 32
const V1_TYPE = 0x80

/** An encrypted data key as a message stores it: which wrap it is, only its keyring knows. Its provider as bytes too, since it need not be text. */
export type StoredDataKey = Omit<EncryptedDataKey, 'algorithm'>

/** The header of a message, as it says itself: nothing of it is authenticated before its tag has been checked. */
export interface EsdkHeader {
  readonly version: MessageVersion
  readonly suite: EsdkSuite
  /** 16 bytes (version 1) or 32. */
  readonly messageId: Uint8Array
  /** In the stored order. */
  readonly context: ContextPairs
  readonly encryptedDataKeys: readonly StoredDataKey[]
  /** In bytes of plaintext; 0 where the body is not framed. */
  readonly frameLength: number
  /** 32 bytes; empty in version 1. */
  readonly commitment: Uint8Array
  /** All of the header but its IV and tag, as stored: what the tag authenticates. */
  readonly body: Uint8Array
  /** 12 bytes: stored in version 1, zeros in version 2. */
  readonly iv: Uint8Array
  readonly tag: Uint8Array
  /** Of all of the header, in bytes. */
  readonly length: number
}

export interface HeaderLimits {
  /** Encrypted data keys that a message may have. */
  readonly maxEncryptedDataKeys: number
  /** Bytes that a header may have. */
  readonly maxHeaderLength: number
}

/** What came of reading the first bytes of a message. */
export type HeaderResult =
  | { readonly header: EsdkHeader }
  /** How many bytes of the message have to be there before it is worth reading again: more than there are. */
  | { readonly needs: number }
  | { readonly fault: string }

/** Text that somebody stored in base64, by its first byte: 'A' stands for 0 to 3 in the first six bits. */
const BASE64_START = 0x41

/**
 * Reads a header from the start of a message: whatever comes behind it may be there or not. Every length is checked
 * against `limits` before it is believed, and nothing is copied.
 */
export function parseHeader(bytes: Uint8Array, limits: HeaderLimits): HeaderResult {
  const reader = headerReader(bytes, limits.maxHeaderLength)
  try {
    return { header: readHeader(reader, limits) }
  } catch (error) {
    if (error instanceof Missing) return { needs: error.needs }
    if (error instanceof Fault) return { fault: error.message }
    throw error
  }
}

/** More bytes are needed, or the header is none. They never leave this file. */
class Missing extends Error {
  readonly needs: number
  constructor(needs: number) {
    super()
    this.needs = needs
  }
}
class Fault extends Error {}

interface HeaderReader {
  readonly at: number
  number(length: 1 | 2 | 4): number
  take(length: number): Uint8Array
  read(end: number): Uint8Array
}

function headerReader(bytes: Uint8Array, maxLength: number): HeaderReader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  const advance = (length: number): number => {
    const end = at + length
    if (end > maxLength) throw new Fault(`its header is longer than ${maxLength} bytes.`)
    if (end > bytes.length) throw new Missing(end)
    const start = at
    at = end
    return start
  }
  return {
    get at() {
      return at
    },
    number(length) {
      const start = advance(length)
      if (length === 1) return view.getUint8(start)
      return length === 2 ? view.getUint16(start) : view.getUint32(start)
    },
    take(length) {
      const start = advance(length)
      return bytes.subarray(start, start + length)
    },
    read: (end) => bytes.subarray(0, end),
  }
}

function readHeader(reader: HeaderReader, limits: HeaderLimits): EsdkHeader {
  const version = readVersion(reader)
  const suite = readSuite(reader, version)
  const messageId = reader.take(messageIdLengths[version])
  const context = readContext(reader)
  const encryptedDataKeys = readDataKeys(reader, limits)
  const contentType = reader.number(1)
  if (contentType !== 1 && contentType !== 2) throw new Fault(`its content type is ${contentType}, not 1 or 2.`)
  if (version === 1) {
    if (reader.number(4) !== 0) throw new Fault('a field of its header that has to be 0 is not.')
    const ivLength = reader.number(1)
    if (ivLength !== IV_LENGTH) throw new Fault(`its IVs have ${ivLength} bytes instead of ${IV_LENGTH}.`)
  }
  const frameLength = reader.number(4)
  if ((frameLength === 0) !== (contentType === 1)) throw new Fault(`its frame length is ${frameLength}.`)
  const commitment = reader.take(version === 2 ? COMMITMENT_LENGTH : 0)
  const body = reader.read(reader.at)
  const iv = version === 1 ? reader.take(IV_LENGTH) : new Uint8Array(IV_LENGTH)
  if (iv.some((byte) => byte !== 0)) throw new Fault('the IV of its header is not 0.')
  const tag = reader.take(TAG_LENGTH)
  const length = reader.at
  return { version, suite, messageId, context, encryptedDataKeys, frameLength, commitment, body, iv, tag, length }
}

function readVersion(reader: HeaderReader): MessageVersion {
  const version = reader.number(1)
  if (version === BASE64_START) {
    throw new Fault('it begins as a message in base64 does: decode it before it is stored, or read.')
  }
  if (version !== 1 && version !== 2) throw new Fault(`it begins with ${version}, which is no version of a message.`)
  if (version === 1) {
    const type = reader.number(1)
    if (type !== V1_TYPE) throw new Fault(`its type is ${type} instead of ${V1_TYPE}.`)
  }
  return version
}

function readSuite(reader: HeaderReader, version: MessageVersion): EsdkSuite {
  const id = reader.number(2)
  const suite = suiteById(id)
  const named = id.toString(16).padStart(4, '0')
  if (suite === undefined) throw new Fault(`its algorithm suite ${named} is unknown.`)
  if (suite.version !== version) throw new Fault(`its algorithm suite ${named} has no messages of version ${version}.`)
  return suite
}

function readContext(reader: HeaderReader): ContextPairs {
  const length = reader.number(2)
  if (length === 0) return []
  const pairs = parseContext(reader.take(length))
  if (typeof pairs === 'string') throw new Fault(pairs)
  return pairs
}

function readDataKeys(reader: HeaderReader, { maxEncryptedDataKeys }: HeaderLimits): StoredDataKey[] {
  const count = reader.number(2)
  if (count === 0) throw new Fault('it has no encrypted data key.')
  if (count > maxEncryptedDataKeys) {
    throw new Fault(`it has ${count} encrypted data keys; at most ${maxEncryptedDataKeys} are allowed.`)
  }
  const field = (): Uint8Array => reader.take(reader.number(2))
  return Array.from({ length: count }, () => {
    const provider = new TextDecoder('utf-8', { ignoreBOM: true }).decode(field())
    return { provider, info: field(), ciphertext: field() }
  })
}
