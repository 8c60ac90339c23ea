import assert from 'node:assert/strict'
import fc from 'fast-check'

import { formatRange, parseRange, resolveRange, storedSpec } from '../../src/client/range.js'
import { fuzz } from './property.js'
import type { FuzzProperty } from './property.js'
import { rangeTexts } from './range-texts.js'

/**
 * RFC 9110 section 14.1.2, a character at a time and with whole numbers of any size; of what it allows, S3 answers one
 * range of `bytes`, in small letters, without blanks in it, and ignores the rest (RFC 9110 section 14.2 lets it).
 */
type Model = 'ignored' | { readonly first: bigint; readonly last: bigint | undefined } | { readonly suffix: bigint }

function model(header: string): Model {
  const text = withoutBlanks(header)
  if (!text.startsWith('bytes=')) return 'ignored'
  const parts = text.slice('bytes='.length).split('-')
  if (parts.length !== 2 || !parts.every(isDigits)) return 'ignored'
  const [first, last] = parts.map((part) => (part === '' ? undefined : BigInt(part)))
  if (first === undefined) return last === undefined ? 'ignored' : { suffix: last }
  return last !== undefined && last < first ? 'ignored' : { first, last }
}

/** No part of a field's value (RFC 9110 section 5.5), which knows blanks and tabs only; no client can send the others. */
function withoutBlanks(header: string): string {
  return header.trim()
}

function isDigits(text: string): boolean {
  for (const character of text) if (character < '0' || character > '9') return false
  return true
}

/** Bytes [start, end), or that there are none (416). RFC 9110 section 14.1.2; S3 gives the last bytes of nothing. */
function answer(asked: Exclude<Model, 'ignored'>, length: bigint): { start: bigint; end: bigint } | undefined {
  if ('suffix' in asked) {
    if (asked.suffix === 0n) return undefined
    return { start: asked.suffix > length ? 0n : length - asked.suffix, end: length }
  }
  const { first, last } = asked
  if (first >= length) return undefined
  return { start: first, end: last === undefined || last >= length ? length : last + 1n }
}

const lengths = fc.oneof(
  fc.nat({ max: 1100 }),
  fc.constant(0),
  fc.constantFrom(0, 1, 15, 16, 17, 2 ** 31, 2 ** 36 - 32, 5 * 2 ** 40),
  fc.maxSafeNat().filter((length) => length < 2 ** 53 - 64),
)

export const rangeProperty: FuzzProperty = fuzz({
  name: 'ranges',
  share: 80,
  expects: ['ignored', 'unsatisfiable', 'bytes', 'none of nothing'],
  values: fc.tuple(rangeTexts, lengths),
  check([header, length]) {
    const asked = model(header)
    const spec = parseRange(header)
    if (asked === 'ignored' || spec === undefined) {
      assert.equal(spec, undefined)
      assert.equal(asked, 'ignored')
      return 'ignored'
    }
    assert.deepEqual(parseRange(formatRange(spec)), spec)
    assert.match(formatRange(spec), /^bytes=(\d{1,16}-(\d{1,16})?|-\d{1,16})$/)
    const expected = answer(asked, BigInt(length))
    const found = resolveRange(spec, length)
    assert.deepEqual(found && { start: BigInt(found.start), end: BigInt(found.end) }, expected)
    // What is stored is longer by a tag, and is decrypted from the beginning of a block on.
    const stored = storedSpec(spec)
    assert.deepEqual(parseRange(formatRange(stored)), stored)
    const asking = resolveRange(stored, length + 16)
    if (found === undefined) return 'unsatisfiable'
    assert.ok(asking !== undefined)
    assert.ok(asking.start <= found.start - (found.start % 16) && asking.end >= found.end)
    // And hardly more of it than that.
    assert.ok(asking.end - asking.start <= found.end - found.start + 64)
    return found.start === found.end ? 'none of nothing' : 'bytes'
  },
})
