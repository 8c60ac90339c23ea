import fc from 'fast-check'

import { charsets, encodings, word } from './header-words.js'

/** UTF-16 units of any kind, halves of surrogate pairs among them. */
export const unit: fc.Arbitrary<string> = fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code))

/** One change of a text. */
export const edit: fc.Arbitrary<(text: string) => string> = fc.oneof(
  fc.nat({ max: 400 }).map((length) => (text: string) => text.slice(0, length)),
  fc.tuple(fc.nat(), fc.oneof(unit, fc.string({ maxLength: 3 }))).map(([at, insert]) => (text: string) => {
    const place = at % (text.length + 1)
    return text.slice(0, place) + insert + text.slice(place)
  }),
  // Of Base64 this flips bits.
  fc
    .tuple(
      fc.nat(),
      fc.oneof(
        unit,
        fc.base64String({ minLength: 4, maxLength: 4 }).map((four) => four.slice(0, 1)),
      ),
    )
    .map(([at, other]) => (text: string) => {
      const place = at % (text.length + 1)
      return text.slice(0, place) + other + text.slice(place + 1)
    }),
  fc.integer({ min: 2, max: 9 }).map((times) => (text: string) => text.repeat(times)),
  fc
    .tuple(charsets, encodings, fc.constantFrom('utf-8', 'double'))
    .map(([charset, encoding, how]) => (text: string) => {
      const bytes = Buffer.from(text)
      return word(how === 'double' ? Buffer.from(bytes.toString('latin1')) : bytes, charset, encoding)
    }),
  fc.constant((text: string) => Buffer.from(text).toString('latin1')),
  fc.constant((text: string) => text.toUpperCase()),
  fc.constant((text: string) => ` ${text}\t`),
  fc.constant((text: string) => text.replace(/=+$/, '')),
  // Bits behind the last byte of Base64.
  fc.constant((text: string) =>
    text.replace(/[AQgw](?==+$)/, (letter) => String.fromCharCode(letter.charCodeAt(0) + 1)),
  ),
)
