import type { Envelope, EnvelopeSummary, ObjectMetadata } from '../formats/format.js'

/** What is known about the encryption of an object, for the output of PutObject, GetObject or HeadObject. */
export interface EncryptionInfo {
  /** 'encrypted': it has an envelope. 'plain': it has none. 'unknown': what looks like an envelope is damaged or of a kind this version does not know. */
  readonly status: 'encrypted' | 'plain' | 'unknown'
  /** Present for 'encrypted'. Of a HeadObject nothing of it is authenticated. */
  readonly envelope?: EnvelopeSummary
  /** The envelope's metadata as stored; the output's Metadata has the caller's only. */
  readonly metadata: ObjectMetadata
  /** Length of the stored body in bytes, ciphertext with its tag. */
  readonly storedLength?: number
  /**
   * Of a GetObject: whether Body's plaintext is authenticated. 'verified': before it is given out. (Under the data key: the signature of a signed message covers its whole, and no range.) 'delayed': after it,
   * with the error at the end of Body. 'none': not at all; a range under `rangeReads: 'unauthenticated'`, or a plain object.
   */
  readonly authentication?: 'verified' | 'delayed' | 'none'
  /** Checksums of the stored body, by the names the output had them under. They say nothing about the plaintext. */
  readonly checksums: Readonly<Record<string, string>>
  /** Present for 'unknown': why. */
  readonly problem?: string
}

const infos = new WeakMap<object, EncryptionInfo>()

/**
 * What the client knows about the object of an output. `undefined` for outputs of other commands, of clients without
 * encryption, and for copies of an output.
 */
export function encryptionInfo(output: object): EncryptionInfo | undefined {
  return infos.get(output)
}

export function setInfo(output: object, info: EncryptionInfo): void {
  infos.set(output, Object.freeze(info))
}

type Output = Record<string, unknown>

/** Takes the checksums of the ciphertext out of an output, where they would be read as the plaintext's. */
export function takeChecksums(output: Output): Record<string, string> {
  const checksums: Record<string, string> = {}
  for (const name of Object.keys(output)) {
    if (!name.startsWith('Checksum')) continue
    const value = output[name]
    if (typeof value === 'string') checksums[name] = value
    Reflect.deleteProperty(output, name)
  }
  return checksums
}

/** Leaves the caller's own metadata in the output and returns the envelope's. */
export function takeEnvelopeMetadata(output: Output, reserved: ReadonlySet<string>): ObjectMetadata {
  const all = Object.entries((output.Metadata ?? {}) as Record<string, string>)
  const isReserved = ([name]: [string, string]): boolean => reserved.has(name.toLowerCase())
  // fromEntries defines own members, whatever their names: a key '__proto__' stays a key.
  output.Metadata = Object.fromEntries(all.filter((entry) => !isReserved(entry)))
  return Object.freeze(Object.fromEntries(all.filter(isReserved)))
}

/** What an output is to show instead of the stored object. */
export interface Shown {
  readonly envelope: Envelope
  readonly reserved: ReadonlySet<string>
  /** Of the plaintext in the output's body, in bytes, where it is known. */
  readonly length: number | undefined
  /** Of the whole stored object, in bytes. Default: the output's ContentLength. */
  readonly storedLength?: number
  readonly authentication?: EncryptionInfo['authentication']
}

/** Turns an output of the stored object into one of the plaintext, and remembers the rest for `encryptionInfo`. */
export function showPlaintext(output: Output, shown: Shown): void {
  const { envelope, reserved, length, authentication } = shown
  const storedLength = shown.storedLength ?? (output.ContentLength as number | undefined)
  if (length === undefined) delete output.ContentLength
  else output.ContentLength = length
  setInfo(output, {
    status: 'encrypted',
    envelope: envelope.summary,
    metadata: takeEnvelopeMetadata(output, reserved),
    ...(storedLength === undefined ? {} : { storedLength }),
    ...(authentication === undefined ? {} : { authentication }),
    checksums: takeChecksums(output),
  })
}
