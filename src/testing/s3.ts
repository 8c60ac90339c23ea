/**
 * An S3 inside the process, for tests: an HTTP server on a loopback port that is strict where Amazon S3 is strict
 * (signatures, aws-chunked framing, checksums, limits) and can be made to misbehave where a test needs it (faults,
 * tampering). It answers the operations of `S3Operation` in path style and virtual-hosted style, for general purpose and
 * directory buckets and through access points, with one account and one region; multipart
 * uploads (UploadPartCopy too), versions, tags, access control lists, object locks and archives are among them; the rest
 * gets 501 NotImplemented: configurations of buckets (default retention and encryption, policies, lifecycle, websites,
 * …), S3 Select, annotations, torrents.
 *
 * Where it differs from S3: SSE-C headers are taken over http, and only compared, nothing is encrypted. A part of an
 * upload that announced a checksum algorithm must always bring that checksum. GetObject with partNumber counts the
 * parts 1, 2, 3, … whatever numbers they were uploaded with. The answer to a CompleteMultipartUpload is repeated for the
 * latest 1,000 uploads, while the object or version that they made is there. ListObjectVersions has no delimiter. The
 * versions of a key are in the order in which they were written, whatever `now` said then. Directory buckets are listed
 * in order, their names need no zone that exists, and a copy within them may be onto itself. Other objects have access
 * control lists (which allow and forbid nothing) unless CreateBucket said x-amz-object-ownership: BucketOwnerEnforced,
 * as new buckets of S3 are by default; aws-exec-read is not known. Object Lock is to be had with CreateBucket
 * (x-amz-bucket-object-lock-enabled) only. RestoreObject takes no time. SSE-S3 and SSE-KMS headers are stored and
 * returned, nothing is encrypted, and an object without them does not say AES256.
 *
 *     const s3 = await startS3({ buckets: ['bucket'] })
 *     const client = new S3Client(s3.clientConfig)
 *     …
 *     await s3.close()
 */
import { once, setMaxListeners } from 'node:events'
import { Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, LookupFunction, Socket } from 'node:net'
import { corsOf } from './cors.js'
import { SERVICE_HOST } from './s3-address.js'
import { isBucketName } from './s3-buckets.js'
import { createDispatch } from './s3-dispatch.js'
import type { Settings } from './s3-exchange.js'
import { objectAccess } from './s3-access.js'
import { createHooks } from './s3-hooks.js'
import { createPacer } from './s3-pace.js'
import { createStore, newBucket, sortedKeys } from './s3-store.js'
import type { S3Credentials, S3Fault, S3Options, S3Request, S3Server } from './s3-types.js'

const CREDENTIALS: S3Credentials = Object.freeze({
  accessKeyId: 'AKIAS3CSETESTING0000',
  secretAccessKey: 'a-fixed-secret-of-the-in-process-s3-server',
})

/**
 * Starts a server on 127.0.0.1 and a free port. Rejects with a TypeError for a bucket name that S3 does not allow,
 * for a pace that is not over 0, and for a CORS configuration that S3 does not take.
 * Large bodies lie in a private temporary directory (mode 0700) until `close`.
 */
export async function startS3(options: S3Options = {}): Promise<S3Server> {
  const ending = new AbortController()
  setMaxListeners(0, ending.signal) // every wait is one
  const now = clock(options.now)
  const copyHooks = createHooks(ending.signal)
  const settings: Settings = {
    region: options.region ?? 'us-east-1',
    credentials: { ...(options.credentials ?? CREDENTIALS) },
    recordBodyBytes: options.recordBodyBytes ?? 1024 * 1024,
    etag: options.etag ?? 'md5',
    verifyPayload: options.verifyPayload ?? true,
    now,
    ignoreConditions: [...(options.ignoreConditions ?? [])],
    afterCopyRead: (request) => copyHooks.run(request),
    pacer: createPacer(options.paceBytesPerSecond, ending.signal),
    accessPoints: new Map(Object.entries(options.accessPoints ?? {})),
    sessions: { known: new Map(), lifetimeMs: (options.sessionSeconds ?? 300) * 1000 },
    cors: corsOf(options.cors, 'startS3'),
  }
  const store = createStore({
    directory: options.directory,
    memoryBytes: options.memoryBytes ?? 4 * 1024 * 1024,
    discardBodies: options.discardBodies ?? false,
    now,
  })
  for (const name of options.buckets ?? []) {
    if (!isBucketName(name)) throw new TypeError(`startS3: ${name} is not a bucket name that S3 allows`)
    store.buckets.set(name, newBucket(name, now()))
  }
  const requests: S3Request[] = []
  const faults: S3Fault[] = []
  const hooks = new Set<(request: S3Request) => void | Promise<void>>()
  const recordRequests = options.recordRequests ?? 10_000
  const dispatch = createDispatch({ settings, store, requests, recordRequests, faults, hooks, signal: ending.signal })

  const busy = new Set<Promise<void>>()
  const sockets = new Set<Socket>()
  const server = createServer()
  const listener =
    (waits: boolean) =>
    (incoming: IncomingMessage, response: ServerResponse): void => {
      const work = dispatch(incoming, response, waits)
      busy.add(work)
      void work.finally(() => busy.delete(work))
    }
  server.on('request', listener(false)).on('checkContinue', listener(true))
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.requestTimeout = 0
  server.keepAliveTimeout = 60_000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const endpoint = `http://127.0.0.1:${port}`
  const common = { region: settings.region, credentials: { ...settings.credentials } }

  let closed: Promise<void> | undefined
  const close = (): Promise<void> =>
    (closed ??= (async () => {
      ending.abort()
      const stopped = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await stopped
      await Promise.allSettled(busy)
      await store.close()
    })())

  return {
    endpoint,
    clientConfig: { endpoint, forcePathStyle: true, ...common },
    virtualHostConfig: () => ({
      endpoint: `http://${SERVICE_HOST}:${port}`,
      forcePathStyle: false,
      ...common,
      requestHandler: { httpAgent: new Agent({ keepAlive: true, lookup: toThisMachine }) },
    }),
    requests,
    faults,
    fail: (...more) => void faults.push(...more),
    onRequest(hook) {
      const own = (request: S3Request): void | Promise<void> => hook(request)
      hooks.add(own)
      return () => void hooks.delete(own)
    },
    onCopy: (hook) => copyHooks.add(hook),
    keys: (bucket) => sortedKeys(store.bucket(bucket)),
    ...objectAccess(store, settings),
    close,
    [Symbol.asyncDispose]: close,
  }
}

const toThisMachine: LookupFunction = (_host, options, callback) => {
  if (options.all === true) callback(null, [{ address: '127.0.0.1', family: 4 }])
  else callback(null, '127.0.0.1', 4)
}

/** S3 knows no milliseconds: two versions of the same second have the same LastModified. */
function clock(now: () => Date = () => new Date()): () => Date {
  return () => new Date(Math.floor(now().getTime() / 1000) * 1000)
}
