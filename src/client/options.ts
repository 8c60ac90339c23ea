import { budget } from '../bytes/budget.js'
import type { Budget } from '../bytes/budget.js'
import { configError } from '../errors.js'
import { commitmentPolicies } from '../formats/commitment.js'
import type { CommitmentPolicy, Format } from '../formats/format.js'
import { s3ec } from '../formats/s3ec/s3ec.js'
import { severalFormats } from '../formats/several.js'
import type { Context, Keyring } from '../keyrings/keyring.js'
import { bindOption, checkBindable } from './binding.js'
import { observer } from './events.js'
import type { EncryptionEvent, Observer } from './events.js'
import { headerCache } from './header-cache.js'
import type { HeaderCache } from './header-cache.js'
import {
  alsoReadOption,
  booleanOption,
  byteCount,
  commandNames,
  contextOption,
  formatOption,
  instructionFileOption,
  keyringOption,
  legacyOption,
  milliseconds,
  onlyMembers,
  rangeReadsOption,
  spoolOption,
} from './option-values.js'
import { uploads } from './uploads.js'
import type { Uploads } from './uploads.js'

/** A plain object as S3 returned it, for `passthrough` to decide over. Nothing of it is authenticated. */
export interface PlainObject {
  readonly Bucket: string
  readonly Key: string
  readonly VersionId?: string | undefined
  readonly ETag?: string | undefined
  /** Of the whole object, in bytes. */
  readonly ContentLength?: number | undefined
  readonly ContentType?: string | undefined
  readonly Metadata: Readonly<Record<string, string>>
}

/** The encryption context of each object: one for all, or one made from where the object is. */
export type EncryptionContext = Context | ((object: { Bucket: string; Key: string }) => Context)

/** What GetObject does with a `Range` that cannot be authenticated by itself. */
export type RangeReads = 'reject' | 'unauthenticated' | 'whole-object'

/** The temporary file of large verified reads. */
export interface SpoolOptions {
  /** Where ciphertext of large verified reads goes for the time of the read. Default: the system's directory for temporary files (often memory: see df). */
  readonly directory?: string | undefined
  /** Bytes on disk that all reads of the client may take together. Default: 64 GiB. A larger object is refused before anything of it is read. */
  readonly maxBytes?: number | undefined
}

/** Old algorithms that may be read, each by its own switch. */
export interface LegacyOptions {
  /** Data keys under wraps that bind nothing: `AESWrap`, `kms`, RSA-OAEP with SHA-256, AES/ECB, RSA PKCS#1 v1.5. Default: false. */
  readonly wrapping?: boolean | undefined
  /** Content that nothing authenticates (AES-CBC), and data keys of 128 and 192 bits. Default: false. */
  readonly content?: boolean | undefined
}

/** Envelopes in a file beside the object. */
export interface InstructionFileOptions {
  /** Whether an envelope that is not in the metadata is looked for in an instruction file. Costs a request for each plain object, and two for one above 64 KiB. Default: true. */
  readonly read?: boolean | undefined
  /** Whether envelopes are written into instruction files, just before the object. Default: false, into the object's metadata. */
  readonly write?: boolean | undefined
  /**
   * Whether an instruction file may be replaced in a bucket without versioning. If the process dies between the write of
   * the file and that of the object, the object that was there before has lost its key for ever. With versioning nothing
   * is lost, and this is not needed. Default: false, an error (ERR_S3CSE_INSTRUCTION_FILE).
   */
  readonly overwrite?: boolean | undefined
  /**
   * Whether DeleteObject and DeleteObjects, where they name no version, delete the instruction file as well, if what is
   * there is one. Costs a request for each object, and another for those that have a file. Default: as `write`.
   */
  readonly delete?: boolean | undefined
  /** What stands behind the object's key in the name of the file. Default: '.instruction'. */
  readonly suffix?: string | undefined
}

/** What ties an object to its place. */
export interface BindOptions {
  /** A name for the bucket, which stays when the bucket's own changes. Default: the bucket's name; needed where requests name the bucket by an access point. */
  readonly label?: string | undefined
}

