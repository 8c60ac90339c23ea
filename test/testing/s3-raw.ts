/** Requests below the SDK, for what it cannot be made to send. */
import { createHash } from 'node:crypto'
import { request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import {
  canonicalRequest,
  chunkSignature,
  requestSignatures,
  signingKey,
  trailerSignature,
  type SigningScope,
} from '../../src/testing/s3-sigv4.js'
import type { S3Server } from 's3-cse/testing'

export interface Raw {
  readonly method?: string
  /** Encoded, with a query if it has one. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
  readonly payloadHash?: string
  /** false: anonymous. */
  readonly sign?: boolean
  readonly secret?: string
  readonly accessKeyId?: string
  readonly region?: string
  readonly date?: Date
  /** Headers that are left out of the signature. */
  readonly unsigned?: readonly string[]
  /** Decoded path and query if they are not simply those of `path`. */
  readonly signedPath?: string
  /** No Content-Length: HTTP chunks. */
  readonly chunkedTransfer?: boolean
  /** Makes the body from the signature of the request. */
  readonly makeBody?: (scope: SigningScope, seed: string) => Uint8Array
}

export interface RawAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  readonly code: string | undefined
}

export const sha256 = (data: Uint8Array | string): string => createHash('sha256').update(data).digest('hex')

export function signed(s3: S3Server, raw: Raw): { headers: Record<string, string>; scope: SigningScope; seed: string } {
  const { host } = new URL(s3.endpoint)
  const date = (raw.date ?? new Date()).toISOString().replace(/[-:]|\.\d+/g, '')
  const { credentials } = s3.clientConfig
  const scope = `${date.slice(0, 8)}/${raw.region ?? s3.clientConfig.region}/s3/aws4_request`
  const payloadHash = raw.payloadHash ?? sha256(raw.body ?? '')
  const headers: Record<string, string> = {
    host,
    'x-amz-date': date,
    'x-amz-content-sha256': payloadHash,
    ...raw.headers,
  }
  const [path = '', query = ''] = raw.path.split('?')
  const signedHeaders = Object.keys(headers)
    .filter((name) => !(raw.unsigned ?? []).includes(name))
    .sort()
  const canonical = canonicalRequest({
    method: raw.method ?? 'GET',
    path: raw.signedPath ?? decodeURIComponent(path),
    query: [...new URLSearchParams(query)],
    headers,
    signedHeaders,
    payloadHash,
  })
  const signing = { key: signingKey(raw.secret ?? credentials.secretAccessKey, scope), date, scope }
  const seed = requestSignatures(signing, canonical)[0]!
  const credential = `${raw.accessKeyId ?? credentials.accessKeyId}/${scope}`
  const authorization = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${signedHeaders.join(';')}, Signature=${seed}`
  return { headers: raw.sign === false ? headers : { ...headers, authorization }, scope: signing, seed }
}

export async function send(s3: S3Server, raw: Raw): Promise<RawAnswer> {
  const { headers, scope, seed } = signed(s3, raw)
  const body = raw.makeBody?.(scope, seed) ?? raw.body
  const url = new URL(s3.endpoint)
  return new Promise((resolve, reject) => {
    const sent = request({
      host: url.hostname,
      port: url.port,
      method: raw.method ?? 'GET',
      path: raw.path,
      headers,
      agent: false,
    })
    sent.on('error', reject)
    sent.on('response', (response) => void collect(response).then(resolve, reject))
    if (body !== undefined && raw.chunkedTransfer !== true && headers['content-length'] === undefined) {
      sent.setHeader('content-length', Buffer.byteLength(body))
    }
    if (raw.chunkedTransfer === true) sent.setHeader('transfer-encoding', 'chunked')
    if (headers.expect === undefined) sent.end(body)
    else {
      sent.flushHeaders()
      sent.on('continue', () => sent.end(body))
    }
  })
}

export async function collect(response: IncomingMessage): Promise<RawAnswer> {
  const parts: Buffer[] = []
  for await (const part of response) parts.push(part as Buffer)
  const text = Buffer.concat(parts).toString('latin1')
  const code = /<Code>(\w+)<\/Code>/.exec(text)?.[1]
  return { status: response.statusCode ?? 0, headers: response.headers, text, code }
}

/** An aws-chunked body without signatures. */
export function chunks(sizes: readonly number[], trailers: Readonly<Record<string, string>>): Buffer {
  const data = sizes.map((size) => `${size.toString(16)}\r\n${'a'.repeat(size)}\r\n`)
  const lines = Object.entries(trailers).map(([name, value]) => `${name}:${value}\r\n`)
  return Buffer.from(`${data.join('')}0\r\n${lines.join('')}\r\n`)
}

/** A signed aws-chunked body; with trailers if there are any. */
export function signedChunks(
  scope: SigningScope,
  seed: string,
  parts: readonly string[],
  trailers: Readonly<Record<string, string>> = {},
): Buffer {
  let previous = seed
  let text = ''
  for (const part of [...parts, '']) {
    previous = chunkSignature(scope, previous, sha256(part))
    text += `${part.length.toString(16)};chunk-signature=${previous}\r\n${part}${part === '' ? '' : '\r\n'}`
  }
  const entries = Object.entries(trailers)
  for (const [name, value] of entries) text += `${name}:${value}\r\n`
  if (entries.length > 0) text += `x-amz-trailer-signature:${trailerSignature(scope, previous, entries)}\r\n`
  return Buffer.from(`${text}\r\n`)
}
