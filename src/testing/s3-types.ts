/** The public types of the in-process S3. */
import type { CorsOptions } from './cors.js'
import type { S3PendingUpload, S3Seed, S3StoredObject, S3Tampering } from './s3-stored-types.js'

export type {
  S3ChecksumAlgorithm,
  S3Checksums,
  S3ChecksumType,
  S3Grant,
  S3ObjectLock,
  S3PendingPart,
  S3PendingUpload,
  S3Seed,
  S3StoredObject,
  S3Tampering,
} from './s3-stored-types.js'

/** What this server answers; everything else is `Unknown` and gets 501 NotImplemented. */
export type S3Operation =
  | 'ListBuckets'
  | 'CreateBucket'
  | 'HeadBucket'
  | 'DeleteBucket'
  | 'ListObjects'
  | 'ListObjectsV2'
  | 'DeleteObjects'
  | 'PutObject'
  | 'CopyObject'
  | 'GetObject'
  | 'HeadObject'
  | 'DeleteObject'
  | 'CreateMultipartUpload'
  | 'CreateSession'
  | 'RenameObject'
  | 'GetObjectAttributes'
  | 'UploadPart'
  | 'UploadPartCopy'
  | 'CompleteMultipartUpload'
  | 'AbortMultipartUpload'
  | 'ListParts'
  | 'ListMultipartUploads'
  | 'PutBucketVersioning'
  | 'GetBucketVersioning'
  | 'ListObjectVersions'
  | 'GetObjectTagging'
  | 'PutObjectTagging'
  | 'DeleteObjectTagging'
  | 'GetObjectAcl'
  | 'PutObjectAcl'
  | 'GetObjectRetention'
  | 'PutObjectRetention'
  | 'GetObjectLegalHold'
  | 'PutObjectLegalHold'
  | 'RestoreObject'
  | 'Preflight'
  | 'Unknown'

/** Options of `startS3`. */
export interface S3Options {
  /** Buckets that exist from the start; CreateBucket makes more. Default: none. */
  readonly buckets?: readonly string[]
  /** The one region that signatures must name. Default `us-east-1`. */
  readonly region?: string
  /** The only credentials that are accepted. Default: a fixed test pair, see `clientConfig`. */
  readonly credentials?: S3Credentials
  /**
   * Buckets by the names of access points. `arn:aws:s3:<region>:<any account>:accesspoint/<name>` is then that bucket: as
   * Bucket of a client of `virtualHostConfig`, and with `/object/<key>` as the source of a copy. Default: none.
   */
  readonly accessPoints?: Readonly<Record<string, string>>
  /** How long a session of CreateSession lasts, in seconds. 0: every one has expired when it is used. Default 300, as in S3. */
  readonly sessionSeconds?: number
  /** Where the private temporary directory for large bodies is made. Default: the system's. */
  readonly directory?: string
  /** Bodies of more bytes than this go to disk. Default 4 MiB. */
  readonly memoryBytes?: number
  /** Bodies of up to this many bytes are kept in `requests`. Default 1 MiB. All of them together keep 64 MiB at most; the oldest are dropped first. */
  readonly recordBodyBytes?: number
  /** How many of the latest requests are kept in `requests`. Default 10,000. */
  readonly recordRequests?: number
  /** Stores only the length of every body (benchmarks of uploads): GetObject answers 500. Default `false`. */
  readonly discardBodies?: boolean
  /**
   * Bytes of bodies a second, in both directions and over all connections together, as on a network of that speed.
   * Must be over 0. Default: no limit.
   */
  readonly paceBytesPerSecond?: number
  /** `random` saves the MD5 of every body (benchmarks). Default `md5`. */
  readonly etag?: 'md5' | 'random'
  /** `false` skips x-amz-content-sha256, chunk signatures and the default CRC64NVME (benchmarks); sent checksums are always verified. Default `true`. */
  readonly verifyPayload?: boolean
  /**
   * The time that what is stored from now on gets: LastModified of objects, versions, delete markers, parts and copies,
   * Initiated of uploads, CreationDate of buckets. S3 rounds it down to a whole second, and an object from a multipart
   * upload has the time at which the upload began. Retention (Object Lock) and restored copies end by it, too.
   * Signatures are checked against the machine's clock all the same.
   * Default: the machine's clock.
   */
  readonly now?: () => Date
  /**
   * Conditions that the server takes no notice of, as there are servers that do: `write` is If-Match and If-None-Match
   * of PutObject, CopyObject, CompleteMultipartUpload, DeleteObject and DeleteObjects, `copy-source` are the conditions
   * on the source of CopyObject and UploadPartCopy. Default: none.
   */
  readonly ignoreConditions?: readonly ('write' | 'copy-source')[]
  /**
   * Lets pages of other origins in, as a CORS configuration of every bucket would: `true` is every origin, and all
   * headers may be read. Only GET, PUT, POST, DELETE and HEAD; a page may send any header. Preflight requests need no
   * signature, and are in `requests` as `Preflight`. Default: none; preflight requests get 403 AccessForbidden.
   */
  readonly cors?: boolean | CorsOptions
}

