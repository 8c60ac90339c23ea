/** What RSA without padding leaves to do: blocks as long as the modulus, of at least 256 bytes. */

import { runtime } from '#runtime'
import type { DigestName } from '../runtime/runtime.js'
import { chooseKey, faultIfAnyZero, faultUnlessAll, type KeyCandidate } from './choose-key.js'

const NO_LABEL = new Uint8Array(0)

/**
 * EME-PKCS1-v1_5 decoding (RFC 8017 section 7.2.2 step 3): 00 02, nonzero bytes (in blocks of this length always more
 * than 8), 00, a key of one of `keyLengths` (in bytes). Gives a copy of `rejected` for every other block. Wipes the block.
 */
export function pkcs1Decode(block: Uint8Array, keyLengths: readonly number[], rejected: Uint8Array): Uint8Array {
  const candidates = keyLengths.map((length) => {
    const start = block.length - length
    const fault =
      faultUnlessAll(0, block, 0, 1) |
      faultUnlessAll(2, block, 1, 2) |
      faultIfAnyZero(block, 2, start - 1) |
      faultUnlessAll(0, block, start - 1, start)
    return { fault, bytes: block.subarray(start) }
  })
  const key = chooseKey(candidates, rejected)
  block.fill(0)
  return key
}

/**
 * EME-OAEP decoding (RFC 8017 section 7.1.2 step 3) with SHA-256 and an empty label, of a key of one of `keyLengths` (in
 * bytes). MGF1 is with SHA-1, as Java's own provider has it, or with SHA-256, as BouncyCastle has it: both are always
 * tried. `undefined` for every other block. Wipes the block.
 */
export async function oaepSha256Decode(
  block: Uint8Array,
  keyLengths: readonly number[],
): Promise<Uint8Array | undefined> {
  const labelHash = await runtime.digest('SHA-256', NO_LABEL)
  const bySha1 = await unmasked(block, labelHash.length, 'SHA-1')
  const bySha256 = await unmasked(block, labelHash.length, 'SHA-256')
  // The first byte is looked at together with all others, or it would tell how large the number is (Manger 2001).
  const first = faultUnlessAll(0, block, 0, 1)
  const key = chooseKey(
    [bySha1, bySha256].flatMap((data) => oaepCandidates(data, labelHash, first, keyLengths)),
    undefined,
  )
  for (const bytes of [block, bySha1, bySha256]) bytes.fill(0)
  return key
}

/** lHash, zeros, 01, the key. */
function oaepCandidates(
  data: Uint8Array,
  labelHash: Uint8Array,
  first: number,
  keyLengths: readonly number[],
): KeyCandidate[] {
  let label = first
  for (let i = 0; i < labelHash.length; i++) label |= (data[i] as number) ^ (labelHash[i] as number)
  return keyLengths.map((length) => {
    const start = data.length - length
    const fault =
      label | faultUnlessAll(0, data, labelHash.length, start - 1) | faultUnlessAll(1, data, start - 1, start)
    return { fault, bytes: data.subarray(start) }
  })
}

/** DB of RFC 8017, out of 00, maskedSeed (as long as the hash) and maskedDB. */
async function unmasked(block: Uint8Array, hashLength: number, hash: DigestName): Promise<Uint8Array> {
  const maskedData = block.subarray(1 + hashLength)
  const seed = await mgf1(hash, maskedData, hashLength)
  for (let i = 0; i < hashLength; i++) (seed[i] as number) ^= block[1 + i] as number
  const data = await mgf1(hash, seed, maskedData.length)
  for (let i = 0; i < data.length; i++) (data[i] as number) ^= maskedData[i] as number
  seed.fill(0)
  return data
}

/** RFC 8017 appendix B.2.1. */
async function mgf1(hash: DigestName, seed: Uint8Array, length: number): Promise<Uint8Array> {
  const output = new Uint8Array(length)
  const input = new Uint8Array(seed.length + 4)
  input.set(seed)
  const counter = new DataView(input.buffer, seed.length)
  for (let at = 0, count = 0; at < length; count++) {
    counter.setUint32(0, count)
    const bytes = await runtime.digest(hash, input)
    output.set(bytes.subarray(0, length - at), at)
    at += bytes.length
    bytes.fill(0)
  }
  input.fill(0)
  return output
}
