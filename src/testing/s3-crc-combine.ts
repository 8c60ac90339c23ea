/** The CRC of a whole from the CRCs of its parts, without the bytes (the method of zlib's crc32_combine, for any width). */
import type { S3ChecksumAlgorithm } from './s3-types.js'

interface Field {
  readonly width: bigint
  /** Bit-reversed, as in s3-crc.ts. */
  readonly polynomial: bigint
}

const FIELDS: Readonly<Partial<Record<S3ChecksumAlgorithm, Field>>> = {
  crc32: { width: 32n, polynomial: 0xedb88320n },
  crc32c: { width: 32n, polynomial: 0x82f63b78n },
  crc64nvme: { width: 64n, polynomial: 0x9a6c9329ac4bc9b5n },
}

/** Whether the checksum of a multipart object can be that of all its bytes (SHA-1 and SHA-256 cannot be combined). */
export function isCombinable(algorithm: S3ChecksumAlgorithm): boolean {
  return FIELDS[algorithm] !== undefined
}

/** `parts`: the base64 checksum and the length in bytes of each. All three CRCs start and end with all bits flipped, which cancels out. */
export function combineCrcs(
  algorithm: S3ChecksumAlgorithm,
  parts: readonly { readonly checksum: string; readonly size: number }[],
): string {
  const field = FIELDS[algorithm]
  if (field === undefined) throw new TypeError(`${algorithm} cannot be combined`)
  const powers = new Map<number, bigint>() // parts have few different sizes
  let combined = 0n
  for (const { checksum, size } of parts) {
    const power = powers.get(size) ?? xToThe(8n * BigInt(size), field)
    powers.set(size, power)
    combined = multiply(combined, power, field) ^ BigInt(`0x${Buffer.from(checksum, 'base64').toString('hex')}`)
  }
  const digits = Number(field.width / 4n)
  return Buffer.from(combined.toString(16).padStart(digits, '0'), 'hex').toString('base64')
}

/** a · b modulo the polynomial; the most significant bit is the coefficient of x⁰. */
function multiply(a: bigint, b: bigint, { width, polynomial }: Field): bigint {
  let product = 0n
  let factor = b
  for (let bit = 1n << (width - 1n); bit > 0n; bit >>= 1n) {
    if ((a & bit) !== 0n) product ^= factor
    factor = (factor & 1n) === 1n ? (factor >> 1n) ^ polynomial : factor >> 1n
  }
  return product
}

function xToThe(exponent: bigint, field: Field): bigint {
  let result = 1n << (field.width - 1n)
  let square = 1n << (field.width - 2n)
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = multiply(result, square, field)
    square = multiply(square, square, field)
  }
  return result
}
