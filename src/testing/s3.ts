/**
 * An S3 inside the process, for tests: an HTTP server on a loopback port that is strict where Amazon S3 is strict
 * (signatures, aws-chunked framing, checksums, limits) and can be made to misbehave where a test needs it (faults,
 * tampering). It answers the operations of `S3Operation` in path style, with one account and one region, without
 * versions, ACLs or multipart uploads: those get 501 NotImplemented.
 *
 *     const s3 = await startS3({ buckets: ['bucket'] })
 *     const client = new S3Client(s3.clientConfig)
 *     …
 *     await s3.close()
 */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { readBody, release, retain } from './s3-body.js'
import { isBucketName } from './s3-buckets.js'
import { checksumOf } from './s3-checksums.js'
import { createDispatch } from './s3-dispatch.js'
import type { Settings } from './s3-exchange.js'
import { sameChecksums } from './s3-faults.js'
import { createStore, etagFrom, sortedKeys, type Entry } from './s3-store.js'
import type { S3Credentials, S3Fault, S3Options, S3Request, S3Server, S3Tampering } from './s3-types.js'

const CREDENTIALS: S3Credentials = Object.freeze({
  accessKeyId: 'AKIAS3CSETESTING0000',
  secretAccessKey: 'a-fixed-secret-of-the-in-process-s3-server',
})
const MAX_READ_BYTES = 1024 ** 3

/**
 * Starts a server on 127.0.0.1 and a free port. Rejects with a TypeError for a bucket name that S3 does not allow.
 * Large bodies lie in a private temporary directory (mode 0700) until `close`.
 */
export async function startS3(options: S3Options = {}): Promise<S3Server> {
  const settings: Settings = {
    region: options.region ?? 'us-east-1',
    credentials: { ...(options.credentials ?? CREDENTIALS) },
    recordBodyBytes: options.recordBodyBytes ?? 1024 * 1024,
    etag: options.etag ?? 'md5',
    verifyPayload: options.verifyPayload ?? true,
  }
  const store = createStore({ directory: options.directory, memoryBytes: options.memoryBytes ?? 4 * 1024 * 1024 })
  for (const name of options.buckets ?? []) {
    if (!isBucketName(name)) throw new TypeError(`startS3: ${name} is not a bucket name that S3 allows`)
    store.buckets.set(name, { name, created: new Date(), objects: new Map() })
  }
  const requests: S3Request[] = []
  const faults: S3Fault[] = []
  const hooks = new Set<(request: S3Request) => void | Promise<void>>()
  const ending = new AbortController()
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
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

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

  const entryAt = (bucket: string, key: string): Entry | undefined => store.bucket(bucket).objects.get(key)
  const bytesOf = async (entry: Entry): Promise<Uint8Array> => {
    if (entry.body.size > MAX_READ_BYTES) throw new RangeError(`the object has ${entry.body.size} bytes, over 1 GiB`)
    const body = retain(entry.body)
    return readBody(body).finally(() => release(body))
  }
  const save = async (bucket: string, key: string, bytes: Uint8Array, rest: Omit<Entry, 'body' | 'lastModified'>) => {
    const target = store.bucket(bucket)
    const writer = await store.writer(bytes.length)
    writer.write(Uint8Array.from(bytes))
    const body = await writer.finish()
    await store.set(target, key, { ...rest, body, lastModified: new Date() })
  }
  const etagOf = (bytes: Uint8Array): string =>
    etagFrom(settings.etag === 'md5' ? createHash('md5').update(bytes).digest() : undefined)

  return {
    endpoint,
    clientConfig: { endpoint, region: settings.region, forcePathStyle: true, credentials: { ...settings.credentials } },
    requests,
    faults,
    fail: (...more) => void faults.push(...more),
    onRequest(hook) {
      const own = (request: S3Request): void | Promise<void> => hook(request)
      hooks.add(own)
      return () => void hooks.delete(own)
    },
    keys: (bucket) => sortedKeys(store.bucket(bucket)),
    async object(bucket, key) {
      const entry = store.buckets.get(bucket)?.objects.get(key)
      if (entry === undefined) return undefined
      const { metadata, headers, etag, checksums, lastModified } = entry
      const body = await bytesOf(entry)
      return {
        body,
        size: body.length,
        metadata: { ...metadata },
        headers: { ...headers },
        etag,
        checksums: { ...checksums },
        lastModified,
      }
    },
    async put(bucket, key, seed) {
      const bytes =
        typeof seed.body === 'string' ? new TextEncoder().encode(seed.body) : (seed.body ?? new Uint8Array(0))
      await save(bucket, key, bytes, {
        etag: etagOf(bytes),
        metadata: lowerCase(seed.metadata ?? {}),
        headers: { 'content-type': 'binary/octet-stream', ...lowerCase(seed.headers ?? {}) },
        checksums: settings.verifyPayload ? { crc64nvme: checksumOf('crc64nvme', bytes) } : {},
      })
    },
    async tamper(bucket, key, change, { keepChecksums = false } = {}) {
      const entry = entryAt(bucket, key)
      if (entry === undefined) throw new Error(`tamper: there is no object ${key} in ${bucket}`)
      const object: S3Tampering = {
        body: await bytesOf(entry),
        metadata: { ...entry.metadata },
        headers: { ...entry.headers },
      }
      const { body, metadata, headers } = { ...object, ...(change(object) ?? object) }
      await save(bucket, key, body, {
        etag: keepChecksums ? entry.etag : etagOf(body),
        metadata: lowerCase(metadata),
        headers: lowerCase(headers),
        checksums: keepChecksums ? entry.checksums : sameChecksums(entry.checksums, body),
      })
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

function lowerCase(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}
