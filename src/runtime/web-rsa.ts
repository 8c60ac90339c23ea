import { checkModulus, keyBytes, notAKey, wrongAlgorithm, wrongKind, type Wanted } from './rsa-input.js'
import type { RsaKeyInput, RsaPrivateKey, RsaPublicKey } from './runtime.js'
import { isCryptoKey, subtle, webBytes } from './web-keys.js'

const OAEP_SHA1 = Object.freeze({ name: 'RSA-OAEP', hash: 'SHA-1' })
const USAGE = Object.freeze({ public: 'encrypt', private: 'decrypt' })
const FORM = Object.freeze({ public: 'spki', private: 'pkcs8' })

export async function webRsaPublicKey(input: RsaKeyInput): Promise<RsaPublicKey> {
  const { key, modulusLength } = await cryptoKey(input, 'public')
  return {
    modulusLength,
    oaepSha1Encrypt: async (plaintext) =>
      new Uint8Array(await subtle().encrypt({ name: OAEP_SHA1.name }, key, webBytes(plaintext))),
  }
}

export async function webRsaPrivateKey(input: RsaKeyInput): Promise<RsaPrivateKey> {
  const { key, modulusLength } = await cryptoKey(input, 'private')
  return {
    modulusLength,
    async oaepSha1Decrypt(ciphertext) {
      try {
        return new Uint8Array(await subtle().decrypt({ name: OAEP_SHA1.name }, key, webBytes(ciphertext)))
      } catch {
        return undefined
      }
    },
  }
}

async function cryptoKey(input: RsaKeyInput, wanted: Wanted): Promise<{ key: CryptoKey; modulusLength: number }> {
  const bytes = keyBytes(input, wanted)
  const key = bytes === undefined ? input : await imported(bytes, wanted)
  if (!isCryptoKey(key)) throw notAKey(wanted)
  if (key.type !== wanted) throw wrongKind(key.type, wanted)
  const algorithm = key.algorithm as Partial<RsaHashedKeyAlgorithm>
  if (algorithm.name !== OAEP_SHA1.name) throw wrongAlgorithm(algorithm.name, wanted)
  if (algorithm.hash?.name !== OAEP_SHA1.hash) {
    throw new TypeError(`The CryptoKey must be for RSA-OAEP with SHA-1, not ${algorithm.hash?.name ?? 'unknown'}.`)
  }
  if (!key.usages.includes(USAGE[wanted])) {
    throw new TypeError(`The CryptoKey's usages must include '${USAGE[wanted]}'.`)
  }
  return { key, modulusLength: checkModulus(algorithm.modulusLength) }
}

async function imported(der: Uint8Array, wanted: Wanted): Promise<CryptoKey> {
  const tryImport = async (kind: Wanted): Promise<CryptoKey | undefined> => {
    try {
      return await subtle().importKey(FORM[kind], webBytes(der), OAEP_SHA1, false, [USAGE[kind]])
    } catch (error) {
      if (error instanceof DOMException || error instanceof TypeError) return undefined
      throw error
    }
  }
  const other = wanted === 'public' ? 'private' : 'public'
  const key = (await tryImport(wanted)) ?? (await tryImport(other))
  if (key === undefined) {
    throw new TypeError(
      `WebCrypto cannot read this as an RSA ${wanted} key: give ${FORM[wanted].toUpperCase()} as PEM or DER.`,
    )
  }
  return key
}
