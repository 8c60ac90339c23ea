import fc from 'fast-check'

/** Range headers: as they should be, nearly, and not at all. */

const number = fc.oneof(
  { weight: 15, arbitrary: fc.nat({ max: 1100 }).map(String) },
  { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: 1n << 70n }).map(String) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '',
      '0',
      '00',
      '007',
      '9007199254740991',
      '9007199254740992',
      '9007199254740993',
      '9223372036854775807',
      '18446744073709551616',
      '9'.repeat(400),
      '0'.repeat(400),
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom('-1', '+1', '1.0', '1e3', '0x10', '٣', '１', ' 1', '1 ', '1_0', 'NaN', '∞') },
)

export const nearRanges: fc.Arbitrary<string> = fc
  .tuple(
    fc.oneof(
      { weight: 25, arbitrary: fc.constant('bytes') },
      { weight: 1, arbitrary: fc.constantFrom('Bytes', 'BYTES', 'byte', 'items', 'none', '', ' bytes', 'bytes ') },
    ),
    fc.oneof(
      { weight: 25, arbitrary: fc.constant('=') },
      { weight: 1, arbitrary: fc.constantFrom('', ' ', '= ', ' =', ':', '==') },
    ),
    fc.oneof({ weight: 3, arbitrary: number }, { weight: 1, arbitrary: fc.constant('') }),
    fc.oneof(
      { weight: 25, arbitrary: fc.constant('-') },
      { weight: 1, arbitrary: fc.constantFrom('', '--', ' - ', '–', ',', '/') },
    ),
    fc.oneof(number, fc.constant('')),
    fc.oneof(
      { weight: 25, arbitrary: fc.constant('') },
      { weight: 1, arbitrary: fc.constantFrom(',', ',5-6', ', -1', ' ', '\t', '/*', ';', '\n', '\0', 'x') },
    ),
  )
  .map((parts) => parts.join(''))

/** Numbers beside each other that a double does not tell apart. */
const huge = fc
  .tuple(fc.bigInt({ min: 2n ** 53n - 2n, max: 2n ** 66n }), fc.bigInt({ min: -2n, max: 2n }))
  .map(([first, more]) => `bytes=${first}-${first + more}`)

export const rangeTexts: fc.Arbitrary<string> = fc.oneof(
  { weight: 8, arbitrary: nearRanges },
  { weight: 1, arbitrary: huge },
  { weight: 1, arbitrary: fc.string({ maxLength: 20 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom(' ', 'bytes=', '-', '0', 'bytes=0-', ','), fc.nat({ max: 8000 }))
      .map(([piece, times]) => piece.repeat(times)),
  },
)
