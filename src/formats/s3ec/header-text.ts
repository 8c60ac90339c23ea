/**
 * The text of a metadata value that came through an HTTP header. S3 returns what is not ASCII as RFC 2047 encoded words,
 * and where the writer sent raw UTF-8, which S3 takes for Latin-1, as words of that: encoded twice.
 */

import { decodeBase64 } from '../../bytes/base64.js'

// Words stand alone between blanks or the ends (RFC 2047 section 5), so that `=?` inside JSON text stays what it is.
const encodedWords =
  /(?<=^|[ \t])=\?[^?\s]{1,40}\?[BbQq]\?[^?\s]*\?=(?:[ \t]+=\?[^?\s]{1,40}\?[BbQq]\?[^?\s]*\?=)*(?=$|[ \t])/g
const encodedWord = /=\?([^?\s]+)\?([BbQq])\?([^?\s]*)\?=/g

const charsets = new Map([
  ['utf-8', 'utf-8'],
  ['utf8', 'utf-8'],
  ['us-ascii', 'utf-8'],
  ['iso-8859-1', 'latin1'],
])

/** Takes any text and returns what it could be read as; what does not decode stays as it is. */
export function decodeHeaderText(text: string): string {
  return decodeTwice(text.replace(encodedWords, decodeWords))
}

/** A run of adjacent words: the blanks between them do not count, and a character may be split over two of them. */
function decodeWords(run: string): string {
  const bytes: number[] = []
  for (const [, charset = '', encoding = '', content = ''] of run.matchAll(encodedWord)) {
    // RFC 2231 section 5 lets a language follow the character set.
    const known = charsets.get((charset.split('*', 1)[0] ?? '').toLowerCase())
    const decoded = encoding.toUpperCase() === 'B' ? decodeB(content) : decodeQ(content)
    if (known === undefined || decoded === undefined) return run
    for (const byte of decoded) {
      if (known === 'utf-8' || byte < 0x80) bytes.push(byte)
      else bytes.push(0xc0 | (byte >> 6), 0x80 | (byte & 0x3f))
    }
  }
  return decodeUtf8(Uint8Array.from(bytes)) ?? run
}

function decodeQ(content: string): number[] | undefined {
  const bytes: number[] = []
  for (let i = 0; i < content.length; i++) {
    const unit = content.charCodeAt(i)
    if (unit === 0x3d) {
      const hex = content.slice(i + 1, i + 3)
      if (!/^[0-9A-Fa-f]{2}$/.test(hex)) return undefined
      bytes.push(Number.parseInt(hex, 16))
      i += 2
    } else if (unit < 0x80) {
      bytes.push(content[i] === '_' ? 0x20 : unit)
    } else return undefined
  }
  return bytes
}

function decodeB(content: string): Uint8Array | undefined {
  // Some writers leave the padding out; the bytes are checked as UTF-8 and as JSON later anyway.
  const bare = content.replace(/={1,2}$/, '')
  return decodeBase64(bare + '='.repeat((4 - (bare.length % 4)) % 4))
}

/** Latin-1 that is UTF-8 underneath becomes that; anything else stays, for a value that was encoded once. */
function decodeTwice(text: string): string {
  if (!/[\u0080-\u00ff]/.test(text) || /[^\0-\u00ff]/.test(text)) return text
  return decodeUtf8(Uint8Array.from(text, (character) => character.charCodeAt(0))) ?? text
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
