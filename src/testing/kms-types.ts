/** The public types of the in-process KMS. */
import type { CorsOptions } from './cors.js'
import type { KmsKeySpec, KmsKeyState } from './kms-keys.js'

/** Options of `startKms`. */
export interface KmsOptions {
  /** The account of every caller: 12 digits. Default `111122223333`. */
  readonly accountId?: string
  /** The region of `clientConfig` and of keys made here. Clients of other regions are served as well. Default `us-east-1`. */
  readonly region?: string
  /** Aliases (`alias/…`), each of a new key. Default: none. */
  readonly keys?: readonly string[]
  /** How many of the latest requests are kept in `requests`. Default 10,000. */
  readonly recordRequests?: number
  /**
   * Lets pages of other origins in, as KMS does: `true` is every origin. Preflight requests are not in `requests`.
   * Default: none; preflight requests get 403.
   */
  readonly cors?: boolean | Pick<CorsOptions, 'origins'>
}

/** What `new KMSClient(…)` needs to talk to this server. */
export interface KmsClientConfig {
  readonly endpoint: string
  readonly region: string
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
}

/** One request as it arrived. */
export interface KmsRequest {
  /** The operation without its prefix: `Decrypt`. */
  readonly operation: string
  /** The region that the request was signed for. */
  readonly region: string
  /** The JSON document: blobs are base64. */
  readonly input: Readonly<Record<string, unknown>>
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** The HTTP status that was sent; `undefined` before, and where the connection was reset instead. */
  status: number | undefined
  /** The error code that was sent, if any. */
  errorCode: string | undefined
}

/**
 * One entry of the schedule of faults. The first entry that matches a request is applied to it, and is removed when it
 * has been applied `times` times. The SDK tries again after throttling, 5xx and resets: three attempts by default.
 */
export interface KmsFault {
  /** Which operation, for example `Decrypt`. Default: every one. */
  readonly operation?: string
  /** How often. Default 1. */
  readonly times?: number
  /** Milliseconds to wait before anything is done. Without `code` and `reset` the answer is then the usual one. */
  readonly delayMs?: number
  /** The error to answer with: `AccessDeniedException`, `ThrottlingException`, … */
  readonly code?: string
  readonly message?: string
  /** The HTTP status of that error. Default: as in KMS's model, 400 for most. */
  readonly status?: number
  /** Resets the connection instead of answering. Default `false`. */
  readonly reset?: boolean
}

/** What `createKey` may be told. */
export interface KmsKeyOptions {
  /** Makes this alias (`alias/…`) for it, in its account and region. */
  readonly alias?: string
  /** The owner: 12 digits. Default: the server's `accountId`. */
  readonly accountId?: string
  /** Default: the server's. */
  readonly region?: string
  /** A multi-region key, whose id starts with `mrk-`. Default: whether `replicaRegions` has any or `keyId` starts so. */
  readonly multiRegion?: boolean
  /** Regions that get a replica: same id and secrets, an ARN and a state of its own. Default: none. */
  readonly replicaRegions?: readonly string[]
  /** Default: a new UUID. */
  readonly keyId?: string
  /** `GENERATE_VERIFY_MAC` makes a key that cannot encrypt. Default `ENCRYPT_DECRYPT`. */
  readonly usage?: 'ENCRYPT_DECRYPT' | 'GENERATE_VERIFY_MAC'
  /**
   * `RSA_…` makes an asymmetric key; its key pair is made when it is first used, which takes up to seconds. Default:
   * `SYMMETRIC_DEFAULT`, and `HMAC_256` for a key that cannot encrypt.
   */
  readonly spec?: KmsKeySpec
}

/** A key that `createKey` has made. */
export interface KmsCreatedKey {
  readonly keyId: string
  readonly arn: string
  /** In the order of `replicaRegions`. */
  readonly replicaArns: readonly string[]
}

/** A blob of another KMS, for example of a recorded object. */
export interface KmsKnownBlob {
  readonly ciphertextBlob: Uint8Array
  /** The blob opens under exactly this context. Default: the empty one. */
  readonly encryptionContext?: Readonly<Record<string, string>>
  readonly plaintext: Uint8Array
  /** The ARN of its key; the key is made if there is none. */
  readonly keyId: string
}

/** The running server that `startKms` resolves to. */
export interface KmsServer {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string
  /** `new KMSClient(kms.clientConfig)`; for another region `{ ...kms.clientConfig, region }`. */
  readonly clientConfig: KmsClientConfig
  /** Every request that arrived, in order; may be emptied by the caller (`requests.length = 0`). */
  readonly requests: KmsRequest[]
  /** The schedule of faults that are still to come. */
  readonly faults: KmsFault[]
  /** The same as `faults.push`. */
  fail(...faults: readonly KmsFault[]): void
  /** Makes a key and, where that is asked for, its alias and its replicas. Throws for options that KMS would refuse. */
  createKey(options?: KmsKeyOptions): KmsCreatedKey
  /** Sets a key's state directly, also to states that take days in KMS. Throws if there is no key with this ARN. */
  setKeyState(arn: string, state: KmsKeyState): void
  /** Teaches Decrypt a blob that this KMS did not make. */
  know(blob: KmsKnownBlob): void
  /** Ends the server and every open connection; keys and blobs are forgotten. May be called more than once. */
  close(): Promise<void>
  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void>
}