/** A static key pair. */
export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** What `new S3Client(…)` needs to talk to this server. */
export interface S3ClientConfig {
  readonly endpoint: string
  readonly region: string
  readonly forcePathStyle: true
  readonly credentials: S3Credentials
}

/** What `new S3Client(…)` needs to name buckets and access points in the host. */
export interface S3VirtualHostConfig {
  /** `http://s3.localhost:PORT` */
  readonly endpoint: string
  readonly region: string
  readonly forcePathStyle: false
  readonly credentials: S3Credentials
  /** Options of Node's request handler: an agent that finds every host on this machine, ended by the client's `destroy`. */
  readonly requestHandler: Record<string, unknown>
}

/** One request as it arrived. What is known only later (body, status) is filled in as it becomes known. */
export interface S3Request {
  readonly operation: S3Operation
  readonly method: string
  /** The path as sent, still URL-encoded. */
  readonly path: string
  /** Decoded; a repeated name keeps its last value. */
  readonly query: Readonly<Record<string, string>>
  /** Names in lower case; bytes outside ASCII appear as Latin-1. */
  readonly headers: Readonly<Record<string, string>>
  readonly bucket: string | undefined
  readonly key: string | undefined
  /** The SDK's attempt number (header amz-sdk-request), 1 if it sends none. */
  readonly attempt: number
  /** Bytes of body received so far, aws-chunked framing removed. */
  bodyLength: number
  /** The body without aws-chunked framing, if it was not longer than `recordBodyBytes`. */
  body: Uint8Array | undefined
  /** Sizes in bytes of the aws-chunked chunks, the final empty one included. */
  readonly chunkSizes: number[]
  /** The trailers after an aws-chunked body. */
  readonly trailers: Record<string, string>
  /** The status that was sent; undefined before, and when the connection was reset instead. */
  status: number | undefined
  /** The S3 error code that was sent, if any. */
  errorCode: string | undefined
}

/**
 * One entry of the schedule of faults. Effects may be combined. The first entry in `faults` that matches a request is
 * applied to it, and is removed when it has been applied `times` times.
 */
