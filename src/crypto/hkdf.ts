import { runtime } from '#runtime'
import { configError } from '../errors.js'
import type { HashName, MaybePromise } from '../runtime/runtime.js'

type Hmac = (hash: HashName, key: Uint8Array, data: Uint8Array) => MaybePromise<Uint8Array>

/** Lengths of the hashes, in bytes. */
const HASH_LENGTHS: Readonly<Record<HashName, number>> = Object.freeze({ 'SHA-256': 32, 'SHA-384': 48, 'SHA-512': 64 })

/** In bytes, of one expansion (RFC 5869 section 2.3) with SHA-512. */
export const HKDF_MAX_LENGTH: number = 255 * HASH_LENGTHS['SHA-512']

/** HKDF (RFC 5869), after its extract step. */
export interface Hkdf {
  /** `length` bytes for `info`; throws ERR_S3CSE_CONFIG beyond 255 lengths of the hash. */
  expand(info: Uint8Array, length: number): Promise<Uint8Array>
  /** Wipes the extracted key. */
  destroy(): void
}

/** Extracts once; expands as often as wanted. The `hmac` parameter is for tests. */
export async function hkdf(
  hash: HashName,
  { salt, inputKey }: { readonly salt: Uint8Array; readonly inputKey: Uint8Array },
  hmac: Hmac = (name, key, data) => runtime.hmac(name, key, data),
): Promise<Hkdf> {
  const hashLength = HASH_LENGTHS[hash]
  // An empty salt stands for as many zeros as the hash is long (section 2.2), which as an HMAC key are the same.
  const extracted = await hmac(hash, salt, inputKey)
  let destroyed = false
  const checkAlive = (): void => {
    if (destroyed) throw configError('The extracted key was wiped.')
  }
  return {
    async expand(info, length) {
      checkAlive()
      if (!Number.isInteger(length) || length < 0 || length > 255 * hashLength) {
        throw configError(`HKDF-${hash} gives up to ${255 * hashLength} bytes, not ${length}.`)
      }
      const output = new Uint8Array(length)
      let previous: Uint8Array = new Uint8Array(0)
      for (let at = 0, counter = 1; at < length; at += hashLength, counter++) {
        const input = new Uint8Array(previous.length + info.length + 1)
        input.set(previous)
        input.set(info, previous.length)
        input[input.length - 1] = counter
        const block = await hmac(hash, extracted, input)
        input.fill(0)
        previous.fill(0)
        previous = block
        checkAlive()
        output.set(previous.subarray(0, length - at), at)
      }
      previous.fill(0)
      return output
    },
    destroy() {
      destroyed = true
      extracted.fill(0)
    },
  }
}

/** HKDF with SHA-512: what the formats of the S3 encryption client use. */
export const hkdfSha512 = (
  from: { readonly salt: Uint8Array; readonly inputKey: Uint8Array },
  hmac?: Hmac,
): Promise<Hkdf> => hkdf('SHA-512', from, hmac)
