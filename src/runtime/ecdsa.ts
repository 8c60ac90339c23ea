/** ECDSA (FIPS 186-5 section 6) over P-256 with SHA-256 and over P-384 with SHA-384; signatures are in DER (RFC 3279 section 2.2.3). */
export interface Ecdsa {
  /** A fresh key pair for one message. */
  generate(curve: CurveName): EcdsaKeyPair | Promise<EcdsaKeyPair>
  /** For one message. `undefined` where the bytes are no compressed point of the curve. */
  verifier(curve: CurveName, publicKey: Uint8Array): EcdsaVerifier | undefined | Promise<EcdsaVerifier | undefined>
}

export type CurveName = 'P-256' | 'P-384'

export interface EcdsaKeyPair {
  /** The compressed point (SEC 1 section 2.3.3): 33 bytes (P-256) or 49 (P-384). */
  readonly publicKey: Uint8Array
  /** Once: ERR_S3CSE_CONFIG after that, and after `destroy`. */
  signer(): EcdsaSigner
  /** Forgets the private key, the signer's too (best effort: the runtime may hold copies). Idempotent. */
  destroy(): void
}

/** Calls after `sign` or `destroy` are refused (ERR_S3CSE_CONFIG). */
export interface EcdsaSigner {
  /** Takes the bytes before it returns. Throws ERR_S3CSE_BODY_TOO_LARGE where the runtime cannot hash in pieces and there are more than 64 MiB. */
  update(data: Uint8Array): void
  /** Exactly 71 bytes (P-256) or 103 (P-384), so that the length of a message is known before it is signed. Forgets the private key. */
  sign(): Uint8Array | Promise<Uint8Array>
  /** Forgets the private key. Idempotent. */
  destroy(): void
}

/** Calls after `verify` are refused (ERR_S3CSE_CONFIG). */
export interface EcdsaVerifier {
  /** As `EcdsaSigner.update`. */
  update(data: Uint8Array): void
  /** `false` also for what is no DER, or no shortest DER. Both forms of a signature, (r, s) and (r, n - s), are valid. */
  verify(signature: Uint8Array): boolean | Promise<boolean>
}
