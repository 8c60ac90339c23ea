/** The additional checksums of S3 objects: which one a request carries, and how it is computed. */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { crc32c, crc64nvme, type RunningDigest } from './s3-crc.js'
import { S3Error } from './s3-error.js'
import type { S3ChecksumAlgorithm, S3Checksums } from './s3-types.js'

interface Algorithm {
  /** Bytes of the digest. */
  readonly length: number
  readonly start: () => RunningDigest
}

export const ALGORITHMS: Readonly<Record<S3ChecksumAlgorithm, Algorithm>> = {
  crc32: { length: 4, start: runningCrc32 },
  crc32c: { length: 4, start: crc32c },
  crc64nvme: { length: 8, start: crc64nvme },
  sha1: { length: 20, start: () => runningHash('sha1') },
  sha256: { length: 32, start: () => runningHash('sha256') },
}

export function runningHash(name: 'md5' | 'sha1' | 'sha256'): RunningDigest {
  const hash = createHash(name)
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest() }
}

function runningCrc32(): RunningDigest {
  let value = 0
  return {
    update: (bytes) => void (value = crc32(bytes, value)),
    digest: () => {
      const result = Buffer.alloc(4)
      result.writeUInt32BE(value)
      return result
    },
  }
}

/** Several checksums in one pass. */
export function runningDigests(algorithms: readonly S3ChecksumAlgorithm[]): {
  update(bytes: Uint8Array): void
  finish(): S3Checksums
} {
  const running = [...new Set(algorithms)].map((name) => ({ name, digest: ALGORITHMS[name].start() }))
  return {
    update: (bytes) => {
      for (const { digest } of running) digest.update(bytes)
    },
    finish: () => Object.fromEntries(running.map(({ name, digest }) => [name, base64(digest.digest())])),
  }
}

export function isAlgorithm(name: string): name is S3ChecksumAlgorithm {
  return Object.hasOwn(ALGORITHMS, name)
}

/** The checksum that a request announces: its value in a header, or (expected undefined) in a trailer. */
export interface ChecksumPlan {
  readonly algorithm: S3ChecksumAlgorithm
  readonly expected: string | undefined
}

const PREFIX = 'x-amz-checksum-'
const NOT_A_CHECKSUM = new Set(['algorithm', 'mode', 'type'])

/** Reads the checksum headers and the announced trailers of an upload; at most one checksum may be given. */
export function planChecksum(
  headers: Readonly<Record<string, string>>,
  trailers: readonly string[],
): ChecksumPlan | undefined {
  const inHeaders = Object.keys(headers).filter(isChecksumHeader)
  const inTrailers = trailers.filter(isChecksumHeader)
  const [name, second] = [...inHeaders, ...inTrailers]
  const sdk = headers['x-amz-sdk-checksum-algorithm']?.toLowerCase()
  const type = headers['x-amz-checksum-type'] ?? 'FULL_OBJECT'
  if (second !== undefined) {
    throw new S3Error(
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    )
  }
  if (type !== 'FULL_OBJECT') throw new S3Error('InvalidRequest', `The checksum type ${type} is for multipart uploads.`)
  if (name === undefined) {
    if (sdk === undefined) return undefined
    throw new S3Error(
      'InvalidRequest',
      'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
    )
  }
  const algorithm = name.slice(PREFIX.length)
  if (!isAlgorithm(algorithm)) throw new S3Error('NotImplemented', `The checksum ${name} is not implemented.`)
  if (sdk !== undefined && sdk !== algorithm) {
    throw new S3Error('InvalidRequest', 'Value for x-amz-sdk-checksum-algorithm header is invalid.')
  }
  const expected = inHeaders.length === 1 ? headers[name] : undefined
  return { algorithm, expected }
}

function isChecksumHeader(name: string): boolean {
  return name.startsWith(PREFIX) && !NOT_A_CHECKSUM.has(name.slice(PREFIX.length))
}

/** InvalidRequest unless the value is canonical base64 of the algorithm's length. */
export function checkChecksumValue(algorithm: S3ChecksumAlgorithm, value: string): void {
  if (!isBase64(value, ALGORITHMS[algorithm].length)) {
    throw new S3Error('InvalidRequest', `Value for ${PREFIX}${algorithm} header is invalid.`)
  }
}

/** Content-MD5 as given; InvalidDigest unless it is base64 of 16 bytes. */
export function contentMd5(headers: Readonly<Record<string, string>>): string | undefined {
  const value = headers['content-md5']
  if (value !== undefined && !isBase64(value, 16)) throw new S3Error('InvalidDigest')
  return value
}

function isBase64(value: string, length: number): boolean {
  const bytes = Buffer.from(value, 'base64')
  return bytes.length === length && bytes.toString('base64') === value
}

export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

/** The digest of bytes that are in memory, in base64. */
export function checksumOf(algorithm: S3ChecksumAlgorithm, bytes: Uint8Array): string {
  const state = ALGORITHMS[algorithm].start()
  state.update(bytes)
  return base64(state.digest())
}
