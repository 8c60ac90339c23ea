/** Checks who sent a request: SigV4 in the Authorization header or in the query (presigned). */
import { S3Error } from './s3-error.js'
import { canonicalRequest, requestSignatures, signingKey, type SigningScope } from './s3-sigv4.js'
import type { S3Credentials } from './s3-types.js'

export interface AuthInput {
  readonly method: string
  /** Decoded. */
  readonly path: string
  /** Decoded. */
  readonly query: readonly (readonly [string, string])[]
  readonly headers: Readonly<Record<string, string>>
}

export interface AuthSettings {
  readonly credentials: S3Credentials
  readonly region: string
  /** Which services the scope may name. Default `s3` alone. */
  readonly services?: readonly string[]
}

export interface Authorization extends SigningScope {
  /** The signature of the request, from which those of aws-chunked chunks go on. */
  readonly signature: string
  /** x-amz-content-sha256, or what it means that a presigned request has none. */
  readonly payloadHash: string
}

interface Claim {
  readonly accessKeyId: string
  readonly scope: string
  readonly signedHeaders: readonly string[]
  readonly signature: string
  readonly date: string
  /** Seconds; presigned only. */
  readonly expires: number | undefined
  readonly payloadHash: string
}

const SKEW_MS = 15 * 60 * 1000
const MAX_EXPIRES_S = 7 * 24 * 60 * 60

/** Throws the S3Error that S3 would answer, or returns what was proven. */
export function authenticate(input: AuthInput, settings: AuthSettings, now: number = Date.now()): Authorization {
  const presigned = input.query.some(([name]) => name === 'X-Amz-Algorithm' || name === 'X-Amz-Signature')
  const header = input.headers.authorization
  if (presigned && header !== undefined) {
    throw new S3Error('InvalidArgument', 'Only one auth mechanism allowed')
  }
  if (!presigned && header === undefined) throw new S3Error('AccessDenied')
  const claim = presigned ? queryClaim(input) : headerClaim(input, header ?? '')
  checkScope(claim, settings)
  checkTime(claim, now)
  if (input.headers['x-amz-security-token'] !== undefined || find(input, 'X-Amz-Security-Token') !== undefined) {
    throw new S3Error('InvalidToken') // the accepted credentials have no session
  }
  checkSignedHeaders(claim, input)
  const key = signingKey(settings.credentials.secretAccessKey, claim.scope)
  const proven = { key, date: claim.date, scope: claim.scope, signature: claim.signature }
  const canonical = canonicalRequest({
    ...input,
    query: input.query.filter(([name]) => name !== 'X-Amz-Signature'),
    signedHeaders: claim.signedHeaders,
    payloadHash: claim.payloadHash,
  })
  if (!requestSignatures(proven, canonical).includes(claim.signature)) {
    throw new S3Error('SignatureDoesNotMatch', undefined, { details: { CanonicalRequest: canonical } })
  }
  return { ...proven, payloadHash: claim.payloadHash }
}

function headerClaim(input: AuthInput, header: string): Claim {
  if (!header.startsWith('AWS4-HMAC-SHA256')) {
    throw new S3Error(
      'InvalidRequest',
      'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
    )
  }
  const found =
    /^AWS4-HMAC-SHA256\s+Credential=([^\s,/]+)\/([^\s,]+),\s*SignedHeaders=([^\s,]+),\s*Signature=([0-9a-f]{64})$/.exec(
      header,
    )
  const [, accessKeyId, scope, signedHeaders, signature] = found ?? []
  if (accessKeyId === undefined || scope === undefined || signedHeaders === undefined || signature === undefined) {
    throw new S3Error('AuthorizationHeaderMalformed')
  }
  const date = input.headers['x-amz-date']
  if (date === undefined) throw new S3Error('AccessDenied', 'AWS authentication requires a valid x-amz-date header')
  const payloadHash = input.headers['x-amz-content-sha256']
  if (payloadHash === undefined) {
    throw new S3Error('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256')
  }
  return {
    accessKeyId,
    scope,
    signedHeaders: signedHeaders.split(';'),
    signature,
    date,
    expires: undefined,
    payloadHash,
  }
}

function queryClaim(input: AuthInput): Claim {
  const need = (name: string): string => {
    const value = find(input, name)
    if (value !== undefined && value !== '') return value
    throw new S3Error('AuthorizationQueryParametersError', `The query parameter ${name} is missing.`)
  }
  if (need('X-Amz-Algorithm') !== 'AWS4-HMAC-SHA256') {
    throw new S3Error('AuthorizationQueryParametersError', 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"')
  }
  const [accessKeyId = '', ...scope] = need('X-Amz-Credential').split('/')
  const expires = Number(need('X-Amz-Expires'))
  if (!Number.isInteger(expires) || expires < 0 || expires > MAX_EXPIRES_S) {
    throw new S3Error('AuthorizationQueryParametersError', 'X-Amz-Expires must be between 0 and 604800 seconds')
  }
  return {
    accessKeyId,
    scope: scope.join('/'),
    signedHeaders: need('X-Amz-SignedHeaders').split(';'),
    signature: need('X-Amz-Signature'),
    date: need('X-Amz-Date'),
    expires,
    payloadHash: find(input, 'X-Amz-Content-Sha256') ?? input.headers['x-amz-content-sha256'] ?? 'UNSIGNED-PAYLOAD',
  }
}

function find(input: AuthInput, name: string): string | undefined {
  return input.query.find(([one]) => one === name)?.[1]
}

function checkScope(claim: Claim, settings: AuthSettings): void {
  const code = claim.expires === undefined ? 'AuthorizationHeaderMalformed' : 'AuthorizationQueryParametersError'
  const [day, region, service, terminal, ...rest] = claim.scope.split('/')
  const services = settings.services ?? ['s3']
  if (
    !services.includes(service ?? '') ||
    terminal !== 'aws4_request' ||
    rest.length > 0 ||
    day !== claim.date.slice(0, 8)
  ) {
    throw new S3Error(
      code,
      `The credential must be of the form <access key>/<date>/<region>/${services.join('|')}/aws4_request.`,
    )
  }
  if (region !== settings.region) {
    throw new S3Error(code, `The region '${region ?? ''}' is wrong; expecting '${settings.region}'`, {
      details: { Region: settings.region },
    })
  }
  if (claim.accessKeyId !== settings.credentials.accessKeyId) throw new S3Error('InvalidAccessKeyId')
}

function checkTime(claim: Claim, now: number): void {
  const found = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(claim.date)
  const [year, month, day, hour, minute, second] = (found ?? []).slice(1).map(Number)
  const time = Date.UTC(year ?? NaN, (month ?? NaN) - 1, day, hour, minute, second)
  if (Number.isNaN(time)) throw new S3Error('AccessDenied', 'AWS authentication requires a valid date')
  if (claim.expires === undefined) {
    if (Math.abs(now - time) > SKEW_MS) throw new S3Error('RequestTimeTooSkewed')
  } else if (time - now > SKEW_MS) {
    throw new S3Error('AccessDenied', 'Request is not valid yet')
  } else if (now > time + claim.expires * 1000) {
    throw new S3Error('AccessDenied', 'Request has expired')
  }
}

function checkSignedHeaders(claim: Claim, input: AuthInput): void {
  const must = Object.keys(input.headers).filter((name) => name === 'host' || name.startsWith('x-amz-'))
  const unsigned = must.filter((name) => !claim.signedHeaders.includes(name))
  if (unsigned.length === 0) return
  throw new S3Error('AccessDenied', 'There were headers present in the request which were not signed', {
    details: { HeadersNotSigned: unsigned.join(', ') },
  })
}
