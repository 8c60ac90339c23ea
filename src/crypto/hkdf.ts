import { runtime } from '#runtime'
import { configError } from '../errors.js'
import type { MaybePromise } from '../runtime/runtime.js'

type Hmac = (key: Uint8Array, data: Uint8Array) => MaybePromise<Uint8Array>

const HASH_LENGTH = 64

/** In bytes, of one expansion (RFC 5869 section 2.3). */
export const HKDF_MAX_LENGTH: number = 255 * HASH_LENGTH

/** HKDF (RFC 5869) with SHA-512, after its extract step. */
export interface HkdfSha512 {
  /** `length` bytes for `info`; throws ERR_S3CSE_CONFIG beyond `HKDF_MAX_LENGTH`. */
  expand(info: Uint8Array, length: number): Promise<Uint8Array>
  /** Wipes the extracted key. */
  destroy(): void
}

/** Extracts once; expands as often as wanted. The `hmac` parameter is for tests. */
export async function hkdfSha512(
  { salt, inputKey }: { readonly salt: Uint8Array; readonly inputKey: Uint8Array },
  hmac: Hmac = (key, data) => runtime.hmacSha512(key, data),
): Promise<HkdfSha512> {
  // An empty salt stands for 64 zeros (section 2.2), which as an HMAC key are the same.
  const extracted = await hmac(salt, inputKey)
  let destroyed = false
  const checkAlive = (): void => {
    if (destroyed) throw configError('The extracted key was wiped.')
  }
  return {
    async expand(info, length) {
      checkAlive()
      if (!Number.isInteger(length) || length < 0 || length > HKDF_MAX_LENGTH) {
        throw configError(`HKDF-SHA-512 gives up to ${HKDF_MAX_LENGTH} bytes, not ${length}.`)
      }
      const output = new Uint8Array(length)
      let previous: Uint8Array = new Uint8Array(0)
      for (let at = 0, counter = 1; at < length; at += HASH_LENGTH, counter++) {
        const input = new Uint8Array(previous.length + info.length + 1)
        input.set(previous)
        input.set(info, previous.length)
        input[input.length - 1] = counter
        const block = await hmac(extracted, input)
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
