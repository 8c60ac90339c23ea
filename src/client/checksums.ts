import { decodeBase64 } from '../bytes/base64.js'
import { crc32, crc32c, crc64nvme } from '../bytes/crc.js'
import type { RunningDigest } from '../bytes/crc.js'
import { CseError } from '../errors.js'
import { runtime } from '#runtime'
import type { ClientConfig, Input } from './sdk.js'

/**
 * Digests that a caller gives are of the plaintext. They are verified against it while it passes, and never sent: a
 * digest of plaintext in a header is what CVE-2022-2582 is about. The same algorithm over the ciphertext takes its place, MD5's place
 * is taken by CRC32.
 */
export interface CallerChecksums {
  /** The SDK computes this one over the ciphertext. */
  readonly algorithm: string
  update(chunk: Uint8Array): void
  /** Throws ERR_S3CSE_CHECKSUM if the plaintext is not what the caller said. */
  verify(): Promise<void>
}

interface Algorithm {
  /** Of the digest, in bytes. */
  readonly length: number
  /** In the client's configuration, where it is not built in here. */
  readonly configured?: 'md5' | 'sha1' | 'sha256'
}

const algorithms: ReadonlyMap<string, Algorithm> = new Map([
  ['CRC32', { length: 4 }],
  ['CRC32C', { length: 4 }],
  ['CRC64NVME', { length: 8 }],
  ['SHA1', { length: 20, configured: 'sha1' }],
  ['SHA256', { length: 32, configured: 'sha256' }],
  ['MD5', { length: 16, configured: 'md5' }],
])

const crcs = { CRC32: crc32, CRC32C: crc32c, CRC64NVME: crc64nvme }

/** Members of an input that begin with Checksum and hold no digest. */
const NOT_DIGESTS = new Set(['ChecksumAlgorithm', 'ChecksumMode', 'ChecksumType'])

function checksumError(message: string): CseError {
  return new CseError('ERR_S3CSE_CHECKSUM', message)
}

function digester(name: string, config: ClientConfig): RunningDigest {
  if (name in crcs) return crcs[name as keyof typeof crcs]()
  const known = algorithms.get(name)?.configured
  const Hash = config.checksumAlgorithms?.[name] ?? (known === undefined ? undefined : config[known])
  if (Hash === undefined) {
    throw checksumError(
      `The digest Checksum${name} cannot be verified or replaced: the client has no implementation of ${name}. Use another algorithm, or give the client one in checksumAlgorithms.`,
    )
  }
  return new Hash()
}

/** Input members that carry a digest: `ContentMD5` and `Checksum<algorithm>`. */
export function digestMembers(input: Input): string[] {
  return Object.keys(input).filter(
    (name) =>
      input[name] !== undefined && (name === 'ContentMD5' || (name.startsWith('Checksum') && !NOT_DIGESTS.has(name))),
  )
}

/** `undefined` where the caller gave no digest. Throws ERR_S3CSE_CHECKSUM before anything is sent. */
export function callerChecksums(input: Input, config: ClientConfig): CallerChecksums | undefined {
  const members = digestMembers(input)
  if (members.length === 0) return undefined
  const checks = members.map((member) => {
    const name = member === 'ContentMD5' ? 'MD5' : member.slice('Checksum'.length)
    const value = input[member]
    const expected = typeof value === 'string' ? decodeBase64(value) : undefined
    const length = algorithms.get(name)?.length
    if (expected === undefined || (length !== undefined && expected.length !== length)) {
      throw checksumError(
        `${member} must be the base64 of a ${name} digest${length === undefined ? '' : ` of ${length} bytes`}`,
      )
    }
    return { member, name, expected, hash: digester(name, config) }
  })
  const sent = checks.filter(({ member }) => member !== 'ContentMD5')
  if (sent.length > 1) {
    throw checksumError(`S3 takes one checksum for an object, not ${sent.map(({ member }) => member).join(' and ')}`)
  }
  const [digest] = sent
  const announced = input.ChecksumAlgorithm as string | undefined
  if (digest !== undefined && announced !== undefined && announced !== digest.name) {
    throw checksumError(`ChecksumAlgorithm and ${digest.member} name different algorithms`)
  }
  // MD5 goes out as a trailer that S3 does not take from every client: CRC32 protects the transfer as well.
  const replacing = digest?.name === 'MD5' ? 'CRC32' : digest?.name
  return {
    algorithm: replacing ?? announced ?? 'CRC32',
    update(chunk) {
      for (const { hash } of checks) hash.update(chunk)
    },
    async verify() {
      for (const { member, expected, hash } of checks) {
        if (runtime.equal(expected, await hash.digest())) continue
        throw checksumError(
          `${member} is not the digest of the body; nothing was stored. On an encrypting client it must be computed over the plaintext.`,
        )
      }
    },
  }
}