/** The options of `addEncryption` and `encryptedView`. */
export interface EncryptionOptions {
  /** Who can unwrap the data keys: `aesKeyring`, `rsaKeyring`, `kmsKeyring` of s3-cse/kms, or your own. */
  readonly keyring: Keyring
  /** How objects and envelopes look. Default: `s3ec()`. */
  readonly format?: Format | undefined
  /**
   * Formats that are read besides, such as `esdk()`. Objects that this library has written say which one they have; for
   * others `esdk()` looks at the first bytes of every object without an envelope, which costs HeadObject a request more;
   * and so does each GetObject with a Range, but for further ranges of a message. Default: none.
   */
  readonly alsoRead?: readonly Format[] | undefined
  /** Default: REQUIRE_ENCRYPT_REQUIRE_DECRYPT, which writes format V3 and reads nothing else. FORBID_ENCRYPT_ALLOW_DECRYPT writes V2; both *_ALLOW_DECRYPT read V2 and V3. */
  readonly commitmentPolicy?: CommitmentPolicy | undefined
  /** Authenticated, not secret; stored with the object in clear. Reading needs the same one. For KMS, and with `esdk()` for all keyrings; raw keyrings of S3EC have `materialsDescription`. Default: none. */
  readonly encryptionContext?: EncryptionContext | undefined
  /**
   * Ties each object to its bucket and key: both stand in the encryption context (`s3-cse-label`, `s3-cse-key`), so that
   * an object that somebody has moved, renamed or swapped is not read (ERR_S3CSE_CONTEXT_MISMATCH). CopyObject wraps the
   * data key anew, for the new place; RenameObject is refused. Objects that were written without it are not read with it.
   * For KMS, and with `esdk()` for all keyrings: an error at set-up where nothing authenticates the context. With `esdk()`
   * copies are refused. Default: false.
   */
  readonly bind?: boolean | BindOptions | undefined
  /** `true` gives plaintext of GetObject out before it is authenticated; the error comes at the end of Body. Default: false. */
  readonly delayedAuthentication?: boolean | undefined
  /** Whether an object without an envelope may be read as it is. Default: never (ERR_S3CSE_NOT_ENCRYPTED). */
  readonly passthrough?: ((object: PlainObject) => boolean) | undefined
  /** Bytes that may be held in memory: by all verified reads of the client together, and by each body whose length is unknown or that must be collected. Default: 64 MiB. */
  readonly maxBufferedBytes?: number | undefined
  /** Stored bytes of the largest object that GetObject accepts, also for a range of it, checked before anything of it is read. Default: no limit but the format's (64 GiB). */
  readonly maxObjectBytes?: number | undefined
  /** Temporary file for verified reads that do not fit in `maxBufferedBytes`. `false`: such objects are read twice instead, pinned by ETag. */
  readonly spool?: SpoolOptions | false | undefined
  /**
   * What GetObject does with a `Range` where the format cannot authenticate a part by itself (S3EC). 'reject': an error
   * (ERR_S3CSE_RANGE_REFUSED). 'unauthenticated': decrypts what was asked for; who can write to the bucket can flip
   * bits of it unnoticed. 'whole-object': reads and verifies the whole object, and returns the part. Default: 'reject'.
   */
  readonly rangeReads?: RangeReads | undefined
  /** Objects of older clients: what of their algorithms may be read. Most need a `commitmentPolicy` that allows it as well. Default: nothing. */
  readonly legacy?: LegacyOptions | undefined
  /** Envelopes in a file beside the object. Default: read, not written. */
  readonly instructionFile?: InstructionFileOptions | undefined
  /** Milliseconds after the last part until a multipart upload that was neither completed nor aborted is forgotten, its key wiped. Default: 24 hours. */
  readonly uploadStateMaxAge?: number | undefined
  /** Milliseconds that a part waits for lower parts to be sent, whose lengths tell where it begins; not used with `partSize`, but for AES-CBC, which is encrypted in order. Default: 30 seconds. */
  readonly uploadPartWait?: number | undefined
  /** `true`: on https endpoints the SDK does not hash bodies of PutObject and UploadPart for the signature (UNSIGNED-PAYLOAD); TLS, the checksum and the authentication tag protect them. Default: false. */
  readonly unsignedPayload?: boolean | undefined
  /** Commands of a newer SDK, by class name, that may be sent unchanged. */
  readonly allowCommands?: readonly string[] | undefined
  /**
   * Is called with what the client decides and how long its steps take, for metrics. What it throws or rejects with is
   * ignored. (The client's `logger` gets one line for each decision, with or without it.) Default: none.
   */
  readonly onEvent?: ((event: EncryptionEvent) => void) | undefined
}