export interface S3Fault {
  /** Which requests; default all. Sees the request before its body has arrived. */
  readonly match?: (request: S3Request) => boolean
  /** How often; default 1. */
  readonly times?: number
  /** Milliseconds to wait before anything is done. */
  readonly delayMs?: number
  /**
   * 400 and above: the body is read, the operation is not carried out, and this error is the answer. Below: replaces
   * the status of the answer; with a `code` it is an error all the same, as S3 sends it after a 200 where a
   * CompleteMultipartUpload or CopyObject failed late.
   */
  readonly status?: number
  /** The S3 error code for such a status. Default from 400 on: InternalError for 500, SlowDown for 503, else `InjectedFault`. */
  readonly code?: string
  /**
   * Resets the connection: `before` anything is read; after n bytes of the request's body (as sent, at the latest when
   * it is complete; nothing is stored); or after about n bytes of the answer's body (the operation was carried out; 0: nothing of the answer is sent).
   */
  readonly reset?: 'before' | { readonly afterRequestBytes: number } | { readonly afterResponseBytes: number }
  /** The answer's body ends after n bytes and the connection is closed, though Content-Length announced all of it. */
  readonly truncateBody?: number
  /** Headers to add, replace, or (undefined) remove; they may lie. After a Content-Length that lies the connection is closed. */
  readonly headers?: Readonly<Record<string, string | undefined>>
  /** GetObject and HeadObject answer as if this were the stored body, with the same ETag. */
  readonly body?: Uint8Array | ((stored: Uint8Array) => Uint8Array)
  /** With `body`: the checksum headers stay those of the stored body. Default: they are those of the replacement. */
  readonly keepChecksums?: boolean
  /** The answer's body is written in pieces of this many bytes… */
  readonly chunkBytes?: number
  /** …with this many milliseconds after each. */
  readonly pauseMs?: number
}

/** The running server that `startS3` resolves to. */
export interface S3Server {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string
  /** `new S3Client(s3.clientConfig)` */
  readonly clientConfig: S3ClientConfig
  /**
   * The same for virtual-hosted style, for which a client needs a host name and its resolution: access point ARNs (see
   * `accessPoints`) work with no other. Each call makes sockets of its own. For any other client: a request belongs to the
   * bucket B if its Host is `B.s3.localhost`, or if there is a bucket B and its Host is `B.<anything>`.
   */
  virtualHostConfig(): S3VirtualHostConfig
  /** Every request that arrived, in order; may be emptied by the caller (`requests.length = 0`). */
  readonly requests: S3Request[]
  /** The schedule of faults that are still to come. */
  readonly faults: S3Fault[]
  /** The same as `faults.push`. */
  fail(...faults: readonly S3Fault[]): void
  /**
   * Calls `hook` with each request once its headers are here, and waits for it before anything is done: it may change
   * stored objects (`tamper`, `put`), push faults, or send requests of its own (which it sees as well). So what it does
   * at a request happens between that one and all that were answered before. An error that it throws becomes a 500.
   * Returns what ends it, for a hook that is to run once.
   */
  onRequest(hook: (request: S3Request) => void | Promise<void>): () => void
  /**
   * Calls `hook` in each CopyObject and UploadPartCopy that has read its source (which is there, and as the conditions
   * on it want it), and waits for it before the conditions on the destination are checked and the copy is stored. It may
   * change stored objects or send requests of its own; the copy has what was read before. An error that it throws
   * becomes a 500. Returns what ends it.
   */
  onCopy(hook: (request: S3Request) => void | Promise<void>): () => void
  /** The keys of a bucket in S3's order (UTF-8 bytes). Throws if there is no such bucket. */
  keys(bucket: string): string[]
  /** The multipart uploads of a bucket that are neither complete nor aborted, in the order in which they began. Throws if there is no such bucket. */
  uploads(bucket: string): S3PendingUpload[]
  /** The stored object (the current one without `versionId`), or undefined. Throws a RangeError for a body above 1 GiB. */
  object(bucket: string, key: string, versionId?: string): Promise<S3StoredObject | undefined>
  /** Stores an object without the limits of PutObject. Throws if there is no such bucket. */
  put(bucket: string, key: string, seed: S3Seed): Promise<void>
  /**
   * Changes the current object as somebody with write access could: ETag and checksums become those of the new bytes,
   * and where versioning is enabled it is a new version. With `keepChecksums` nothing but the bytes, metadata and
   * headers changes (bytes that rot on the disk).
   */
  tamper(
    bucket: string,
    key: string,
    change: (object: S3Tampering) => Partial<S3Tampering> | undefined,
    options?: { readonly keepChecksums?: boolean },
  ): Promise<void>
  /** Ends the server and every open connection, and removes all files. May be called more than once. */
  close(): Promise<void>
  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void>
}
