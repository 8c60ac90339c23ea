/** Points of NIST's curves (SP 800-186 section 3.2.1) as bytes. Only public ones: nothing here runs in constant time. */

import type { CurveName } from './ecdsa.js'

export interface Curve {
  /** Of a coordinate and of a scalar, in bytes. */
  readonly size: number
  /** The prime of the field. */
  readonly prime: bigint
  /** y² = x³ - 3x + b */
  readonly b: bigint
  /** Of the group, a prime: the cofactor is 1. */
  readonly order: bigint
}

export const curves: Readonly<Record<CurveName, Curve>> = Object.freeze({
  'P-256': Object.freeze({
    size: 32,
    prime: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
    order: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  }),
  'P-384': Object.freeze({
    size: 48,
    prime: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
    order: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  }),
})

/** Big-endian. Makes no text of it, which would stay in memory longer. */
export function integerOf(bytes: Uint8Array): bigint {
  const padded = new Uint8Array(Math.ceil(bytes.length / 8) * 8)
  padded.set(bytes, padded.length - bytes.length)
  const view = new DataView(padded.buffer)
  let value = 0n
  for (let at = 0; at < padded.length; at += 8) value = (value << 64n) | view.getBigUint64(at)
  padded.fill(0)
  return value
}

/** Big-endian, of a value below 256^length. */
export function bytesOf(value: bigint, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let rest = value
  for (let at = length - 1; at >= 0; at--) {
    bytes[at] = Number(rest & 0xffn)
    rest >>= 8n
  }
  return bytes
}

/** From 04 ‖ x ‖ y, a point of the curve: 02 or 03, which says whether y is odd, ‖ x (SEC 1 section 2.3.3). */
export function compressPoint(point: Uint8Array): Uint8Array {
  const compressed = Uint8Array.from(point.subarray(0, (point.length + 1) / 2))
  compressed[0] = 2 + ((point[point.length - 1] as number) & 1)
  return compressed
}

/** The reverse (SEC 1 section 2.3.4). `undefined` where the bytes are no compressed point of the curve. */
export function decompressPoint(name: CurveName, compressed: Uint8Array): Uint8Array | undefined {
  const { size, prime, b } = curves[name]
  const sign = compressed[0]
  if (compressed.length !== 1 + size || (sign !== 2 && sign !== 3)) return undefined
  const x = integerOf(compressed.subarray(1))
  if (x >= prime) return undefined
  const square = ((((x * x - 3n) * x + b) % prime) + prime) % prime
  // Both primes are 3 modulo 4; of what is no square this is no root.
  const root = power(square, (prime + 1n) / 4n, prime)
  if ((root * root) % prime !== square) return undefined
  const y = Number(root & 1n) === sign - 2 ? root : prime - root
  const point = new Uint8Array(1 + 2 * size)
  point[0] = 4
  point.set(compressed.subarray(1), 1)
  point.set(bytesOf(y, size), 1 + size)
  return point
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n
  let square = base
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = (result * square) % modulus
    square = (square * square) % modulus
  }
  return result
}
