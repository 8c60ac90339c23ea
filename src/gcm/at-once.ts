import { GCM_TAG_LENGTH } from '../crypto/gcm-blocks.js'
import { gcmOpener, gcmSealer } from '../crypto/gcm-message.js'
import { configError } from '../errors.js'
import { throwIfAborted } from '../bytes/abort.js'
import { joined, viewOf } from '../bytes/body.js'
import type { Opener } from '../message/opener.js'
import type { GcmDecryptOptions } from './decrypt-stream.js'
import { takeUnsafeIv, type GcmEncryptOptions } from './encrypt-stream.js'
import { COMMON_NAMES, takeAad, takeIv, takeKey, takeNames, takeTag } from './options.js'

/** A message in memory: ciphertext, as long as the plaintext, with what is stored beside it. None of it is secret. */
export interface GcmMessageBytes {
  readonly iv: Uint8Array
  readonly ciphertext: Uint8Array
  readonly tag: Uint8Array
}

/** Encrypts bytes as one AES-GCM message, in one call of the cipher. Errors as `encryptStream`. */
export async function encrypt(plaintext: Uint8Array, options: GcmEncryptOptions): Promise<GcmMessageBytes> {
  const owner = 'encrypt'
  const given = takeNames(owner, options, [...COMMON_NAMES, 'unsafeIv'])
  const aad = takeAad(owner, given.aad)
  const iv = takeUnsafeIv(owner, given.unsafeIv)
  const bytes = inMemory(owner, plaintext)
  throwIfAborted(given.signal)
  const aes = await takeKey(owner, given.key).aes()
  const sealer = await gcmSealer({ aes, iv, aad, ordered: true })
  try {
    const sealed = await sealer.sealWhole(bytes)
    const end = sealed.length - GCM_TAG_LENGTH
    return { iv, ciphertext: sealed.subarray(0, end), tag: sealed.slice(end) }
  } finally {
    sealer.destroy()
  }
}

/** Decrypts bytes, of which nothing is given out unless they are authentic. Errors as `decryptStream`. */
export async function decrypt(ciphertext: Uint8Array, options: GcmDecryptOptions): Promise<Uint8Array> {
  const owner = 'decrypt'
  const given = takeNames(owner, options, [...COMMON_NAMES, 'iv', 'tag'])
  const [laterIv, laterTag] = [takeIv(owner, given.iv), takeTag(owner, given.tag)]
  const aad = takeAad(owner, given.aad)
  const bytes = inMemory(owner, ciphertext)
  throwIfAborted(given.signal)
  const key = takeKey(owner, given.key)
  try {
    const [iv, tag] = await Promise.all([laterIv(), laterTag()])
    throwIfAborted(given.signal)
    const opener = gcmOpener({ aes: await key.aes(), iv, aad })
    try {
      return await openWhole(opener, bytes, tag)
    } finally {
      opener.destroy()
    }
  } finally {
    key.wipe()
  }
}

/** A streaming cipher takes the tag apart from the ciphertext, which then need not be copied. */
async function openWhole(opener: Opener, ciphertext: Uint8Array, tag: Uint8Array): Promise<Uint8Array> {
  opener.plaintextLength(ciphertext.length + GCM_TAG_LENGTH)
  const stream = opener.stream?.()
  if (stream === undefined) return opener.openWhole(joined(ciphertext, tag))
  const plaintext = await stream.update(ciphertext)
  try {
    await stream.final(tag)
  } catch (error) {
    plaintext.fill(0)
    throw error
  }
  return plaintext
}

function inMemory(owner: string, value: unknown): Uint8Array {
  const bytes = viewOf(value)
  if (bytes === undefined) throw configError(`${owner}: the input must be a Uint8Array; streams are for ${owner}Stream`)
  return bytes
}
