import { checkX25519Keys, notZeros } from './chacha-checks.js'
import { nobleCrypt4gh } from './noble-crypt4gh.js'
import type { Crypt4ghRuntime } from './runtime.js'
import { X25519_BASE, X25519_PKCS8 } from './x25519-der.js'

const ALGORITHM = Object.freeze({ name: 'X25519' })

/** X25519 by WebCrypto where that has it; the rest, which no WebCrypto has everywhere, by @noble. */
export const crypt4ghRuntime: Crypt4ghRuntime = Object.freeze({
  chacha20Poly1305: (key: Uint8Array) => nobleCrypt4gh.chacha20Poly1305(key),
  blake2b512: (data: Uint8Array) => nobleCrypt4gh.blake2b512(data),
  async x25519(secretKey: Uint8Array, publicKey: Uint8Array) {
    checkX25519Keys(secretKey, publicKey)
    return (await hasX25519()) ? derive(secretKey, publicKey) : nobleCrypt4gh.x25519(secretKey, publicKey)
  },
  async x25519PublicKey(secretKey: Uint8Array) {
    checkX25519Keys(secretKey)
    // The base point is a public key like any other, and of large order: there always is a result.
    const publicKey = (await hasX25519()) ? await derive(secretKey, X25519_BASE) : undefined
    return publicKey ?? nobleCrypt4gh.x25519PublicKey(secretKey)
  },
} satisfies Crypt4ghRuntime)

let available: Promise<boolean> | undefined

/** Asked once: an error of `deriveBits` alone would not tell a bad key from a missing algorithm. */
function hasX25519(): Promise<boolean> {
  return (available ??= derive(X25519_BASE, X25519_BASE).then(
    (secret) => secret !== undefined,
    () => false,
  ))
}

/** `undefined` for a public key of small order. Rejects where WebCrypto lacks X25519. */
async function derive(secretKey: Uint8Array, publicKey: Uint8Array): Promise<Uint8Array | undefined> {
  const { subtle } = globalThis.crypto
  const pkcs8 = new Uint8Array(X25519_PKCS8.length + secretKey.length)
  pkcs8.set(X25519_PKCS8)
  pkcs8.set(secretKey, X25519_PKCS8.length)
  try {
    const [secret, other] = await Promise.all([
      subtle.importKey('pkcs8', pkcs8, ALGORITHM, false, ['deriveBits']),
      subtle.importKey('raw', Uint8Array.from(publicKey), ALGORITHM, false, []),
    ])
    return notZeros(new Uint8Array(await subtle.deriveBits({ ...ALGORITHM, public: other }, secret, 256)))
  } catch (error) {
    // WebCrypto's own words for a secret of zeros, and nothing else at this place.
    if (error instanceof Error && error.name === 'OperationError') return undefined
    throw error
  } finally {
    pkcs8.fill(0)
  }
}
