import { checkModulus, DEFAULT_HASHES, keyBytes, notAKey, wrongAlgorithm, wrongKind, type Wanted } from './rsa-input.js'
import type { OaepHash, RsaKeyInput, RsaPrivateKey, RsaPublicKey } from './runtime.js'
import { isCryptoKey, subtle, webBytes } from './web-keys.js'

const OAEP = 'RSA-OAEP'
const USAGE = Object.freeze({ public: 'encrypt', private: 'decrypt' })
const FORM = Object.freeze({ public: 'spki', private: 'pkcs8' })

export async function webRsaPublicKey(
  input: RsaKeyInput,
  hashes: readonly OaepHash[] = DEFAULT_HASHES,
): Promise<RsaPublicKey> {
  const { keyFor, ...common } = await cryptoKeys(input, 'public', hashes)
  return {
    ...common,
    oaepEncrypt: async (hash, plaintext) =>
      new Uint8Array(await subtle().encrypt({ name: OAEP }, keyFor(hash), webBytes(plaintext))),
  }
}

export async function webRsaPrivateKey(
  input: RsaKeyInput,
  hashes: readonly OaepHash[] = DEFAULT_HASHES,
): Promise<RsaPrivateKey> {
  const { keyFor, ...common } = await cryptoKeys(input, 'private', hashes)
  return {
    ...common,
    async oaepDecrypt(hash, ciphertext) {
      const key = keyFor(hash)
      try {
        return new Uint8Array(await subtle().decrypt({ name: OAEP }, key, webBytes(ciphertext)))
      } catch {
        return undefined
      }
    },
  }
}

interface CryptoKeys {
  readonly modulusLength: number
  readonly hashes: readonly OaepHash[]
  readonly keyFor: (hash: OaepHash) => CryptoKey
}

/** WebCrypto's keys are for one hash each: bytes are imported for every one that is asked for. */
async function cryptoKeys(input: RsaKeyInput, wanted: Wanted, hashes: readonly OaepHash[]): Promise<CryptoKeys> {
  const bytes = keyBytes(input, wanted)
  const given = bytes === undefined ? [input] : await Promise.all(hashes.map((hash) => imported(bytes, wanted, hash)))
  const keys = new Map<OaepHash, CryptoKey>()
  let modulusLength = 0
  for (const key of given) {
    if (!isCryptoKey(key)) throw notAKey(wanted)
    if (key.type !== wanted) throw wrongKind(key.type, wanted)
    const algorithm = key.algorithm as Partial<RsaHashedKeyAlgorithm>
    if (algorithm.name !== OAEP) throw wrongAlgorithm(algorithm.name, wanted)
    const hash = hashes.find((name) => name === algorithm.hash?.name)
    if (hash === undefined) {
      throw new TypeError(
        `The CryptoKey must be for RSA-OAEP with ${hashes.join(' or ')}, not ${algorithm.hash?.name ?? 'unknown'}.`,
      )
    }
    if (!key.usages.includes(USAGE[wanted])) {
      throw new TypeError(`The CryptoKey's usages must include '${USAGE[wanted]}'.`)
    }
    modulusLength = checkModulus(algorithm.modulusLength)
    keys.set(hash, key)
  }
  const keyFor = (hash: OaepHash): CryptoKey => {
    const key = keys.get(hash)
    if (key === undefined) throw new TypeError(`The RSA key is not for OAEP with ${hash}.`)
    return key
  }
  return { modulusLength, hashes: [...keys.keys()], keyFor }
}

async function imported(der: Uint8Array, wanted: Wanted, hash: OaepHash): Promise<CryptoKey> {
  const tryImport = async (kind: Wanted): Promise<CryptoKey | undefined> => {
    try {
      return await subtle().importKey(FORM[kind], webBytes(der), { name: OAEP, hash }, false, [USAGE[kind]])
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
