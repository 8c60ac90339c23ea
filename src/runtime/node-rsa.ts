import { Buffer } from 'node:buffer'
import {
  constants,
  createHmac,
  createPrivateKey,
  createPublicKey,
  KeyObject,
  privateDecrypt,
  publicEncrypt,
} from 'node:crypto'
import {
  checkModulus,
  DEFAULT_HASHES,
  encryptedKey,
  keyBytes,
  notAKey,
  wrongAlgorithm,
  wrongKind,
  type Wanted,
} from './rsa-input.js'
import type { MaybePromise, OaepHash, RawRsa, RsaKeyInput, RsaPrivateKey, RsaPublicKey } from './runtime.js'
import { isCryptoKey } from './web-keys.js'
import { webRsaPrivateKey, webRsaPublicKey } from './web-rsa.js'

/** Node uses `oaepHash` for MGF1 as well. Deno knows hashes by these names only. */
const oaep = (oaepHash: string): { padding: number; oaepHash: string } =>
  Object.freeze({ padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash })
const OAEP: Readonly<Record<OaepHash, ReturnType<typeof oaep>>> = Object.freeze({
  'SHA-1': oaep('sha1'),
  'SHA-256': oaep('sha256'),
  'SHA-384': oaep('sha384'),
  'SHA-512': oaep('sha512'),
})
const PKCS1 = Object.freeze({ padding: constants.RSA_PKCS1_PADDING })
const NO_PADDING = Object.freeze({ padding: constants.RSA_NO_PADDING })

const REJECTION_LABEL = 's3-cse RSA implicit rejection v1'

export function nodeRsaPublicKey(
  input: RsaKeyInput,
  hashes: readonly OaepHash[] = DEFAULT_HASHES,
): MaybePromise<RsaPublicKey> {
  // A CryptoKey says what it may be used for; WebCrypto holds it to that, also where it cannot be exported.
  if (isCryptoKey(input)) return webRsaPublicKey(input, hashes)
  const key = keyObject(input, 'public')
  return {
    modulusLength: checkModulus(key.asymmetricKeyDetails?.modulusLength),
    hashes,
    oaepEncrypt: (hash, plaintext) => Uint8Array.from(publicEncrypt({ key, ...OAEP[hash] }, plaintext)),
    pkcs1Encrypt: (plaintext) => Uint8Array.from(publicEncrypt({ key, ...PKCS1 }, plaintext)),
  }
}

export function nodeRsaPrivateKey(
  input: RsaKeyInput,
  hashes: readonly OaepHash[] = DEFAULT_HASHES,
): MaybePromise<RsaPrivateKey> {
  if (isCryptoKey(input)) return webRsaPrivateKey(input, hashes)
  const key = keyObject(input, 'private')
  const modulusLength = checkModulus(key.asymmetricKeyDetails?.modulusLength)
  return {
    modulusLength,
    hashes,
    oaepDecrypt: (hash, ciphertext) => decrypted({ key, ...OAEP[hash] }, ciphertext),
    raw: rawRsa(key, modulusLength),
  }
}

/** Node refuses to open PKCS#1 v1.5 itself (CVE-2023-46809), and OAEP only with one hash for everything. */
function rawRsa(key: KeyObject, modulusLength: number): RawRsa {
  let secret: Uint8Array | undefined
  return {
    decrypt(ciphertext) {
      if (ciphertext.length !== modulusLength) return undefined
      return decrypted({ key, ...NO_PADDING }, ciphertext)
    },
    rejectionSecret() {
      if (secret === undefined) {
        const der = key.export({ format: 'der', type: 'pkcs1' })
        secret = Uint8Array.from(createHmac('sha512', REJECTION_LABEL).update(der).digest())
        der.fill(0)
      }
      return secret
    },
  }
}

function decrypted(key: Parameters<typeof privateDecrypt>[0], ciphertext: Uint8Array): Uint8Array | undefined {
  let block
  try {
    block = privateDecrypt(key, ciphertext)
  } catch {
    return undefined
  }
  return new Uint8Array(block.buffer, block.byteOffset, block.length)
}

function keyObject(input: RsaKeyInput, wanted: Wanted): KeyObject {
  const bytes = keyBytes(input, wanted)
  const key = bytes === undefined ? input : fromDer(bytes)
  if (!(key instanceof KeyObject)) throw notAKey(wanted)
  if (key.type !== wanted) throw wrongKind(key.type, wanted)
  if (key.asymmetricKeyType !== 'rsa') throw wrongAlgorithm(key.asymmetricKeyType, wanted)
  return key
}

/** Private forms first: node:crypto makes a public key of a private one without a word. */
function fromDer(key: Uint8Array): KeyObject | undefined {
  const der = Buffer.from(key.buffer, key.byteOffset, key.length)
  const forms = [
    () => createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }),
    () => createPrivateKey({ key: der, format: 'der', type: 'pkcs1' }),
    () => createPublicKey({ key: der, format: 'der', type: 'spki' }),
    () => createPublicKey({ key: der, format: 'der', type: 'pkcs1' }),
  ]
  for (const form of forms) {
    try {
      return form()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_MISSING_PASSPHRASE') throw encryptedKey()
    }
  }
  return undefined
}
