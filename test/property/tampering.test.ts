import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'

import fc from 'fast-check'

import { CseError } from '../../src/errors.js'
import { changed } from '../support/s3ec-objects.js'
import { kinds, writer } from '../support/s3ec-kinds.js'
import { bytesOf, chunkings, modes, open, seal, shortLengths } from './support.js'
import type { Mode, Outcome } from './support.js'

/** An object with its plaintext, and how it is read. */
const cases = fc.record({
  kind: fc.constantFrom(...kinds),
  length: shortLengths,
  seed: fc.nat(),
  chunking: chunkings,
  mode: fc.constantFrom(...modes),
})
type Case = typeof cases extends fc.Arbitrary<infer T> ? T : never

async function make({ kind, length, seed, chunking }: Case) {
  const plaintext = bytesOf(seed, length)
  const settings = writer(kind)
  return { plaintext, settings, good: await seal(settings, plaintext, chunking) }
}

/** A typed error; and not one byte, where plaintext is released only when it has been verified. */
function assertRefused({ released, error }: Outcome, mode: Mode, codes = /DECRYPTION_FAILED/): void {
  assert.ok(error instanceof CseError, `${mode}: ${inspect(error)}`)
  assert.match(error.code, codes)
  assert.equal(error.cause, undefined)
  if (mode !== 'delayed') assert.equal(released.length, 0, mode)
}

function flip(bytes: Uint8Array, bit: number): Buffer {
  const flipped = Buffer.from(bytes)
  const at = bit % (bytes.length * 8)
  flipped[at >> 3]! ^= 1 << (at & 7)
  return flipped
}

/** One bit of a text: in the text itself as UTF-16 below 256. */
function flipText(text: string, bit: number): string {
  const at = bit % (text.length * 8)
  const index = at >> 3
  return text.slice(0, index) + String.fromCharCode(text.charCodeAt(index) ^ (1 << (at & 7))) + text.slice(index + 1)
}

describe('the body', () => {
  it('any single bit flipped is an error', async () => {
    const property = fc.asyncProperty(cases, fc.nat(), async (one, bit) => {
      const { settings, good } = await make(one)
      const outcome = await open(settings, { ...good, body: flip(good.body, bit) }, one)
      assertRefused(outcome, one.mode)
    })
    await fc.assert(property, { numRuns: 300 })
  })

  it('any truncation or extension, at any place, is an error', async () => {
    const edit = fc.record({ at: fc.nat(), remove: fc.nat({ max: 300 }), insert: fc.uint8Array({ maxLength: 300 }) })
    const property = fc.asyncProperty(cases, edit, fc.boolean(), async (one, { at, remove, insert }, atEnd) => {
      const { settings, good } = await make(one)
      const start = atEnd ? Math.max(0, good.body.length - remove) : at % (good.body.length + 1)
      const body = Buffer.concat([good.body.subarray(0, start), insert, good.body.subarray(start + remove)])
      fc.pre(!body.equals(good.body))
      const outcome = await open(settings, { ...good, body }, one)
      assertRefused(outcome, one.mode, body.length < 16 ? /ENVELOPE_INVALID/ : /DECRYPTION_FAILED/)
    })
    await fc.assert(property, { numRuns: 300 })
  })

  it('a length in the response that is not the body’s is an error', async () => {
    const property = fc.asyncProperty(cases, fc.integer({ min: -300, max: 300 }), async (one, by) => {
      const { settings, good } = await make(one)
      const sealedLength = Math.max(0, good.body.length + by)
      fc.pre(sealedLength !== good.body.length)
      const outcome = await open(settings, good, { ...one, sealedLength })
      assertRefused(outcome, one.mode, sealedLength < 16 ? /ENVELOPE_INVALID/ : /RESPONSE_UNEXPECTED/)
    })
    await fc.assert(property, { numRuns: 200 })
  })

  it('parts of two objects under one envelope are an error', async () => {
    const property = fc.asyncProperty(cases, fc.nat(), async (one, at) => {
      fc.pre(one.length > 0)
      const { settings, good } = await make(one)
      const other = await seal(settings, bytesOf(one.seed, one.length), one.chunking)
      const start = 1 + (at % (good.body.length - 1))
      const body = Buffer.concat([good.body.subarray(0, start), other.body.subarray(start)])
      fc.pre(!body.equals(good.body))
      assertRefused(await open(settings, { ...good, body }, one), one.mode)
    })
    await fc.assert(property, { numRuns: 100 })
  })
})

