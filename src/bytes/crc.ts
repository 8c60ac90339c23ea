/**
 * The CRCs that S3 takes as checksums, to verify a caller's digest of the plaintext. All three are reflected, with all
 * bits set before and inverted after: CRC-32 (ISO 3309), CRC-32C (RFC 3720 appendix B.4), CRC-64/NVME (NVM Express
 * NVM Command Set 1.0, section 5.2.1.3.4).
 */
export interface RunningDigest {
  update(data: Uint8Array): void
  /** Big-endian, as S3 encodes it. */
  digest(): Uint8Array | Promise<Uint8Array>
}

function table32(polynomial: number): Uint32Array {
  const table = new Uint32Array(256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (polynomial & -(crc & 1))
    table[byte] = crc
  }
  return table
}

function crcOf32(polynomial: number): () => RunningDigest {
  let table: Uint32Array | undefined
  return () => {
    const lookup = (table ??= table32(polynomial))
    let crc = -1
    return {
      update(data) {
        for (const byte of data) crc = (crc >>> 8) ^ (lookup[(crc ^ byte) & 255] ?? 0)
      },
      digest() {
        const out = new Uint8Array(4)
        new DataView(out.buffer).setUint32(0, ~crc)
        return out
      },
    }
  }
}

/** Two tables, for the high and the low 32 bits. */
function table64(high: number, low: number): { high: Uint32Array; low: Uint32Array } {
  const table = { high: new Uint32Array(256), low: new Uint32Array(256) }
  for (let byte = 0; byte < 256; byte++) {
    let h = 0
    let l = byte
    for (let bit = 0; bit < 8; bit++) {
      const mask = -(l & 1)
      l = ((l >>> 1) | (h << 31)) ^ (low & mask)
      h = (h >>> 1) ^ (high & mask)
    }
    table.high[byte] = h
    table.low[byte] = l
  }
  return table
}

function crcOf64(polynomialHigh: number, polynomialLow: number): () => RunningDigest {
  let table: ReturnType<typeof table64> | undefined
  return () => {
    const lookup = (table ??= table64(polynomialHigh, polynomialLow))
    let high = -1
    let low = -1
    return {
      update(data) {
        for (const byte of data) {
          const index = (low ^ byte) & 255
          low = ((low >>> 8) | (high << 24)) ^ (lookup.low[index] ?? 0)
          high = (high >>> 8) ^ (lookup.high[index] ?? 0)
        }
      },
      digest() {
        const out = new Uint8Array(8)
        const view = new DataView(out.buffer)
        view.setUint32(0, ~high)
        view.setUint32(4, ~low)
        return out
      },
    }
  }
}

export const crc32: () => RunningDigest = crcOf32(0xedb88320)
export const crc32c: () => RunningDigest = crcOf32(0x82f63b78)
export const crc64nvme: () => RunningDigest = crcOf64(0x9a6c9329, 0xac4bc9b5)

const polynomials: Readonly<Record<string, { readonly width: bigint; readonly polynomial: bigint }>> = {
  CRC32: { width: 32n, polynomial: 0xedb88320n },
  CRC32C: { width: 32n, polynomial: 0x82f63b78n },
  CRC64NVME: { width: 64n, polynomial: 0x9a6c9329ac4bc9b5n },
}

/**
 * The CRC of `first` followed by `second`, of which only the CRCs and the second's length in bytes are known. For a few
 * values of an object, not for its bytes: BigInt is slow.
 */
export function combineCrc(algorithm: string, first: bigint, second: bigint, secondLength: number): bigint {
  const found = polynomials[algorithm]
  if (found === undefined) throw new TypeError(`${algorithm} cannot be combined`)
  const { width, polynomial } = found
  const one = 1n << (width - 1n)
  // Reflected: the highest bit is the coefficient of x^0.
  const multiply = (a: bigint, b: bigint): bigint => {
    let product = 0n
    for (let bit = one, factor = b; bit !== 0n; bit >>= 1n) {
      if ((a & bit) !== 0n) product ^= factor
      factor = (factor & 1n) === 1n ? (factor >> 1n) ^ polynomial : factor >> 1n
    }
    return product
  }
  let shift = one
  for (let exponent = BigInt(secondLength) * 8n, power = one >> 1n; exponent > 0n; exponent >>= 1n) {
    if ((exponent & 1n) === 1n) shift = multiply(shift, power)
    power = multiply(power, power)
  }
  return multiply(first, shift) ^ second
}
