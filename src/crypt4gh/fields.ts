import { keyFileError } from './key-file-error.js'

/** Reads one field after the other; integers are big-endian. Throws `ERR_S3CSE_KEY_FILE` at the end of the bytes. Nothing is copied. */
export interface Fields {
  /** As many bytes as are asked for. */
  take(length: number): Uint8Array
  u16(): number
  u32(): number
  /** A length of 16 bits, and as many bytes: Crypt4GH's strings. */
  string16(): Uint8Array
  /** A length of 32 bits, and as many bytes: OpenSSH's strings (RFC 4251 section 5). */
  string32(): Uint8Array
  /** How many bytes are left. */
  left(): number
}

export function fieldsOf(bytes: Uint8Array): Fields {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = 0
  const take = (length: number): Uint8Array => {
    if (length > bytes.length - at) throw keyFileError('The key file is cut off, or has a length that is wrong.')
    at += length
    return bytes.subarray(at - length, at)
  }
  const integer = (length: 2 | 4): number => {
    take(length)
    return length === 2 ? view.getUint16(at - 2) : view.getUint32(at - 4)
  }
  return {
    take,
    u16: () => integer(2),
    u32: () => integer(4),
    string16: () => take(integer(2)),
    string32: () => take(integer(4)),
    left: () => bytes.length - at,
  }
}

/** Names are ASCII in both formats: other bytes give a name that nothing has. */
export function nameOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, 64))
}

/** Comments are UTF-8 by custom only: what is not is shown with replacement characters. None for an empty one. */
export function commentOf(bytes: Uint8Array): string | undefined {
  return bytes.length === 0 ? undefined : new TextDecoder().decode(bytes)
}

export function startsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  return start.every((byte, index) => byte === bytes[index])
}

/** A length of 16 bits, and the bytes. */
export function string16(bytes: Uint8Array): Uint8Array {
  const string = new Uint8Array(2 + bytes.length)
  new DataView(string.buffer).setUint16(0, bytes.length)
  string.set(bytes, 2)
  return string
}
