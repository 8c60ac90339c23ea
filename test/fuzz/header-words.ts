import fc from 'fast-check'

/** Bytes as an RFC 2047 encoded word. */
export function word(bytes: Uint8Array, charset: string, encoding: string): string {
  const content =
    encoding.toUpperCase() === 'B'
      ? Buffer.from(bytes).toString('base64')
      : Array.from(bytes, (byte) => {
          const character = String.fromCharCode(byte)
          if (byte === 0x20) return '_'
          return /[A-Za-z0-9!*+/{}":,-]/.test(character)
            ? character
            : `=${byte.toString(16).padStart(2, '0').toUpperCase()}`
        }).join('')
  return `=?${charset}?${encoding}?${content}?=`
}

export const charsets: fc.Arbitrary<string> = fc.constantFrom(
  'UTF-8',
  'utf-8',
  'utf8',
  'UTF-8*en',
  'us-ascii',
  'ISO-8859-1',
  'utf-16',
  'x',
)
export const encodings: fc.Arbitrary<string> = fc.constantFrom('B', 'b', 'Q', 'q')
