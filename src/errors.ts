/**
 * Every error that this library makes, with a stable `code`. The SDK's own errors (service errors, transport errors,
 * aborts) pass unchanged. `docs/errors.md` lists code, meaning and remedy.
 */

/** What went wrong, as a value to branch on. New codes may be added in minor versions. */
export type CseErrorCode =
  /** An option or a request is wrong; found at the call, before anything is sent. */
  | 'ERR_S3CSE_CONFIG'
  /** `addEncryption` on a client that encrypts already. */
  | 'ERR_S3CSE_ALREADY_ENCRYPTING'
  /** The command, or this use of it, would store plaintext, lose an envelope or bypass decryption. */
  | 'ERR_S3CSE_UNSUPPORTED_COMMAND'
  /** The body's length is not what was declared, or the body cannot be read. */
  | 'ERR_S3CSE_BODY_LENGTH'
  /** The body is larger than what may be buffered, or than one message or one PUT may be. */
  | 'ERR_S3CSE_BODY_TOO_LARGE'
  /** A digest that the caller gave is not the body's, or its algorithm is not available. */
  | 'ERR_S3CSE_CHECKSUM'
  /** The envelope is missing parts, mixes formats, is not canonical, or is of a kind the keyring does not open. */
  | 'ERR_S3CSE_ENVELOPE_INVALID'
  /** Envelope and user metadata together exceed the 2 KB that S3 stores, or an instruction file what is read. */
  | 'ERR_S3CSE_ENVELOPE_TOO_LARGE'
  /** An instruction file is in the way that may not be replaced. */
  | 'ERR_S3CSE_INSTRUCTION_FILE'
  /** The object has no envelope. */
  | 'ERR_S3CSE_NOT_ENCRYPTED'
  /** The commitment policy or a size limit of this client forbids reading the object. */
  | 'ERR_S3CSE_POLICY'
  /** The object was written with a legacy algorithm that is not enabled. */
  | 'ERR_S3CSE_LEGACY_DISABLED'
  /** The object's encryption context is not the one that the caller gave. */
  | 'ERR_S3CSE_CONTEXT_MISMATCH'
  /** A Range or PartNumber that cannot be answered with authenticated plaintext. */
  | 'ERR_S3CSE_RANGE_REFUSED'
  /** The response is not an answer to the request: a range that was not asked for, a wrong length. */
  | 'ERR_S3CSE_RESPONSE_UNEXPECTED'
  /** What is known of a multipart upload does not allow this part or this ending: unknown upload, other bytes, a gap. */
  | 'ERR_S3CSE_UPLOAD_STATE'
  /** The temporary file for a verified read could not be made, written or read, or would exceed its limit. */
  | 'ERR_S3CSE_SPOOL'
  /** The destination of a download, or the partial file beside it, could not be made, written, read or put in place; see `cause`. */
  | 'ERR_S3CSE_FILE'
  /** A file is not one with a key that can be used here, was changed, or its passphrase is another one. */
  | 'ERR_S3CSE_KEY_FILE'
  /** The envelope cannot be renewed as asked, or the object not without losing something; nothing was changed. */
  | 'ERR_S3CSE_ROTATION'
  /** KMS could not be asked or refused for a reason that is not about the object; see `cause`. */
  | 'ERR_S3CSE_KMS'
  /** Wrong key, changed bytes, swapped object: one error for all, with no cause. */
  | 'ERR_S3CSE_DECRYPTION_FAILED'

/** The base class. `cause` is never set on decryption failures. */
export class CseError extends Error {
  readonly code: CseErrorCode

  constructor(code: CseErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = new.target.name
    this.code = code
  }
}

/** `ERR_S3CSE_DECRYPTION_FAILED`: everything that fails after a key was used looks like this, whatever the reason. */
export class DecryptionError extends CseError {
  constructor() {
    // One message for all reasons: whoever can change stored bytes must not learn which check refused them.
    super(
      'ERR_S3CSE_DECRYPTION_FAILED',
      'The object could not be decrypted: the key is not its key, or its bytes or envelope were changed.',
    )
  }
}

/** `ERR_S3CSE_NOT_ENCRYPTED`: the object is stored as plaintext (or with an envelope that this library does not know). */
export class NotEncryptedError extends CseError {
  constructor(message: string) {
    super('ERR_S3CSE_NOT_ENCRYPTED', message)
  }
}

/** AWS's names. REQUIRE_ENCRYPT_* writes a key-committing suite, FORBID_ENCRYPT_* one without; *_REQUIRE_DECRYPT reads only committing suites. */
export type CommitmentPolicy =
  'REQUIRE_ENCRYPT_REQUIRE_DECRYPT' | 'REQUIRE_ENCRYPT_ALLOW_DECRYPT' | 'FORBID_ENCRYPT_ALLOW_DECRYPT'

/** The options that reading an object needs. */
export interface ReadNeeds {
  /** The values of `commitmentPolicy` that read it. */
  readonly commitmentPolicies: readonly CommitmentPolicy[]
  /** What of `legacy` has to be on. */
  readonly legacy: { readonly wrapping: boolean; readonly content: boolean }
}

/** What can be told of an encrypted object without any key. Nothing of it is authenticated. */
export interface ObjectFacts {
  /** 's3ec'; later others. */
  readonly format: string
  /** 'V1', 'V2', 'V3'. */
  readonly version: string
  /** Its algorithm suite by AWS's name: `ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY`. */
  readonly suite: string
  /** Content algorithm as stored: `AES/GCM/NoPadding`, `AES/CBC/PKCS5Padding`, `115`. */
  readonly contentAlgorithm: string
  /** Wrap by its V2 name: `AES/GCM`, `RSA-OAEP-SHA1`, `kms+context`, or a legacy name. */
  readonly wrapAlgorithm: string
  readonly keyCommitment: boolean
  /** What `contextKeys` are of. */
  readonly contextKind: 'encryption context' | 'materials description'
  /** The names in the stored encryption context or materials description. */
  readonly contextKeys: readonly string[]
  /** The key of the instruction file that has the envelope; `undefined` where it is in the object's metadata. */
  readonly instructionFile: string | undefined
  readonly needs: ReadNeeds
}

/** `ERR_S3CSE_POLICY` and `ERR_S3CSE_LEGACY_DISABLED`: readable with other settings; the message names them. */
export class PolicyError extends CseError {
  /** What the object is, where its envelope was recognised. */
  readonly facts: ObjectFacts | undefined

  constructor(code: 'ERR_S3CSE_POLICY' | 'ERR_S3CSE_LEGACY_DISABLED', message: string, facts?: ObjectFacts) {
    super(code, message)
    this.facts = facts
  }
}

/** `ERR_S3CSE_KMS`: KMS refused or could not be reached; `cause` is the SDK's error. */
export class KmsError extends CseError {
  constructor(message: string, options: { cause: unknown }) {
    super('ERR_S3CSE_KMS', message, options)
  }
}

/** `ERR_S3CSE_ROTATION`: a change of keys that was refused; nothing was changed. */
export class RotationError extends CseError {
  /** Whether `rewrite: true` of `rotateKey` does it. */
  readonly needsRewrite: boolean

  constructor(message: string, needsRewrite = false) {
    super('ERR_S3CSE_ROTATION', message)
    this.needsRewrite = needsRewrite
  }
}

/** A mistake of the caller in an option or a request (`ERR_S3CSE_CONFIG`). */
export function configError(message: string): CseError {
  return new CseError('ERR_S3CSE_CONFIG', message)
}
