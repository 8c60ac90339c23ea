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
  const version = complete(values)
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
  if (complete(values) !== undefined) return undefined
  if (isSplit(values)) return 'needed'
  throw invalidEnvelope(object, describe(values))
}

/** The envelope of an object and its instruction file together. Throws ERR_S3CSE_ENVELOPE_INVALID. */
export function detectWithFile(metadata: ObjectMetadata, file: Values, object: ObjectName): Detected {
  const values = collect(metadata, object)
  const twice = [...file.keys()].find((key) => values.has(key))
  if (twice !== undefined) throw invalidEnvelope(object, `${twice} is on the object and in its instruction file.`)
  const version = versions.find(
    (candidate) => fits(values, shapeOf(candidate, 'object')) && fits(file, shapeOf(candidate, 'file')),
  )
  if (version !== undefined) return { version, values: new Map([...values, ...file]), fromFile: true }
  const [fewest] = versions
    .map((candidate) => [
      ...faults(values, shapeOf(candidate, 'object'), 'the object'),
      ...faults(file, shapeOf(candidate, 'file'), 'the file'),
    ])
    .sort((a, b) => a.length - b.length)
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

/** What stands in one place: the metadata of an object alone, of one with an instruction file, or that file. */
interface Shape {
  readonly required: readonly string[]
  readonly allowed: ReadonlySet<string>
}

type Shapes = Readonly<Record<'alone' | 'object' | 'file', Shape>>

const shapes: ReadonlyMap<EnvelopeVersion, Shapes> = new Map(
  versions.map((version) => {
    const shapeOf = (rows: readonly EnvelopeKey[]): Shape => ({
      required: rows.filter((row) => row[version] === 'required').map(({ key }) => key),
      allowed: new Set(rows.map(({ key }) => key)),
    })
    return [
      version,
      {
        alone: shapeOf(envelopeKeys.filter((row) => row[version] !== undefined)),
        object: shapeOf(envelopeKeys.filter((row) => row.onObject?.includes(version))),
        file: shapeOf(envelopeKeys.filter((row) => row.inFile?.includes(version))),
      },
    ]
  }),
)

function shapeOf(version: EnvelopeVersion, place: keyof Shapes): Shape {
  return (shapes.get(version) as Shapes)[place]
}

/** Exactly the keys of a format, each where it belongs. */
function fits(values: Values, { required, allowed }: Shape): boolean {
  for (const key of values.keys()) if (!allowed.has(key)) return false
  return required.every((key) => values.has(key))
}

/** What speaks against that. */
function faults(values: Values, { required, allowed }: Shape, where: string): string[] {
  return [
    ...[...values.keys()].filter((key) => !allowed.has(key)).map((key) => `${where} has ${key}`),
    ...required.filter((key) => !values.has(key)).map((key) => `${where} lacks ${key}`),
  ]
}

/** Whether the object has what it has beside an instruction file, and nothing else. */
function isSplit(values: Values): boolean {
  return versions.some((version) => fits(values, shapeOf(version, 'object')))
}

function complete(values: Values): EnvelopeVersion | undefined {
  return versions.find((version) => fits(values, shapeOf(version, 'alone')))
}

function describe(values: Values): string {
  const own = [...values.keys()].filter((key) => key !== unencryptedLengthKey)
  if (isSplit(values)) {
    const found = own.length === 0 ? `only ${unencryptedLengthKey} is here` : `${own.join(', ')} are here`
    return `${found}, and so the rest is in an instruction file (instructionFile.read).`
  }
  const [nearest] = versions
    .map((version) => ({ version, ...shapeOf(version, 'alone') }))
    .filter(({ allowed }) => own.every((key) => allowed.has(key)))
    .map(({ version, required }) => ({ version, missing: required.filter((key) => !values.has(key)) }))
    .sort((a, b) => a.missing.length - b.missing.length)
  if (nearest === undefined) return `it mixes keys of several formats (${own.join(', ')}).`
  return `it lacks ${nearest.missing.join(', ')} of format ${nearest.version}.`
}

/** The keys of a complete envelope, divided into those that stay on the object and those of the instruction file. */
export function splitEnvelope(
  metadata: ObjectMetadata,
  version: EnvelopeVersion,
): { readonly object: ObjectMetadata; readonly file: ObjectMetadata } {
  const { allowed: stays } = shapeOf(version, 'object')
  const all = Object.entries(metadata)
  return {
    object: Object.fromEntries(all.filter(([key]) => stays.has(key))),
    file: Object.fromEntries(all.filter(([key]) => !stays.has(key))),
  }
}
