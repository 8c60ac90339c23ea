import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { x25519 } from '@noble/curves/ed25519.js'
import { blake2b } from '@noble/hashes/blake2.js'
import { TAG_LENGTH } from './aes-checks.js'
import {
  chachaDestroyed,
  checkChaChaKey,
  checkChaChaNonce,
  checkInto,
  checkX25519Keys,
  notZeros,
} from './chacha-checks.js'
import type { ChaChaPoly, Crypt4ghRuntime } from './runtime.js'

/** Everything by the packages of @noble, for runtimes that lack some of it. */
export const nobleCrypt4gh: Crypt4ghRuntime = Object.freeze({
  chacha20Poly1305: nobleChaCha,
  blake2b512: (data: Uint8Array): Uint8Array => blake2b(data, { dkLen: 64 }),
  x25519(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
    checkX25519Keys(secretKey, publicKey)
    try {
      return notZeros(x25519.getSharedSecret(secretKey, publicKey))
    } catch {
      // Keys of the right length fail for one reason only: a secret of zeros.
      return undefined
    }
  },
  x25519PublicKey(secretKey: Uint8Array): Uint8Array {
    checkX25519Keys(secretKey)
    return x25519.getPublicKey(secretKey)
  },
} satisfies Crypt4ghRuntime)

/** RFC 8439 section 2.8. */
export function nobleChaCha(rawKey: Uint8Array): ChaChaPoly {
  checkChaChaKey(rawKey)
  const key = Uint8Array.from(rawKey)
  let destroyed = false
  const cipher = (nonce: Uint8Array, aad: Uint8Array): ReturnType<typeof chacha20poly1305> => {
    if (destroyed) throw chachaDestroyed()
    checkChaChaNonce(nonce)
    return chacha20poly1305(key, nonce, aad)
  }
  return {
    encrypt(nonce, aad, plaintext, into) {
      const one = cipher(nonce, aad)
      checkInto(into, plaintext.length + TAG_LENGTH)
      return one.encrypt(plaintext, into)
    },
    decrypt(nonce, aad, sealed, into) {
      const one = cipher(nonce, aad)
      if (sealed.length < TAG_LENGTH) return undefined
      checkInto(into, sealed.length - TAG_LENGTH)
      try {
        return one.decrypt(sealed, into)
      } catch {
        into?.fill(0)
        return undefined
      }
    },
    destroy() {
      destroyed = true
      key.fill(0)
    },
  }
}
