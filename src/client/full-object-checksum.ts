import { decodeBase64 } from '../bytes/base64.js'
import { combineCrc, crc32, crc32c, crc64nvme } from '../bytes/crc.js'
import { CseError } from '../errors.js'
import { runtime } from '#runtime'
import { digestMembers } from './checksums.js'
import type { Input } from './sdk.js'
import type { ActiveUpload } from './uploads.js'

/** The CRC of one part's plaintext while it passes. */
export interface PlaintextCrc {
  update(chunk: Uint8Array): void
  /** The part was stored: its CRC counts. */
  keep(): void
}

const crcs = new Map([
  ['CRC32', crc32],
  ['CRC32C', crc32c],
  ['CRC64NVME', crc64nvme],
])

function checksumError(message: string): CseError {
  return new CseError('ERR_S3CSE_CHECKSUM', message)
}

function toNumber(digest: Uint8Array): bigint {
  return digest.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n)
}

/** `undefined` for an algorithm that has no checksum of a whole object: S3 refuses such an upload itself. */
export function crcOfPart({ checksumAlgorithm, crcs: kept }: ActiveUpload, number: number): PlaintextCrc | undefined {
  const running = crcs.get(checksumAlgorithm ?? '')?.()
  if (running === undefined) return undefined
  return {
    update: (chunk) => running.update(chunk),
    keep() {
      kept.set(number, toNumber(running.digest() as Uint8Array))
    },
  }
}

/**
 * Checks a digest of the whole object that a caller gives to CompleteMultipartUpload: it is of the plaintext, can only be
 * verified if it was announced when the upload was created, and is not sent. Throws ERR_S3CSE_CHECKSUM.
 */
export function verifyFullObjectChecksum(upload: ActiveUpload, input: Input, lengths: readonly number[]): void {
  const members = digestMembers(input)
  for (const member of members) {
    const name = member.slice('Checksum'.length)
    if (!upload.fullObjectChecksum || name !== upload.checksumAlgorithm || !crcs.has(name)) {
      throw checksumError(
        `${member} would be the digest of the plaintext, which must be announced to be verified: give ChecksumType FULL_OBJECT and this ChecksumAlgorithm (a CRC) to CreateMultipartUpload, or leave ${member} out.`,
      )
    }
    const expected = typeof input[member] === 'string' ? decodeBase64(input[member]) : undefined
    let total = 0n
    for (const [index, length] of lengths.entries()) {
      const crc = upload.crcs.get(index + 1)
      if (crc === undefined) {
        throw checksumError(
          `${member} cannot be verified: part ${index + 1} was encrypted in another process. Leave ${member} out.`,
        )
      }
      total = index === 0 ? crc : combineCrc(name, total, crc, length)
    }
    const found = Uint8Array.from(
      { length: name === 'CRC64NVME' ? 8 : 4 },
      (_, index, size = name === 'CRC64NVME' ? 8 : 4) => Number((total >> BigInt(8 * (size - 1 - index))) & 255n),
    )
    if (expected === undefined || !runtime.equal(expected, found)) {
      throw checksumError(
        `${member} is not the digest of the plaintext of all parts; the upload was not completed. On an encrypting client it must be computed over the plaintext.`,
      )
    }
  }
}
