import { Buffer } from 'node:buffer'
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
} from 'node:crypto'
import { TAG_LENGTH } from './aes-checks.js'
import {
  chachaDestroyed,
  checkChaChaKey,
  checkChaChaNonce,
  checkInto,
  checkX25519Keys,
  notZeros,
} from './chacha-checks.js'
import { loadNoble } from './noble.js'
import { allocate, plain, transform, transformInto } from './node-crypto.js'
import type { ChaChaPoly, Crypt4ghRuntime } from './runtime.js'
import { X25519_BASE, X25519_PKCS8, X25519_SPKI } from './x25519-der.js'

const CHACHA = 'chacha20-poly1305'
const OPTIONS = Object.freeze({ authTagLength: TAG_LENGTH })
const NOTHING = new Uint8Array(0)

/** What node:crypto has. Bun, Deno and OpenSSL in FIPS mode lack some of it, also where their lists name it: it is tried once. */
export interface Native {
  readonly chacha: () => boolean
  readonly blake2b: () => boolean
  readonly x25519: () => boolean
}

const native: Native = Object.freeze({
  chacha: tried(() => nativeChaCha(new Uint8Array(32)).encrypt(new Uint8Array(12), NOTHING, NOTHING).length === 16),
  blake2b: tried(() => nativeBlake2b(NOTHING).length === 64),
  x25519: tried(() => nativeX25519(X25519_BASE, X25519_BASE).length === 32),
})

/** node:crypto; @noble's where it is not OpenSSL's, and lacks something. */
export const crypt4ghRuntime: Crypt4ghRuntime = nodeCrypt4gh(native)

/** `has` is for tests. */
export function nodeCrypt4gh(has: Native): Crypt4ghRuntime {
  return Object.freeze({
    chacha20Poly1305(key: Uint8Array) {
      checkChaChaKey(key)
      return has.chacha() ? nativeChaCha(key) : loadNoble().then((noble) => noble.chacha20Poly1305(key))
    },
    blake2b512: (data: Uint8Array) =>
      has.blake2b() ? nativeBlake2b(data) : loadNoble().then((noble) => noble.blake2b512(data)),
    x25519(secretKey: Uint8Array, publicKey: Uint8Array) {
      checkX25519Keys(secretKey, publicKey)
      if (!has.x25519()) return loadNoble().then((noble) => noble.x25519(secretKey, publicKey))
      try {
        return notZeros(nativeX25519(secretKey, publicKey))
      } catch {
        // It is there, and both keys have their length: OpenSSL refuses a secret of zeros only.
        return undefined
      }
    },
    x25519PublicKey(secretKey: Uint8Array) {
      checkX25519Keys(secretKey)
      if (!has.x25519()) return loadNoble().then((noble) => noble.x25519PublicKey(secretKey))
      const spki = createPublicKey(privateKey(secretKey)).export({ format: 'der', type: 'spki' })
      return Uint8Array.from(spki.subarray(X25519_SPKI.length))
    },
  } satisfies Crypt4ghRuntime)
}

function tried(probe: () => boolean): () => boolean {
  let answer: boolean | undefined
  return () => {
    if (answer !== undefined) return answer
    try {
      return (answer = probe())
    } catch {
      return (answer = false)
    }
  }
}

function nativeBlake2b(data: Uint8Array): Uint8Array {
  return plain(createHash('blake2b512').update(data).digest())
}

function nativeX25519(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  const key = Buffer.concat([X25519_SPKI, publicKey])
  const peer = createPublicKey({ key, format: 'der', type: 'spki' })
  return plain(diffieHellman({ privateKey: privateKey(secretKey), publicKey: peer }))
}

function privateKey(secretKey: Uint8Array): ReturnType<typeof createPrivateKey> {
  const key = Buffer.concat([X25519_PKCS8, secretKey])
  try {
    return createPrivateKey({ key, format: 'der', type: 'pkcs8' })
  } finally {
    key.fill(0)
  }
}

function nativeChaCha(rawKey: Uint8Array): ChaChaPoly {
  const key = Uint8Array.from(rawKey)
  let destroyed = false
  const check = (nonce: Uint8Array): void => {
    if (destroyed) throw chachaDestroyed()
    checkChaChaNonce(nonce)
  }
  return {
    encrypt(nonce, aad, plaintext, into) {
      check(nonce)
      checkInto(into, plaintext.length + TAG_LENGTH)
      const cipher = createCipheriv(CHACHA, key, nonce, OPTIONS)
      if (aad.length > 0) cipher.setAAD(aad, { plaintextLength: plaintext.length })
      const output = into ?? allocate(plaintext.length + TAG_LENGTH)
      transformInto(output, cipher, plaintext)
      cipher.final()
      output.set(cipher.getAuthTag(), plaintext.length)
      return output
    },
    decrypt(nonce, aad, sealed, into) {
      check(nonce)
      const end = sealed.length - TAG_LENGTH
      if (end < 0) return undefined
      checkInto(into, end)
      const decipher = createDecipheriv(CHACHA, key, nonce, OPTIONS)
      if (aad.length > 0) decipher.setAAD(aad, { plaintextLength: end })
      decipher.setAuthTag(sealed.subarray(end))
      const ciphertext = sealed.subarray(0, end)
      const output = into ?? transform(decipher, ciphertext)
      try {
        if (into !== undefined) transformInto(into, decipher, ciphertext)
        decipher.final()
        return output
      } catch {
        output.fill(0)
        return undefined
      }
    },
    destroy() {
      destroyed = true
      key.fill(0)
    },
  }
}
