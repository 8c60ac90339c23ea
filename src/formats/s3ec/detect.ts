import type { ObjectMetadata, ObjectName } from '../format.js'
import { envelopeKeys, type EnvelopeKey, type EnvelopeVersion, unencryptedLengthKey } from './envelope-keys.js'
import { invalidEnvelope } from './messages.js'

/** Metadata as received, keys and values together, in characters: S3 stores 2 KB, which may come back encoded twice. */
const maxMetadataLength = 16 * 1024

const versions: readonly EnvelopeVersion[] = ['V1', 'V2', 'V3']
const knownKeys = new Set(envelopeKeys.map(({ key }) => key))

type Values = ReadonlyMap<string, string>
/** An envelope's keys (lower case) and values as found, complete for one format and without any key of another. */
export interface Detected {
  readonly version: EnvelopeVersion
  readonly values: Values
  /** The stored map came from an instruction file, and so not through an HTTP header. */
  readonly fromFile: boolean
}

/**
 * Which format the metadata is of; `undefined` if there is no envelope. A format is recognised only by exactly its own
 * keys: whoever can add or remove a key must not choose the reader. Throws ERR_S3CSE_ENVELOPE_INVALID for any mix of
 * formats, for missing parts, and for an envelope whose rest is in an instruction file.
 */
export function detect(metadata: ObjectMetadata, object: ObjectName): Detected | undefined {
  const values = collect(metadata, object)
  if (values.size === 0) return undefined
  const version = versions.find((candidate) => faults(candidate, values, undefined).length === 0)
  if (version !== undefined) return { version, values, fromFile: false }
  throw invalidEnvelope(object, describe(values))
}

/**
 * Whether the envelope is in an instruction file: 'needed' where the metadata shows that, 'possible' where it has nothing
 * of an envelope (of a plain object either), `undefined` where it is complete. Throws as `detect` does.
 */
export function wantsFile(metadata: ObjectMetadata, object: ObjectName): 'needed' | 'possible' | undefined {
  const values = collect(metadata, object)
  if (values.size === 0) return 'possible'
  if (isSplit(values)) return 'needed'
  detect(metadata, object)
  return undefined
}

/** The envelope of an object and its instruction file together. Throws ERR_S3CSE_ENVELOPE_INVALID. */
export function detectWithFile(metadata: ObjectMetadata, file: Values, object: ObjectName): Detected {
  const values = collect(metadata, object)
  const twice = [...file.keys()].find((key) => values.has(key))
  if (twice !== undefined) throw invalidEnvelope(object, `${twice} is on the object and in its instruction file.`)
  const version = versions.find((candidate) => faults(candidate, values, file).length === 0)
  if (version !== undefined) return { version, values: new Map([...values, ...file]), fromFile: true }
  const [fewest] = versions.map((candidate) => faults(candidate, values, file)).sort((a, b) => a.length - b.length)
  throw invalidEnvelope(object, `with its instruction file, ${(fewest ?? []).join(', ')}.`)
}

function collect(metadata: ObjectMetadata, object: ObjectName): Values {
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
  if (values.size > 0 && size > maxMetadataLength) {
    throw invalidEnvelope(
      object,
      `${size} characters of metadata are more than the ${maxMetadataLength} that are read.`,
    )
  }
  return values
}

/** What speaks against a format: nothing, if exactly its keys are there, each where it belongs. */
function faults(version: EnvelopeVersion, values: Values, file: Values | undefined): string[] {
  const { onObject, inFile } = places(version, file !== undefined)
  return [
    ...check(values, onObject, version, 'the object'),
    ...(file === undefined ? [] : check(file, inFile, version, 'the file')),
  ]
}

type Place = (row: EnvelopeKey) => boolean

function places(version: EnvelopeVersion, hasFile: boolean): { onObject: Place; inFile: Place } {
  if (!hasFile) return { onObject: (row) => row[version] !== undefined, inFile: () => false }
  return {
    onObject: (row) => row.onObject?.includes(version) === true,
    inFile: (row) => row.inFile?.includes(version) === true,
  }
}

function check(values: Values, belongs: Place, version: EnvelopeVersion, where: string): string[] {
  return envelopeKeys.flatMap((row) => {
    if (values.has(row.key)) return belongs(row) ? [] : [`${where} has ${row.key}`]
    return belongs(row) && row[version] === 'required' ? [`${where} lacks ${row.key}`] : []
  })
}

/** Whether the object has what it has beside an instruction file, and nothing else. */
function isSplit(values: Values): boolean {
  return versions.some((version) => check(values, places(version, true).onObject, version, '').length === 0)
}

function lacking(version: EnvelopeVersion, values: Values): string[] {
  return envelopeKeys.filter((row) => !values.has(row.key) && row[version] === 'required').map(({ key }) => key)
}

function describe(values: Values): string {
  const own = [...values.keys()].filter((key) => key !== unencryptedLengthKey)
  if (isSplit(values)) {
    const found = own.length === 0 ? `only ${unencryptedLengthKey} is here` : `${own.join(', ')} are here`
    return `${found}, and so the rest is in an instruction file.`
  }
  const [nearest] = versions
    .filter((version) => own.every((key) => envelopeKeys.some((row) => row.key === key && row[version] !== undefined)))
    .map((version) => ({ version, missing: lacking(version, values) }))
    .sort((a, b) => a.missing.length - b.missing.length)
  if (nearest === undefined) return `it mixes keys of several formats (${own.join(', ')}).`
  return `it lacks ${nearest.missing.join(', ')} of format ${nearest.version}.`
}

/** The keys of a complete envelope, divided into those that stay on the object and those of the instruction file. */
export function splitEnvelope(
  metadata: ObjectMetadata,
  version: EnvelopeVersion,
): { readonly object: ObjectMetadata; readonly file: ObjectMetadata } {
  const { onObject } = places(version, true)
  const stays = new Set(envelopeKeys.filter(onObject).map(({ key }) => key))
  const all = Object.entries(metadata)
  return {
    object: Object.fromEntries(all.filter(([key]) => stays.has(key))),
    file: Object.fromEntries(all.filter(([key]) => !stays.has(key))),
  }
}
