import fc from 'fast-check'

import { edit, unit } from './edits.js'
import { charsets, encodings, word } from './header-words.js'

/** Texts as metadata and instruction files may have them, and edits of such texts. */

/** Mostly `undefined`: once in some times, on average, it is another value. */
export function seldom<T>(values: fc.Arbitrary<T>, times: number): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: times - 1, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: values })
}

const latin1 = fc.integer({ min: 0, max: 0xff }).map((code) => String.fromCharCode(code))

/** Every kind of character but halves of pairs. */
export const wellFormed: fc.Arbitrary<string> = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({ unit: latin1, maxLength: 12 }),
  fc.constantFrom(
    '',
    '__proto__',
    'constructor',
    'toString',
    'kms_cmk_id',
    '=?',
    '?=',
    '=?UTF-8?Q?a?=',
    ' ',
    'é',
    '\\u0020',
  ),
)

const names = fc.constantFrom(
  ...[
    '',
    '{}',
    '[]',
    'null',
    '""',
    '0',
    '115',
    '114',
    '116',
    '02',
    '12',
    '22',
    '01',
    '11',
    '21',
    '128',
    '96',
    '0128',
    '128 ',
  ],
  ...['AES/GCM/NoPadding', 'AES/CBC/PKCS5Padding', 'AES/CBC/PKCS7Padding', 'AES/CTR/NoPadding', 'aes/gcm/nopadding'],
  ...[
    'AES/GCM',
    'RSA-OAEP-SHA1',
    'kms+context',
    'kms',
    'AESWrap',
    'AES',
    'RSA',
    'RSA/ECB/OAEPWithSHA-256AndMGF1Padding',
  ],
  ...['__proto__', 'constructor', 'prototype', 'NaN', '-0', '1e999', '99999999999999999999'],
)

/** What envelopes call contents and wraps. */
export const algorithmNames: fc.Arbitrary<string> = names

const base64 = fc
  .oneof(fc.constantFrom(0, 11, 12, 13, 15, 16, 17, 28, 32, 48, 49, 256, 8192, 8193), fc.nat({ max: 80 }))
  .chain((length) => fc.nat({ max: 255 }).map((byte) => Buffer.alloc(length, byte).toString('base64')))

const words = fc
  .array(
    fc.tuple(
      fc.oneof(
        fc.uint8Array({ maxLength: 12 }),
        wellFormed.map((text) => new Uint8Array(Buffer.from(text))),
      ),
      charsets,
      encodings,
      fc.constantFrom('', ' ', '\t', '  ', 'x'),
    ),
    {
      minLength: 1,
      maxLength: 4,
    },
  )
  .map((all) => all.map(([bytes, charset, encoding, after]) => word(bytes, charset, encoding) + after).join(''))

/** What makes a parser go back and forth, up to some more than the cap of 16 KiB. */
const long = fc
  .tuple(
    fc.constantFrom(
      '=?',
      '=?a?q?',
      '=?utf-8?q?=',
      ' ',
      '\t',
      '=',
      '=?utf-8?b?',
      '=?utf-8?q?a?= ',
      '=?a?b??=',
      '[',
      '{"a":',
      '"',
      '\\',
      '\\"',
      'A',
      'é',
      '\ud800',
      '?= =',
    ),
    fc.nat({ max: 17_000 }),
    fc.constantFrom('', 'x', '?=', ' ', '"}', '=?utf-8?q?a?=x'),
  )
  .map(([piece, length, end]) => piece.repeat(Math.ceil(length / piece.length)) + end)

const jsonValue = fc.oneof(
  { weight: 6, arbitrary: wellFormed.map((text) => JSON.stringify(text)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '1',
      '-0',
      '1e400',
      'null',
      'true',
      '[]',
      '{}',
      '{"a":"b"}',
      '["a"]',
      '1.5',
      '9007199254740993',
      '"\\ud800"',
      '"\\u0000"',
    ),
  },
  { weight: 1, arbitrary: fc.double().map((number) => String(number)) },
)

/** Keys are written as they are, or with every character escaped: equal ones need not look it. */
const jsonKey = fc
  .tuple(fc.oneof(wellFormed, fc.constantFrom('a', 'b', '__proto__')), fc.boolean())
  .map(([text, escape]) =>
    escape
      ? `"${Array.from({ length: text.length }, (_, i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')}"`
      : JSON.stringify(text),
  )

/** An object as its writer could have put it, or nearly. */
const jsonObject = fc
  .tuple(fc.array(fc.tuple(jsonKey, jsonValue), { maxLength: 5 }), fc.constantFrom('', ' ', '\n\t'))
  .map(
    ([members, blank]) =>
      `{${blank}${members.map(([key, value]) => `${key}${blank}:${blank}${value}`).join(`,${blank}`)}}`,
  )

const edited = (texts: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .tuple(texts, fc.array(edit, { maxLength: 2 }))
    .map(([text, edits]) => edits.reduce((so, change) => change(so), text))

export const jsonTexts: fc.Arbitrary<string> = fc.oneof(
  { weight: 8, arbitrary: jsonObject },
  { weight: 3, arbitrary: edited(jsonObject) },
  { weight: 2, arbitrary: fc.json() },
  { weight: 1, arbitrary: long },
)

export const headerTexts: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: edited(words) },
  { weight: 2, arbitrary: edited(wellFormed) },
  { weight: 1, arbitrary: fc.string({ unit, maxLength: 30 }) },
  { weight: 1, arbitrary: long },
)

/** Any value that metadata may have. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  { weight: 12, arbitrary: names },
  { weight: 6, arbitrary: base64 },
  { weight: 4, arbitrary: jsonObject },
  { weight: 2, arbitrary: jsonTexts },
  { weight: 2, arbitrary: headerTexts },
  { weight: 2, arbitrary: fc.string({ unit, maxLength: 30 }) },
)
