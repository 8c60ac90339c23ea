/** Requests to directory buckets with whatever credentials, service and session a test wants. */
import { request } from 'node:http'
import { canonicalRequest, requestSignatures, signingKey } from '../../src/testing/s3-sigv4.js'
import type { S3Server } from 's3-cse/testing'
import { collect, sha256, type RawAnswer } from './s3-raw.js'

export interface RawExpress {
  readonly method?: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** Default: those of the server. */
  readonly accessKeyId?: string
  readonly secretAccessKey?: string
  /** x-amz-s3session-token */
  readonly token?: string
  /** false: the token is left out of the signature. */
  readonly signsToken?: boolean
  /** Default s3express. */
  readonly service?: string
}

export function rawExpress(s3: S3Server, raw: RawExpress): Promise<RawAnswer> {
  const { host, hostname, port } = new URL(s3.endpoint)
  const { credentials, region } = s3.clientConfig
  const method = raw.method ?? 'GET'
  const date = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  const scope = `${date.slice(0, 8)}/${region}/${raw.service ?? 's3express'}/aws4_request`
  const payloadHash = sha256('')
  const headers: Record<string, string> = {
    host,
    'x-amz-date': date,
    'x-amz-content-sha256': payloadHash,
    ...raw.headers,
    ...(raw.token === undefined ? {} : { 'x-amz-s3session-token': raw.token }),
  }
  const signedHeaders = Object.keys(headers)
    .filter((name) => raw.signsToken !== false || name !== 'x-amz-s3session-token')
    .sort()
  const canonical = canonicalRequest({ method, path: raw.path, query: [], headers, signedHeaders, payloadHash })
  const key = signingKey(raw.secretAccessKey ?? credentials.secretAccessKey, scope)
  const [signature] = requestSignatures({ key, date, scope }, canonical)
  const credential = `${raw.accessKeyId ?? credentials.accessKeyId}/${scope}`
  const authorization = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${signedHeaders.join(';')}, Signature=${signature}`
  return new Promise((resolve, reject) => {
    request({ hostname, port, method, path: raw.path, headers: { ...headers, authorization }, agent: false })
      .on('error', reject)
      .on('response', (response) => void collect(response).then(resolve, reject))
      .end()
  })
}
