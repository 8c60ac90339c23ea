import { configError } from '../errors.js'
import { checkAesKey, checkBlock, checkBlocks, checkCounter, keyDestroyed, TAG_LENGTH } from './aes-checks.js'
import type { CryptoRuntime, Aes, DigestName, HashName, Runtime } from './runtime.js'
import { exportSecretCryptoKey, isCryptoKey, subtle, webBytes } from './web-keys.js'
import { webRsaPrivateKey, webRsaPublicKey } from './web-rsa.js'

/** `getRandomValues` gives no more at once. */
const MAX_RANDOM = 65536

const ZERO_BLOCK = new Uint8Array(16)

/** WebCrypto: answers later, off the main thread. */
export const cryptoRuntime: CryptoRuntime = Object.freeze({
  randomBytes(length: number) {
    const bytes = new Uint8Array(length)
    for (let at = 0; at < length; at += MAX_RANDOM)
      globalThis.crypto.getRandomValues(bytes.subarray(at, at + MAX_RANDOM))
    return bytes
  },
  allocate: (length: number) => new Uint8Array(length),
  equal(a: Uint8Array, b: Uint8Array) {
    if (a.length !== b.length) return false
    let difference = 0
    for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number)
    return difference === 0
  },
  aes,
  async exportSecretKey(key) {
    if (isCryptoKey(key)) return exportSecretCryptoKey(key)
    throw new TypeError(
      'A secret key is needed: a Uint8Array or an extractable CryptoKey (KeyObjects exist on Node only).',
    )
  },
  digest: async (name: DigestName, data: Uint8Array) => new Uint8Array(await subtle().digest(name, webBytes(data))),
  async hmac(hash: HashName, key: Uint8Array, data: Uint8Array) {
    // WebCrypto refuses an empty key. HMAC pads keys with zeros (RFC 2104 section 2), so one zero byte is the same key.
    const raw = key.length === 0 ? new Uint8Array(1) : webBytes(key)
    const imported = await subtle().importKey('raw', raw, { name: 'HMAC', hash }, false, ['sign'])
    return new Uint8Array(await subtle().sign('HMAC', imported, webBytes(data)))
  },
  rsaPublicKey: webRsaPublicKey,
  rsaPrivateKey: webRsaPrivateKey,
} satisfies Partial<Runtime>)

interface AesKeys {
  readonly gcm: CryptoKey
  readonly ctr: CryptoKey
  readonly cbc: CryptoKey
}

async function importAes(key: Uint8Array): Promise<AesKeys> {
  const raw = webBytes(key)
  try {
    const [gcm, ctr, cbc] = await Promise.all([
      subtle().importKey('raw', raw, 'AES-GCM', false, ['encrypt', 'decrypt']),
      subtle().importKey('raw', raw, 'AES-CTR', false, ['encrypt']),
      subtle().importKey('raw', raw, 'AES-CBC', false, ['encrypt', 'decrypt']),
    ])
    return { gcm, ctr, cbc }
  } catch (error) {
    // Chromium has no AES-192.
    if (key.length !== 24) throw error
    throw configError('This runtime has no AES with keys of 192 bits (24 bytes): use a key of 128 or 256 bits.')
  }
}

async function aes(key: Uint8Array): Promise<Aes> {
  checkAesKey(key)
  let keys: AesKeys | undefined = await importAes(key)

  const alive = (): AesKeys => {
    if (keys === undefined) throw keyDestroyed()
    return keys
  }
  const parameters = (iv: Uint8Array, aad: Uint8Array): AesGcmParams => ({
    name: 'AES-GCM',
    iv: webBytes(iv),
    additionalData: webBytes(aad),
    tagLength: TAG_LENGTH * 8,
  })
  const ctr = async (counter: Uint8Array, data: Uint8Array): Promise<Uint8Array> => {
    const algorithm = { name: 'AES-CTR', counter: webBytes(counter), length: 32 }
    return new Uint8Array(await subtle().encrypt(algorithm, alive().ctr, webBytes(data)))
  }

  const cbc = (iv: Uint8Array): AesCbcParams => ({ name: 'AES-CBC', iv: webBytes(iv) })

  return {
    // The keystream of one counter block is the AES of it.
    async block(input) {
      checkBlock(input)
      return ctr(input, ZERO_BLOCK)
    },
    async gcmEncrypt(iv, aad, plaintext, into) {
      const output = new Uint8Array(await subtle().encrypt(parameters(iv, aad), alive().gcm, webBytes(plaintext)))
      if (into === undefined) return output
      into.set(output)
      return into
    },
    async gcmDecrypt(iv, aad, sealed, into) {
      const { gcm } = alive()
      try {
        const output = new Uint8Array(await subtle().decrypt(parameters(iv, aad), gcm, webBytes(sealed)))
        if (into === undefined) return output
        into.set(output)
        output.fill(0)
        return into
      } catch (error) {
        if (error instanceof DOMException && error.name === 'OperationError') return undefined
        throw error
      }
    },
    async ctr(counter, data, into) {
      checkCounter(counter, data.length)
      const output = await ctr(counter, data)
      if (into === undefined) return output
      into.set(output)
      return into
    },
    // WebCrypto always pads: the block of padding is cut off again.
    async cbcEncrypt(iv, data) {
      checkBlocks(iv, data)
      const padded = new Uint8Array(await subtle().encrypt(cbc(iv), alive().cbc, webBytes(data)))
      return padded.subarray(0, data.length)
    },
    // And always unpads: a block is added that decrypts to a whole block of padding after whatever is before it, which
    // is what the empty message encrypts to with the last block as its IV.
    async cbcDecrypt(iv, data) {
      checkBlocks(iv, data)
      const { cbc: key } = alive()
      const last = data.length === 0 ? iv : data.subarray(-16)
      const padding = await subtle().encrypt(cbc(last), key, new Uint8Array(0))
      const padded = new Uint8Array(data.length + 16)
      padded.set(data)
      padded.set(new Uint8Array(padding), data.length)
      return new Uint8Array(await subtle().decrypt(cbc(iv), key, padded))
    },
    destroy() {
      keys = undefined
    },
  }
}
