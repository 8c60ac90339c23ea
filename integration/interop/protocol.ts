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
  | Crypt4ghRequest
  | KeyFileRequest

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

/** A Crypt4GH file is made, opened, or given another header. Keys are X25519 keys of 32 bytes, in hex. */
export interface Crypt4ghRequest {
  readonly id: number
  readonly op: 'encrypt-file' | 'decrypt-file' | 'reencrypt-file' | 'rearrange-file'
  readonly from: string
  readonly to: string
  /** Of the writer (default: a new one), or of the reader. */
  readonly secretKey?: string
  readonly recipients?: readonly string[]
  /** The public key of the only writer that is trusted. */
  readonly sender?: string
  /** Plaintext [start, end), in bytes; null: to the end. */
  readonly range?: readonly [start: number, end: number | null]
  /** The range is read by the program's own command line, as start-end. */
  readonly commandLine?: boolean
  /** Of what is encrypted: lengths, in decimal. */
  readonly editList?: readonly string[]
  /** Of what is encrypted: behind the last segment is one without plaintext. */
  readonly emptySegment?: boolean
  /** Where the header of what is encrypted is written, and `to` has the segments only. */
  readonly header?: string
  /** Packets that the reader cannot open are left out. */
  readonly trim?: boolean
  /** `to` gets the new header only. */
  readonly headerOnly?: boolean
}

/** A key file is made (with a new key), or read: `to` gets the 32 bytes. */
export type KeyFileRequest = { readonly id: number; readonly to: string } & (
  | {
      readonly op: 'write-key'
      readonly publicKeyTo: string
      readonly kdf: 'scrypt' | 'bcrypt'
      readonly passphrase?: string
      readonly comment?: string
    }
  | { readonly op: 'read-key'; readonly from: string; readonly passphrase: string }
  | { readonly op: 'read-public-key'; readonly from: string }
)

export type PeerAnswer =
  | { readonly id: number; readonly ok: true }
  /** Class and message of what the client threw. */
  | { readonly id: number; readonly ok: false; readonly error: string }
