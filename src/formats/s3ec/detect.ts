import type { ObjectMetadata, ObjectName } from '../format.js'
import { envelopeKeys, type EnvelopeVersion, instructionFileObjectKeys, unencryptedLengthKey } from './envelope-keys.js'
import { invalidEnvelope } from './messages.js'

/** Metadata as received, keys and values together, in characters: S3 stores 2 KB, which may come back encoded twice. */
const maxMetadataLength = 16 * 1024

const versions: readonly EnvelopeVersion[] = ['V1', 'V2', 'V3']
const knownKeys = new Set(envelopeKeys.map(({ key }) => key))

/** An envelope's keys (lower case) and values as found, complete for one format and without any key of another. */
export interface Detected {
  readonly version: EnvelopeVersion
  readonly values: ReadonlyMap<string, string>
}

/**
 * Which format the metadata is of; `undefined` if there is no envelope. A format is recognised only by exactly its own
 * keys: whoever can add or remove a key must not choose the reader. Throws ERR_S3CSE_ENVELOPE_INVALID for any mix of
 * formats, for missing parts, and for an envelope whose rest is in an instruction file.
 */
export function detect(metadata: ObjectMetadata, object: ObjectName): Detected | undefined {
  const values = new Map<string, string>()
  let size = 0
  for (const [name, value] of Object.entries<unknown>(metadata)) {
    const key = name.toLowerCase()
    size += name.length + (typeof value === 'string' ? value.length : 0)
    if (!knownKeys.has(key)) continue
    if (values.has(key)) throw invalidEnvelope(object, `${key} is there twice.`)
    if (typeof value !== 'string') throw invalidEnvelope(object, `${key} is not text.`)
    values.set(key, value)
  }
  if (values.size === 0) return undefined
  if (size > maxMetadataLength) {
    throw invalidEnvelope(
      object,
      `${size} characters of metadata are more than the ${maxMetadataLength} that are read.`,
    )
  }
  const version = versions.find(
    (candidate) => unknownTo(candidate, values).length === 0 && lacking(candidate, values).length === 0,
  )
  if (version !== undefined) return { version, values }
  throw invalidEnvelope(object, describe(values))
}

function unknownTo(version: EnvelopeVersion, values: ReadonlyMap<string, string>): string[] {
  return envelopeKeys.filter((row) => values.has(row.key) && row[version] === undefined).map(({ key }) => key)
}

function lacking(version: EnvelopeVersion, values: ReadonlyMap<string, string>): string[] {
  return envelopeKeys.filter((row) => !values.has(row.key) && row[version] === 'required').map(({ key }) => key)
}

function describe(values: ReadonlyMap<string, string>): string {
  const own = [...values.keys()].filter((key) => key !== unencryptedLengthKey)
  // Legacy clients leave the length alone on an object whose V1 or V2 envelope is in an instruction file.
  if (own.length === 0 || (own.length === 3 && instructionFileObjectKeys.every((key) => values.has(key)))) {
    const found = own.length === 0 ? `only ${unencryptedLengthKey} is here` : `${own.join(', ')} are here`
    return `${found}, and so the rest is in an instruction file, which this version does not read.`
  }
  const [nearest] = versions
    .filter((version) => unknownTo(version, values).length === 0)
    .map((version) => ({ version, missing: lacking(version, values) }))
    .sort((a, b) => a.missing.length - b.missing.length)
  if (nearest === undefined) return `it mixes keys of several formats (${own.join(', ')}).`
  return `it lacks ${nearest.missing.join(', ')} of format ${nearest.version}.`
}
