import type { Aes } from '../runtime/runtime.js'
import { chooseKey, faultUnlessAll } from './choose-key.js'
import { rejectionKey } from './implicit-rejection.js'

const BLOCK = 16
const ZERO_IV = new Uint8Array(BLOCK)

/** A data key under AES/ECB with PKCS#7 padding (RFC 5652 section 6.3): nothing authenticates it. For legacy writing. */
export async function ecbWrap(aes: Aes, dataKey: Uint8Array): Promise<Uint8Array> {
  const padded = new Uint8Array(wrappedLength(dataKey.length)).fill(BLOCK - (dataKey.length % BLOCK))
  padded.set(dataKey)
  for (let at = 0; at < padded.length; at += BLOCK) {
    const block = padded.subarray(at, at + BLOCK)
    block.set(await aes.block(block))
  }
  return padded
}

/**
 * The reverse. Bad padding, or a key of none of `keyLengths` (in bytes), gives a pseudo-random key of `rejectedLength`
 * bytes made with `secret`. `undefined` only for a length that no such key has when wrapped, which anyone can see.
 */
export async function ecbUnwrap(
  aes: Aes,
  wrapped: Uint8Array,
  options: {
    readonly keyLengths: readonly number[]
    readonly secret: Uint8Array
    readonly rejectedLength: number
  },
): Promise<Uint8Array | undefined> {
  const lengths = options.keyLengths.filter((length) => wrappedLength(length) === wrapped.length)
  if (lengths.length === 0) return undefined
  const rejected = await rejectionKey(options.secret, wrapped, options.rejectedLength)
  const padded = await ecbDecrypt(aes, wrapped)
  const candidates = lengths.map((length) => ({
    fault: faultUnlessAll(padded.length - length, padded, length, padded.length),
    bytes: padded.subarray(0, length),
  }))
  const key = chooseKey(candidates, rejected)
  padded.fill(0)
  rejected.fill(0)
  return key
}

/** By CBC, whose own step is taken back again. */
async function ecbDecrypt(aes: Aes, data: Uint8Array): Promise<Uint8Array> {
  const output = await aes.cbcDecrypt(ZERO_IV, data)
  for (let i = BLOCK; i < data.length; i++) (output[i] as number) ^= data[i - BLOCK] as number
  return output
}

function wrappedLength(keyLength: number): number {
  return keyLength + BLOCK - (keyLength % BLOCK)
}