describe('the envelope', () => {
  const base64Keys = ['x-amz-key-v2', 'x-amz-iv', 'x-amz-3', 'x-amz-d', 'x-amz-i']
  /** A map is authenticated as what it says, not as how it is written. */
  const sameMap = (a: string, b: string): boolean => {
    try {
      assert.deepEqual(JSON.parse(a), JSON.parse(b))
      return true
    } catch {
      return false
    }
  }

  it('any single bit flipped in an authenticated value is an error', async () => {
    const property = fc.asyncProperty(cases, fc.nat(), fc.nat(), async (one, which, bit) => {
      const { plaintext, settings, good } = await make(one)
      const key = one.kind.checked[which % one.kind.checked.length]!
      const value = good.metadata[key]!
      const text = flipText(value, bit)
      const outcome = await open(settings, { ...good, metadata: changed(good.metadata, { [key]: text }) }, one)
      if (sameMap(text, value)) assert.ok(outcome.released.equals(plaintext))
      else assertRefused(outcome, one.mode, /DECRYPTION_FAILED|ENVELOPE_INVALID|LEGACY_DISABLED|CONTEXT_MISMATCH/)
    })
    await fc.assert(property, { numRuns: 500 })
  })

  it('any single bit flipped in the bytes of a Base64 value is the one error', async () => {
    const property = fc.asyncProperty(cases, fc.nat(), fc.nat(), async (one, which, bit) => {
      const { settings, good } = await make(one)
      const keys = base64Keys.filter((key) => good.metadata[key] !== undefined)
      const key = keys[which % keys.length]!
      const value = flip(Buffer.from(good.metadata[key]!, 'base64'), bit).toString('base64')
      const outcome = await open(settings, { ...good, metadata: changed(good.metadata, { [key]: value }) }, one)
      assertRefused(outcome, one.mode)
    })
    await fc.assert(property, { numRuns: 300 })
  })

  /** Other texts that lenient decoders take for the same bytes. */
  const spellings: readonly ((text: string, at: number) => string)[] = [
    (text) => text.replace(/=+$/, ''),
    (text) => `${text}=`,
    (text) => `${text}====`,
    (text) => text.replaceAll('+', '-').replaceAll('/', '_'),
    (text, at) => `${text.slice(0, at)} ${text.slice(at)}`,
    (text, at) => `${text.slice(0, at)}\n${text.slice(at)}`,
    (text, at) => `${text.slice(0, at)}\0${text.slice(at)}`,
    (text, at) => `${text.slice(0, at)}=${text.slice(at)}`,
    (text) =>
      text.replace(/(.)(=+)$/, (_, last: string, pad: string) => String.fromCharCode(last.charCodeAt(0) + 1) + pad),
    (text) => `${text}A`,
    (text) => `=?UTF-8?Q?${text.replaceAll('=', '=3D')}?=`,
  ]

  it('Base64 counts in its canonical form only', async () => {
    let tried = 0
    const property = fc.asyncProperty(cases, fc.nat(), fc.nat(), fc.nat(), async (one, which, how, place) => {
      const { settings, good } = await make(one)
      const keys = base64Keys.filter((key) => good.metadata[key] !== undefined)
      const key = keys[which % keys.length]!
      const value = good.metadata[key]!
      const text = spellings[how % spellings.length]!(value, place % (value.length + 1))
      if (text === value) return
      tried++
      const outcome = await open(settings, { ...good, metadata: changed(good.metadata, { [key]: text }) }, one)
      assertRefused(outcome, one.mode, /ENVELOPE_INVALID/)
    })
    await fc.assert(property, { numRuns: 300 })
    assert.ok(tried > 100)
  })

  /**
   * What nothing authenticates, by kind of object: the materials description of raw keyrings (and the other place
   * where C++ writes it), the place for that on an object with an encryption context, and the length that some writers add.
   */
  it('the list of what is not authenticated is complete', () => {
    const list = kinds.map(({ version, algorithm, unauthenticated }) => [
      version,
      algorithm,
      [...unauthenticated].sort(),
    ])
    assert.deepEqual(list, [
      ['V2', 'AES/GCM', ['x-amz-matdesc', 'x-amz-unencrypted-content-length']],
      ['V2', 'kms+context', ['x-amz-unencrypted-content-length']],
      ['V3', 'AES/GCM', ['x-amz-m', 'x-amz-t', 'x-amz-unencrypted-content-length']],
      ['V3', 'kms+context', ['x-amz-m', 'x-amz-unencrypted-content-length']],
    ])
  })

  it('a bit flipped in what is not authenticated gives the same plaintext or an error', async () => {
    let read = 0
    let refused = 0
    const map = '{"tenant":"a","user":"b"}'
    const property = fc.asyncProperty(cases, fc.nat(), fc.nat(), async (one, which, bit) => {
      const { plaintext, settings, good } = await make(one)
      const key = one.kind.unauthenticated[which % one.kind.unauthenticated.length]!
      const value = good.metadata[key] ?? (key.endsWith('length') ? String(one.length) : map)
      const metadata = changed(good.metadata, { [key]: flipText(value, bit) })
      const outcome = await open(settings, { ...good, metadata }, one)
      if (outcome.error === undefined) {
        assert.ok(outcome.released.equals(plaintext))
        read++
      } else {
        assertRefused(outcome, one.mode, /ENVELOPE_INVALID|DECRYPTION_FAILED/)
        refused++
      }
    })
    await fc.assert(property, { numRuns: 400 })
    assert.ok(read > 50 && refused > 10, `${read} read, ${refused} refused`)
  })
})
