import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Keyring } from '../../src/keyrings/keyring.js'
import { x25519Keyring } from '../../src/keyrings/x25519.js'

/** Reads test/vectors/crypt4gh; its README.md describes the files. */

interface Part {
  readonly b64?: string
  readonly file?: string
  readonly offset?: number
  readonly length?: number
}

interface Common {
  readonly id: string
  readonly dataMethod?: 0 | 1
  readonly ciphertextLength: number
  readonly ciphertextSha256: string
  readonly parts: readonly Part[]
}

export interface ValidVector extends Common {
  readonly recipients: readonly string[]
  readonly writerPublicKeys: readonly string[]
  readonly dataMethod: 0 | 1
  readonly headerLength: number
  readonly packets: number
  readonly segments: number
  readonly editList?: readonly number[]
  readonly plaintextLength: number
  readonly plaintextSha256: string
  readonly plaintextRanges: readonly (readonly [number, number])[]
}

export interface NegativeVector extends Common {
  readonly readers: readonly string[]
  readonly senderPublicKey?: string
  readonly expect: 'reject' | 'accept' | 'either'
  readonly reason: string
}

const directory = new URL('../vectors/crypt4gh/', import.meta.url)
const read = (name: string): Buffer => readFileSync(new URL(name, directory))

interface VectorKey {
  readonly secretKey: string
  readonly publicKey: string
}

const valid = JSON.parse(read('valid.json').toString()) as {
  readonly keys: Readonly<Record<string, VectorKey>>
  readonly vectors: readonly ValidVector[]
}
const negative = JSON.parse(read('negative.json').toString()) as {
  readonly keys: Readonly<Record<string, VectorKey>>
  readonly vectors: readonly NegativeVector[]
}

export const validVectors: readonly ValidVector[] = valid.vectors
export const negativeVectors: readonly NegativeVector[] = negative.vectors
const keys: Readonly<Record<string, VectorKey>> = { ...negative.keys, ...valid.keys }

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'))

export const secretKey = (name: string): Uint8Array => bytes(keys[name]!.secretKey)
export const publicKey = (name: string): Uint8Array => bytes(keys[name]!.publicKey)

/** Opens what is for one of them. */
export function readerOf(names: readonly string[], senderPublicKey?: string): Keyring {
  const [first, ...others] = names.map(secretKey)
  return x25519Keyring({
    secretKey: first!,
    additionalSecretKeys: others,
    senderPublicKey: senderPublicKey === undefined ? undefined : bytes(senderPublicKey),
  })
}

/** The stored bytes, as their hash says. */
export function sealedOf({ parts, ciphertextLength, ciphertextSha256 }: Common): Uint8Array {
  const sealed = Buffer.concat(
    parts.map(({ b64, file, offset = 0, length }) => {
      const part = b64 === undefined ? read(`files/${file}`).subarray(offset) : Buffer.from(b64, 'base64')
      return part.subarray(0, length)
    }),
  )
  const hash = createHash('sha256').update(sealed).digest('hex')
  if (sealed.length !== ciphertextLength || hash !== ciphertextSha256) throw new Error('a vector is not whole')
  return Uint8Array.from(sealed)
}

/** The plaintext of the vectors. */
export function patternByte(index: number): number {
  return (index * 7 + (index >> 8)) & 255
}

/** A vector's plaintext, as its ranges of the pattern and its hash say. */
export function plaintextOf({ plaintextRanges, plaintextSha256 }: ValidVector): Uint8Array {
  const plaintext = Buffer.concat(
    plaintextRanges.map(([start, end]) => Uint8Array.from({ length: end - start }, (_, i) => patternByte(start + i))),
  )
  if (createHash('sha256').update(plaintext).digest('hex') !== plaintextSha256) throw new Error('a vector is not whole')
  return Uint8Array.from(plaintext)
}
