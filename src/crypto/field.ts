/**
 * GF(2^128) as GHASH has it (NIST SP 800-38D section 6.3). Nothing branches on an element or indexes with one: elements
 * are secret. Exponents and lengths are public.
 */

/** Four words, big-endian: the coefficient of x^0 is the highest bit of the first. */
export interface Element extends Int32Array<ArrayBuffer> {
  0: number
  1: number
  2: number
  3: number
}

export function element(w0 = 0, w1 = 0, w2 = 0, w3 = 0): Element {
  const e = new Int32Array(4) as Element
  e[0] = w0
  e[1] = w1
  e[2] = w2
  e[3] = w3
  return e
}

/** From 16 bytes at `offset`; fewer are padded with zeros, as GHASH pads its last block. */
export function fromBytes(bytes: Uint8Array, offset = 0): Element {
  const block = new Uint8Array(16)
  block.set(bytes.subarray(offset, offset + 16))
  const view = new DataView(block.buffer)
  return element(view.getInt32(0), view.getInt32(4), view.getInt32(8), view.getInt32(12))
}

export function toBytes(a: Element): Uint8Array {
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < 4; i++) view.setInt32(4 * i, a[i] as number)
  return bytes
}

export function xor(a: Element, b: Element): Element {
  return element(a[0] ^ b[0], a[1] ^ b[1], a[2] ^ b[2], a[3] ^ b[3])
}

export function isZero(a: Element): boolean {
  return (a[0] | a[1] | a[2] | a[3]) === 0
}

/** Algorithm 1 of SP 800-38D, with masks for its conditions. */
export function multiply(a: Element, b: Element): Element {
  let z0 = 0
  let z1 = 0
  let z2 = 0
  let z3 = 0
  let v0 = b[0]
  let v1 = b[1]
  let v2 = b[2]
  let v3 = b[3]
  for (let word = 0; word < 4; word++) {
    let bits = a[word] as number
    for (let i = 0; i < 32; i++) {
      const set = bits >> 31
      bits <<= 1
      z0 ^= v0 & set
      z1 ^= v1 & set
      z2 ^= v2 & set
      z3 ^= v3 & set
      const carry = -(v3 & 1)
      v3 = (v3 >>> 1) | (v2 << 31)
      v2 = (v2 >>> 1) | (v1 << 31)
      v1 = (v1 >>> 1) | (v0 << 31)
      v0 = (v0 >>> 1) ^ (carry & 0xe1000000)
    }
  }
  return element(z0, z1, z2, z3)
}

/** Squaring is linear: coefficient i moves to 2i, then the upper half is reduced. Some ten times faster than `multiply`. */
export function square(a: Element): Element {
  const h0 = spread(a[2] >>> 16)
  const h1 = spread(a[2])
  const h2 = spread(a[3] >>> 16)
  const h3 = spread(a[3])
  // x^128 = 1 + x + x^2 + x^7: what the last word shifts out is of degree 128 and more again.
  const g0 = h0 ^ shiftedOut(h3)
  return element(
    spread(a[0] >>> 16) ^ shifted(g0),
    spread(a[0]) ^ shifted(h1) ^ shiftedOut(g0),
    spread(a[1] >>> 16) ^ shifted(h2) ^ shiftedOut(h1),
    spread(a[1]) ^ shifted(h3) ^ shiftedOut(h2),
  )
}

/** The lower 16 bits with a zero behind each. */
function spread(x: number): number {
  let s = x & 0xffff
  s = (s | (s << 8)) & 0x00ff00ff
  s = (s | (s << 4)) & 0x0f0f0f0f
  s = (s | (s << 2)) & 0x33333333
  s = (s | (s << 1)) & 0x55555555
  return s << 1
}

const shifted = (w: number): number => w ^ (w >>> 1) ^ (w >>> 2) ^ (w >>> 7)

const shiftedOut = (w: number): number => (w << 31) ^ (w << 30) ^ (w << 25)

/** a^exponent for a public exponent, an integer from 0 to 2^53 - 1. */
export function power(a: Element, exponent: number): Element {
  let result = element(1 << 31)
  let factor = a
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result = multiply(result, factor)
    factor = square(factor)
  }
  return result
}

/** a^-1 = a^(2^128 - 2), by a^(2^127 - 1) squared: 2^k - 1 is doubled in k and raised by one until k is 127. 0 gives 0. */
export function inverse(a: Element): Element {
  let ones = a
  for (let k = 1; k < 127; k = 2 * k + 1) {
    let moved = ones
    for (let i = 0; i < k; i++) moved = square(moved)
    ones = multiply(square(multiply(moved, ones)), a)
  }
  return square(ones)
}
