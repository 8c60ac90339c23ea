import * as keys from './departures-keys.js'
import type { ServerKind } from './support-servers.js'

/** What a server does otherwise than the real service. */
export interface Departure {
  /** What it does instead, and why that is not ours. */
  readonly reason: string
  /** How the check fails for this reason and no other: found in the error's message or in the whole error. */
  readonly sign: RegExp
  /** It depends on who is faster: the check may pass as well. Default: it must fail. */
  readonly sometimes?: boolean
}

/** By the names of checks. */
export type Departures = Readonly<Partial<Record<ServerKind, Readonly<Record<string, Departure>>>>>

const crc32cTrailer: Departure = {
  reason: 'refuses a trailer with CRC32C, also from a client without encryption; S3 takes all its algorithms there.',
  sign: /Expecting a single x-amz-checksum- header/,
}

export const s3Departures: Departures = {
  localstack: {
    ...keys.s3.localstack,
    'checksums: ChecksumAlgorithm CRC32C, stream': crc32cTrailer,
    'checksums: CRC32C of the plaintext is verified and replaced, stream': crc32cTrailer,
    'conditional: DeleteObject with IfMatch': {
      reason: 'does not know If-Match of DeleteObject for general purpose buckets (501).',
      sign: /501 !== 412/,
    },
    'errors: another secret is refused by S3': {
      reason: 'does not check signatures.',
      sign: /Missing expected rejection/,
    },
    'multipart: CompleteMultipartUpload may be sent again': {
      reason: 'answers NoSuchUpload to a repeated CompleteMultipartUpload; S3 repeats its answer.',
      sign: /NoSuchUpload/,
    },
  },
  versitygw: {
    ...keys.s3.versitygw,
    'conditional: PutObject of a stream with IfNoneMatch *': {
      reason:
        'may reset the connection instead of answering 412 where it has not read the whole body; nothing is stored.',
      sign: /ECONNRESET|EPIPE/,
      sometimes: true,
    },
    'delete: what is quiet': {
      reason: 'does not know Quiet of DeleteObjects, and names what it has deleted.',
      sign: /Key: '\d+\/object'[^]*deepStrictEqual/,
    },
  },
}

export const kmsDepartures: Departures = {
  localstack: { ...keys.kms.localstack },
  moto: { ...keys.kms.moto },
}
