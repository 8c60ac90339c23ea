import fc from 'fast-check'

import { loadVectors } from '../support/vectors.js'
import { edit } from './edits.js'
import { algorithmNames, anyText } from './texts.js'

/** Metadata and instruction files: those of stored objects, changed a little or much, and noise. */

export type Entry = readonly [name: string, value: unknown]

export interface Base {
  readonly metadata: readonly Entry[]
  /** The file's members, and what it is behind the object's key. */
  readonly file: readonly Entry[] | undefined
  readonly suffix: string
}

/** One stored object of each kind, and for each writer. */
function storedBases(): Base[] {
  const kinds = new Map<string, Base>()
  for (const vector of loadVectors()) {
    const { title, format, contentAlgorithm, wrapAlgorithm, metadata, instructionFile, s3Key } = vector
    const kind = [title.split(' ')[0], format, contentAlgorithm, wrapAlgorithm, instructionFile !== undefined].join()
    const members = instructionFile && Object.entries(JSON.parse(instructionFile.body) as Record<string, unknown>)
    const suffix = instructionFile?.s3Key.slice(s3Key.length) ?? '.instruction'
    // (The last of a kind: the first has no map.)
    kinds.set(kind, { metadata: Object.entries(metadata), file: members, suffix })
  }
  return [...kinds.values()]
}

const stored = storedBases()
export const metadataBases: readonly Base[] = stored.filter(({ file }) => file === undefined)

const valueOf = (entries: readonly Entry[], name: string): unknown => entries.find(([key]) => key === name)?.[1]

/** As the first .NET client names them. */
const dotNet = metadataBases
  .filter(({ metadata }) => valueOf(metadata, 'x-amz-key') !== undefined)
  .map(({ metadata }): Base => ({
    metadata: [],
    file: [
      ['EncryptedEnvelopeKey', valueOf(metadata, 'x-amz-key')],
      ['IV', valueOf(metadata, 'x-amz-iv')],
    ],
    suffix: 'INSTRUCTION_SUFFIX',
  }))

export const fileBases: readonly Base[] = [...stored.filter(({ file }) => file !== undefined), ...dotNet]

const allNames = [
  ...new Set(
    [...stored, ...dotNet].flatMap(({ metadata, file }) => [...metadata, ...(file ?? [])].map(([name]) => name)),
  ),
]

const anyName = fc.oneof(
  { weight: 10, arbitrary: fc.constantFrom(...allNames) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '__proto__',
      'constructor',
      'toString',
      'hasOwnProperty',
      'x-amz-crypto-instr-file',
      'x-amz-',
      'x-amz-x',
      'mine',
      '0',
      '',
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 10 }) },
)

const anyValue = fc.oneof(
  { weight: 20, arbitrary: anyText },
  { weight: 4, arbitrary: fc.constantFrom<unknown[]>(null, undefined, 0, 128, -1, 1.5, NaN, true, 1n) },
  { weight: 1, arbitrary: fc.constant<unknown>({ a: 'b' }) },
  { weight: 1, arbitrary: fc.constant<unknown>(['a']) },
)

type Change = (entries: readonly Entry[]) => readonly Entry[]

const at = (change: (entry: Entry) => readonly Entry[]): fc.Arbitrary<Change> =>
  fc.nat({ max: 20 }).map(
    (place): Change =>
      (entries) =>
        entries.flatMap((entry, index) => (index === place % entries.length ? change(entry) : [entry])),
  )

const set = (entries: readonly Entry[], entry: Entry): readonly Entry[] => [
  ...entries.filter(([name]) => name !== entry[0]),
  entry,
]

const changeValue = fc.tuple(fc.nat({ max: 20 }), edit).map(
  ([place, change]): Change =>
    (entries) =>
      entries.map(([name, value], index) => [
        name,
        index === place % entries.length && typeof value === 'string' ? change(value) : value,
      ]),
)

const relabelled = fc
  .tuple(fc.constantFrom('x-amz-wrap-alg', 'x-amz-cek-alg', 'x-amz-w', 'x-amz-tag-len'), algorithmNames)
  .map(
    (entry): Change =>
      (entries) =>
        entries.map((one) => (one[0] === entry[0] ? entry : one)),
  )

const changes: fc.Arbitrary<Change> = fc.oneof(
  { weight: 3, arbitrary: relabelled },
  { weight: 1, arbitrary: fc.constant<Change>((entries) => set(entries, ['x-amz-unencrypted-content-length', '17'])) },
  { weight: 3, arbitrary: at(() => []) },
  { weight: 6, arbitrary: changeValue },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.nat({ max: 20 }), anyValue).map(
      ([place, value]): Change =>
        (entries) =>
          entries.map((entry, index) => (index === place % entries.length ? [entry[0], value] : entry)),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(anyName, anyValue).map(
      (entry): Change =>
        (entries) =>
          set(entries, entry),
    ),
  },
  { weight: 1, arbitrary: at(([name, value]) => [[name.toUpperCase(), value]]) },
  {
    weight: 1,
    arbitrary: at(([name, value]) => [
      [name, value],
      [name.replace('x-', 'X-'), value],
    ]),
  },
  // Values change places.
  {
    weight: 1,
    arbitrary: at(([name, value]) => [[name, value]]).map(
      (): Change => (entries) => entries.map(([name], index) => [name, entries[(index + 1) % entries.length]?.[1]]),
    ),
  },
  // A part of another envelope.
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constantFrom(...metadataBases), fc.integer({ min: 1, max: 8 })).map(
      ([other, count]): Change =>
        (entries) =>
          other.metadata.slice(0, count).reduce(set, entries),
    ),
  },
)

export function changed(bases: fc.Arbitrary<readonly Entry[]>, most: number): fc.Arbitrary<readonly Entry[]> {
  return fc
    .tuple(bases, fc.array(changes, { maxLength: most }))
    .map(([base, all]) => all.reduce((so, change) => change(so), base))
}

export const noise: fc.Arbitrary<readonly Entry[]> = fc.array(fc.tuple(anyName, anyValue), { maxLength: 10 })

/** As the SDK gives it, or without a prototype. Frozen: nobody may write to it. */
export function asObject(entries: readonly Entry[], bare: boolean): Readonly<Record<string, string>> {
  const made = Object.fromEntries(entries)
  return Object.freeze(bare ? Object.assign(Object.create(null) as object, made) : made) as Record<string, string>
}

export const metadataValues: fc.Arbitrary<Readonly<Record<string, string>>> = fc
  .tuple(
    fc.oneof(
      { weight: 1, arbitrary: fc.constantFrom(...metadataBases).map(({ metadata }) => metadata) },
      {
        weight: 6,
        arbitrary: changed(
          fc.constantFrom(...metadataBases, ...fileBases).map(({ metadata }) => metadata),
          4,
        ),
      },
      { weight: 2, arbitrary: noise },
    ),
    fc.boolean(),
  )
  .map(([entries, bare]) => asObject(entries, bare))
