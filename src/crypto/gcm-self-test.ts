import { runtime } from '#runtime'
import type { Aes } from '../runtime/runtime.js'
import type { GcmWay } from './gcm-pieces.js'
import { positionalGcm } from './positional-gcm.js'

let answer: Promise<GcmWay | undefined> | undefined

/** How this runtime can seal a message in pieces; `undefined` if it cannot. Tried once, at the first call. */
export function positionalGcmWay(): Promise<GcmWay | undefined> {
  return (answer ??= (async () => testPositionalGcm(await runtime.aes(new Uint8Array(32).fill(0x5a))))())
}

/**
 * Seals two pieces, the later one first, and hashes the whole, against the one-shot cipher. A runtime may refuse IVs
 * that are not 12 bytes long (FIPS) or compute something else with them: then the other way is tried. Takes the Aes over.
 */
export async function testPositionalGcm(aes: Aes): Promise<GcmWay | undefined> {
  try {
    for (const way of ['one-pass', 'two-pass'] as const) if (await works(aes, way)) return way
    return undefined
  } finally {
    aes.destroy()
  }
}

async function works(aes: Aes, way: GcmWay): Promise<boolean> {
  const iv = new Uint8Array(12).fill(1)
  const aad = Uint8Array.of(0, 0x73)
  const plaintext = Uint8Array.from({ length: 53 }, (_, i) => i)
  const sealing = positionalGcm({ aes, iv, aad, way })
  const hashing = positionalGcm({ aes, iv, aad })
  try {
    const expected = await aes.gcmEncrypt(iv, aad, plaintext)
    const found = new Uint8Array(expected.length)
    for (const [start, end] of [
      [32, 53],
      [0, 32],
    ] as const) {
      const { ciphertext, state } = await sealing.seal(start, plaintext.subarray(start, end))
      found.set(ciphertext, start)
      await sealing.join(start, end - start, state)
    }
    const length = plaintext.length
    await hashing.join(0, length, await hashing.hash(0, expected.subarray(0, length)))
    found.set(await sealing.tag(length), length)
    return runtime.equal(found, expected) && runtime.equal(await hashing.tag(length), expected.subarray(length))
  } catch {
    return false
  } finally {
    sealing.destroy()
    hashing.destroy()
  }
}
