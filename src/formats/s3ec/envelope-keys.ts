/** The message formats of the S3 Encryption Client, told apart by their metadata keys. */
export type EnvelopeVersion = 'V1' | 'V2' | 'V3'

type Rule = 'required' | 'optional'

/** One metadata key: where it may stand. A format that is not named here does not know the key. */
export interface EnvelopeKey extends Readonly<Partial<Record<EnvelopeVersion, Rule>>> {
  readonly key: string
}

/**
 * Every metadata key of an envelope, without `x-amz-meta-`. Detection, reserved keys and the encoder read this table. A
 * key beside those of another format is tampering: no writer does that.
 */
export const envelopeKeys: readonly EnvelopeKey[] = Object.freeze([
  { key: 'x-amz-key', V1: 'required' },
  { key: 'x-amz-key-v2', V2: 'required' },
  { key: 'x-amz-iv', V1: 'required', V2: 'required' },
  { key: 'x-amz-cek-alg', V2: 'required' },
  { key: 'x-amz-wrap-alg', V2: 'required' },
  // Java's writer always sets it; some others leave it out when it is empty.
  { key: 'x-amz-matdesc', V1: 'optional', V2: 'optional' },
  { key: 'x-amz-tag-len', V2: 'optional' },
  { key: 'x-amz-c', V3: 'required' },
  { key: 'x-amz-3', V3: 'required' },
  { key: 'x-amz-w', V3: 'required' },
  { key: 'x-amz-d', V3: 'required' },
  { key: 'x-amz-i', V3: 'required' },
  { key: 'x-amz-m', V3: 'optional' },
  { key: 'x-amz-t', V3: 'optional' },
  // Written by several clients, empty by one of them, verified by none: accepted and never used.
  { key: 'x-amz-unencrypted-content-length', V1: 'optional', V2: 'optional', V3: 'optional' },
] satisfies EnvelopeKey[])

/** The only keys that stand on an object whose V3 envelope is in an instruction file. */
export const instructionFileObjectKeys: readonly string[] = Object.freeze(['x-amz-c', 'x-amz-d', 'x-amz-i'])

/** Clients with V1 and V2 instruction files leave at most this key on the object. */
export const unencryptedLengthKey = 'x-amz-unencrypted-content-length'

/** Keys that a caller may not set: the envelope's, the mark of an instruction file, and PHP's digest of the plaintext. */
export const reservedKeys: ReadonlySet<string> = new Set([
  ...envelopeKeys.map(({ key }) => key),
  'x-amz-crypto-instr-file',
  'x-amz-unencrypted-content-md5',
])
