/** One request from its headers to its answer. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { getObjectAttributes } from './s3-attributes.js'
import { getObjectAcl, putObjectAcl } from './s3-acl.js'
import { restoreObject } from './s3-archive.js'
import { corsHeaders } from './cors.js'
import { authenticate } from './s3-auth.js'
import { createBucket, deleteBucket, headBucket, listBuckets } from './s3-buckets.js'
import { completeMultipartUpload } from './s3-complete.js'
import { withoutIgnored } from './s3-conditions.js'
import { copyObject } from './s3-copy.js'
import { deleteObject, deleteObjects } from './s3-deletes.js'
import { underRulesOf } from './s3-directory.js'
import { Disconnected, S3Error } from './s3-error.js'
import { ACCOUNT, type Answer, type Exchange, type Settings } from './s3-exchange.js'
import { errorAnswer, faultAnswer, takeFault } from './s3-faults.js'
import { listObjects, listObjectsV2 } from './s3-list.js'
import { getObjectLegalHold, getObjectRetention, putObjectLegalHold, putObjectRetention } from './s3-lock.js'
import { abortMultipartUpload, createMultipartUpload, uploadPart } from './s3-multipart.js'
import { listMultipartUploads, listParts } from './s3-multipart-list.js'
import { uploadPartCopy } from './s3-part-copy.js'
import { dropBody, getObject, putObject } from './s3-objects.js'
import { bodyBudget, headersOf, recordOf, trimRecords } from './s3-record.js'
import { preflight } from './s3-preflight.js'
import { route, type Route } from './s3-route.js'
import { renameObject } from './s3-rename.js'
import { send } from './s3-send.js'
import { createSession, signerOf } from './s3-sessions.js'
import type { Store } from './s3-store.js'
import { deleteObjectTagging, getObjectTagging, putObjectTagging } from './s3-tags.js'
import type { S3Fault, S3Operation, S3Request } from './s3-types.js'
import { getBucketVersioning, listObjectVersions, putBucketVersioning } from './s3-versions.js'

export interface DispatchOptions {
  readonly settings: Settings
  readonly store: Store
  readonly requests: S3Request[]
  readonly recordRequests: number
  readonly faults: S3Fault[]
  readonly hooks: ReadonlySet<(request: S3Request) => void | Promise<void>>
  readonly signal: AbortSignal
}

type Handler = (x: Exchange, bucket: string, key: string) => Answer | Promise<Answer>

const HANDLERS: Readonly<Record<S3Operation, Handler>> = {
  ListBuckets: listBuckets,
  CreateBucket: createBucket,
  HeadBucket: headBucket,
  DeleteBucket: deleteBucket,
  ListObjects: listObjects,
  ListObjectsV2: listObjectsV2,
  DeleteObjects: deleteObjects,
  PutObject: putObject,
  CopyObject: copyObject,
  GetObject: getObject,
  HeadObject: getObject,
  DeleteObject: deleteObject,
  CreateMultipartUpload: createMultipartUpload,
  CreateSession: createSession,
  RenameObject: renameObject,
  GetObjectAttributes: getObjectAttributes,
  UploadPart: uploadPart,
  UploadPartCopy: uploadPartCopy,
  CompleteMultipartUpload: completeMultipartUpload,
  AbortMultipartUpload: abortMultipartUpload,
  ListParts: listParts,
  ListMultipartUploads: listMultipartUploads,
  PutBucketVersioning: putBucketVersioning,
  GetBucketVersioning: getBucketVersioning,
  ListObjectVersions: listObjectVersions,
  GetObjectTagging: getObjectTagging,
  PutObjectTagging: putObjectTagging,
  DeleteObjectTagging: deleteObjectTagging,
  GetObjectAcl: getObjectAcl,
  PutObjectAcl: putObjectAcl,
  GetObjectRetention: getObjectRetention,
  PutObjectRetention: putObjectRetention,
  GetObjectLegalHold: getObjectLegalHold,
  PutObjectLegalHold: putObjectLegalHold,
  RestoreObject: restoreObject,
  Preflight: preflight,
  Unknown: () => {
    throw new S3Error('NotImplemented')
  },
}

const READS_BODY: ReadonlySet<S3Operation> = new Set([
  'PutObject',
  'CreateBucket',
  'DeleteObjects',
  'UploadPart',
  'CompleteMultipartUpload',
  'PutBucketVersioning',
  'PutObjectTagging',
  'PutObjectAcl',
  'PutObjectRetention',
  'PutObjectLegalHold',
  'RestoreObject',
])

export type Dispatch = (incoming: IncomingMessage, response: ServerResponse, waits: boolean) => Promise<void>

/** The returned function never rejects. `waits`: the client expects `100 Continue` before it sends its body. */
export function createDispatch(options: DispatchOptions): Dispatch {
  const uses = new WeakMap<S3Fault, number>()
  const budget = bodyBudget()
  const { pacer, accessPoints } = options.settings
  const places = { accessPoints, exists: (bucket: string) => options.store.buckets.has(bucket) }
  const closing = new Promise<never>((_resolve, reject) => {
    options.signal.addEventListener('abort', () => reject(new Disconnected()))
  })
  closing.catch(() => undefined)

  return async (incoming, response, waits) => {
    const ignore = (): void => undefined // a client that goes away is not an error of the server
    incoming.on('error', ignore)
    response.on('error', ignore)
    const requestId = randomBytes(8).toString('hex').toUpperCase()
    const headers = headersOf(incoming)
    const found = route(incoming.method ?? '', incoming.url ?? '/', headers, places)
    const record = recordOf(incoming, found, headers)
    options.requests.push(record)
    trimRecords(options.requests, options.recordRequests)
    let waiting = waits
    const proceed = (): void => {
      // (Node closes the connection after an answer without it.)
      if (waiting) response.writeContinue()
      waiting = false
    }
    try {
      for (const hook of options.hooks) await Promise.race([hook(record), closing])
      const isPreflight = found.operation === 'Preflight'
      const fault = isPreflight ? undefined : takeFault(options.faults, uses, record)
      if (fault?.delayMs !== undefined) await sleep(fault.delayMs, undefined, { signal: options.signal })
      if (resetsAtOnce(fault, found.operation)) throw new Disconnected()
      const answer = await answerOf(found, record, requestId, { incoming, headers, fault, proceed, ...options })
      budget(record)
      const resets = typeof fault?.reset === 'object'
      record.errorCode = answer.errorCode
      record.status = resets
        ? undefined
        : fault?.status !== undefined && fault.status < 400
          ? fault.status
          : answer.status
      const head = incoming.method === 'HEAD'
      const shared = isPreflight ? answer : withCors(answer, headers, options.settings)
      await send(response, shared, { requestId, head, fault, pacer, signal: options.signal })
    } catch (error) {
      budget(record)
      if (error instanceof Disconnected || response.headersSent || options.signal.aborted) {
        incoming.socket.resetAndDestroy()
        return
      }
      const message = error instanceof Error ? error.message : 'a hook or fault failed'
      const answer = errorAnswer(500, 'InternalError', message, requestId)
      record.status = answer.status
      record.errorCode = answer.errorCode
      await send(response, answer, { requestId, head: false, fault: undefined, pacer, signal: options.signal })
    }
  }
}

