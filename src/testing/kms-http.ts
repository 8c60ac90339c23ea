import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { corsHeaders, preflightHeaders, type CorsOptions } from './cors.js'
import { kmsFailure, KmsFailureError, kmsStatus } from './kms-error.js'
import type { KmsInput } from './kms-input.js'
import { operations } from './kms-operations.js'
import type { KmsState } from './kms-state.js'
import type { KmsFault, KmsRequest } from './kms-types.js'

/** What the HTTP side shares with the server's hooks. */
export interface KmsService {
  readonly state: KmsState
  readonly accountId: string
  readonly requests: KmsRequest[]
  readonly recordRequests: number
  readonly faults: KmsFault[]
  /** undefined: no other origin is let in. */
  readonly cors: CorsOptions | undefined
}

const targetPrefix = 'TrentService.'
const contentType = 'application/x-amz-json-1.1'
const maximumBody = 1024 * 1024
/** What pages of other origins may read. */
const exposed = { 'x-amzn-requestid': '', 'x-amzn-errortype': '' }

/** One request of the AWS JSON 1.1 protocol: the operation is in X-Amz-Target, input and output are JSON documents. */
export async function handle(service: KmsService, message: IncomingMessage, response: ServerResponse): Promise<void> {
  const asked = plainHeaders(message)
  if (message.method === 'OPTIONS') {
    const allowed = preflightHeaders(service.cors, asked)
    response.writeHead(allowed === undefined ? 403 : 200, { 'content-length': '0', ...allowed }).end()
    return
  }
  for (const [name, value] of Object.entries(corsHeaders(service.cors, asked, exposed))) response.setHeader(name, value)
  let request: KmsRequest | undefined
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  try {
    const body = await readBody(message)
    request = record(service, message, body)
    const fault = takeFault(service.faults, request.operation)
    if (fault?.delayMs !== undefined) await delay(fault.delayMs, undefined, { signal: gone.signal })
    if (fault?.reset === true) {
      message.socket.resetAndDestroy()
      return
    }
    if (fault?.code !== undefined || fault?.status !== undefined) throw injected(fault)
    send(request, response, 200, answer(service, request))
  } catch (error) {
    const {
      code,
      message: text,
      status,
    } = error instanceof KmsFailureError
      ? error.failure
      : { code: 'InternalFailure', message: `the in-process KMS failed: ${String(error)}`, status: 500 }
    if (request !== undefined) request.errorCode = code
    send(request, response, status, { __type: code, message: text }, code)
  }
}

async function readBody(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of message as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > maximumBody) throw kmsFailure('SerializationException', `more than ${maximumBody} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function plainHeaders(message: IncomingMessage): Record<string, string> {
  return Object.fromEntries(Object.entries(message.headers).map(([name, value]) => [name, String(value)]))
}

function record(service: KmsService, message: IncomingMessage, body: Buffer): KmsRequest {
  const headers = plainHeaders(message)
  const target = headers['x-amz-target'] ?? ''
  if (message.method !== 'POST' || message.url !== '/' || !target.startsWith(targetPrefix)) {
    throw kmsFailure('UnknownOperationException', `${message.method ?? ''} ${message.url ?? ''} ${target}`)
  }
  if (headers['content-type'] !== contentType) throw kmsFailure('SerializationException', `send ${contentType}`)
  const request: KmsRequest = {
    operation: target.slice(targetPrefix.length),
    region: signedRegion(headers.authorization),
    input: parse(body),
    headers,
    status: undefined,
    errorCode: undefined,
  }
  service.requests.push(request)
  if (service.requests.length > service.recordRequests) service.requests.shift()
  return request
}

/** The region of the credential scope; the signature itself is not verified. */
function signedRegion(authorization: string | undefined): string {
  const scope = /Credential=[^/]+\/\d{8}\/([a-z0-9-]+)\/kms\/aws4_request/.exec(authorization ?? '')
  if (scope?.[1] === undefined) {
    throw kmsFailure('MissingAuthenticationTokenException', 'Sign the request with Signature Version 4 for kms')
  }
  return scope[1]
}

function parse(body: Buffer): KmsInput {
  let input: unknown
  try {
    input = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    throw kmsFailure('SerializationException', 'the body is not JSON in UTF-8')
  }
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw kmsFailure('SerializationException', 'the body is not a JSON object')
  }
  return input as KmsInput
}

function answer(service: KmsService, request: KmsRequest): object {
  const operation = operations.get(request.operation)
  if (operation === undefined) throw kmsFailure('UnknownOperationException', `${request.operation} is not supported`)
  return operation(service.state, request.input, { accountId: service.accountId, region: request.region })
}

function takeFault(faults: KmsFault[], operation: string): KmsFault | undefined {
  const index = faults.findIndex((fault) => fault.operation === undefined || fault.operation === operation)
  const fault = faults[index]
  if (fault === undefined) return undefined
  const left = (fault.times ?? 1) - 1
  if (left > 0) faults[index] = { ...fault, times: left }
  else faults.splice(index, 1)
  return fault
}

function injected(fault: KmsFault): KmsFailureError {
  const code = fault.code ?? 'InternalFailure'
  const status = fault.status ?? kmsStatus(code)
  return new KmsFailureError({ code, message: fault.message ?? 'an injected fault', status })
}

function send(
  request: KmsRequest | undefined,
  response: ServerResponse,
  status: number,
  document: object,
  errorCode?: string,
): void {
  if (request !== undefined) request.status = status
  response.writeHead(status, {
    'content-type': contentType,
    'x-amzn-requestid': randomUUID(),
    ...(errorCode === undefined ? {} : { 'x-amzn-errortype': errorCode }),
  })
  response.end(JSON.stringify(document))
}
