/**
 * What differs between Node and browsers. `#runtime` resolves to node.ts or browser.ts; both export one value `runtime`
 * of this type, and nothing else in src (testing apart) imports a `node:` module.
 */

import type { Ecdsa } from './ecdsa.js'

export type { CurveName, Ecdsa, EcdsaKeyPair, EcdsaSigner, EcdsaVerifier } from './ecdsa.js'
export type { ChaChaPoly, Crypt4ghRuntime, KeyFileCipher, KeyFileRuntime } from './crypt4gh.js'

/** Node's primitives answer at once, WebCrypto's later: callers always `await`. */
export type MaybePromise<T> = T | Promise<T>

/** AES under one key of 16, 24 or 32 bytes. */
export interface Aes {
  /** AES of one block of 16 bytes (ECB, no padding): the `E` of NIST SP 800-38D. */
  block(input: Uint8Array): MaybePromise<Uint8Array>
  /** One-shot AES-GCM with a 16-byte tag, SP 800-38D section 7.1; `iv` of any length that the runtime takes. Returns ciphertext ‖ tag, in `into` if that is given (exactly as long). */
  gcmEncrypt(iv: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, into?: Uint8Array): MaybePromise<Uint8Array>
  /** The reverse, of ciphertext ‖ tag; in `into` if that is given (exactly as long as the plaintext, not overlapping). `undefined` if the tag does not fit; nothing of the plaintext is returned then, or left in `into`. */
  gcmDecrypt(
    iv: Uint8Array,
    aad: Uint8Array,
    sealed: Uint8Array,
    into?: Uint8Array,
  ): MaybePromise<Uint8Array | undefined>
  /** AES-CTR from a 16-byte counter block whose last 32 bits count. Returns as many bytes as `data` has, in `into` if that is given (exactly as long, not overlapping). */
  ctr(counter: Uint8Array, data: Uint8Array, into?: Uint8Array): MaybePromise<Uint8Array>
  /** AES-CBC of whole blocks of 16 bytes, without padding (SP 800-38A section 6.2). Returns as many bytes as `data` has. */
  cbcEncrypt(iv: Uint8Array, data: Uint8Array): MaybePromise<Uint8Array>
  /** The reverse. The IV of a later stretch of one message is the last block of ciphertext before it, both ways. */
  cbcDecrypt(iv: Uint8Array, data: Uint8Array): MaybePromise<Uint8Array>
  /**
   * `gcmEncrypt` without AAD of stretches that fill `plaintext`, one behind the other, off the main thread, where the
   * runtime has threads. The ciphertexts are in `into`, as long as all of them. `hash`: their SHA-256 is wanted as well.
   */
  gcmEncryptApart?(
    plaintext: Uint8Array,
    stretches: readonly GcmStretch[],
    into: Uint8Array,
    hash: boolean,
  ): Promise<GcmStretches>
  /** One GCM message in order, where the runtime has a streaming cipher. */
  gcmStream?(iv: Uint8Array, aad: Uint8Array): GcmStream
  /** The reverse: one GCM message in order. What `update` gives is unverified until `final` has answered. */
  gcmOpenStream?(iv: Uint8Array, aad: Uint8Array): GcmOpenStream
  /** Forgets the key (best effort: the runtime may hold copies). */
  destroy(): void
}

/** One message of its own among several. */
export interface GcmStretch {
  readonly iv: Uint8Array
  /** In bytes. */
  readonly length: number
}

export interface GcmStretches {
  /** 16 bytes each. */
  readonly tags: readonly Uint8Array[]
  /** Of all ciphertexts together, where it was wanted and was no trouble. */
  readonly sha256: Uint8Array | undefined
}

/** Encrypts one GCM message in order. */
export interface GcmStream {
  update(plaintext: Uint8Array): Uint8Array
  /** The 16-byte tag; nothing may follow. */
  final(): Uint8Array
}

/** Decrypts one GCM message in order. */
export interface GcmOpenStream {
  update(ciphertext: Uint8Array): Uint8Array
  /** Whether the 16-byte tag is the message's; nothing may follow. */
  final(tag: Uint8Array): boolean
}

