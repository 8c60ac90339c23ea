import { Buffer } from 'node:buffer'
import { createECDH, createHash, createPublicKey, createVerify, randomBytes } from 'node:crypto'
import { configError } from '../errors.js'
import { compressPoint, curves, decompressPoint, integerOf } from './ec-point.js'
import { decodeSignature, fittingSignature } from './ecdsa-der.js'
import type { CurveName, Ecdsa, EcdsaKeyPair, EcdsaSigner, EcdsaVerifier } from './ecdsa.js'

interface Names {
  readonly curve: string
  readonly hash: string
  /** All of a SubjectPublicKeyInfo (RFC 5480) before the uncompressed point. */
  readonly prefix: Buffer
}

const names: Readonly<Record<CurveName, Names>> = Object.freeze({
  'P-256': {
    curve: 'prime256v1',
    hash: 'sha256',
    prefix: Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex'),
  },
  'P-384': {
    curve: 'secp384r1',
    hash: 'sha384',
    prefix: Buffer.from('3076301006072a8648ce3d020106052b81040022036200', 'hex'),
  },
})

export const nodeEcdsa: Ecdsa = Object.freeze({ generate, verifier })

/** A random scalar from 1 to n - 1 and its multiple of the generator, by the constant-time code of the runtime. */
function randomPoint(curve: CurveName): { readonly scalar: Uint8Array; readonly point: Uint8Array } {
  const key = createECDH(names[curve].curve)
  const point = key.generateKeys()
  return { scalar: key.getPrivateKey(), point }
}

function generate(curve: CurveName): EcdsaKeyPair {
  const { scalar, point } = randomPoint(curve)
  let isUsed = false
  const destroy = (): void => {
    isUsed = true
    scalar.fill(0)
  }
  return {
    publicKey: compressPoint(point),
    signer() {
      if (isUsed) throw configError('A key pair signs one message.')
      isUsed = true
      return signer(curve, scalar)
    },
    destroy,
  }
}

function signer(curve: CurveName, scalar: Uint8Array): EcdsaSigner {
  const hash = createHash(names[curve].hash)
  let isDone = false
  const check = (): void => {
    if (isDone || scalar.every((byte) => byte === 0)) throw configError('A message is signed once.')
  }
  return {
    update(data) {
      check()
      hash.update(data)
    },
    sign() {
      check()
      isDone = true
      try {
        return signDigest(curve, hash.digest(), scalar)
      } finally {
        scalar.fill(0)
      }
    },
    destroy() {
      isDone = true
      scalar.fill(0)
    },
  }
}

/**
 * FIPS 186-5 section 6.4.1 for a digest as long as the order: node:crypto signs only what it hashes itself, once, and the
 * one signature need not have the length that is wanted. What is secret is multiplied by a fresh random number before
 * anything is done to it whose time could tell it; the key is used no second time.
 */
function signDigest(curve: CurveName, digest: Uint8Array, scalar: Uint8Array): Uint8Array {
  const { size, order } = curves[curve]
  const e = integerOf(digest)
  for (;;) {
    const nonce = randomPoint(curve)
    const r = integerOf(nonce.point.subarray(1, 1 + size)) % order
    // 64 bits more than the order has, so that no remainder is likelier than another.
    const blind = 1n + (integerOf(randomBytes(size + 8)) % (order - 1n))
    const blindNonce = (blind * integerOf(nonce.scalar)) % order
    const blindSum = (blind * e + r * ((blind * integerOf(scalar)) % order)) % order
    nonce.scalar.fill(0)
    const signature = fittingSignature(curve, { r, s: (inverse(blindNonce, order) * blindSum) % order })
    if (signature !== undefined) return signature
  }
}

/** Of a number from 1 to modulus - 1, modulo a prime: Euclid's algorithm. */
function inverse(value: bigint, modulus: bigint): bigint {
  let [a, b] = [modulus, value]
  let [x, y] = [0n, 1n]
  while (b !== 0n) {
    const quotient = a / b
    ;[a, b] = [b, a - quotient * b]
    ;[x, y] = [y, x - quotient * y]
  }
  return x < 0n ? x + modulus : x
}

function verifier(curve: CurveName, publicKey: Uint8Array): EcdsaVerifier | undefined {
  const point = decompressPoint(curve, publicKey)
  if (point === undefined) return undefined
  const { hash, prefix } = names[curve]
  const key = createPublicKey({ key: Buffer.concat([prefix, point]), format: 'der', type: 'spki' })
  const verify = createVerify(hash)
  let isDone = false
  const check = (): void => {
    if (isDone) throw configError('A message is verified once.')
  }
  return {
    update(data) {
      check()
      verify.update(data)
    },
    verify(signature) {
      check()
      isDone = true
      return decodeSignature(curve, signature) !== undefined && verify.verify(key, signature)
    },
  }
}
