import { cbc, ctr } from '@noble/ciphers/aes.js'
import { scryptAsync } from '@noble/hashes/scrypt.js'
import type { KeyFileCipher, KeyFileRuntime } from './runtime.js'
import { subtle, webBytes } from './web-keys.js'

/** WebCrypto; by @noble scrypt, which that has not, and the modes of AES that it has with padding or a shorter counter only. */
export const keyFileRuntime: KeyFileRuntime = Object.freeze({
  scrypt(
    passphrase: Uint8Array,
    salt: Uint8Array,
    { cost, blockSize, parallelization }: Parameters<KeyFileRuntime['scrypt']>[2],
    length: number,
  ): Promise<Uint8Array> {
    return scryptAsync(passphrase, salt, { N: cost, r: blockSize, p: parallelization, dkLen: length })
  },
  async pbkdf2(passphrase: Uint8Array, salt: Uint8Array, rounds: number, length: number) {
    const key = await subtle().importKey('raw', webBytes(passphrase), 'PBKDF2', false, ['deriveBits'])
    const parameters = { name: 'PBKDF2', hash: 'SHA-256', salt: webBytes(salt), iterations: rounds }
    return new Uint8Array(await subtle().deriveBits(parameters, key, length * 8))
  },
  sha512: async (data: Uint8Array) => new Uint8Array(await subtle().digest('SHA-512', webBytes(data))),
  decrypt(cipher: KeyFileCipher, key: Uint8Array, iv: Uint8Array, data: Uint8Array): Uint8Array | undefined {
    if (cipher === '3des-cbc') return undefined
    return cipher.endsWith('-ctr') ? ctr(key, iv).decrypt(data) : cbc(key, iv, { disablePadding: true }).decrypt(data)
  },
} satisfies KeyFileRuntime)