/** An RSA key as users have it: PEM text, DER bytes (SPKI or PKCS#8; on Node also PKCS#1), a KeyObject, a CryptoKey. */
export type RsaKeyInput = string | Uint8Array | KeyHandle

/** A KeyObject of node:crypto or a CryptoKey of WebCrypto, by what both have in common. */
export interface KeyHandle {
  readonly type: string
}

/** What OAEP is made with, MGF1 included. */
export type OaepHash = 'SHA-1' | HashName

/** RSA-OAEP with one hash for everything and an empty label (RFC 8017 section 7.1). */
export interface RsaPublicKey {
  /** Length of the modulus, and so of every ciphertext, in bytes. */
  readonly modulusLength: number
  /** What OAEP can be made with, of what was asked for: a CryptoKey is for one hash only. */
  readonly hashes: readonly OaepHash[]
  /** `hash`: one of `hashes`. */
  oaepEncrypt(hash: OaepHash, plaintext: Uint8Array): MaybePromise<Uint8Array>
  /** RSAES-PKCS1-v1_5 (RFC 8017 section 7.2.1), for legacy writing. Absent for WebCrypto's keys. */
  pkcs1Encrypt?(plaintext: Uint8Array): MaybePromise<Uint8Array>
}

export interface RsaPrivateKey {
  readonly modulusLength: number
  readonly hashes: readonly OaepHash[]
  /** `hash`: one of `hashes`. `undefined` for whatever reason the block does not decode. */
  oaepDecrypt(hash: OaepHash, ciphertext: Uint8Array): MaybePromise<Uint8Array | undefined>
  /** What paddings that no runtime opens safely, or at all, are opened with. Absent for WebCrypto's keys. */
  readonly raw?: RawRsa
}

export interface RawRsa {
  /**
   * RSA without padding (RFC 8017 section 5.1.2): `modulusLength` bytes. `undefined` for a ciphertext of another length,
   * or one that is not below the modulus: both can be seen without the key.
   */
  decrypt(ciphertext: Uint8Array): MaybePromise<Uint8Array | undefined>
  /**
   * 64 bytes that only the holder of the private key can tell, the same in every process: what takes the place of a
   * block with bad padding is made with it. Not to be changed by whoever gets it.
   */
  rejectionSecret(): MaybePromise<Uint8Array>
}

/** Bytes, pulled one chunk at a time. One `next()` at a time; `cancel()` at any time, also while `next()` is pending. */
export interface ByteSource {
  /** The next chunk (never empty), or `undefined` at the end. Rejects with the source's own error. */
  next(): Promise<Uint8Array | undefined>
  /** Gives everything back (sockets, files, keys). Idempotent; a pending `next()` rejects or ends. */
  cancel(error?: Error): void
}

/** A private temporary file for ciphertext: written once from the start, then read at any place. */
export interface Spool {
  write(data: Uint8Array): Promise<void>
  /** Reads exactly `into.length` bytes at `offset`. */
  read(offset: number, into: Uint8Array): Promise<void>
  /** Idempotent. The file is gone afterwards. */
  close(): Promise<void>
}

/** A file that is written and read at any place. Errors are ERR_S3CSE_FILE, with the system's as `cause`. */
export interface OpenFile {
  /** All of `data` at `offset`, in bytes. */
  write(offset: number, data: Uint8Array): Promise<void>
  /** Exactly `into.length` bytes at `offset`. */
  read(offset: number, into: Uint8Array): Promise<void>
  size(): Promise<number>
  truncate(length: number): Promise<void>
  /** Resolves when what was written is on the disk. */
  sync(): Promise<void>
}

/** A private file (mode 0600) beside the place that it is for. Exactly one of the last three ends it. */
export interface PartialFile extends OpenFile {
  /**
   * Puts its first `length` bytes in place, whole and at once: what stood there is replaced. What is behind them is cut
   * off only when they are on the disk and nothing is known to be in the way. If it fails the file has to be left or removed.
   */
  publish(length: number): Promise<void>
  /** Closes it, and leaves it to a later `claim`. */
  leave(): Promise<void>
  /** Idempotent. */
  remove(): Promise<void>
}

