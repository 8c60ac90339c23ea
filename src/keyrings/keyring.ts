import type { MaybePromise } from '../runtime/runtime.js'

/** The bytes of a data key. Whoever called `wrap` or `unwrap` owns it and wipes it. */
export type DataKey = Uint8Array

/** The complete stored map: an encryption context (KMS) or a materials description (raw keys). */
export type Context = Readonly<Record<string, string>>

/** What a data key is for. */
export interface Suite {
  /** Number of the algorithm suite, as AWS lists them: 0x0072 and 0x0073 for S3EC, 0x0478 for the AWS Encryption SDK's usual one. */
  readonly id: number
  /** The object format that the suite belongs to: 's3ec', 'esdk' for messages of the AWS Encryption SDK, or 'crypt4gh'. Entries that a keyring adds to the context depend on it. */
  readonly format: string
  /** The name that wraps are bound to. S3EC: the content algorithm as stored, `AES/GCM/NoPadding` (V2) or `115` (V3). */
  readonly name: string
  /** Length of a new data key in bytes. */
  readonly keyLength: number
  /** Lengths in bytes that an unwrapped data key may have: old objects have shorter ones. Default: `keyLength` only. */
  readonly keyLengths?: readonly number[]
  /** Whether each message has a key of its own, derived from the data key and fresh random bytes, so that one data key may serve many messages. Default: false. */
  readonly derivesMessageKeys?: boolean
}

/** A data key, encrypted for one key of a keyring. */
export interface EncryptedDataKey {
  /**
   * S3EC: the wrap's name in format V2, `AES/GCM`, `RSA-OAEP-SHA1` or `kms+context`; for reading also the legacy ones,
   * `AESWrap`, `kms`, `RSA/ECB/OAEPWithSHA-256AndMGF1Padding`, `AES` (ECB) and `RSA` (PKCS#1 v1.5). AWS Encryption SDK:
   * always `esdk`. Crypt4GH: always `crypt4gh`.
   */
  readonly algorithm: string
  /** S3EC: `S3Keyring`. AWS Encryption SDK: the provider id, at most 65,535 bytes in UTF-8. Crypt4GH: `x25519`. */
  readonly provider: string
  /** S3EC: empty. AWS Encryption SDK: the provider info, at most 65,535 bytes. Crypt4GH: the writer's public key, 32 bytes. */
  readonly info: Uint8Array
  /** Crypt4GH: nonce ‖ encrypted content of a header packet ‖ tag. */
  readonly ciphertext: Uint8Array
}

/** A new data key that is wanted, or a given one that is to be wrapped. */
export interface WrapRequest {
  readonly suite: Suite
  /** The caller's encryption context; empty where none was given. AWS Encryption SDK: all of it, also what is not stored. */
  readonly context: Context
  /** Wrap this key instead of a new one. Crypt4GH: always given, the content of a header packet (a data key with what goes with it, or an edit list). */
  readonly dataKey?: DataKey
  /**
   * Crypt4GH: the nonce for it, 12 bytes, another one for each content. Whoever takes another one writes a valid message,
   * whose order its readers cannot tell. Default: a random one.
   */
  readonly nonce?: Uint8Array
  /**
   * Crypt4GH: the public key of who has written the packet that the content was found in; absent where the content is new.
   * Who else has made a content can have chosen it so that its `nonce` is that of another one: under a key that is used
   * more than once, between the same sender and recipient, `nonce` may be taken only for contents of one's own.
   */
  readonly foundFrom?: Uint8Array
  /** The wrap that is wanted, by its name in format V2, where that is not the keyring's usual one. */
  readonly algorithm?: string
  /** Length in bytes of the message that the key is for, where it is known: for keyrings that keep count. */
  readonly plaintextLength?: number
  /** The commitment policy of the client that asks. A keyring that keeps keys must not give one that was asked for under another policy. */
  readonly commitmentPolicy?: string
  readonly signal?: AbortSignal
}

/** A data key and its wraps. */
export interface WrapResult {
  readonly dataKey: DataKey
  readonly encryptedDataKeys: readonly EncryptedDataKey[]
  /** What is stored with the object: the request's context and what the keyring added to it. */
  readonly context: Context
}

/** A stored data key that is to be opened. */
export interface UnwrapRequest {
  readonly suite: Suite
  /** The map as stored with the object, unchanged, and what the message was authenticated with besides. It is data from storage: choose among your own keys with it, take no key from it. */
  readonly context: Context
  readonly encryptedDataKeys: readonly EncryptedDataKey[]
  /** As for WrapRequest. */
  readonly commitmentPolicy?: string
  readonly signal?: AbortSignal
}

/** A wrapped data key that is to be wrapped anew; suite, context and encryptedDataKeys are those that are stored. */
export interface RewrapRequest extends UnwrapRequest {
  /** The keyring that opens what is stored. */
  readonly from: Keyring
  /** The caller's encryption context for the new wrap; empty where none was given. */
  readonly newContext: Context
  /** As for WrapRequest. */
  readonly algorithm?: string
}

/** A new wrap of a stored data key. */
export interface RewrapResult {
  readonly encryptedDataKeys: readonly EncryptedDataKey[]
  /** What is stored with the object from now on: `newContext` and what the keyring added to it. */
  readonly context: Context
  /** Whether the new wrap is under the very key that the stored one is under. */
  readonly sameKey: boolean
}

/**
 * Who can wrap and unwrap data keys. Anyone can implement it, for an HSM or another key service.
 *
 * `unwrap` resolves to `undefined` for everything that is about the object: a key that is not ours, a ciphertext that
 * does not authenticate. The reader then reports ERR_S3CSE_DECRYPTION_FAILED, like every other decryption failure. It
 * rejects only for what is not about the object (no permission, no network), with an error that is safe to show.
 */
export interface Keyring {
  /**
   * The wrapping algorithms that `unwrap` knows. Where given, an object with another one is refused
   * (ERR_S3CSE_ENVELOPE_INVALID) before any key is used, and `encryptionContext` is refused at set-up if none of them
   * authenticates a context. Omit it to be asked for everything.
   */
  readonly algorithms?: readonly string[]
  /** `wrap` gives one data key for several messages: formats that do not derive a key for each refuse it at set-up. Default: false. */
  readonly sharesDataKeys?: boolean
  /** Makes a data key, or takes the given one, and wraps it. Rejects where it cannot; then nothing is written. */
  wrap(request: WrapRequest): MaybePromise<WrapResult>
  /** Opens a stored data key; `undefined` for everything that is about the object (see above). */
  unwrap(request: UnwrapRequest): MaybePromise<DataKey | undefined>
  /**
   * Wraps a stored data key under this keyring's key inside the key service, so that nobody sees it. Resolves to
   * `undefined` where the service cannot do that for the two keyrings: the data key is then unwrapped and wrapped. Rejects
   * with DecryptionError for what is about the object. Absent: never possible.
   */
  rewrap?(request: RewrapRequest): MaybePromise<RewrapResult | undefined>
}
