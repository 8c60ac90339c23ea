import type { PositionalSealer } from '../message/sealer.js'
import { hkdfSha512 } from './hkdf.js'

const DERIVED_KEY_LENGTH = 32

/** What a sealer in parts does with the key of its message. `key` throws when it was wiped. */
export function messageKey(key: () => Uint8Array): Pick<PositionalSealer, 'deriveKey' | 'exportKey'> {
  return {
    async deriveKey(salt, info) {
      const hkdf = await hkdfSha512({ salt, inputKey: key() })
      try {
        return await hkdf.expand(new TextEncoder().encode(info), DERIVED_KEY_LENGTH)
      } finally {
        hkdf.destroy()
      }
    },
    exportKey: () => Uint8Array.from(key()),
  }
}
