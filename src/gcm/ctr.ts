import { GCM_IV_LENGTH, counterBlock, withLead } from '../crypto/gcm-blocks.js'
import { configError } from '../errors.js'
import type { Aes } from '../runtime/runtime.js'

/** The counter block of the first block of data of a GCM message (NIST SP 800-38D section 7.1: J0 + 1). */
export function gcmCounter(iv: Uint8Array): Uint8Array {
  if (iv.length !== GCM_IV_LENGTH) throw configError(`The IV has ${iv.length} bytes instead of ${GCM_IV_LENGTH}.`)
  return counterBlock(iv, 2)
}

/** `counter` + `blocks` as one big-endian number of 128 bits, which begins again from 0 (SP 800-38A appendix B.1). */
export function counterAfter(counter: Uint8Array, blocks: number): Uint8Array {
  const view = new DataView(counter.buffer, counter.byteOffset)
  const sum = ((view.getBigUint64(0) << 64n) | view.getBigUint64(8)) + BigInt(blocks)
  const after = new DataView(new ArrayBuffer(16))
  after.setBigUint64(0, BigInt.asUintN(64, sum >> 64n))
  after.setBigUint64(8, BigInt.asUintN(64, sum))
  return new Uint8Array(after.buffer)
}

/** AES-CTR, in either direction, of `data` that stands at `offset` (in bytes) of what `counter` begins. */
export async function ctr(aes: Aes, counter: Uint8Array, offset: number, data: Uint8Array): Promise<Uint8Array> {
  const lead = offset % 16
  const input = withLead(lead, data)
  const output = await crypt(aes, counterAfter(counter, Math.floor(offset / 16)), input)
  // Keystream of other bytes.
  output.fill(0, 0, lead)
  return output.subarray(lead)
}

async function crypt(aes: Aes, counter: Uint8Array, input: Uint8Array): Promise<Uint8Array> {
  // What the cipher counts with has 32 bits: where they are used up another stretch begins.
  const stretch = (2 ** 32 - new DataView(counter.buffer).getUint32(12)) * 16
  if (input.length <= stretch) return aes.ctr(counter, input)
  const output = new Uint8Array(input.length)
  for (let at = 0, end = stretch; at < input.length; at = end, end += 2 ** 36) {
    output.set(await aes.ctr(counterAfter(counter, at / 16), input.subarray(at, end)), at)
  }
  return output
}
