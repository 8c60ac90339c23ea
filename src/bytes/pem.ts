import { decodeBase64 } from './base64.js'

/** The most that a key file may have, in bytes or characters. */
export const MAX_KEY_FILE_LENGTH: number = 64 * 1024

/** What PEM text has in it. */
export interface Pem {
  /** `CRYPT4GH PUBLIC KEY`. */
  readonly label: string
  readonly bytes: Uint8Array
}

/**
 * One block of PEM (RFC 7468 section 3, without text around it), in lines of any length that end in any way. A text that
 * is none gives what is wrong with it, as the end of a sentence.
 */
export function parsePem(text: string): Pem | string {
  if (text.length > MAX_KEY_FILE_LENGTH) return `it is longer than ${MAX_KEY_FILE_LENGTH} characters`
  const lines = text
    .split(/\r\n|\n|\r/)
    .map((line) => line.trim())
    .filter((line) => line !== '')
  const label = /^-----BEGIN ([A-Z0-9]+(?: [A-Z0-9]+)*)-----$/.exec(lines[0] ?? '')?.[1]
  if (label === undefined) return 'its first line is not -----BEGIN …-----'
  if (lines.at(-1) !== `-----END ${label}-----`) return 'its last line is not the -----END …----- of its first'
  const bytes = decodeBase64(lines.slice(1, -1).join(''))
  return bytes === undefined ? 'what it has between its first and last lines is not Base64' : { label, bytes }
}

/** In one line, as the reference implementation of Crypt4GH writes it. The letters do not depend on bytes by a table: they may be a key's. */
export function writePem(label: string, bytes: Uint8Array): string {
  let letters = ''
  for (let i = 0; i < bytes.length; i += 3) {
    const group = ((bytes[i] as number) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0)
    const count = Math.min(bytes.length - i, 3) + 1
    for (let index = 0; index < 4; index++) letters += index < count ? letter((group >> (18 - 6 * index)) & 63) : '='
  }
  return `-----BEGIN ${label}-----\n${letters}\n-----END ${label}-----\n`
}

/** A-Z, a-z, 0-9, + and /: each comparison is a shift that gives all ones or zero. */
function letter(value: number): string {
  const code =
    value +
    65 +
    (((25 - value) >> 8) & 6) -
    (((51 - value) >> 8) & 75) -
    (((61 - value) >> 8) & 15) +
    (((62 - value) >> 8) & 3)
  return String.fromCharCode(code)
}
