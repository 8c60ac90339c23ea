import type { MaybePromise } from './runtime.js'

/** ChaCha20-Poly1305 (RFC 8439 section 2.8) under one key of 32 bytes. Nonces of 12 bytes, tags of 16. Answers at once everywhere. */
export interface ChaChaPoly {
  /** Returns ciphertext ‖ tag, in `into` if that is given (exactly as long, not overlapping). */
  encrypt(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, into?: Uint8Array): Uint8Array
  /** The reverse; in `into` if that is given (exactly as long as the plaintext, not overlapping). `undefined` if the tag does not fit; nothing of the plaintext is returned then, or left in `into`. */
  decrypt(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, into?: Uint8Array): Uint8Array | undefined
  /** Forgets the key (best effort: the runtime may hold copies). */
  destroy(): void
}

/**
 * What Crypt4GH messages need of a runtime: the runtime's own where it has it, @noble's where it has not.
 * `#runtime/crypt4gh` resolves to node-crypt4gh.ts or browser-crypt4gh.ts; both export one value `crypt4ghRuntime` of this
 * type, so that nobody else's bundle has it.
 */
export interface Crypt4ghRuntime {
  /** The key is copied. */
  chacha20Poly1305(key: Uint8Array): MaybePromise<ChaChaPoly>
  /** RFC 7693, without a key: 64 bytes. */
  blake2b512(data: Uint8Array): MaybePromise<Uint8Array>
  /** RFC 7748 section 6.1: the shared secret, 32 bytes. `undefined` for a public key of small order, whose secret everybody knows. */
  x25519(secretKey: Uint8Array, publicKey: Uint8Array): MaybePromise<Uint8Array | undefined>
  /** The public key of 32 bytes that belongs to a secret one. */
  x25519PublicKey(secretKey: Uint8Array): MaybePromise<Uint8Array>
}

/** How secret keys in files are encrypted, by OpenSSH's names without the mode's owner: `aes256-ctr`, `3des-cbc`. */
export type KeyFileCipher =
  'aes128-ctr' | 'aes192-ctr' | 'aes256-ctr' | 'aes128-cbc' | 'aes192-cbc' | 'aes256-cbc' | '3des-cbc'

/** What files with secret keys need besides. `#runtime/key-files` resolves to node-key-files.ts or browser-key-files.ts; both export one value `keyFileRuntime`. */
export interface KeyFileRuntime {
  /** RFC 7914. `cost` is N, a power of two. */
  scrypt(
    passphrase: Uint8Array,
    salt: Uint8Array,
    parameters: { readonly cost: number; readonly blockSize: number; readonly parallelization: number },
    length: number,
  ): MaybePromise<Uint8Array>
  /** PBKDF2-HMAC-SHA-256, RFC 8018 section 5.2. */
  pbkdf2(passphrase: Uint8Array, salt: Uint8Array, rounds: number, length: number): MaybePromise<Uint8Array>
  /** FIPS 180-4: 64 bytes. */
  sha512(data: Uint8Array): MaybePromise<Uint8Array>
  /** Without padding: as many bytes as `data` has. `undefined`: this runtime does not have the cipher. */
  decrypt(
    cipher: KeyFileCipher,
    key: Uint8Array,
    iv: Uint8Array,
    data: Uint8Array,
  ): MaybePromise<Uint8Array | undefined>
}
