/** 2^255 - 19: Curve25519 and Ed25519 are one curve in two forms (RFC 7748 section 4.1). Public values only: not in constant time. */
const P = (1n << 255n) - 19n
const A = 486662n

/** The u coordinate of an Ed25519 public key of 32 bytes, as an X25519 public key; `undefined` if it is no point of the curve, or not canonical. */
export function ed25519ToX25519(publicKey: Uint8Array): Uint8Array | undefined {
  const y = coordinate(publicKey)
  // RFC 8032 section 5.1.3.
  if (publicKey.length !== 32 || y >= P || !isOnCurve(y)) return undefined
  // The neutral element has no u.
  if (y === 1n) return undefined
  let u = ((1n + y) * power(P + 1n - y, P - 2n)) % P
  return Uint8Array.from({ length: 32 }, () => {
    const byte = Number(u & 255n)
    u >>= 8n
    return byte
  })
}

/**
 * Whether the order of an X25519 public key divides 8, so that every shared secret with it is zeros: three doublings
 * (RFC 7748 section 5) end at infinity.
 */
export function isSmallOrder(publicKey: Uint8Array): boolean {
  let x = coordinate(publicKey) % P
  let z = 1n
  for (let i = 0; i < 3; i++) {
    const [xx, zz, xz] = [x * x, z * z, x * z]
    x = (xx - zz) ** 2n % P
    z = (4n * xz * (xx + A * xz + zz)) % P
  }
  return z === 0n
}

/** Little-endian; the highest bit is the sign of x in Ed25519, and ignored in X25519. */
function coordinate(publicKey: Uint8Array): bigint {
  const value = publicKey.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
  return value & ((1n << 255n) - 1n)
}

/** Whether -x² + y² = 1 + d x² y² has an x, with d = -121665/121666 (RFC 8032 section 5.1): whether x² is a square, by Euler's criterion. */
function isOnCurve(y: bigint): boolean {
  const yy = (y * y) % P
  // x² is 121666 (y² - 1) / (121666 - 121665 y²); the product of both is a square where their quotient is.
  const square = ((yy + P - 1n) * (121666n + (P - 121665n) * yy) * 121666n) % P
  return square === 0n || power(square, (P - 1n) / 2n) === 1n
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  for (let square = base % P, rest = exponent; rest > 0n; rest >>= 1n, square = (square * square) % P) {
    if ((rest & 1n) === 1n) result = (result * square) % P
  }
  return result
}
