import { runtime } from '#runtime'
import { crypt4ghRuntime } from '#runtime/crypt4gh'
import { keyFileRuntime } from '#runtime/key-files'
import { ed25519ToX25519 } from '../crypto/ed25519-to-x25519.js'
import { ed25519Key } from '../crypto/x25519-public-key.js'
import { commentOf, fieldsOf, nameOf } from './fields.js'
import { deriveKey, type Derivation } from './key-derivation.js'
import { keyFileError, wrongPassphrase } from './key-file-error.js'
import { opensshCipher, type OpensshCipher } from './openssh-cipher.js'

/** OpenSSH's PROTOCOL.key; what stands first in the file. */
export const OPENSSH_MAGIC: Uint8Array = new TextEncoder().encode('openssh-key-v1\0')

const NONE = 'none'
const TYPE = 'ssh-ed25519'

/** In bytes, what the part with the keys is padded to where it is not encrypted. */
const PLAIN_BLOCK = 8

/** OpenSSH's file with an Ed25519 key, as it is stored. */
export interface OpensshKey {
  /** `undefined`: not encrypted. */
  readonly encryption: { readonly derivation: Derivation; readonly cipher: OpensshCipher } | undefined
  readonly cipherName: string
  /** Ed25519, 32 bytes. */
  readonly ed25519: Uint8Array
  /** The same point as X25519 has it. */
  readonly publicKey: Uint8Array
  readonly data: Uint8Array
  readonly tag: Uint8Array
}

/** Of the bytes in the PEM, `OPENSSH_MAGIC` included. Throws `ERR_S3CSE_KEY_FILE`. */
export function parseOpensshKey(bytes: Uint8Array): OpensshKey {
  const fields = fieldsOf(bytes.subarray(OPENSSH_MAGIC.length))
  const cipherName = nameOf(fields.string32())
  const kdf = nameOf(fields.string32())
  const options = fieldsOf(fields.string32())
  if (fields.u32() !== 1) throw keyFileError('The key file has several keys, or none.')
  const ed25519 = ed25519Key(fields.string32())
  if (ed25519 === undefined) throw keyFileError(`The key in the OpenSSH key file is not of type ${TYPE}.`)
  const publicKey = ed25519ToX25519(ed25519)
  if (publicKey === undefined) throw keyFileError('The public key in the key file is not a point of its curve.')
  const data = fields.string32()
  const tag = fields.take(fields.left())

  const cipher = opensshCipher(cipherName)
  if (cipherName !== NONE && cipher === undefined) throw keyFileError('The key file has a cipher that is not known.')
  if (kdf !== NONE && kdf !== 'bcrypt') throw keyFileError('The key file has a key derivation that is not known.')
  if ((kdf === NONE) !== (cipherName === NONE)) {
    throw keyFileError('The key file has a cipher without a key derivation, or the reverse.')
  }
  const derivation =
    kdf === NONE ? undefined : ({ kdf, salt: options.string32(), rounds: options.u32() } satisfies Derivation)
  const blockLength = cipher?.blockLength ?? PLAIN_BLOCK
  if (options.left() > 0 || tag.length !== (cipher?.tagLength ?? 0) || data.length % blockLength !== 0) {
    throw keyFileError('A part of the key file is longer or shorter than it may be.')
  }
  const encryption = cipher === undefined || derivation === undefined ? undefined : { cipher, derivation }
  return { encryption, cipherName, ed25519, publicKey, data, tag }
}

export interface OpenedKey {
  /** X25519; whoever gets it wipes it. */
  readonly secretKey: Uint8Array
  readonly comment: string | undefined
}

/** Throws `ERR_S3CSE_KEY_FILE`: with one message for all reasons if it was encrypted. */
export async function openOpensshKey(key: OpensshKey, passphrase: Uint8Array): Promise<OpenedKey> {
  if (key.encryption === undefined) return takeKey(key, key.data, PLAIN_BLOCK)
  const { derivation, cipher } = key.encryption
  const derived = await deriveKey(derivation, passphrase, cipher.keyLength + cipher.ivLength)
  const [own, iv] = [derived.subarray(0, cipher.keyLength), derived.subarray(cipher.keyLength)]
  let data: Uint8Array | undefined
  try {
    data = await cipher.open(own, iv, key.data, key.tag)
    if (data === undefined) throw wrongPassphrase()
    return await takeKey(key, data, cipher.blockLength)
  } catch {
    throw wrongPassphrase()
  } finally {
    derived.fill(0)
    data?.fill(0)
  }
}

async function takeKey({ ed25519, publicKey }: OpensshKey, data: Uint8Array, blockLength: number): Promise<OpenedKey> {
  const fields = fieldsOf(data)
  const [first, second] = [fields.u32(), fields.u32()]
  if (first !== second) throw keyFileError('The check numbers in the key file differ.')
  if (nameOf(fields.string32()) !== TYPE) throw keyFileError(`The secret key in the key file is not of type ${TYPE}.`)
  const inner = fields.string32()
  const pair = fields.string32()
  if (pair.length !== 64) throw keyFileError('The secret key in the key file does not have 64 bytes.')
  const comment = commentOf(fields.string32())
  const padding = fields.take(fields.left())
  if (padding.length >= blockLength || padding.some((byte, index) => byte !== index + 1)) {
    throw keyFileError('The padding in the key file is wrong.')
  }
  // RFC 8032 section 5.1.5: the scalar. Its clamped form is what X25519 uses in any case (RFC 7748 section 5).
  const hash = await keyFileRuntime.sha512(pair.subarray(0, 32))
  const secretKey = hash.slice(0, 32)
  hash.fill(0)
  secretKey[0] = (secretKey[0] as number) & 248
  secretKey[31] = ((secretKey[31] as number) & 127) | 64
  const belongs = runtime.equal(await crypt4ghRuntime.x25519PublicKey(secretKey), publicKey)
  if (belongs && runtime.equal(inner, ed25519) && runtime.equal(pair.subarray(32), ed25519)) {
    return { secretKey, comment }
  }
  secretKey.fill(0)
  throw keyFileError('The public key in the key file does not belong to its secret key.')
}
