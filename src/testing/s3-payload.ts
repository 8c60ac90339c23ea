/** What the headers of a request say about its body, checked before a byte of it is read. */
import { contentMd5, planChecksum, type ChecksumPlan } from './s3-checksums.js'
import { S3Error } from './s3-error.js'

export interface PayloadPlan {
  /** Bytes of the body itself, without aws-chunked framing. */
  readonly length: number
  /** undefined: not aws-chunked. */
  readonly chunked: { readonly signed: boolean; readonly trailers: readonly string[] } | undefined
  /** Hex, from x-amz-content-sha256. */
  readonly sha256: string | undefined
  /** Base64, from Content-MD5. */
  readonly md5: string | undefined
  readonly checksum: ChecksumPlan | undefined
}

const CHUNKED: Readonly<Record<string, { signed: boolean; trailer: boolean }>> = {
  'STREAMING-UNSIGNED-PAYLOAD-TRAILER': { signed: false, trailer: true },
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD': { signed: true, trailer: false },
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER': { signed: true, trailer: true },
}

/**
 * `needsLength` false: a request without Content-Length has an empty body. EntityTooLarge if the declared length
 * is over `limit` bytes.
 */
export function planPayload(
  headers: Readonly<Record<string, string>>,
  payloadHash: string,
  { needsLength, limit }: { needsLength: boolean; limit: number },
): PayloadPlan {
  const kind = Object.hasOwn(CHUNKED, payloadHash) ? CHUNKED[payloadHash] : undefined
  if (kind === undefined && payloadHash !== 'UNSIGNED-PAYLOAD' && !/^[0-9a-f]{64}$/.test(payloadHash)) {
    throw new S3Error(
      'InvalidArgument',
      'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.',
    )
  }
  const length = declaredLength(headers, kind !== undefined, needsLength)
  if (length > limit) {
    throw new S3Error('EntityTooLarge', undefined, { details: { ProposedSize: length, MaxSizeAllowed: limit } })
  }
  const trailers = (headers['x-amz-trailer'] ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '')
  if (trailers.length > 0 && kind?.trailer !== true) {
    throw new S3Error('InvalidRequest', 'x-amz-trailer needs an x-amz-content-sha256 that ends in TRAILER.')
  }
  if (kind?.trailer === true && trailers.length === 0) {
    throw new S3Error('InvalidRequest', 'The header x-amz-trailer is missing.')
  }
  return {
    length,
    chunked: kind === undefined ? undefined : { signed: kind.signed, trailers },
    sha256: kind === undefined && payloadHash !== 'UNSIGNED-PAYLOAD' ? payloadHash : undefined,
    md5: contentMd5(headers),
    checksum: planChecksum(headers, trailers),
  }
}

/** For requests whose checksum headers are about an object, not about the body of the request. */
export function withoutChecksums(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !/^x-amz-(sdk-)?checksum-/.test(name)))
}

function declaredLength(headers: Readonly<Record<string, string>>, chunked: boolean, needsLength: boolean): number {
  const text = chunked ? headers['x-amz-decoded-content-length'] : headers['content-length']
  if (text === undefined) {
    if (needsLength || chunked || headers['transfer-encoding'] !== undefined) throw new S3Error('MissingContentLength')
    return 0
  }
  const length = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(length)) {
    throw new S3Error('InvalidArgument', 'The content length is not a number.')
  }
  return length
}
