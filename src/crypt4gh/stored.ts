import { runtime } from '#runtime'
import { joined } from '../bytes/body.js'
import { isBytes } from '../bytes/is-bytes.js'
import { configError } from '../errors.js'
import { parseHeader } from '../formats/crypt4gh/header.js'
import type { Crypt4ghSettings } from '../formats/crypt4gh/options.js'
import type { StoredBytes } from '../formats/format.js'
import { invalidMessage, noObject } from '../formats/names.js'
import { knownSource, type SeekableInput, type SeekableSource } from '../message/seekable-source.js'
import type { ByteSource } from '../runtime/runtime.js'

/** A copy of a header that is stored apart. Throws ERR_S3CSE_CONFIG for what are no bytes. */
export function takeDetached(owner: string, header: unknown): Uint8Array | undefined {
  if (header === undefined) return undefined
  if (isBytes(header)) return Uint8Array.from(header)
  throw configError(`${owner}: header must be a Uint8Array, the header that is stored apart from its message`)
}

/** Throws ERR_S3CSE_ENVELOPE_INVALID unless it is a whole header and nothing else: what comes behind it would be taken for the message's. */
export function checkDetached(header: Uint8Array | undefined, { maxPackets }: Crypt4ghSettings): void {
  if (header === undefined) return
  const result = parseHeader(header, maxPackets)
  if ('fault' in result) throw invalidMessage(noObject, result.fault)
  if ('needs' in result) throw invalidMessage(noObject, 'its header, which was given apart, is not whole.')
  if (result.header.length < header.length) {
    throw invalidMessage(noObject, 'behind its header, which was given apart, something follows.')
  }
}

/** The header and what is stored behind it, as one message. */
export function behindSeekable(header: Uint8Array | undefined, body: SeekableSource): SeekableSource {
  if (header === undefined) return body
  const { length } = header
  return {
    length: length + body.length,
    async read(offset, into) {
      const ownLength = Math.min(Math.max(0, length - offset), into.length)
      if (ownLength > 0) into.set(header.subarray(offset, offset + ownLength))
      if (ownLength < into.length) await body.read(Math.max(0, offset - length), into.subarray(ownLength))
    },
  }
}

/** The same for what is read in order. */
export function behindSource(header: Uint8Array | undefined, body: ByteSource): ByteSource {
  if (header === undefined) return body
  let isGiven = false
  return {
    next() {
      if (isGiven) return body.next()
      isGiven = true
      return Promise.resolve(header)
    },
    cancel: (error) => body.cancel(error),
  }
}

/** Whether an input can be read at any place; what is none at all cannot. */
export function isSeekable(input: unknown): input is SeekableInput {
  if (knownSource(input) !== undefined || runtime.files?.openFile(input) !== undefined) return true
  const { length, read } = (input ?? {}) as Partial<SeekableSource>
  return typeof read === 'function' && typeof length === 'number'
}

/** Of a message in memory. */
export function storedInMemory(header: Uint8Array | undefined, body: Uint8Array): StoredBytes {
  const before = header?.length ?? 0
  return {
    length: before + body.length,
    start: async (count) =>
      header === undefined
        ? body.subarray(0, count)
        : joined(header, body.subarray(0, Math.max(0, count - before))).subarray(0, count),
  }
}
