import { serialiseContext } from '../../keyrings/context-bytes.js'
import type { Context } from '../../keyrings/keyring.js'
import type { Aes } from '../../runtime/runtime.js'
import { headerTag } from './header-auth.js'
import { IV_LENGTH, type StoredDataKey } from './header.js'
import { messageIdLengths, type EsdkSuite } from './suites.js'

/** What a header is made of. */
export interface HeaderFields {
  readonly suite: EsdkSuite
  /** 16 bytes (version 1) or 32. */
  readonly messageId: Uint8Array
  /** That is stored. */
  readonly context: Context
  readonly encryptedDataKeys: readonly StoredDataKey[]
  /** In bytes, 1 to 2^32 - 1: what is written is always framed. */
  readonly frameLength: number
  /** 32 bytes; empty in version 1. */
  readonly commitment: Uint8Array
}

const V1_TYPE = 0x80
const FRAMED = 2
/** Counts and lengths in a header have 16 bits. */
const MAX_LENGTH = 0xffff

/** All of a header but its IV and tag; a text, which says what does not fit, where it cannot be stored. */
export function headerBody(fields: HeaderFields): Uint8Array | string {
  const { suite, messageId, encryptedDataKeys, frameLength, commitment } = fields
  const context = serialiseContext(fields.context)
  if (context === undefined) return 'the encryption context takes more than 65,535 bytes'
  if (encryptedDataKeys.length === 0 || encryptedDataKeys.length > MAX_LENGTH) {
    return `a message has 1 to 65,535 encrypted data keys, not ${encryptedDataKeys.length}`
  }
  const fieldsOfKeys = encryptedDataKeys.flatMap(({ provider, info, ciphertext }) => [
    new TextEncoder().encode(provider),
    info,
    ciphertext,
  ])
  if (fieldsOfKeys.some(({ length }) => length > MAX_LENGTH)) {
    return 'a provider, its information or an encrypted data key takes more than 65,535 bytes'
  }
  const lengthOfKeys = fieldsOfKeys.reduce((sum, { length }) => sum + 2 + length, 0)
  const fixed = suite.version === 1 ? 2 + 2 + 2 + 2 + 1 + 4 + 1 + 4 : 1 + 2 + 2 + 2 + 1 + 4
  const length = fixed + messageIdLengths[suite.version] + context.length + lengthOfKeys + commitment.length
  const writer = byteWriter(length)
  writer.number(suite.version, 1)
  if (suite.version === 1) writer.number(V1_TYPE, 1)
  writer.number(suite.id, 2)
  writer.bytes(messageId)
  writer.number(context.length, 2)
  writer.bytes(context)
  writer.number(encryptedDataKeys.length, 2)
  for (const field of fieldsOfKeys) {
    writer.number(field.length, 2)
    writer.bytes(field)
  }
  writer.number(FRAMED, 1)
  if (suite.version === 1) {
    writer.number(0, 4)
    writer.number(IV_LENGTH, 1)
  }
  writer.number(frameLength, 4)
  writer.bytes(commitment)
  return writer.done()
}

/** The whole header: body, in version 1 the IV, and the tag. `required`: as for `authenticateHeader`. */
export async function sealHeader(
  aes: Aes,
  version: 1 | 2,
  body: Uint8Array,
  required: Uint8Array,
): Promise<Uint8Array> {
  const iv = new Uint8Array(IV_LENGTH)
  const tag = await headerTag(aes, body, iv, required)
  const header = new Uint8Array(body.length + (version === 1 ? IV_LENGTH : 0) + tag.length)
  header.set(body)
  header.set(tag, header.length - tag.length)
  return header
}

interface ByteWriter {
  number(value: number, length: 1 | 2 | 4): void
  bytes(value: Uint8Array): void
  done(): Uint8Array
}

function byteWriter(length: number): ByteWriter {
  const output = new Uint8Array(length)
  const view = new DataView(output.buffer)
  let at = 0
  return {
    number(value, size) {
      if (size === 1) view.setUint8(at, value)
      else if (size === 2) view.setUint16(at, value)
      else view.setUint32(at, value)
      at += size
    },
    bytes(value) {
      output.set(value, at)
      at += value.length
    },
    done() {
      if (at !== length) throw new RangeError(`a header of ${at} bytes, not ${length}`)
      return output
    },
  }
}