/** The options as checked and copied. */
export interface Settings {
  readonly keyring: Keyring
  /** It writes; what is read besides, it reads. */
  readonly format: Format
  readonly commitmentPolicy: CommitmentPolicy
  readonly encryptionContext: EncryptionContext | undefined
  readonly bind: BindOptions | undefined
  readonly delayedAuthentication: boolean
  readonly passthrough: (object: PlainObject) => boolean
  readonly maxBufferedBytes: number
  readonly maxObjectBytes: number
  readonly spool: { readonly directory: string | undefined; readonly maxBytes: number } | undefined
  readonly rangeReads: RangeReads
  readonly legacy: { readonly wrapping: boolean; readonly content: boolean }
  readonly instructionFile: {
    readonly read: boolean
    readonly write: boolean
    readonly overwrite: boolean
    readonly delete: boolean
    readonly suffix: string
  }
  readonly uploadStateMaxAge: number
  readonly uploadPartWait: number
  readonly unsignedPayload: boolean
  readonly allowCommands: ReadonlySet<string>
  readonly observer: Observer
  /** Memory and disk that all reads of the client share. */
  readonly memory: Budget
  readonly disk: Budget
  /** Multipart uploads that are under way. */
  readonly uploads: Uploads
  /** Headers of messages that a part was read of. */
  readonly headers: HeaderCache
}

const MIB = 1024 * 1024

const names: readonly (keyof EncryptionOptions)[] = [
  'keyring',
  'format',
  'alsoRead',
  'commitmentPolicy',
  'encryptionContext',
  'bind',
  'delayedAuthentication',
  'passthrough',
  'maxBufferedBytes',
  'maxObjectBytes',
  'spool',
  'rangeReads',
  'legacy',
  'instructionFile',
  'uploadStateMaxAge',
  'uploadPartWait',
  'unsignedPayload',
  'allowCommands',
  'onEvent',
]

/** Checks and copies the options; each is read once. Throws ERR_S3CSE_CONFIG. */
export function settings(given: EncryptionOptions): Settings {
  const options = { ...onlyMembers(given, names, 'addEncryption') } as Partial<EncryptionOptions>
  const keyring = keyringOption(options.keyring)
  const writes = formatOption(options.format ?? s3ec(), 'format')
  const format = severalFormats(writes, alsoReadOption(options.alsoRead, writes))
  const commitmentPolicy = options.commitmentPolicy ?? 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT'
  if (!commitmentPolicies.includes(commitmentPolicy))
    throw configError(`commitmentPolicy must be one of ${commitmentPolicies.join(', ')}`)
  let { encryptionContext } = options
  if (encryptionContext !== undefined && typeof encryptionContext !== 'function') {
    encryptionContext = contextOption(encryptionContext)
  }
  if (options.passthrough !== undefined && typeof options.passthrough !== 'function') {
    throw configError('passthrough must be a function that returns true for plain objects that may be read')
  }
  if (options.onEvent !== undefined && typeof options.onEvent !== 'function') {
    throw configError('onEvent must be a function that takes an event')
  }
  // A function's results are not known yet: that one is given at all is what is checked here.
  const context = typeof encryptionContext === 'function' ? { 'given-by-function': '' } : encryptionContext
  format.check({ keyring, commitmentPolicy, encryptionContext: context })
  const bind = bindOption(options.bind)
  if (bind !== undefined) checkBindable(format, { keyring, commitmentPolicy, encryptionContext: context })
  const maxBufferedBytes = byteCount(options.maxBufferedBytes, 'maxBufferedBytes', 64 * MIB)
  const spool = spoolOption(options.spool)
  const uploadStateMaxAge = milliseconds(options.uploadStateMaxAge, 'uploadStateMaxAge', 24 * 60 * 60 * 1000)
  return Object.freeze({
    keyring,
    format,
    commitmentPolicy,
    encryptionContext,
    bind,
    delayedAuthentication: booleanOption(options.delayedAuthentication, 'delayedAuthentication'),
    passthrough: options.passthrough ?? (() => false),
    maxBufferedBytes,
    maxObjectBytes: byteCount(options.maxObjectBytes, 'maxObjectBytes', Infinity),
    spool,
    rangeReads: rangeReadsOption(options.rangeReads ?? 'reject'),
    legacy: legacyOption(options.legacy),
    instructionFile: instructionFileOption(options.instructionFile, writes, format),
    uploadStateMaxAge,
    uploadPartWait: milliseconds(options.uploadPartWait, 'uploadPartWait', 30_000),
    unsignedPayload: booleanOption(options.unsignedPayload, 'unsignedPayload'),
    allowCommands: commandNames(options.allowCommands),
    observer: observer(options.onEvent),
    memory: budget(maxBufferedBytes),
    disk: budget(spool?.maxBytes ?? 0),
    uploads: uploads(uploadStateMaxAge),
    headers: headerCache(),
  })
}
