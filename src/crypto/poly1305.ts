const P = (1n << 130n) - 5n
const CLAMP = 0x0ffffffc0ffffffc0ffffffc0fffffffn
const BLOCK = 16

/**
 * Poly1305 (RFC 8439 section 2.5) under a key of 32 bytes that is used once: 16 bytes. For a few hundred bytes; not in
 * constant time, so only for files that their owner opens.
 */
export function poly1305(key: Uint8Array, message: Uint8Array): Uint8Array {
  const r = littleEndian(key.subarray(0, BLOCK)) & CLAMP
  let sum = 0n
  for (let at = 0; at < message.length; at += BLOCK) {
    const block = message.subarray(at, at + BLOCK)
    sum = ((sum + littleEndian(block) + (1n << BigInt(block.length * 8))) * r) % P
  }
  let tag = sum + littleEndian(key.subarray(BLOCK))
  return Uint8Array.from({ length: BLOCK }, () => {
    const byte = Number(tag & 255n)
    tag >>= 8n
    return byte
  })
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n)
}
