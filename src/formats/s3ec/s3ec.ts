import { configError } from '../../errors.js'
import { takeOptions } from '../../keyrings/options.js'
import { commitmentPolicies } from '../commitment.js'
import type { CommitmentPolicy, Format, InstructionFiles } from '../format.js'
import { callersContext } from './context.js'
import { splitEnvelope, wantsFile } from './detect.js'
import { dotNetSuffix, instructionFileMark, reservedKeys, versionOf } from './envelope-keys.js'
import { isParsable, maxInstructionFileLength, serialiseInstructionFile } from './instruction-file.js'
import { recogniseEnvelope, recogniseWithFile } from './open.js'
import { legacyWrapOf, sealMessage } from './seal.js'
import { formatName } from './suites.js'
import { bindsContext, wrapByName, wraps } from './wraps.js'
import { type LegacyWriting, legacyWritingOption, writingKind, type WritingKind } from './writing.js'

/** The options of `s3ec`. */
export interface S3ecOptions {
  /**
   * INSECURE. Writes what the first generation of clients can read, for systems that cannot read anything newer: 'V1-CBC'
   * (AES keyring: AES/ECB wrap; RSA keyring: PKCS#1 v1.5 wrap; on Node only), 'V2-KMS-CBC' or 'V2-KMS-GCM' (KMS wrap
   * `kms`). Nothing authenticates CBC content: who can write to the bucket can change it unnoticed. None of them binds
   * the algorithms, and none commits to its key. Needs commitmentPolicy 'FORBID_ENCRYPT_ALLOW_DECRYPT'; reading it back
   * needs `legacy`. Default: V3, or V2, with current algorithms.
   */
  readonly insecureLegacyWriting?: LegacyWriting | undefined
}

/**
 * The format of the Amazon S3 Encryption Clients. Writes V3 (AES-256-GCM with HKDF-SHA-512 and key commitment), or V2
 * (AES-256-GCM) with `FORBID_ENCRYPT_ALLOW_DECRYPT`. Reads both, as far as the commitment policy allows, and with the
 * option `legacy` of `addEncryption` everything that the family's older clients wrote: V1, AES-CBC, old wraps. The
 * envelope is in the object's metadata or in an instruction file.
 *
 * @throws CseError `ERR_S3CSE_CONFIG` for an unknown option or a wrong value.
 */
export function s3ec(options: S3ecOptions = {}): Format {
  const { insecureLegacyWriting } = takeOptions('s3ec', options, { insecureLegacyWriting: 'optional' })
  const legacy = legacyWritingOption(insecureLegacyWriting)
  const writes = (policy: CommitmentPolicy): WritingKind => writingKind(policy, legacy)
  const instructionFiles: InstructionFiles = Object.freeze({
    maxLength: maxInstructionFileLength,
    legacySuffixes: Object.freeze([dotNetSuffix]),
    wanted: wantsFile,
    recognise: (metadata, file, object) => recogniseWithFile(metadata, file, object, writes),
    isInstructionFile: (file, metadata, object) =>
      Object.keys(metadata).some((key) => key.toLowerCase() === instructionFileMark) || isParsable(file, object),
    split(metadata) {
      const { object, file } = splitEnvelope(metadata, versionOf(metadata))
      return { object, file: { text: serialiseInstructionFile(file), metadata: { [instructionFileMark]: '' } } }
    },
  } satisfies InstructionFiles)
  return Object.freeze({
    name: formatName,
    reservedKeys,
    instructionFiles,
    check: (request) => check(request, writes),
    // (Async, so that a mistake is a rejection.)
    seal: async (request) => sealMessage(request, writes(request.commitmentPolicy)),
    recognise: (metadata, object) => recogniseEnvelope(metadata, object, writes),
  } satisfies Format)
}

function check(
  { keyring, commitmentPolicy, encryptionContext }: Parameters<Format['check']>[0],
  writes: (policy: CommitmentPolicy) => WritingKind,
): void {
  const { wrap, unwrap, algorithms, sharesDataKeys } = asRecord(keyring)
  if (typeof wrap !== 'function' || typeof unwrap !== 'function') {
    throw configError('keyring has to be an object with the methods wrap and unwrap.')
  }
  if (!commitmentPolicies.includes(commitmentPolicy)) {
    throw configError(`commitmentPolicy has to be one of ${commitmentPolicies.join(', ')}.`)
  }
  const context = encryptionContext === undefined ? {} : callersContext(encryptionContext)
  const kind = writes(commitmentPolicy)
  if (sharesDataKeys === true && !kind.suite.derivesKeys) {
    throw configError(
      `The keyring gives one data key for several messages, and ${String(kind.suite.stored[0])} (format ${kind.version}, commitmentPolicy '${commitmentPolicy}') encrypts each with the data key itself under a random IV: after 2^32 of them two would share an IV, and nothing would be secret or authentic any more. Only V3 derives a key for each message.`,
    )
  }
  if (algorithms === undefined && !kind.legacy) return
  if (algorithms !== undefined && !Array.isArray(algorithms)) {
    throw configError("The keyring's algorithms have to be an array of names.")
  }
  const names = (algorithms ?? []) as unknown[]
  const known = names.flatMap((name) => (typeof name === 'string' ? (wrapByName(name) ?? []) : []))
  if (known.length === 0 && !kind.legacy) {
    const supported = wraps.filter(({ status }) => status === 'supported').map(({ name }) => name)
    throw configError(`The keyring fits another format: S3EC has the wrapping algorithms ${supported.join(', ')}.`)
  }
  if (kind.legacy) legacyWrapOf(kind, keyring)
  if (Object.keys(context).length > 0 && !known.some(bindsContext)) {
    throw configError(
      'encryptionContext needs a KMS keyring: with raw keys nothing would authenticate it. ' +
        "To label objects, or to choose among keys, give the keyring's materialsDescription.",
    )
  }
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
