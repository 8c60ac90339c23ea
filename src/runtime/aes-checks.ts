import { configError, type CseError } from '../errors.js'

/** Length of every GCM tag, in bytes. */
export const TAG_LENGTH = 16

export function checkAesKey(key: Uint8Array): void {
  if (key.length !== 16 && key.length !== 24 && key.length !== 32) {
    throw configError(`An AES key has 16, 24 or 32 bytes, not ${key.length}.`)
  }
}

export function checkBlock(block: Uint8Array): void {
  if (block.length !== 16) throw configError(`An AES block has 16 bytes, not ${block.length}.`)
}

export function checkBlocks(iv: Uint8Array, data: Uint8Array): void {
  checkBlock(iv)
  if (data.length % 16 !== 0) throw configError(`AES-CBC takes whole blocks of 16 bytes, not ${data.length} bytes.`)
}

/** OpenSSL would carry into the IV where WebCrypto starts again from 0: neither is what a GCM message wants. */
export function checkCounter(counter: Uint8Array, length: number): void {
  checkBlock(counter)
  const first = new DataView(counter.buffer, counter.byteOffset).getUint32(12)
  if (first + Math.ceil(length / 16) > 2 ** 32) throw configError('An AES-CTR counter of 32 bits would wrap.')
}

export function keyDestroyed(): CseError {
  return configError('This AES key was destroyed and cannot be used any more.')
}
