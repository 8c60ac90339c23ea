/** The message formats of the S3 Encryption Client, told apart by their metadata keys. */
export type EnvelopeVersion = 'V1' | 'V2' | 'V3'

type Rule = 'required' | 'optional'

/** One metadata key: where it may stand. A format that is not named here does not know the key. */
export interface EnvelopeKey extends Readonly<Partial<Record<EnvelopeVersion, Rule>>> {
  readonly key: string
  /** If there is an instruction file: the formats in which the key stays on the object. */
  readonly onObject?: readonly EnvelopeVersion[]
  /** If there is an instruction file: the formats in which the key is in that. */
  readonly inFile?: readonly EnvelopeVersion[]
  /** Old instruction files have a number where the format has its decimal digits. */
  readonly numeric?: true
  /** Its name in the instruction files of .NET's first client (see `dotNetSuffix`). */
  readonly dotNet?: string
}

/**
 * Every metadata key of an envelope, without `x-amz-meta-`. Detection, reserved keys, the encoder and the reader of
 * instruction files use this table. A key beside those of another format is tampering, and so is one that stands on the
 * object where it belongs in the file, or the other way round: no writer does that.
 */
export const envelopeKeys: readonly EnvelopeKey[] = Object.freeze([
  { key: 'x-amz-key', V1: 'required', inFile: ['V1'], dotNet: 'EncryptedEnvelopeKey' },
  { key: 'x-amz-key-v2', V2: 'required', inFile: ['V2'] },
  { key: 'x-amz-iv', V1: 'required', V2: 'required', inFile: ['V1', 'V2'], dotNet: 'IV' },
  { key: 'x-amz-cek-alg', V2: 'required', inFile: ['V2'] },
  { key: 'x-amz-wrap-alg', V2: 'required', inFile: ['V2'] },
  // Java's writer always sets it; some others leave it out when it is empty.
  { key: 'x-amz-matdesc', V1: 'optional', V2: 'optional', inFile: ['V1', 'V2'] },
  { key: 'x-amz-tag-len', V2: 'optional', inFile: ['V2'], numeric: true },
  // What ties the content to its key stays with the content, so that another file cannot change it.
  { key: 'x-amz-c', V3: 'required', onObject: ['V3'] },
  { key: 'x-amz-3', V3: 'required', inFile: ['V3'] },
  { key: 'x-amz-w', V3: 'required', inFile: ['V3'] },
  { key: 'x-amz-d', V3: 'required', onObject: ['V3'] },
  { key: 'x-amz-i', V3: 'required', onObject: ['V3'] },
  { key: 'x-amz-m', V3: 'optional', inFile: ['V3'] },
  { key: 'x-amz-t', V3: 'optional', inFile: ['V3'] },
  // Written by several clients, empty by one of them, verified by none: accepted and never used.
  {
    key: 'x-amz-unencrypted-content-length',
    V1: 'optional',
    V2: 'optional',
    V3: 'optional',
    onObject: ['V1', 'V2', 'V3'],
    // Of Go's first-generation client.
    inFile: ['V1', 'V2'],
    numeric: true,
  },
] satisfies EnvelopeKey[])

/** Of an envelope that is known to be complete. */
export function versionOf(metadata: Readonly<Record<string, string>>): EnvelopeVersion {
  if (Object.hasOwn(metadata, 'x-amz-c')) return 'V3'
  return Object.hasOwn(metadata, 'x-amz-key') ? 'V1' : 'V2'
}

/** What legacy clients leave on an object beside an instruction file of format V1 or V2. */
export const unencryptedLengthKey = 'x-amz-unencrypted-content-length'

/** User metadata that marks an instruction file; empty where we write it. Some clients set none. */
export const instructionFileMark = 'x-amz-crypto-instr-file'

/** What .NET's first client puts behind the object's key, for a file with names of its own. */
export const dotNetSuffix = 'INSTRUCTION_SUFFIX'

/** Keys that a caller may not set: the envelope's, the mark of an instruction file, and PHP's digest of the plaintext. */
export const reservedKeys: ReadonlySet<string> = new Set([
  ...envelopeKeys.map(({ key }) => key),
  instructionFileMark,
  'x-amz-unencrypted-content-md5',
])
