import assert from 'node:assert/strict'
import fc from 'fast-check'

import { CseError } from '../../src/errors.js'
import { decodeHeaderText } from '../../src/formats/s3ec/header-text.js'
import { parseInstructionFile, serialiseInstructionFile } from '../../src/formats/s3ec/instruction-file.js'
import { parseJsonMap, parseJsonObject, serialiseJsonMap } from '../../src/formats/s3ec/json-map.js'
import { s3ec } from '../../src/formats/s3ec/s3ec.js'
import { object } from '../support/s3ec-objects.js'
import { envelopeNames } from './envelope-model.js'
import { metadataBases } from './envelopes.js'
import { encodings, word } from './header-words.js'
import { checkPrototypes } from './outcome.js'
import { fuzz } from './property.js'
import type { FuzzProperty } from './property.js'
import { headerTexts, jsonTexts, seldom, wellFormed } from './texts.js'

const CAP = 16 * 1024

/** The members of an object of texts and numbers, each name once; `undefined` for any other text. */
function modelOf(text: string, max: number): [string, unknown][] | undefined {
  if (text.length > max) return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return undefined
  const members = Object.entries(value)
  const texts = members.filter((member) => typeof member[1] === 'string').length
  if (!members.every(([, one]) => typeof one === 'string' || typeof one === 'number')) return undefined
  if (
    !members
      .flat()
      .every(
        (one) => typeof one !== 'string' || !/[\ud800-\udfff]/.test(one.replace(/[\ud800-\udbff][\udc00-\udfff]/g, '')),
      )
  )
    return undefined
  return (text.match(/"(?:[^"\\]|\\.)*"/g) ?? []).length === members.length + texts ? members : undefined
}

/** The reader of stored maps, against JSON.parse. */
export const jsonProperty: FuzzProperty = fuzz({
  name: 'JSON maps',
  share: 60,
  expects: ['map', 'members', 'refused'],
  values: fc.tuple(jsonTexts, fc.constantFrom(CAP, CAP, 64 * 1024, 20)),
  check([text, max]) {
    const members = modelOf(text, max)
    assert.deepEqual(parseJsonObject(text, max), members)
    const map = parseJsonMap(text, max)
    const isMap = text === '' || members?.every(([, value]) => typeof value === 'string') === true
    assert.equal(map !== undefined, isMap)
    assert.deepEqual(
      parseJsonMap(text),
      text.length > CAP
        ? undefined
        : modelOf(text, CAP) === undefined && text !== ''
          ? undefined
          : parseJsonMap(text, CAP),
    )
    checkPrototypes()
    if (map === undefined) return members === undefined ? 'refused' : 'members'
    assert.equal(Object.getPrototypeOf(map), null)
    assert.ok(Object.isFrozen(map))
    assert.deepEqual(Object.entries(map), members ?? [])
    return 'map'
  },
})

/** Where an encoded word can begin, there is one. */
const mayHaveWords = (text: string): boolean => text.includes('=?')

export const headerTextProperty: FuzzProperty = fuzz({
  name: 'RFC 2047 text',
  share: 60,
  expects: ['the same', 'decoded'],
  values: headerTexts,
  check(text) {
    const decoded = decodeHeaderText(text)
    assert.equal(decodeHeaderText(text), decoded)
    assert.ok(decoded.length <= text.length, 'what is decoded is never longer')
    if (/^[\0-\x7f]*$/.test(text) && !mayHaveWords(text)) assert.equal(decoded, text)
    if (/^[\0-\x7f]*$/.test(decoded) && !mayHaveWords(decoded)) assert.equal(decodeHeaderText(decoded), decoded)
    return decoded === text ? 'the same' : 'decoded'
  },
})

const maps = fc.dictionary(wellFormed, wellFormed, { maxKeys: 5 })

/** What S3 makes of a header of raw UTF-8: it takes it for Latin-1, and answers with a word of that, or with several. */
const asStored = fc.record({
  encoding: encodings,
  latin1: fc.boolean(),
  cut: fc.nat(),
  blank: fc.constantFrom(' ', '\t', '  '),
})

export const mapRoundTripProperty: FuzzProperty = fuzz({
  name: 'maps there and back',
  share: 60,
  expects: ['ASCII', 'encoded twice'],
  values: fc.tuple(maps, asStored),
  check([map, { encoding, latin1, cut, blank }]) {
    const text = serialiseJsonMap(map)
    assert.match(text, /^[ -~]*$/)
    assert.ok(!text.includes('=?'))
    assert.deepEqual({ ...(JSON.parse(text) as object) }, { ...map })
    const same = (found: unknown): void => assert.deepEqual({ ...(found as object) }, { ...map })
    same(parseJsonMap(decodeHeaderText(text)))
    const raw = JSON.stringify(map)
    if (/^[\0-\x7f]*$/.test(raw)) return 'ASCII'
    // Another writer's, who sent the text as it is.
    const sent = Buffer.from(raw)
    const bytes = latin1 ? sent : Buffer.from(sent.toString('latin1'))
    const charset = latin1 ? 'ISO-8859-1' : 'UTF-8'
    const at = cut % (bytes.length + 1)
    const one = word(bytes, charset, encoding)
    const two = word(bytes.subarray(0, at), charset, encoding) + blank + word(bytes.subarray(at), charset, encoding)
    same(parseJsonMap(decodeHeaderText(one)))
    same(parseJsonMap(decodeHeaderText(two)))
    return 'encoded twice'
  },
})

const loneSurrogate = fc.integer({ min: 0xd800, max: 0xdfff }).map((unit) => String.fromCharCode(unit))

const files = s3ec().instructionFiles ?? assert.fail('the format has no instruction files')

/** A map in an envelope that is divided into object and file. */
export const fileRoundTripProperty: FuzzProperty = fuzz({
  name: 'files there and back',
  share: 30,
  expects: ['V1', 'V2', 'V3', 'refused'],
  values: fc.tuple(fc.constantFrom(...metadataBases), maps, seldom(loneSurrogate, 20)),
  check([base, map, bad]) {
    if (bad !== undefined) {
      assert.throws(() => serialiseJsonMap({ ...map, [`x${bad}`]: '' }), isConfigError)
      return 'refused'
    }
    // As it is written here: nothing but the envelope, and no length of the plaintext.
    const own = base.metadata.filter(([name]) => envelopeNames([name]).length > 0 && !name.endsWith('-length'))
    const complete = Object.fromEntries(own) as Record<string, string>
    const name = ['x-amz-matdesc', 'x-amz-t', 'x-amz-m'].find((one) => complete[one] !== undefined)
    const metadata = { ...complete, ...(name !== undefined && { [name]: serialiseJsonMap(map) }) }
    const { object: onObject, file } = files.split(metadata)
    assert.match(file.text, /^[!-~]*$/)
    const bytes = new Uint8Array(Buffer.from(file.text))
    const stored = { key: 'key.instruction', suffix: '.instruction', bytes }
    const { summary } = files.recognise(onObject, stored, object)
    if (name !== undefined) assert.deepEqual({ ...summary.context }, { ...map })
    const values = parseInstructionFile(stored, object)
    assert.equal(serialiseInstructionFile(Object.fromEntries(values)), file.text)
    for (const [key, value] of values) if (key !== name) assert.equal(value, metadata[key]?.replaceAll(' ', '\\u0020'))
    return summary.version
  },
})

function isConfigError(error: unknown): boolean {
  return error instanceof CseError && error.code === 'ERR_S3CSE_CONFIG'
}
