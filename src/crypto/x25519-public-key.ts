import { decodeBase64 } from '../bytes/base64.js'
import { MAX_KEY_FILE_LENGTH, parsePem } from '../bytes/pem.js'
import { ed25519ToX25519, isSmallOrder } from './ed25519-to-x25519.js'

/** The label of Crypt4GH's files with public keys. */
export const PUBLIC_KEY_LABEL = 'CRYPT4GH PUBLIC KEY'

const SSH_TYPE = 'ssh-ed25519'

/**
 * The X25519 public key, 32 bytes, in the text of a file: Crypt4GH's (PEM), or one line of OpenSSH
 * (`ssh-ed25519 AAAA… comment`), whose Ed25519 key is taken to the same point of Curve25519. A text without such a key
 * gives what is wrong with it, as the end of a sentence; a key of small order is none, since everybody could read.
 */
export function parseX25519PublicKey(text: string): Uint8Array | string {
  if (text.length > MAX_KEY_FILE_LENGTH) return `it is longer than ${MAX_KEY_FILE_LENGTH} characters`
  const trimmed = text.trim()
  const key = trimmed.startsWith('-----') ? fromPem(trimmed) : fromSsh(trimmed)
  if (typeof key !== 'string' && isSmallOrder(key)) return 'its key is of small order: everybody could read'
  return key
}

function fromPem(text: string): Uint8Array | string {
  const pem = parsePem(text)
  if (typeof pem === 'string') return pem
  // Of a file with a secret key.
  if (pem.label.includes('PRIVATE')) pem.bytes.fill(0)
  if (pem.label !== PUBLIC_KEY_LABEL) return `it is a ${pem.label}, not a ${PUBLIC_KEY_LABEL}`
  return pem.bytes.length === 32 ? pem.bytes : `its key has ${pem.bytes.length} bytes, not 32`
}

function fromSsh(text: string): Uint8Array | string {
  if (/[\r\n]/.test(text)) return `it is neither a ${PUBLIC_KEY_LABEL} nor one line of OpenSSH`
  const [type = '', letters = ''] = text.split(/[ \t]+/, 2)
  if (type !== SSH_TYPE) {
    return /^(ssh|ecdsa|sk)-[\w@.-]{1,80}$/.test(type)
      ? `it is an OpenSSH key of type ${type}: only ${SSH_TYPE} keys are on a curve with X25519`
      : `it is neither a ${PUBLIC_KEY_LABEL} nor an ${SSH_TYPE} line of OpenSSH`
  }
  const blob = decodeBase64(letters)
  if (blob === undefined) return 'its key is not Base64'
  return parseSshPublicKey(blob) ?? `its key is not an ${SSH_TYPE} key`
}

/** RFC 8709 section 4: string "ssh-ed25519", string key of 32 bytes, and nothing else. Gives the X25519 key. */
export function parseSshPublicKey(blob: Uint8Array): Uint8Array | undefined {
  const ed25519 = ed25519Key(blob)
  return ed25519 === undefined ? undefined : ed25519ToX25519(ed25519)
}

/** The Ed25519 key in such a blob, 32 bytes, as it is; whether it is a point is not looked at. */
export function ed25519Key(blob: Uint8Array): Uint8Array | undefined {
  const start = Uint8Array.of(0, 0, 0, SSH_TYPE.length, ...new TextEncoder().encode(SSH_TYPE), 0, 0, 0, 32)
  const fits = blob.length === start.length + 32 && start.every((byte, index) => byte === blob[index])
  return fits ? blob.slice(start.length) : undefined
}
