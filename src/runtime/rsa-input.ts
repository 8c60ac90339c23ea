/** What both runtimes ask of RSA keys before they are used. Mistakes are TypeErrors that never quote the key. */

import type { OaepHash } from './runtime.js'

export type Wanted = 'public' | 'private'

export const DEFAULT_HASHES: readonly OaepHash[] = Object.freeze(['SHA-1'])

const MIN_MODULUS_BITS = 2048

const KIND_OF_LABEL: ReadonlyMap<string, Wanted> = new Map([
  ['PUBLIC KEY', 'public'],
  ['RSA PUBLIC KEY', 'public'],
  ['PRIVATE KEY', 'private'],
  ['RSA PRIVATE KEY', 'private'],
])

/** The bytes of a key that came as bytes or as PEM; `undefined` for an object. PEM that was read from a file as bytes is PEM too. */
export function keyBytes(input: unknown, wanted: Wanted): Uint8Array | undefined {
  if (typeof input === 'string') return pemBytes(input, wanted)
  if (!ArrayBuffer.isView(input)) return undefined
  const bytes = new Uint8Array(input.buffer, input.byteOffset, input.byteLength)
  // DER begins with SEQUENCE, 0x30, which as text is the digit 0 and never the beginning of PEM.
  return bytes[0] === 0x30 ? bytes : pemBytes(new TextDecoder('latin1').decode(bytes), wanted)
}

function pemBytes(text: string, wanted: Wanted): Uint8Array {
  const blocks = [...text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----([\s\S]*?)-----END \1-----/g)]
  const [block] = blocks
  if (block === undefined) throw notAKey(wanted)
  const [, label = '', body = ''] = block
  if (label === 'ENCRYPTED PRIVATE KEY' || /^Proc-Type:.*ENCRYPTED/m.test(body)) throw encryptedKey()
  const kind = KIND_OF_LABEL.get(label)
  if (kind === undefined) {
    throw new TypeError(`An RSA ${wanted} key is needed; this PEM holds ${withArticle(label)}.`)
  }
  if (blocks.length > 1)
    throw new TypeError(`The PEM text holds ${blocks.length} blocks; give the one key that is meant.`)
  if (kind !== wanted) throw wrongKind(kind, wanted)
  let binary: string
  try {
    binary = atob(body)
  } catch {
    throw notAKey(wanted)
  }
  return Uint8Array.from(binary, (letter) => letter.charCodeAt(0))
}

/** RSA-OAEP keys under 2048 bits are refused; gives the modulus length in bytes. */
export function checkModulus(bits: number | undefined): number {
  if (bits === undefined || bits < MIN_MODULUS_BITS) {
    throw new TypeError(`An RSA key of at least ${MIN_MODULUS_BITS} bits is needed; this one has ${bits ?? 'unknown'}.`)
  }
  return Math.ceil(bits / 8)
}

export function wrongKind(found: string, wanted: Wanted): TypeError {
  const hint = wanted === 'public' && found === 'private' ? ' Export its public half (SPKI) and give that.' : ''
  return new TypeError(`An RSA ${wanted} key is needed, not a ${found} key.${hint}`)
}

export function wrongAlgorithm(found: string | undefined, wanted: Wanted): TypeError {
  return new TypeError(`An RSA ${wanted} key is needed; this one is for ${found ?? 'something else'}.`)
}

export function encryptedKey(): TypeError {
  return new TypeError('The private key is encrypted with a passphrase: decrypt it first, and give what comes out.')
}

export function notAKey(wanted: Wanted): TypeError {
  const forms = wanted === 'public' ? 'SPKI' : 'PKCS#8'
  return new TypeError(
    `An RSA ${wanted} key is needed: PEM text, DER bytes (${forms}; on Node also PKCS#1), a KeyObject or a CryptoKey.`,
  )
}

function withArticle(label: string): string {
  return /^(?:[AEIOU]|RSA)/.test(label) ? `an ${label}` : `a ${label}`
}
