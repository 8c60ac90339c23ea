/**
 * Base64 of RFC 4648 section 4: standard alphabet, padded. Decoding takes the canonical form only, so that one value has
 * exactly one text (no white space, no missing padding, no URL alphabet, no bits set behind the last byte).
 */

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const invalid = 255
const pad = 61
const values = new Uint8Array(128).fill(invalid)
for (let i = 0; i < 64; i++) values[alphabet.charCodeAt(i)] = i

/** Not in constant time: for values that are stored in the open, not for keys. */
export function encodeBase64(bytes: Uint8Array): string {
  // Characters are put together as bytes: a text that grows by single letters costs many times its length.
  const letters = new Uint8Array(Math.ceil(bytes.length / 3) * 4).fill(pad)
  let at = 0
  for (let i = 0; i < bytes.length; i += 3) {
    const group = (byte(bytes, i) << 16) | (byte(bytes, i + 1) << 8) | byte(bytes, i + 2)
    const count = Math.min(bytes.length - i, 3) + 1
    for (let index = 0; index < count; index++) letters[at + index] = letter(group >> (18 - 6 * index))
    at += 4
  }
  return new TextDecoder().decode(letters)
}

/** `undefined` for anything but canonical Base64. The empty text is zero bytes. */
export function decodeBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined
  let letters = text.length
  if (letters > 0 && text.charCodeAt(letters - 1) === pad) letters--
  if (letters > 0 && text.charCodeAt(letters - 1) === pad) letters--
  const bytes = new Uint8Array(Math.floor((letters * 3) / 4))
  let group = 0
  let bits = 0
  let at = 0
  for (let i = 0; i < letters; i++) {
    // Out of the table (undefined) for every character beyond ASCII.
    const value = values[text.charCodeAt(i)] ?? invalid
    if (value === invalid) return undefined
    group = ((group << 6) | value) & 0xfff
    bits += 6
    if (bits < 8) continue
    bits -= 8
    bytes[at++] = (group >> bits) & 0xff
  }
  // What is left over of the last letter must be zero, or two texts would mean the same bytes.
  if ((group & ((1 << bits) - 1)) !== 0) return undefined
  return bytes
}

function byte(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0
}

function letter(value: number): number {
  return alphabet.charCodeAt(value & 63)
}
