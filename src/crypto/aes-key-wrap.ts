import { runtime } from '#runtime'
import type { Aes } from '../runtime/runtime.js'

const INITIAL_VALUE = new Uint8Array(8).fill(0xa6)
const ZERO_IV = new Uint8Array(16)
const ROUNDS = 6

/**
 * AES key unwrap (RFC 3394 section 2.2.2) with the default initial value (section 2.2.3.1). `undefined` for whatever
 * does not authenticate, and for what has no length that one of `keyLengths` (in bytes, multiples of 8 from 16) has when wrapped: 8 more.
 */
export async function aesKeyUnwrap(
  aes: Aes,
  wrapped: Uint8Array,
  keyLengths: readonly number[],
): Promise<Uint8Array | undefined> {
  if (!keyLengths.includes(wrapped.length - 8)) return undefined
  const key = wrapped.slice(8)
  const count = key.length / 8
  const block = new Uint8Array(16)
  block.set(wrapped.subarray(0, 8))
  for (let step = ROUNDS * count; step > 0; step--) {
    const part = key.subarray(((step - 1) % count) * 8).subarray(0, 8)
    // The step number is 64 bits long; keys are short, so that its lowest byte is all of it.
    ;(block[7] as number) ^= step
    block.set(part, 8)
    // One block of CBC under a zero IV is the block cipher's inverse.
    const opened = await aes.cbcDecrypt(ZERO_IV, block)
    block.set(opened.subarray(0, 8))
    part.set(opened.subarray(8))
    opened.fill(0)
  }
  const authentic = runtime.equal(block.subarray(0, 8), INITIAL_VALUE)
  block.fill(0)
  if (authentic) return key
  key.fill(0)
  return undefined
}
