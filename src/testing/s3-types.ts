/** The public types of the in-process S3. */

/** The base64 digests that S3 keeps beside an object, by algorithm. */
export type S3Checksums = Readonly<Partial<Record<S3ChecksumAlgorithm, string>>>

/** The additional checksum algorithms that this server knows. */
export type S3ChecksumAlgorithm = 'crc32' | 'crc32c' | 'crc64nvme' | 'sha1' | 'sha256'

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
  | 'Unknown'

/** Options of `startS3`. */
export interface S3Options {
  /** Buckets that exist from the start; CreateBucket makes more. Default: none. */
  readonly buckets?: readonly string[]
  /** The one region that signatures must name. Default `us-east-1`. */
  readonly region?: string
  /** The only credentials that are accepted. Default: a fixed test pair, see `clientConfig`. */
  readonly credentials?: S3Credentials
  /** Where the private temporary directory for large bodies is made. Default: the system's. */
  readonly directory?: string
  /** Bodies of more bytes than this go to disk. Default 4 MiB. */
  readonly memoryBytes?: number
  /** Bodies of up to this many bytes are kept in `requests`. Default 1 MiB. All of them together keep 64 MiB at most; the oldest are dropped first. */
  readonly recordBodyBytes?: number
  /** How many of the latest requests are kept in `requests`. Default 10,000. */
  readonly recordRequests?: number
  /** `random` saves the MD5 of every body (benchmarks). Default `md5`. */
  readonly etag?: 'md5' | 'random'
  /** `false` skips x-amz-content-sha256, chunk signatures and the default CRC64NVME (benchmarks); sent checksums are always verified. Default `true`. */
  readonly verifyPayload?: boolean
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

/** An object as it is stored. */
export interface S3StoredObject {
  readonly body: Uint8Array
  /** Bytes. */
  readonly size: number
  /** User metadata without `x-amz-meta-`, as stored (not as returned: that may be RFC 2047). */
  readonly metadata: Readonly<Record<string, string>>
  /** System headers that GetObject returns, names in lower case: content-type, cache-control, x-amz-storage-class, … */
  readonly headers: Readonly<Record<string, string>>
  /** With its quotes. */
  readonly etag: string
  readonly checksums: S3Checksums
  readonly lastModified: Date
}

/** What `put` seeds. */
export interface S3Seed {
  readonly body?: Uint8Array | string
  readonly metadata?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
}

/** What a `tamper` callback may change, in place or by returning the parts that change. */
export interface S3Tampering {
  body: Uint8Array
  metadata: Record<string, string>
  headers: Record<string, string>
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
  /** 400 and above: the body is read, the operation is not carried out, and this error is the answer. Below: replaces the status of the answer. */
  readonly status?: number
  /** The S3 error code for such a status. Default: InternalError for 500, SlowDown for 503, else `InjectedFault`. */
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
  /** Every request that arrived, in order; may be emptied by the caller (`requests.length = 0`). */
  readonly requests: S3Request[]
  /** The schedule of faults that are still to come. */
  readonly faults: S3Fault[]
  /** The same as `faults.push`. */
  fail(...faults: readonly S3Fault[]): void
  /**
   * Calls `hook` with each request once its headers are here, and waits for it before anything is done: it may change
   * stored objects (`tamper`, `put`) or push faults. An error that it throws becomes a 500. Returns what ends it.
   */
  onRequest(hook: (request: S3Request) => void | Promise<void>): () => void
  /** The keys of a bucket in S3's order (UTF-8 bytes). Throws if there is no such bucket. */
  keys(bucket: string): string[]
  /** The stored object, or undefined. Throws a RangeError for a body above 1 GiB. */
  object(bucket: string, key: string): Promise<S3StoredObject | undefined>
  /** Stores an object without the limits of PutObject. Throws if there is no such bucket. */
  put(bucket: string, key: string, seed: S3Seed): Promise<void>
  /**
   * Changes a stored object as somebody with write access could: ETag and checksums become those of the new bytes,
   * unless `keepChecksums` (bytes that rot on the disk).
   */
  tamper(
    bucket: string,
    key: string,
    change: (object: S3Tampering) => Partial<S3Tampering> | undefined,
    options?: { readonly keepChecksums?: boolean },
  ): Promise<void>
  /** Ends the server and every open connection, and removes all files. May be called more than once. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
