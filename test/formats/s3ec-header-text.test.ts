import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import fc from 'fast-check'
import { decodeHeaderText } from '../../src/formats/s3ec/header-text.js'

/** As S3 returns what is not ASCII. */
function word(bytes: Uint8Array, encoding: 'Q' | 'B'): string {
  if (encoding === 'B') return `=?UTF-8?B?${Buffer.from(bytes).toString('base64')}?=`
  const letters = Array.from(bytes, (byte) =>
    byte === 0x20
      ? '_'
      : /[\w{}":,.-]/.test(String.fromCharCode(byte)) && byte !== 0x5f
        ? String.fromCharCode(byte)
        : hex(byte),
  )
  return `=?UTF-8?Q?${letters.join('')}?=`
}

function hex(byte: number): string {
  return `=${byte.toString(16).toUpperCase().padStart(2, '0')}`
}

describe('header text', () => {
  const text = '{"kä ß_y":"日本 = ? 😀é"}'

  test('(a) ASCII stays byte for byte', () => {
    for (const ascii of ['{"a":"b"}', '{"a":"=?UTF-8?Q?x?="}', '{"a": "=? ?="}', '=?', '=?x?Q?y?', 'a_b=20']) {
      assert.equal(decodeHeaderText(ascii), ascii)
    }
  })

  test('(b) raw UTF-8 that was sent: S3 takes it for Latin-1 and encodes that', () => {
    const twice = Buffer.from(Buffer.from(text, 'utf8').toString('latin1'), 'utf8')
    for (const encoding of ['Q', 'B'] as const) assert.equal(decodeHeaderText(word(twice, encoding)), text)
  })

  test('(c) RFC 2047 words that were sent come back encoded once', () => {
    for (const encoding of ['Q', 'B'] as const) assert.equal(decodeHeaderText(word(Buffer.from(text), encoding)), text)
    // Only Latin-1 letters, and still no UTF-8 underneath.
    for (const latin of ['{"a":"é"}', '{"ä":"ÿß"}']) {
      assert.equal(decodeHeaderText(word(Buffer.from(latin), 'Q')), latin)
    }
  })

  test('raw UTF-8 in a header, which HTTP gives as Latin-1, as other servers return it', () => {
    assert.equal(decodeHeaderText(Buffer.from(text).toString('latin1')), text)
    assert.equal(decodeHeaderText('{"a":"é"}'), '{"a":"é"}')
    assert.equal(decodeHeaderText(text), text)
    // Cut to eight bits each, this would be UTF-8.
    assert.equal(decodeHeaderText('\u01c3\u00a9'), '\u01c3\u00a9')
  })

  test('adjacent words join, also inside a character; other text between them stays', () => {
    assert.equal(decodeHeaderText('=?UTF-8?Q?{"a":?= =?utf-8?b?ImIi?= \t=?UTF-8*en?q?}?='), '{"a":"b"}')
    assert.equal(decodeHeaderText('=?UTF-8?Q?=E6=97?= =?UTF-8?Q?=A5?='), '日')
    assert.equal(decodeHeaderText('x =?UTF-8?Q?=E6=97=A5?= y'), 'x 日 y')
    assert.equal(decodeHeaderText('=?ISO-8859-1?Q?=E9?='), 'é')
    assert.equal(decodeHeaderText('=?US-ASCII?Q?a=3F_b?='), 'a? b')
    assert.equal(decodeHeaderText('=?UTF-8?B?w6k?='), 'é')
    assert.equal(decodeHeaderText('=?UTF-8?Q?=EF=BB=BFa?='), '\ufeffa')
  })

  test('what does not decode stays as it is', () => {
    const kept = [
      '=?UTF-8?Q?=E9?=',
      '=?UTF-8?Q?=4?=',
      '=?UTF-8?Q?=zz?=',
      '=?UTF-8?B?****?=',
      '=?KOI8-R?Q?=C1?=',
      '=?UTF-8?X?a?=',
    ]
    kept.push('=?UTF-8?Q?a?=b', 'b=?UTF-8?Q?a?=', '=?UTF-8?Q?日?=', '=?UTF-8?B?w6==?=', '=??Q?a?=')
    for (const value of kept) assert.equal(decodeHeaderText(value), value)
  })

  test('any text gives some text, and none grows', () => {
    const unit = fc.constantFrom(
      '=?',
      '?=',
      '?Q?',
      '?B?',
      'UTF-8',
      '=C3',
      '=A9',
      '_',
      ' ',
      'Ã',
      '©',
      '日',
      'a',
      '=',
      '?',
      '\ud800',
    )
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 30 }), (parts) => {
        assert.ok(decodeHeaderText(parts.join('')).length <= parts.join('').length)
      }),
      { numRuns: 3000 },
    )
  })

  test('16 KiB of what looks like words', () => {
    const filled = (unit: string): string => unit.repeat(Math.floor(16384 / unit.length))
    for (const unit of ['=?UTF-8?Q?', '=?', '=?a?Q??= ', '?=', '=?UTF-8?Q?a', ' ', '=?UTF-8?Q?a?=', '\u00c3\u0028']) {
      assert.equal(decodeHeaderText(filled(unit)), filled(unit))
    }
    assert.equal(decodeHeaderText(filled('=?UTF-8?B?YQ==?= ')), `${'a'.repeat(963)} `)
    assert.equal(decodeHeaderText(`=?UTF-8?Q?a?=${filled(' ')}x`), `a${filled(' ')}x`)
    assert.equal(decodeHeaderText(`=?UTF-8?Q?${'='.repeat(16000)}?=`), `=?UTF-8?Q?${'='.repeat(16000)}?=`)
    assert.equal(decodeHeaderText(`=?UTF-8?Q?${'a'.repeat(16000)}?=`), 'a'.repeat(16000))
  })
})
