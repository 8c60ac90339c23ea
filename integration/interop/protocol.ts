/**
 * How this side talks to the small programs on other clients: a request is a line of JSON on the program's standard
 * input, its answer a line of JSON on its standard output, in the same order. Everything else that a program prints goes
 * to its standard error. Its environment says where S3 and KMS are: S3_ENDPOINT, KMS_ENDPOINT, AWS_REGION,
 * AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY; buckets are addressed by path. It ends when its input ends.
 */
export type PeerRequest =
  | ({
      readonly id: number
      readonly bucket: string
      readonly key: string
    } & (PutRequest | GetRequest | ReencryptRequest | DeleteRequest))
  | MessageRequest

export type Format = 'V1' | 'V2' | 'V3'
export type Envelope = 'metadata' | 'instruction-file'
/** Names and values of an encryption context (KMS) or a materials description (AES, RSA). */
export type Context = Readonly<Record<string, string>>

/** The wrapping key, one of three kinds. */
export type WrappingKey =
  | { readonly kind: 'aes'; /** 32 bytes. */ readonly hex: string }
  | {
      readonly kind: 'rsa'
      /** PEM: PKCS#8, and SubjectPublicKeyInfo. */
      readonly privateKey: string
      readonly publicKey: string
    }
  | { readonly kind: 'kms'; readonly arn: string }

/** How a client is set up for a request. */
export interface ClientSettings {
  /** Which of the clients or modes of the program, by the name that its list has. */
  readonly client: string
  /**
   * What a put writes. For a get: V3 is a client that reads committed objects only (a V2 object must then be refused), V2
   * and V1 are clients that read what does not commit to its key.
   */
  readonly format: Format
  readonly content: 'GCM' | 'CBC'
  /** As format V2 stores it: AES/GCM, kms+context, ...; for a client that has several for one kind of key. */
  readonly wrap: string
  readonly wrappingKey: WrappingKey
  readonly envelope: Envelope
  readonly context: Context
}

export interface PutRequest extends ClientSettings {
  readonly op: 'put'
  /** The file with the plaintext. */
  readonly file: string
  /** Bytes of a part: then it is a multipart upload. */
  readonly partSize?: number
  /** Of the instruction file; without it the client's default. */
  readonly suffix?: string
}

export interface GetRequest extends ClientSettings {
  readonly op: 'get'
  /** The file that the plaintext is written to. */
  readonly file: string
  /** Whether old algorithms and unauthenticated reads are switched on. */
  readonly legacy: boolean
  /** bytes=a-b */
  readonly range?: string
  readonly suffix?: string
}

/** The instruction file of an object is written anew for another key. */
export interface ReencryptRequest extends ClientSettings {
  readonly op: 'reencrypt'
  readonly to: { readonly wrappingKey: WrappingKey; readonly context: Context; readonly suffix?: string }
}

export interface DeleteRequest extends ClientSettings {
  readonly op: 'delete'
}

/** A wrapping key of the AWS Encryption SDK. */
export type MessageKey =
  | {
      readonly kind: 'aes'
      readonly namespace: string
      readonly name: string
      /** 16, 24 or 32 bytes. */
      readonly hex: string
    }
  | {
      readonly kind: 'rsa'
      readonly namespace: string
      readonly name: string
      readonly padding: 'PKCS1' | 'OAEP_SHA1' | 'OAEP_SHA256' | 'OAEP_SHA384' | 'OAEP_SHA512'
      /** PEM: PKCS#8, and SubjectPublicKeyInfo. */
      readonly privateKey: string
      readonly publicKey: string
    }
  /** Endpoint: of the KMS that has it, which need not be that of the environment. */
  | { readonly kind: 'kms'; readonly arn: string; readonly endpoint: string }

/** A message of the AWS Encryption SDK is made from a file, or opened. */
export interface MessageRequest {
  readonly id: number
  readonly op: 'encrypt' | 'decrypt'
  readonly from: string
  readonly to: string
  /** Several are a multi-keyring, the first of them its generator. */
  readonly keys: readonly [MessageKey, ...MessageKey[]]
  /** As Java names it: ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY. */
  readonly suite: string
  /** 0 is a message without frames. */
  readonly frameLength: number
  readonly context: Context
  /** Keys of pairs of the context that are authenticated and not stored. */
  readonly required: readonly string[]
  readonly policy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' | 'REQUIRE_ENCRYPT_ALLOW_DECRYPT' | 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT'
  readonly maxEncryptedDataKeys?: number
}

export type PeerAnswer =
  | { readonly id: number; readonly ok: true }
  /** Class and message of what the client threw. */
  | { readonly id: number; readonly ok: false; readonly error: string }
