import fc from 'fast-check'

/** Texts as metadata and instruction files may have them, and edits of such texts. */

/** UTF-16 units of any kind, halves of surrogate pairs among them. */
const unit = fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code))

const latin1 = fc.integer({ min: 0, max: 0xff }).map((code) => String.fromCharCode(code))

/** Every kind of character but halves of pairs. */
export const wellFormed: fc.Arbitrary<string> = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({ unit: latin1, maxLength: 12 }),
  fc.constantFrom('', '__proto__', 'constructor', 'toString', 'kms_cmk_id', '=?', '?=', '=?UTF-8?Q?a?=', ' ', 'é', '\\u0020'),
)

const names = fc.constantFrom(
  ...['', '{}', '[]', 'null', '""', '0', '115', '114', '116', '02', '12', '22', '01', '11', '21', '128', '96', '0128', '128 '],
  ...['AES/GCM/NoPadding', 'AES/CBC/PKCS5Padding', 'AES/CBC/PKCS7Padding', 'AES/CTR/NoPadding', 'aes/gcm/nopadding'],
  ...['AES/GCM', 'RSA-OAEP-SHA1', 'kms+context', 'kms', 'AESWrap', 'AES', 'RSA', 'RSA/ECB/OAEPWithSHA-256AndMGF1Padding'],
  ...['__proto__', 'constructor', 'prototype', 'NaN', '-0', '1e999'],
)

const base64 = fc
  .oneof(fc.constantFrom(0, 11, 12, 13, 15, 16, 17, 28, 32, 48, 49, 256, 8192, 8193), fc.nat({ max: 80 }))
  .chain((length) => fc.nat({ max: 255 }).map((byte) => Buffer.alloc(length, byte).toString('base64')))

/** Bytes as an RFC 2047 encoded word. */
export function word(bytes: Uint8Array, charset: string, encoding: string): string {
  const content =
    encoding.toUpperCase() === 'B'
      ? Buffer.from(bytes).toString('base64')
      : Array.from(bytes, (byte) => {
          const character = String.fromCharCode(byte)
          if (byte === 0x20) return '_'
          return /[A-Za-z0-9!*+/{}":,-]/.test(character) ? character : `=${byte.toString(16).padStart(2, '0').toUpperCase()}`
        }).join('')
  return `=?${charset}?${encoding}?${content}?=`
}

export const charsets: fc.Arbitrary<string> = fc.constantFrom('UTF-8', 'utf-8', 'utf8', 'UTF-8*en', 'us-ascii', 'ISO-8859-1', 'utf-16', 'x')
export const encodings: fc.Arbitrary<string> = fc.constantFrom('B', 'b', 'Q', 'q')

const words = fc
  .array(fc.tuple(fc.oneof(fc.uint8Array({ maxLength: 12 }), wellFormed.map((text) => new Uint8Array(Buffer.from(text)))), charsets, encodings, fc.constantFrom('', ' ', '\t', '  ', 'x')), {
    minLength: 1,
    maxLength: 4,
  })
  .map((all) => all.map(([bytes, charset, encoding, after]) => word(bytes, charset, encoding) + after).join(''))

/** What makes a parser go back and forth, up to some more than the cap of 16 KiB. */
const long = fc
  .tuple(
    fc.constantFrom('=?', '=?a?q?', '=?utf-8?q?=', ' ', '\t', '=', '=?utf-8?b?', '=?utf-8?q?a?= ', '=?a?b??=', '[', '{"a":', '"', '\\', '\\"', 'A', 'é', '\ud800', '?= ='),
    fc.nat({ max: 17_000 }),
    fc.constantFrom('', 'x', '?=', ' ', '"}', '=?utf-8?q?a?=x'),
  )
  .map(([piece, length, end]) => piece.repeat(Math.ceil(length / piece.length)) + end)

const jsonValue = fc.oneof(
  { weight: 6, arbitrary: wellFormed.map((text) => JSON.stringify(text)) },
  { weight: 1, arbitrary: fc.constantFrom('1', '-0', '1e400', 'null', 'true', '[]', '{}', '{"a":"b"}', '["a"]', '1.5', '9007199254740993', '"\\ud800"', '"\\u0000"') },
  { weight: 1, arbitrary: fc.double().map((number) => String(number)) },
)

/** Keys are written as they are, or with every character escaped: equal ones need not look it. */
const jsonKey = fc.tuple(fc.oneof(wellFormed, fc.constantFrom('a', 'b', '__proto__')), fc.boolean()).map(([text, escape]) =>
  escape ? `"${Array.from({ length: text.length }, (_, i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')}"` : JSON.stringify(text),
)

/** An object as its writer could have put it, or nearly. */
const jsonObject = fc
  .tuple(fc.array(fc.tuple(jsonKey, jsonValue), { maxLength: 5 }), fc.constantFrom('', ' ', '\n\t'))
  .map(([members, blank]) => `{${blank}${members.map(([key, value]) => `${key}${blank}:${blank}${value}`).join(`,${blank}`)}}`)

/** One change of a text. */
export const edit: fc.Arbitrary<(text: string) => string> = fc.oneof(
  fc.nat({ max: 400 }).map((length) => (text: string) => text.slice(0, length)),
  fc.tuple(fc.nat(), fc.oneof(unit, fc.string({ maxLength: 3 }))).map(([at, insert]) => (text: string) => {
    const place = at % (text.length + 1)
    return text.slice(0, place) + insert + text.slice(place)
  }),
  // Of Base64 this flips bits.
  fc.tuple(fc.nat(), fc.oneof(unit, fc.base64String({ minLength: 4, maxLength: 4 }).map((four) => four.slice(0, 1)))).map(([at, other]) => (text: string) => {
    const place = at % (text.length + 1)
    return text.slice(0, place) + other + text.slice(place + 1)
  }),
  fc.integer({ min: 2, max: 9 }).map((times) => (text: string) => text.repeat(times)),
  fc.tuple(charsets, encodings, fc.constantFrom('utf-8', 'double')).map(([charset, encoding, how]) => (text: string) => {
    const bytes = Buffer.from(text)
    return word(how === 'double' ? Buffer.from(bytes.toString('latin1')) : bytes, charset, encoding)
  }),
  fc.constant((text: string) => Buffer.from(text).toString('latin1')),
  fc.constant((text: string) => text.toUpperCase()),
  fc.constant((text: string) => ` ${text}\t`),
  fc.constant((text: string) => text.replace(/=+$/, '')),
)

const edited = (texts: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.tuple(texts, fc.array(edit, { maxLength: 2 })).map(([text, edits]) => edits.reduce((so, change) => change(so), text))

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
