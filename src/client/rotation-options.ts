import { configError } from '../errors.js'
import type { ObjectFacts } from '../errors.js'
import type { Context, Keyring } from '../keyrings/keyring.js'
import { booleanOption, byteCount, contextOption, keyringOption, onlyMembers } from './option-values.js'
import { isPartSize, MAX_PART, MIN_PART, requestOptionNames } from './request-options.js'
import { CARRIED } from './stored-file.js'
import type { CarriedMembers } from './stored-file.js'

/** How an object is opened now, where that is not as the client would. */
export interface RotateFrom {
  /** Default: the client's keyring. */
  readonly keyring?: Keyring | undefined
  /** The whole context, without what the option `bind` adds: for objects from before it. Default: the client's, for this object. */
  readonly encryptionContext?: Context | undefined
}

/** For a campaign of rewriting that can be run again: what was written since it began is done. */
export interface RewriteOlder {
  readonly olderThan: Date
}

/** The input of `rotateKey`. */
export interface RotateKeyInput extends CarriedMembers {
  readonly Bucket: string
  readonly Key: string
  /** The keyring that opens the object afterwards. */
  readonly to: Keyring
  /** For the new wrap. Default: the client's, for this object. */
  readonly encryptionContext?: Context | undefined
  readonly from?: RotateFrom | undefined
  /** An error (ERR_S3CSE_ROTATION) if the key that opens the object now would open it afterwards as well. Default: true. */
  readonly enforceRotation?: boolean | undefined
  /** From KMS to KMS, the data key never leaves KMS (ReEncrypt). `false`: Decrypt and Encrypt, for callers without the permissions for it. Default: true. */
  readonly reEncrypt?: boolean | undefined
  /**
   * Reads the object and writes it anew, with a new data key, in the format that the client writes; also one that only the
   * new key opens. With `olderThan` (the time when a campaign began, by the server's clock) such a one is 'unchanged' if
   * its LastModified is not before that. Default: false, only the wrap is new.
   */
  readonly rewrite?: boolean | RewriteOlder | undefined
  /** Also where the server does not keep conditions, so that what is written at the same time is lost. Default: false. */
  readonly allowUnconditional?: boolean | undefined
  /** 'private': the ACL is not read, and not kept, which saves a request where objects have none of their own. Default: 'keep'. */
  readonly acl?: 'keep' | 'private' | undefined
  /** How often an object is looked at that is written at the same time. Default: 10. */
  readonly maxAttempts?: number | undefined
  /** Stored bytes above which the object is copied in parts; at most 5 GiB, which one copy takes. Default: 5 GiB. */
  readonly copyInPartsAbove?: number | undefined
  /** Bytes of such a part, from 5 MiB to 5 GiB. Default: 512 MiB, or as much as 10,000 parts need. */
  readonly copyPartSize?: number | undefined
}

/** The options of `rotateKey` and `reEncryptInstructionFile`. */
export interface RotateKeyOptions {
  readonly signal?: AbortSignal | undefined
}

/** What `rotateKey` did. */
export interface RotateKeyResult {
  /**
   * 'metadata': the envelope in the metadata is new. 'instruction file': that in the file. 'header': that at the start of
   * the stored bytes (Crypt4GH), as `reencrypt` makes it. 'rewritten': the whole object.
   * 'unchanged': the new key opens the object already, and the old one does not (with `rewrite`: and it is not older than
   * `olderThan`).
   */
  readonly outcome: 'metadata' | 'instruction file' | 'header' | 'rewritten' | 'unchanged'
  /** What the object is now. */
  readonly facts: ObjectFacts
  /** Whether the data key stayed inside KMS. */
  readonly reEncrypted: boolean
  /** Of the object now; as the last answer named them. */
  readonly ETag: string | undefined
  readonly VersionId: string | undefined
  /** How often it was looked at. */
  readonly attempts: number
}

/** Those of its members that say how, as checked. */
export interface RotationSettings {
  readonly enforceRotation: boolean
  readonly reEncrypt: boolean
  readonly rewrite: boolean
  /** Of what only the new key opens, what was written before this is rewritten; `undefined`: everything. */
  readonly olderThan: Date | undefined
  readonly allowUnconditional: boolean
  readonly acl: 'keep' | 'private'
  readonly maxAttempts: number
  readonly copyInPartsAbove: number
  readonly copyPartSize: number | undefined
  readonly signal: AbortSignal | undefined
}

