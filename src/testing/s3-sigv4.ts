/** Signature Version 4 as S3 uses it: canonical forms, keys, signatures of requests and of aws-chunked chunks. */
import { createHash, createHmac } from 'node:crypto'

/** What is needed to check the signatures that follow the first one, inside an aws-chunked body. */
export interface SigningScope {
  readonly key: Uint8Array
  /** As in x-amz-date: 20260102T030405Z. */
  readonly date: string
  /** 20260102/us-east-1/s3/aws4_request */
  readonly scope: string
}

export const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

export function signingKey(secret: string, scope: string): Uint8Array {
  return scope
    .split('/')
    .reduce<Uint8Array>((key, part) => createHmac('sha256', key).update(part).digest(), Buffer.from(`AWS4${secret}`))
}

export interface CanonicalInput {
  readonly method: string
  /** Decoded. */
  readonly path: string
  /** Decoded, in any order, without X-Amz-Signature. */
  readonly query: readonly (readonly [string, string])[]
  readonly headers: Readonly<Record<string, string>>
  /** In lower case. */
  readonly signedHeaders: readonly string[]
  readonly payloadHash: string
}

export function canonicalRequest(input: CanonicalInput): string {
  const query = input.query
    .map(([name, value]) => [uriEncode(name), uriEncode(value)] as const)
    .sort(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map(([name, value]) => `${name}=${value}`)
  const headers = input.signedHeaders.map(
    (name) => `${name}:${(input.headers[name] ?? '').trim().replace(/ +/g, ' ')}\n`,
  )
  return [
    input.method,
    input.path.split('/').map(uriEncode).join('/'),
    query.join('&'),
    headers.join(''),
    input.signedHeaders.join(';'),
    input.payloadHash,
  ].join('\n')
}

/**
 * The signatures that are right for a canonical request. Header bytes outside ASCII can be read two ways (as they are,
 * or as Latin-1 turned into UTF-8) and clients sign either, so there may be two.
 */
export function requestSignatures(scope: SigningScope, canonical: string): readonly string[] {
  return (['utf8', 'latin1'] as const).map((encoding) => {
    const hash = createHash('sha256').update(Buffer.from(canonical, encoding)).digest('hex')
    return sign(scope, 'AWS4-HMAC-SHA256', [hash])
  })
}

/** `AWS4-HMAC-SHA256-PAYLOAD`: previous signature and the SHA-256 of this chunk, in hex. */
export function chunkSignature(scope: SigningScope, previous: string, chunkHash: string): string {
  return sign(scope, 'AWS4-HMAC-SHA256-PAYLOAD', [previous, EMPTY_SHA256, chunkHash])
}

/** `AWS4-HMAC-SHA256-TRAILER`: previous signature and the trailers in the order in which they were sent. */
export function trailerSignature(
  scope: SigningScope,
  previous: string,
  trailers: readonly (readonly [string, string])[],
): string {
  const canonical = trailers.map(([name, value]) => `${name}:${value}\n`).join('')
  return sign(scope, 'AWS4-HMAC-SHA256-TRAILER', [previous, createHash('sha256').update(canonical).digest('hex')])
}

function sign(scope: SigningScope, algorithm: string, lines: readonly string[]): string {
  return createHmac('sha256', scope.key)
    .update([algorithm, scope.date, scope.scope, ...lines].join('\n'))
    .digest('hex')
}

/** Percent-encodes the UTF-8 of everything but A-Z a-z 0-9 - . _ ~ */
export function uriEncode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
