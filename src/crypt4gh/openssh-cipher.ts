import { runtime } from '#runtime'
import { keyFileRuntime } from '#runtime/key-files'
import { chacha20 } from '../crypto/chacha20.js'
import { poly1305 } from '../crypto/poly1305.js'
import { configError } from '../errors.js'
import type { KeyFileCipher } from '../runtime/runtime.js'

/** A cipher of OpenSSH's key files. Lengths in bytes. */
export interface OpensshCipher {
  readonly keyLength: number
  readonly ivLength: number
  /** What the encrypted part is padded to. */
  readonly blockLength: number
  /** What follows the encrypted part; 0 for ciphers without authentication. */
  readonly tagLength: number
  /** `undefined` if the tag does not fit. */
  open(key: Uint8Array, iv: Uint8Array, data: Uint8Array, tag: Uint8Array): Promise<Uint8Array | undefined>
  /** Throws `ERR_S3CSE_CONFIG` where this runtime lacks it. */
  check(): Promise<void>
}

const NOTHING = new Uint8Array(0)

function plainCipher(name: KeyFileCipher, keyLength: number, blockLength: 8 | 16): OpensshCipher {
  return {
    keyLength,
    ivLength: blockLength,
    blockLength,
    tagLength: 0,
    open: async (key, iv, data) => keyFileRuntime.decrypt(name, key, iv, data),
    async check() {
      const block = new Uint8Array(blockLength)
      const plaintext = await keyFileRuntime.decrypt(name, new Uint8Array(keyLength), block, block)
      if (plaintext !== undefined) return
      throw configError(
        `This runtime lacks ${name}, which the key file is encrypted with: change it with ssh-keygen -p -Z aes256-ctr.`,
      )
    },
  }
}

function gcm(keyLength: number): OpensshCipher {
  return {
    keyLength,
    ivLength: 12,
    blockLength: 16,
    tagLength: 16,
    async open(key, iv, data, tag) {
      const sealed = new Uint8Array(data.length + tag.length)
      sealed.set(data)
      sealed.set(tag, data.length)
      const cipher = await runtime.aes(key)
      try {
        return await cipher.gcmDecrypt(iv, NOTHING, sealed)
      } finally {
        cipher.destroy()
      }
    },
    check: async () => undefined,
  }
}

/**
 * OpenSSH's PROTOCOL.chacha20poly1305: the tag is Poly1305 of the ciphertext alone. The second half of the key is for the
 * lengths of packets, which files do not have; the nonce is the number of the packet, 0.
 */
const chachaPoly: OpensshCipher = {
  keyLength: 64,
  ivLength: 0,
  blockLength: 8,
  tagLength: 16,
  async open(key, _iv, data, tag) {
    const own = key.subarray(0, 32)
    const nonce = new Uint8Array(12)
    const once = chacha20(own, nonce, 0, new Uint8Array(32))
    const fits = runtime.equal(poly1305(once, data), tag)
    once.fill(0)
    return fits ? chacha20(own, nonce, 1, data) : undefined
  },
  check: async () => undefined,
}

const CIPHERS: Readonly<Record<string, OpensshCipher>> = Object.freeze({
  'aes128-ctr': plainCipher('aes128-ctr', 16, 16),
  'aes192-ctr': plainCipher('aes192-ctr', 24, 16),
  'aes256-ctr': plainCipher('aes256-ctr', 32, 16),
  'aes128-cbc': plainCipher('aes128-cbc', 16, 16),
  'aes192-cbc': plainCipher('aes192-cbc', 24, 16),
  'aes256-cbc': plainCipher('aes256-cbc', 32, 16),
  // The older name of the same.
  'rijndael-cbc@lysator.liu.se': plainCipher('aes256-cbc', 32, 16),
  '3des-cbc': plainCipher('3des-cbc', 24, 8),
  'aes128-gcm@openssh.com': gcm(16),
  'aes256-gcm@openssh.com': gcm(32),
  'chacha20-poly1305@openssh.com': chachaPoly,
})

export function opensshCipher(name: string): OpensshCipher | undefined {
  return Object.hasOwn(CIPHERS, name) ? CIPHERS[name] : undefined
}
