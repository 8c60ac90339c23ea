import { createCipheriv } from 'node:crypto'

/** AES-GCM does not commit to its key: messages that open under two of them. */

/** GF(2^128) as NIST SP 800-38D section 6.3 has it, with the leftmost bit as the coefficient of x^0. */
function multiply(x: bigint, y: bigint): bigint {
  let z = 0n
  let v = y
  for (let i = 127n; i >= 0n; i--) {
    if ((x >> i) & 1n) z ^= v
    v = (v & 1n) === 0n ? v >> 1n : (v >> 1n) ^ (0xe1n << 120n)
  }
  return z
}

function power(x: bigint, exponent: bigint): bigint {
  let result = 1n << 127n
  for (let factor = x, rest = exponent; rest > 0n; rest >>= 1n, factor = multiply(factor, factor)) {
    if (rest & 1n) result = multiply(result, factor)
  }
  return result
}

const divide = (x: bigint, y: bigint): bigint => multiply(x, power(y, (1n << 128n) - 2n))
const toBlock = (x: bigint): Buffer => Buffer.from(x.toString(16).padStart(32, '0'), 'hex')
const fromBlock = (block: Uint8Array): bigint => BigInt(`0x${Buffer.from(block).toString('hex')}`)

export interface GcmKey {
  readonly key: Uint8Array
  readonly iv: Uint8Array
  readonly aad: Uint8Array
}

function encryptBlock({ key }: GcmKey, block: Uint8Array): bigint {
  return fromBlock(createCipheriv('aes-256-ecb', key, null).setAutoPadding(false).update(block))
}

function keystream({ key, iv }: GcmKey, length: number): Buffer {
  const counter = Buffer.concat([iv, Buffer.from('00000002', 'hex')])
  return createCipheriv('aes-256-ctr', key, counter).update(Buffer.alloc(length))
}

/** The tag is this plus the blocks of ciphertext, each times H to the number of blocks that are hashed from it on. */
function constantPart(gcm: GcmKey, h: bigint, blocks: number): bigint {
  const lengths = Buffer.alloc(16)
  lengths.writeBigUInt64BE(BigInt(gcm.aad.length * 8), 0)
  lengths.writeBigUInt64BE(BigInt(blocks * 128), 8)
  const padded = Buffer.alloc(16)
  padded.set(gcm.aad)
  const j0 = Buffer.concat([gcm.iv, Buffer.from('00000001', 'hex')])
  const ofAad = gcm.aad.length === 0 ? 0n : multiply(fromBlock(padded), power(h, BigInt(blocks + 2)))
  return ofAad ^ multiply(fromBlock(lengths), h) ^ encryptBlock(gcm, j0)
}

/** Ciphertext and tag that both keys open: the first text appears under the first key, the second under the second. */
export function collision(first: GcmKey, second: GcmKey, texts: readonly [Buffer, Buffer]): Buffer {
  const length = texts[0].length + texts[1].length + 16
  const streams = [keystream(first, length), keystream(second, length)] as const
  const ciphertext = Buffer.alloc(length)
  texts[0].forEach((byte, i) => (ciphertext[i] = byte ^ streams[0][i]!))
  texts[1].forEach((byte, i) => (ciphertext[texts[0].length + i] = byte ^ streams[1][texts[0].length + i]!))
  const blocks = length / 16
  const h = [encryptBlock(first, Buffer.alloc(16)), encryptBlock(second, Buffer.alloc(16))] as const
  const hashed = (which: 0 | 1, gcm: GcmKey): bigint => {
    let sum = constantPart(gcm, h[which], blocks)
    for (let i = 0; i < blocks; i++) {
      const block = fromBlock(ciphertext.subarray(16 * i, 16 * i + 16))
      sum ^= multiply(block, power(h[which], BigInt(blocks - i + 1)))
    }
    return sum
  }
  // The last block is zero so far. It counts with H^2: the one value that makes both tags equal.
  const block = divide(hashed(0, first) ^ hashed(1, second), power(h[0], 2n) ^ power(h[1], 2n))
  toBlock(block).copy(ciphertext, length - 16)
  return Buffer.concat([ciphertext, toBlock(hashed(0, first))])
}
