/** SEQUENCE { r INTEGER, s INTEGER } in DER (RFC 3279 section 2.2.3, X.690), which is never longer than 104 bytes here. */

import { bytesOf, curves, integerOf } from './ec-point.js'
import type { CurveName } from './ecdsa.js'

const SEQUENCE = 0x30
const INTEGER = 0x02

/** The length that most signatures can be given, in bytes. */
export const signatureLengths: Readonly<Record<CurveName, number>> = Object.freeze({ 'P-256': 71, 'P-384': 103 })

export interface SignatureValues {
  readonly r: bigint
  readonly s: bigint
}

/**
 * The signature (r, s), or the same with n - s, which is as valid, in exactly `signatureLengths` bytes: one integer has
 * its highest bit set and the other has not. `undefined` where neither form is that long: about one in 200.
 */
export function fittingSignature(curve: CurveName, { r, s }: SignatureValues): Uint8Array | undefined {
  if (r === 0n || s === 0n) return undefined
  return [s, curves[curve].order - s]
    .map((form) => encodeSignature(r, form))
    .find(({ length }) => length === signatureLengths[curve])
}

function encodeSignature(r: bigint, s: bigint): Uint8Array {
  const integers = [r, s].map((value) => {
    // A positive integer whose highest bit is set has a zero byte before it.
    const bytes = bytesOf(value, Math.floor(value.toString(2).length / 8) + 1)
    return Uint8Array.of(INTEGER, bytes.length, ...bytes)
  })
  const content = integers.flatMap((bytes) => [...bytes])
  return Uint8Array.of(SEQUENCE, content.length, ...content)
}

/** `undefined` unless it is DER to the byte, of values from 1 to n - 1. */
export function decodeSignature(curve: CurveName, signature: Uint8Array): SignatureValues | undefined {
  const { size, order } = curves[curve]
  if (signature[0] !== SEQUENCE || signature[1] !== signature.length - 2 || signature[1] > 127) return undefined
  let at = 2
  const integer = (): bigint | undefined => {
    const length = signature[at + 1]
    if (signature[at] !== INTEGER || length === undefined || length < 1 || length > size + 1) return undefined
    const bytes = signature.subarray(at + 2, at + 2 + length)
    if (bytes.length !== length) return undefined
    at += 2 + length
    const [first, second = 0] = bytes
    const isNegative = (first as number) > 127
    const isPadded = first === 0 && second < 128
    const value = integerOf(bytes)
    return isNegative || isPadded || value === 0n || value >= order ? undefined : value
  }
  const r = integer()
  const s = integer()
  return r === undefined || s === undefined || at !== signature.length ? undefined : { r, s }
}