/** One CopyObject, in bytes (S3 User Guide, "Copying objects"). */
const MAX_COPY = 5 * 1024 ** 3

const what = ['Bucket', 'Key', 'to', 'encryptionContext', 'from'] as const
const how = ['enforceRotation', 'reEncrypt', 'allowUnconditional', 'acl', 'maxAttempts'] as const
const howObject = ['rewrite', 'copyInPartsAbove', 'copyPartSize'] as const

/** Members of RotateKeyInput. */
export const rotateKeyMembers: readonly string[] = [...what, ...CARRIED, ...how, ...howObject]
/** Those that are about an envelope alone. */
export const reEncryptMembers: readonly string[] = [...what, ...CARRIED, ...how]

/** Checks and copies what is to be done. Throws ERR_S3CSE_CONFIG. */
export function rotationInput<I extends RotateKeyInput>(given: I, caller: string, members: readonly string[]): I {
  const input = { ...onlyMembers(given, members, caller) } as unknown as I
  const riding = requestOptionNames(given).filter((name) => name !== 'instructionFileSuffix')
  if (riding.length > 0) {
    throw configError(`${caller} takes ${riding.join(', ')} in its own input, not by requestOptions`)
  }
  if (typeof (input.from as Partial<Keyring> | undefined)?.unwrap === 'function') {
    throw configError(`${caller}: from takes { keyring, encryptionContext }, not a keyring itself`)
  }
  const from = onlyMembers(input.from ?? {}, ['keyring', 'encryptionContext'], `${caller}: from`) as RotateFrom
  return {
    ...input,
    to: keyringOption(input.to, `${caller}: to`),
    encryptionContext: input.encryptionContext && contextOption(input.encryptionContext),
    from: {
      keyring: from.keyring && keyringOption(from.keyring, `${caller}: from.keyring`),
      encryptionContext: from.encryptionContext && contextOption(from.encryptionContext),
    },
  }
}

function rewriteOption(
  value: RotateKeyInput['rewrite'],
  caller: string,
): Pick<RotationSettings, 'rewrite' | 'olderThan'> {
  if (typeof value !== 'object') return { rewrite: booleanOption(value, 'rewrite'), olderThan: undefined }
  const { olderThan } = onlyMembers(value, ['olderThan'], `${caller}: rewrite`)
  if (!(olderThan instanceof Date) || Number.isNaN(olderThan.getTime())) {
    throw configError(`${caller}: rewrite must be true, false or { olderThan: a Date }`)
  }
  return { rewrite: true, olderThan: new Date(olderThan) }
}

/** Checks how it is to be done. Throws ERR_S3CSE_CONFIG. */
export function rotationSettings(
  input: Omit<RotateKeyInput, 'Bucket' | 'Key' | 'to' | 'from'>,
  options: RotateKeyOptions,
  caller: string,
): RotationSettings {
  const { signal } = onlyMembers(options, ['signal'], `${caller} (last argument)`) as RotateKeyOptions
  const { acl = 'keep', maxAttempts = 10, copyPartSize, enforceRotation = true, reEncrypt = true } = input
  if ((acl as unknown) !== 'keep' && (acl as unknown) !== 'private') {
    throw configError(`${caller}: acl must be 'keep' or 'private'`)
  }
  if (!Number.isSafeInteger(maxAttempts) || maxAttempts < 1) {
    throw configError(`${caller}: maxAttempts must be 1 or more`)
  }
  const copyInPartsAbove = byteCount(input.copyInPartsAbove, 'copyInPartsAbove', MAX_COPY)
  if (copyInPartsAbove > MAX_COPY) throw configError(`${caller}: copyInPartsAbove must be at most ${MAX_COPY}`)
  if (copyPartSize !== undefined && !isPartSize(copyPartSize)) {
    throw configError(`${caller}: copyPartSize must be a number of bytes from ${MIN_PART} to ${MAX_PART}`)
  }
  return {
    enforceRotation: booleanOption(enforceRotation, 'enforceRotation'),
    reEncrypt: booleanOption(reEncrypt, 'reEncrypt'),
    ...rewriteOption(input.rewrite, caller),
    allowUnconditional: booleanOption(input.allowUnconditional, 'allowUnconditional'),
    acl,
    maxAttempts,
    copyInPartsAbove,
    copyPartSize,
    signal,
  }
}