/** The path of a file that is to be made or replaced. */
export interface FilePlace {
  readonly path: string
  create(): Promise<PartialFile>
  /** A partial file for this place that was left, or whose process is gone; nobody else gets it then. */
  claim(): Promise<PartialFile | undefined>
}

export interface Files {
  /** Rejects with ERR_S3CSE_FILE unless a regular file can be put there. A symbolic link is replaced, not followed. */
  place(path: string | URL): Promise<FilePlace>
  /** `undefined` unless the value is a FileHandle of node:fs/promises. It is never closed here. */
  openFile(value: unknown): OpenFile | undefined
}

export type DigestName = 'SHA-1' | 'SHA-256'

/** A hash of FIPS 180-4 for HMAC, HKDF and signatures. */
export type HashName = 'SHA-256' | 'SHA-384' | 'SHA-512'

export interface Runtime {
  readonly name: 'node' | 'browser'
  randomBytes(length: number): Uint8Array
  /** Memory for a result that is written in full before anyone sees it: not zeroed, where the runtime can do that. */
  allocate(length: number): Uint8Array
  /** Compares in time that depends on the lengths only. */
  equal(a: Uint8Array, b: Uint8Array): boolean
  /** The key is copied. */
  aes(key: Uint8Array): MaybePromise<Aes>
  /** The bytes of a secret KeyObject or extractable CryptoKey; an error (TypeError) for anything else. */
  exportSecretKey(key: KeyHandle): MaybePromise<Uint8Array>
  /** FIPS 180-4: 20 or 32 bytes. */
  digest(name: DigestName, data: Uint8Array): MaybePromise<Uint8Array>
  /** HMAC (RFC 2104): 32, 48 or 64 bytes. */
  hmac(hash: HashName, key: Uint8Array, data: Uint8Array): MaybePromise<Uint8Array>
  /**
   * Throws a TypeError that says what was expected if the input is not an RSA public key (a private key is refused as
   * well), or is a CryptoKey for none of `hashes`. Default: SHA-1.
   */
  rsaPublicKey(key: RsaKeyInput, hashes?: readonly OaepHash[]): MaybePromise<RsaPublicKey>
  rsaPrivateKey(key: RsaKeyInput, hashes?: readonly OaepHash[]): MaybePromise<RsaPrivateKey>
  readonly ecdsa: Ecdsa
  /** Whether a value is a stream of this runtime (Readable or ReadableStream), a Blob or an async iterable. */
  isStream(body: unknown): boolean
  /**
   * Wraps such a value; nothing is read before the first `next()`. `atOnce`: each chunk is used up before the next one is
   * asked for, so that those of a generator need not be copied. Default: false.
   */
  source(body: unknown, atOnce?: boolean): ByteSource
  /** The length of a stream in bytes if it can be told without reading it: a file stream's, a Blob's. */
  streamLength(body: unknown): Promise<number | undefined>
  /** A stream for the SDK or the caller: 'node' gives a Readable, 'web' a ReadableStream. Nothing is pulled before it is read. */
  toStream(source: ByteSource, kind: 'node' | 'web'): unknown
  /** 'node' for a Readable, 'web' for a ReadableStream. */
  streamKind(body: unknown): 'node' | 'web' | undefined
  /** Absent where there is no disk. */
  readonly createSpool?: (directory: string | undefined) => Promise<Spool>
  /** Absent where there are none. */
  readonly files?: Files
}

/** What of it is cryptography but signatures. */
export type CryptoRuntime = Pick<
  Runtime,
  | 'randomBytes'
  | 'allocate'
  | 'equal'
  | 'aes'
  | 'exportSecretKey'
  | 'digest'
  | 'hmac'
  | 'rsaPublicKey'
  | 'rsaPrivateKey'
>
