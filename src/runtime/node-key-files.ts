import { createDecipheriv, createHash, pbkdf2, scrypt } from 'node:crypto'
import { plain } from './node-crypto.js'
import type { KeyFileCipher, KeyFileRuntime } from './runtime.js'

/** OpenSSL's names. */
const CIPHERS: Readonly<Record<KeyFileCipher, string>> = Object.freeze({
  'aes128-ctr': 'aes-128-ctr',
  'aes192-ctr': 'aes-192-ctr',
  'aes256-ctr': 'aes-256-ctr',
  'aes128-cbc': 'aes-128-cbc',
  'aes192-cbc': 'aes-192-cbc',
  'aes256-cbc': 'aes-256-cbc',
  '3des-cbc': 'des-ede3-cbc',
})

/** node:crypto; what takes long runs on its threads. */
export const keyFileRuntime: KeyFileRuntime = Object.freeze({
  scrypt(
    passphrase: Uint8Array,
    salt: Uint8Array,
    { cost, blockSize, parallelization }: Parameters<KeyFileRuntime['scrypt']>[2],
    length: number,
  ) {
    // What OpenSSL counts; node's own limit of 32 MiB is just below N = 2^15, r = 8.
    const maxmem = 128 * blockSize * (cost + parallelization + 2)
    return new Promise<Uint8Array>((resolve, reject) => {
      scrypt(passphrase, salt, length, { cost, blockSize, parallelization, maxmem }, (error, key) => {
        // (Bun's is undefined where there is none.)
        if (error instanceof Error) reject(error)
        else resolve(plain(key))
      })
    })
  },
  pbkdf2: (passphrase: Uint8Array, salt: Uint8Array, rounds: number, length: number) =>
    new Promise<Uint8Array>((resolve, reject) => {
      pbkdf2(passphrase, salt, rounds, length, 'sha256', (error, key) => {
        // (Bun's is undefined where there is none.)
        if (error instanceof Error) reject(error)
        else resolve(plain(key))
      })
    }),
  sha512: (data: Uint8Array) => plain(createHash('sha512').update(data).digest()),
  decrypt(cipher: KeyFileCipher, key: Uint8Array, iv: Uint8Array, data: Uint8Array) {
    let decipher
    try {
      decipher = createDecipheriv(CIPHERS[cipher], key, iv)
    } catch (error) {
      // Deno and OpenSSL in FIPS mode lack some of them, each with an error of its own; a wrong length is our mistake.
      if (error instanceof RangeError || error instanceof TypeError) throw error
      return undefined
    }
    // Each takes and gives whole blocks, so that nothing is left for `final`.
    return plain(decipher.setAutoPadding(false).update(data))
  },
} satisfies KeyFileRuntime)
