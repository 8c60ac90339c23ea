/** GCM over BigInt, straight from NIST SP 800-38D, for places where no cipher can go: messages of 64 GiB. */

const R = 0xe1n << 120n

export function bigMultiply(x: bigint, y: bigint): bigint {
  let z = 0n
  let v = y
  for (let i = 127n; i >= 0n; i--) {
    if ((x >> i) & 1n) z ^= v
    v = v & 1n ? (v >> 1n) ^ R : v >> 1n
  }
  return z
}

export function bigPower(x: bigint, exponent: bigint): bigint {
  let result = 1n << 127n
  let factor = x
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = bigMultiply(result, factor)
    factor = bigMultiply(factor, factor)
  }
  return result
}

export const toBig = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`)

export const fromBig = (value: bigint): Uint8Array =>
  Uint8Array.from(Buffer.from(value.toString(16).padStart(32, '0'), 'hex'))

/** [bits of AAD]64 ‖ [bits of ciphertext]64, of lengths in bytes. */
export const bigLengths = (aad: number, ciphertext: number): bigint =>
  ((BigInt(aad) * 8n) << 64n) | (BigInt(ciphertext) * 8n)
