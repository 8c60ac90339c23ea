import assert from 'node:assert/strict'
import { createDecipheriv, createHash, hkdfSync, type CipherGCMTypes } from 'node:crypto'

import type { DecryptMessageOptions } from '../../src/esdk.js'
import { CseError } from '../../src/index.js'
import { parseHeader, type EsdkHeader } from '../../src/formats/esdk/header.js'
import { suiteOf } from '../keyrings/esdk-support.js'
import { keyringFor } from './esdk-custom-keyrings.js'
import { messageOf, type EsdkNegative } from './esdk-vectors.js'

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

const MOST = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7 + (i >> 8)) & 255))

/** The first bytes of the plaintext of all vectors. */
export function patternOf(length: number): Buffer {
  assert.ok(length <= MOST.length)
  return MOST.subarray(0, length)
}

/** How a vector is read without S3. */
export function readingOf(
  id: string,
  encryptionContext: DecryptMessageOptions['encryptionContext'],
): DecryptMessageOptions {
  return { keyring: keyringFor(id), commitmentPolicy: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT', encryptionContext }
}

export function headerOf(message: Uint8Array): EsdkHeader | undefined {
  const result = parseHeader(message, { maxEncryptedDataKeys: 0xffff, maxHeaderLength: 1 << 20 })
  return 'header' in result ? result.header : undefined
}

const DECRYPTION = 'ERR_S3CSE_DECRYPTION_FAILED'
const INVALID = 'ERR_S3CSE_ENVELOPE_INVALID'

const codesByStage: Readonly<Record<string, readonly string[]>> = {
  'header-parse': [INVALID],
  policy: ['ERR_S3CSE_POLICY'],
  context: ['ERR_S3CSE_CONTEXT_MISMATCH', INVALID],
  unwrap: [DECRYPTION],
  commitment: [DECRYPTION],
  'header-auth': [DECRYPTION],
  body: [DECRYPTION],
  signature: [DECRYPTION],
  trailing: [DECRYPTION],
}

const POLICY = 'ERR_S3CSE_POLICY'
const unsigned = 'its suite is another one, and the public key in its context does not go with that'
const longFrames = 'frames are longer than maxBodySize, which is checked before any key is used'
const headerIv = 'an IV of the header that is not 0 is seen before its tag is looked at'

/** Vectors whose fault is seen without a key, before the stage at which their writers' readers see it: code and reason. */
export const expectedCodes: ReadonlyMap<string, readonly [code: string, reason: string]> = new Map([
  ['neg-v2-suite-other', [INVALID, unsigned]],
  ['neg-v2s-suite-other', [INVALID, unsigned]],
  ['neg-v1s-suite-other', [INVALID, unsigned]],
  ['neg-v2s-ec-removed', [INVALID, 'the public key is gone with the context, and its suite signs']],
  ['neg-v2-framelength-max', [POLICY, longFrames]],
  ['neg-v2-framelength-2g', [POLICY, longFrames]],
  ['neg-v1-framelength-max', [POLICY, longFrames]],
  ['neg-v1-framelength-2g', [POLICY, longFrames]],
  ['neg-v1-headeriv', [INVALID, headerIv]],
  ['neg-v1nokdf-headeriv', [INVALID, headerIv]],
])

/** It failed with the code of its stage; what may be accepted as well, with any code. */
export function checkFailure(vector: EsdkNegative, error: unknown, way: string): void {
  assert.ok(error instanceof CseError, `${way}: ${String(error)}`)
  if (vector.expect === 'either') return
  const own = expectedCodes.get(vector.id)
  const wanted = own === undefined ? (codesByStage[vector.stage] ?? []) : [own[0]]
  assert.ok(wanted.includes(error.code), `${way}: ${error.code}, not ${wanted.join(' or ')}: ${error.message}`)
}

/** What may come out of a message before its fault is seen, in bytes: its good frames, without the last of a signed one. */
export async function mostReleased(vector: EsdkNegative): Promise<number> {
  if (!['body', 'signature', 'trailing'].includes(vector.stage)) return 0
  const message = Buffer.from(messageOf(vector))
  const header = headerOf(message)
  if (header === undefined || header.frameLength === 0) return 0
  const { suite, context, encryptedDataKeys } = header
  const dataKey = await keyringFor(vector.use).unwrap({
    suite: suiteOf(suite.id),
    context: { ...Object.fromEntries(context), ...vector.requiredEncryptionContext },
    encryptedDataKeys: encryptedDataKeys.map((key) => ({ algorithm: 'esdk', ...key })),
  })
  return dataKey === undefined ? 0 : goodFrames(message, header, dataKey)
}

/** By node:crypto alone: bytes of plaintext in the frames that follow each other rightly from the first on. */
function goodFrames(
  message: Buffer,
  { suite, messageId, frameLength, length }: EsdkHeader,
  dataKey: Uint8Array,
): number {
  const id = Buffer.of(suite.id >> 8, suite.id & 255)
  const [salt, info] = suite.version === 1 ? ['', [id, messageId]] : [messageId, [id, Buffer.from('DERIVEKEY')]]
  const hash = suite.kdf?.replace('-', '')
  const key = hash ? Buffer.from(hkdfSync(hash, dataKey, salt, Buffer.concat(info), dataKey.length)) : dataKey
  let [at, good] = [length, 0]
  for (let sequence = 1; at + 4 <= message.length; sequence++) {
    const isFinal = message.readUInt32BE(at) === 0xffffffff
    const lead = isFinal ? 24 : 16
    if (at + lead > message.length) break
    const size = isFinal ? message.readUInt32BE(at + 20) : frameLength
    const iv = message.subarray(at + (isFinal ? 8 : 4)).subarray(0, 12)
    const end = at + lead + size + 16
    const isNext = message.readUInt32BE(at + (isFinal ? 4 : 0)) === sequence && iv.readUIntBE(6, 6) === sequence
    if (!isNext || size > frameLength || end > message.length) break
    const numbers = Buffer.alloc(12)
    numbers.writeUInt32BE(sequence)
    numbers.writeUInt32BE(size, 8)
    const label = `AWSKMSEncryptionClient ${isFinal ? 'Final ' : ''}Frame`
    const decipher = createDecipheriv(`aes-${key.length * 8}-gcm` as CipherGCMTypes, key, iv)
    decipher.setAAD(Buffer.concat([messageId, Buffer.from(label), numbers]))
    decipher.setAuthTag(message.subarray(end - 16, end))
    decipher.update(message.subarray(at + lead, end - 16))
    try {
      decipher.final()
    } catch {
      break
    }
    if (isFinal) return suite.signature === undefined ? good + size : good
    good += size
    at = end
  }
  return good
}
