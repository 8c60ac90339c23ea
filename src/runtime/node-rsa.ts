import { Buffer } from 'node:buffer'
import { constants, createPrivateKey, createPublicKey, KeyObject, privateDecrypt, publicEncrypt } from 'node:crypto'
import { checkModulus, encryptedKey, keyBytes, notAKey, wrongAlgorithm, wrongKind, type Wanted } from './rsa-input.js'
import type { MaybePromise, RsaKeyInput, RsaPrivateKey, RsaPublicKey } from './runtime.js'
import { isCryptoKey } from './web-keys.js'
import { webRsaPrivateKey, webRsaPublicKey } from './web-rsa.js'

/** Node uses `oaepHash` for MGF1 as well. */
const OAEP_SHA1 = Object.freeze({ padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' })

export function nodeRsaPublicKey(input: RsaKeyInput): MaybePromise<RsaPublicKey> {
  // A CryptoKey says what it may be used for; WebCrypto holds it to that, also where it cannot be exported.
  if (isCryptoKey(input)) return webRsaPublicKey(input)
  const key = keyObject(input, 'public')
  return {
    modulusLength: checkModulus(key.asymmetricKeyDetails?.modulusLength),
    oaepSha1Encrypt: (plaintext) => Uint8Array.from(publicEncrypt({ key, ...OAEP_SHA1 }, plaintext)),
  }
}

export function nodeRsaPrivateKey(input: RsaKeyInput): MaybePromise<RsaPrivateKey> {
  if (isCryptoKey(input)) return webRsaPrivateKey(input)
  const key = keyObject(input, 'private')
  return {
    modulusLength: checkModulus(key.asymmetricKeyDetails?.modulusLength),
    oaepSha1Decrypt(ciphertext) {
      let block
      try {
        block = privateDecrypt({ key, ...OAEP_SHA1 }, ciphertext)
      } catch {
        return undefined
      }
      return new Uint8Array(block.buffer, block.byteOffset, block.length)
    },
  }
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
