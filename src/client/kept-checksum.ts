import { pick } from './sdk.js'
import type { Output } from './sdk.js'

/** Those that every client computes. */
const ALGORITHMS = ['CRC64NVME', 'CRC32', 'CRC32C', 'SHA256', 'SHA1']
/** S3 User Guide, "Checking object integrity": of parts together there are none of these but checksums of checksums. */
const COMPOSITE_ONLY: readonly (string | undefined)[] = ['SHA256', 'SHA1']

/**
 * The algorithm of the checksum that an object has, as an output with ChecksumMode has shown it, for requests that store
 * its bytes anew. Empty where it has none, or one that not every client computes: then it gets the SDK's usual one.
 */
export function checksumMembers(head: Output): { ChecksumAlgorithm?: string; ChecksumType?: string } {
  const ChecksumAlgorithm = ALGORITHMS.find((name) => typeof head[`Checksum${name}`] === 'string')
  if (ChecksumAlgorithm === undefined) return {}
  const type = COMPOSITE_ONLY.includes(ChecksumAlgorithm) ? 'COMPOSITE' : head.ChecksumType
  return { ChecksumAlgorithm, ...(typeof type === 'string' && { ChecksumType: type }) }
}

/** Of a part, as its output has told it: CompleteMultipartUpload has to name it where the upload has an algorithm, and no other. */
export function partChecksum(output: Output, algorithm: string | undefined): Record<string, unknown> {
  return algorithm === undefined ? {} : pick(output, [`Checksum${algorithm}`])
}