/** Errors as well: a page learns what was wrong. */
function withCors(answer: Answer, headers: Readonly<Record<string, string>>, { cors }: Settings): Answer {
  const own = { 'x-amz-request-id': '', 'x-amz-id-2': '', ...answer.headers }
  return { ...answer, headers: { ...answer.headers, ...corsHeaders(cors, headers, own) } }
}

function resetsAtOnce(fault: S3Fault | undefined, operation: S3Operation): boolean {
  if (fault?.reset === undefined) return false
  if (fault.reset === 'before') return true
  return 'afterRequestBytes' in fault.reset && !READS_BODY.has(operation)
}

async function answerOf(
  found: Route,
  record: S3Request,
  requestId: string,
  parts: Pick<Exchange, 'incoming' | 'headers' | 'fault' | 'proceed'> & DispatchOptions,
): Promise<Answer> {
  try {
    if (found.operation === 'Unknown' && found.error !== undefined) throw found.error
    if (found.operation === 'Preflight') return preflight(parts)
    const authorization = authenticate(
      { method: record.method, headers: parts.headers, ...found },
      signerOf(found, parts.headers, parts.settings),
    )
    if (found.error !== undefined) throw found.error
    const { incoming, fault, proceed, settings, store } = parts
    const headers = withoutIgnored(withHoisted(found, parts.headers), found.operation, settings.ignoreConditions)
    const query = new Map(found.query)
    const x: Exchange = { incoming, record, headers, query, authorization, settings, store, fault, proceed }
    const injected = faultAnswer(fault, requestId)
    if (injected !== undefined) {
      await dropBody(x)
      return injected
    }
    if ((headers['x-amz-expected-bucket-owner'] ?? ACCOUNT) !== ACCOUNT) throw new S3Error('AccessDenied')
    const [bucket, key] = [found.bucket ?? '', found.key ?? '']
    return await HANDLERS[found.operation](underRulesOf(x, bucket, key), bucket, key)
  } catch (error) {
    if (!(error instanceof S3Error)) throw error
    return errorAnswer(error.status, error.code, error.message, requestId, error)
  }
}

const AUTH_PARAMETER =
  /^x-amz-(algorithm|credential|date|expires|signedheaders|signature|security-token|s3session-token|content-sha256)$/

/** Presigning moves x-amz-* headers into the query, where they mean the same. */
function withHoisted(found: Route, headers: Readonly<Record<string, string>>): Record<string, string> {
  const hoisted = found.query
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .filter(([name]) => name.startsWith('x-amz-') && !AUTH_PARAMETER.test(name))
  return { ...Object.fromEntries(hoisted), ...headers }
}
