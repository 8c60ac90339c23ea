import assert from 'node:assert/strict'
import fc from 'fast-check'

import type { InstructionFile } from '../../src/formats/format.js'
import { s3ec } from '../../src/formats/s3ec/s3ec.js'
import { object } from '../support/s3ec-objects.js'
import { edit } from './edits.js'
import { checkPlaces, checkSummary } from './envelope-model.js'
import { asObject, changed, fileBases, metadataBases, noise } from './envelopes.js'
import type { Base, Entry } from './envelopes.js'
import { checkPrototypes, twice } from './outcome.js'
import { fuzz } from './property.js'
import type { FuzzProperty } from './property.js'
import { jsonTexts, seldom } from './texts.js'

const files = s3ec().instructionFiles ?? assert.fail('the format has no instruction files')
const CAP = 64 * 1024

/** The members as JSON, with blanks, or with one of them twice, or behind a byte order mark. */
const writer: fc.Arbitrary<(entries: readonly Entry[]) => string> = fc.oneof(
  { weight: 8, arbitrary: fc.constant((entries: readonly Entry[]) => toJson(entries)) },
  { weight: 1, arbitrary: fc.constant((entries: readonly Entry[]) => toJson(entries).replaceAll(',"', ' ,\n "')) },
  { weight: 1, arbitrary: fc.constant((entries: readonly Entry[]) => toJson([...entries, ...entries.slice(0, 1)])) },
  { weight: 1, arbitrary: fc.constant((entries: readonly Entry[]) => `\ufeff${toJson(entries)}`) },
  {
    weight: 1,
    arbitrary: fc
      .integer({ min: CAP - 3000, max: CAP + 30 })
      .map((length) => (entries: readonly Entry[]) => toJson(entries).padEnd(length)),
  },
  { weight: 1, arbitrary: fc.integer({ min: CAP / 2 - 400, max: CAP / 2 }).map(withLongMap) },
  { weight: 2, arbitrary: edit.map((change) => (entries: readonly Entry[]) => change(toJson(entries))) },
)

/** A map of characters of two bytes: those that are too many bytes are not too many characters. */
function withLongMap(length: number): (entries: readonly Entry[]) => string {
  const map = JSON.stringify({ a: 'é'.repeat(length) })
  return (entries) => toJson(entries.map(([name, value]) => [name, /-(matdesc|m|t)$/.test(name) ? map : value]))
}

function toJson(entries: readonly Entry[]): string {
  const texts = entries.map(
    ([name, value]) =>
      `${JSON.stringify(name)}:${typeof value === 'bigint' ? String(value) : JSON.stringify(value ?? null)}`,
  )
  return `{${texts.join(',')}}`
}

/** One byte that is another, which is seldom UTF-8. */
const damage = seldom(fc.tuple(fc.nat(), fc.nat({ max: 255 })), 8)

const bases = fc.constantFrom(...fileBases, ...fileBases.filter(({ suffix }) => suffix === 'INSTRUCTION_SUFFIX'))

const written = fc
  .tuple(bases, fc.constantFrom(...fileBases, ...metadataBases), fc.nat({ max: 9 }), writer, damage)
  .chain(([base, other, mix, write, hit]) => {
    const { metadata, file, suffix }: Base =
      mix === 0
        ? { ...base, metadata: other.metadata }
        : mix === 1
          ? { ...base, file: other.file ?? other.metadata }
          : base
    return fc
      .tuple(
        changed(fc.constant(metadata), mix < 7 ? 0 : 2),
        fc.oneof(
          { weight: 9, arbitrary: changed(fc.constant(file ?? []), [2, 2, 0, 0, 1][mix % 5] ?? 0) },
          { weight: 1, arbitrary: noise },
        ),
        fc.boolean(),
      )
      .map(([onObject, members, bare]) => {
        const bytes = new Uint8Array(Buffer.from(write(members)))
        if (hit !== undefined && bytes.length > 0) bytes[hit[0] % bytes.length] = hit[1]
        return { metadata: asObject(onObject, bare), bytes, suffix }
      })
  })

const wild = fc
  .tuple(
    bases,
    fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      jsonTexts.map((text) => new Uint8Array(Buffer.from(text))),
      fc.integer({ min: CAP - 1, max: CAP + 5000 }).map((length) => new Uint8Array(length).fill(0x5b)),
    ),
  )
  .map(([base, bytes]) => ({ metadata: asObject(base.metadata, false), bytes, suffix: base.suffix }))

const values = fc
  .tuple(
    fc.oneof({ weight: 9, arbitrary: written }, { weight: 1, arbitrary: wild }),
    seldom(fc.constantFrom('.instruction', 'INSTRUCTION_SUFFIX', '', '.x'), 10),
  )
  .map(([value, suffix]) => ({ ...value, suffix: suffix ?? value.suffix }))

const dotNetNames: Readonly<Record<string, string>> = { EncryptedEnvelopeKey: 'x-amz-key', IV: 'x-amz-iv' }

/** The envelope of an object and a file. */
export const instructionFileProperty: FuzzProperty = fuzz({
  name: 'instruction files',
  share: 180,
  expects: ['V1', 'V2', 'V3', 'V1 of .NET', 'refused', 'too long'],
  values,
  check({ metadata, bytes, suffix }) {
    const file: InstructionFile = Object.freeze({ key: `${object.key}${suffix}`, suffix, bytes })
    const before = bytes.slice()
    const found = twice(() => files.recognise(metadata, file, object), ['ERR_S3CSE_ENVELOPE_INVALID'])
    checkPrototypes()
    assert.deepEqual(bytes, before)
    if ('error' in found) return bytes.length > CAP ? 'too long' : 'refused'
    assert.ok(bytes.length <= CAP)
    const { summary } = found.value
    checkSummary(summary)
    assert.equal(summary.instructionFile, file.key)
    const names = Object.keys(JSON.parse(Buffer.from(bytes).toString()) as object)
    const isDotNet = suffix === 'INSTRUCTION_SUFFIX'
    checkPlaces(
      summary.version,
      metadata,
      isDotNet ? names.map((name) => dotNetNames[name] ?? name.toUpperCase()) : names,
    )
    return isDotNet ? `${summary.version} of .NET` : summary.version
  },
})
