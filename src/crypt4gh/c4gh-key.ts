import { runtime } from '#runtime'
import { crypt4ghRuntime } from '#runtime/crypt4gh'
import { joined } from '../bytes/body.js'
import { commentOf, fieldsOf, nameOf, string16 } from './fields.js'
import { deriveKey, isKdf, type Derivation } from './key-derivation.js'
import { keyFileError, wrongPassphrase } from './key-file-error.js'

/** Crypt4GH 1.0 section 4.2; what stands first in the file. */
export const C4GH_MAGIC: Uint8Array = new TextEncoder().encode('c4gh-v1')

const CIPHER = 'chacha20_poly1305'
const NONE = 'none'

/** Lengths in bytes. */
const KEY_LENGTH = 32
const NONCE_LENGTH = 12
const SEALED_LENGTH = NONCE_LENGTH + KEY_LENGTH + 16
const SALT_LENGTH = 16

const NOTHING = new Uint8Array(0)

/** Crypt4GH's own file with a secret key, as it is stored. */
export interface C4ghKey {
  /** `undefined`: not encrypted. */
  readonly derivation: Derivation | undefined
  readonly cipher: typeof CIPHER | typeof NONE
  /** The secret key; nonce ‖ ciphertext ‖ tag where it is encrypted. */
  readonly blob: Uint8Array
  readonly comment: string | undefined
}

/** Of the bytes in the PEM, `C4GH_MAGIC` included. Throws `ERR_S3CSE_KEY_FILE`. */
export function parseC4ghKey(bytes: Uint8Array): C4ghKey {
  const fields = fieldsOf(bytes.subarray(C4GH_MAGIC.length))
  const kdf = nameOf(fields.string16())
  if (kdf !== NONE && !isKdf(kdf)) throw keyFileError('The key file has a key derivation that is not known.')
  const parameters = kdf === NONE ? undefined : fieldsOf(fields.string16())
  const cipher = nameOf(fields.string16())
  if (cipher !== CIPHER && cipher !== NONE) throw keyFileError('The key file has a cipher that is not known.')
  if ((kdf === NONE) !== (cipher === NONE)) {
    throw keyFileError('The key file has a cipher without a key derivation, or the reverse.')
  }
  const blob = fields.string16()
  if (blob.length !== (cipher === NONE ? KEY_LENGTH : SEALED_LENGTH)) {
    throw keyFileError('The secret key in the key file does not have 32 bytes.')
  }
  const comment = fields.left() > 0 ? commentOf(fields.string16()) : undefined
  if (fields.left() > 0) throw keyFileError('Something follows the comment in the key file.')
  const derivation =
    kdf === NONE || parameters === undefined
      ? undefined
      : { kdf, rounds: parameters.u32(), salt: parameters.take(parameters.left()) }
  return { derivation, cipher, blob, comment }
}

/** The secret key; whoever gets it wipes it. */
export async function openC4ghKey({ derivation, blob }: C4ghKey, passphrase: Uint8Array): Promise<Uint8Array> {
  if (derivation === undefined) return blob.slice()
  const key = await deriveKey(derivation, passphrase, KEY_LENGTH)
  const cipher = await crypt4ghRuntime.chacha20Poly1305(key)
  key.fill(0)
  try {
    const secretKey = cipher.decrypt(blob.subarray(0, NONCE_LENGTH), NOTHING, blob.subarray(NONCE_LENGTH))
    if (secretKey === undefined) throw wrongPassphrase()
    return secretKey
  } finally {
    cipher.destroy()
  }
}

/** The bytes for the PEM, which are as secret as the key where there is no `encryption`. `comment`: UTF-8, none if it is empty. */
export async function encodeC4ghKey(
  secretKey: Uint8Array,
  encryption: { readonly passphrase: Uint8Array; readonly kdf: Derivation['kdf']; readonly rounds: number } | undefined,
  comment: Uint8Array,
): Promise<Uint8Array> {
  const text = (value: string): Uint8Array => string16(new TextEncoder().encode(value))
  const end = comment.length === 0 ? NOTHING : string16(comment)
  if (encryption === undefined) {
    const blob = string16(secretKey)
    const bytes = joined(C4GH_MAGIC, text(NONE), text(NONE), blob, end)
    blob.fill(0)
    return bytes
  }
  const { passphrase, kdf, rounds } = encryption
  const parameters = new Uint8Array(4 + SALT_LENGTH)
  new DataView(parameters.buffer).setUint32(0, rounds)
  const salt = runtime.randomBytes(SALT_LENGTH)
  parameters.set(salt, 4)
  const key = await deriveKey({ kdf, rounds, salt }, passphrase, KEY_LENGTH)
  const cipher = await crypt4ghRuntime.chacha20Poly1305(key)
  key.fill(0)
  const nonce = runtime.randomBytes(NONCE_LENGTH)
  const blob = joined(nonce, cipher.encrypt(nonce, NOTHING, secretKey))
  cipher.destroy()
  return joined(C4GH_MAGIC, text(kdf), string16(parameters), text(CIPHER), string16(blob), end)
}
