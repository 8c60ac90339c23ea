import { Buffer } from 'node:buffer'
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  getCiphers,
  KeyObject,
  randomBytes,
  timingSafeEqual,
  type CipherGCM,
  type CipherGCMTypes,
  type DecipherGCM,
} from 'node:crypto'
import { checkAesKey, checkBlock, checkBlocks, checkCounter, keyDestroyed, TAG_LENGTH } from './aes-checks.js'
import { nodeRsaPrivateKey, nodeRsaPublicKey } from './node-rsa.js'
import { encryptApart } from './node-cipher-thread.js'
import { keepFreedMemory, release } from './node-release.js'
import type {
  CryptoRuntime,
  Aes,
  DigestName,
  GcmOpenStream,
  GcmStream,
  HashName,
  MaybePromise,
  Runtime,
} from './runtime.js'
import { cryptoRuntime as webRuntime } from './web-crypto.js'
import { exportSecretCryptoKey, isCryptoKey } from './web-keys.js'

/** What one call of a native cipher takes: larger results cost a page fault for every page of a fresh buffer. */
const SLICE = 64 * 1024

/** Buffers below this come zeroed at no cost worth the name. */
const SMALL = 4096

const NOTHING = new Uint8Array(0)

/** Deno knows them by these names only. */
const HASHES: Readonly<Record<DigestName | HashName, string>> = Object.freeze({
  'SHA-1': 'sha1',
  'SHA-256': 'sha256',
  'SHA-384': 'sha384',
  'SHA-512': 'sha512',
})

const GCM_OPTIONS = Object.freeze({ authTagLength: TAG_LENGTH })

type Transform = Pick<CipherGCM | DecipherGCM, 'update'>

/** node:crypto: answers at once. */
export const cryptoRuntime: CryptoRuntime = Object.freeze({
  randomBytes: (length: number) => plain(randomBytes(length)),
  allocate,
  equal: (a: Uint8Array, b: Uint8Array) => a.length === b.length && timingSafeEqual(a, b),
  aes,
  exportSecretKey: (key) => {
    if (key instanceof KeyObject) {
      if (key.type !== 'secret') throw new TypeError(`A secret key is needed, not a ${key.type} one.`)
      return plain(key.export())
    }
    if (isCryptoKey(key)) return exportSecretCryptoKey(key)
    throw new TypeError('A secret key is needed: a Uint8Array, a KeyObject or a CryptoKey.')
  },
  digest: (name: DigestName, data: Uint8Array) => plain(createHash(HASHES[name]).update(data).digest()),
  hmac: (hash: HashName, key: Uint8Array, data: Uint8Array) =>
    plain(createHmac(HASHES[hash], key).update(data).digest()),
  rsaPublicKey: nodeRsaPublicKey,
  rsaPrivateKey: nodeRsaPrivateKey,
} satisfies Partial<Runtime>)

/** The same bytes without Buffer's methods, some of which mean something else than Uint8Array's. */
export function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
}

/** Uninitialised: for results that are written in full. */
export function allocate(length: number): Uint8Array {
  return length <= SMALL ? new Uint8Array(length) : plain(Buffer.allocUnsafeSlow(length))
}

/** One call of a native cipher, of a slice at most. */
function update(cipher: Transform, slice: Uint8Array): Buffer {
  if (slice.length === SLICE) keepFreedMemory()
  return cipher.update(slice)
}

export function transformInto(output: Uint8Array, cipher: Transform, input: Uint8Array): void {
  if (input.length <= SLICE) {
    const result = update(cipher, input)
    output.set(result)
    release(result)
    return
  }
  for (let at = 0; at < input.length; at += SLICE) {
    const result = update(cipher, input.subarray(at, at + SLICE))
    output.set(result, at)
    release(result)
  }
}

export function transform(cipher: Transform, input: Uint8Array): Uint8Array {
  if (input.length <= SLICE) return plain(update(cipher, input))
  const output = allocate(input.length)
  transformInto(output, cipher, input)
  return output
}

function aes(key: Uint8Array): MaybePromise<Aes> {
  checkAesKey(key)
  return key.length === 24 && !hasAes192() ? webRuntime.aes(key) : nativeAes(key)
}

/** Deno's node:crypto has it in some modes only, its WebCrypto in all. */
function hasAes192(): boolean {
  const ciphers = getCiphers()
  return ['gcm', 'ctr', 'cbc', 'ecb'].every((mode) => ciphers.includes(`aes-192-${mode}`))
}

function nativeAes(rawKey: Uint8Array): Aes {
  const key = Uint8Array.from(rawKey)
  const bits = key.length * 8
  const gcm = `aes-${bits}-gcm` as CipherGCMTypes
  let destroyed = false
  let ecb: Transform | undefined

  const checkAlive = (): void => {
    if (destroyed) throw keyDestroyed()
  }
  const encryptor = (iv: Uint8Array, aad: Uint8Array): CipherGCM => {
    checkAlive()
    const cipher = createCipheriv(gcm, key, iv, GCM_OPTIONS)
    if (aad.length > 0) cipher.setAAD(aad)
    return cipher
  }

  /** Returns the tag. */
  const encryptInto = (output: Uint8Array, iv: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Buffer => {
    const cipher = encryptor(iv, aad)
    transformInto(output, cipher, plaintext)
    cipher.final()
    return cipher.getAuthTag()
  }

  return {
    block(input) {
      checkAlive()
      checkBlock(input)
      ecb ??= createCipheriv(`aes-${bits}-ecb`, key, null).setAutoPadding(false)
      return plain(ecb.update(input))
    },
    gcmEncrypt(iv, aad, plaintext, into) {
      const output = into ?? allocate(plaintext.length + TAG_LENGTH)
      output.set(encryptInto(output, iv, aad, plaintext), plaintext.length)
      return output
    },
    async gcmEncryptApart(plaintext, stretches, into, hash) {
      checkAlive()
      const encrypted = await encryptApart(key, plaintext, stretches, into, hash)
      if (encrypted !== undefined) return encrypted
      let at = 0
      const tags = stretches.map(({ iv, length }) => {
        const start = at
        at += length
        return plain(encryptInto(into.subarray(start), iv, NOTHING, plaintext.subarray(start, at)))
      })
      return { tags, sha256: undefined }
    },
    gcmDecrypt(iv, aad, sealed, into) {
      checkAlive()
      const end = sealed.length - TAG_LENGTH
      if (end < 0) return undefined
      const decipher = createDecipheriv(gcm, key, iv, GCM_OPTIONS)
      if (aad.length > 0) decipher.setAAD(aad)
      decipher.setAuthTag(sealed.subarray(end))
      const ciphertext = sealed.subarray(0, end)
      const output = into ?? transform(decipher, ciphertext)
      try {
        if (into !== undefined) transformInto(into, decipher, ciphertext)
        decipher.final()
        return output
      } catch {
        output.fill(0)
        return undefined
      }
    },
    ctr(counter, data, into) {
      checkAlive()
      checkCounter(counter, data.length)
      const cipher = createCipheriv(`aes-${bits}-ctr`, key, counter)
      if (into === undefined) return transform(cipher, data)
      transformInto(into, cipher, data)
      return into
    },
    cbcEncrypt(iv, data) {
      checkAlive()
      checkBlocks(iv, data)
      return transform(createCipheriv(`aes-${bits}-cbc`, key, iv).setAutoPadding(false), data)
    },
    cbcDecrypt(iv, data) {
      checkAlive()
      checkBlocks(iv, data)
      return transform(createDecipheriv(`aes-${bits}-cbc`, key, iv).setAutoPadding(false), data)
    },
    gcmStream: (iv, aad) => gcmStream(encryptor(iv, aad)),
    gcmOpenStream(iv, aad) {
      checkAlive()
      const decipher = createDecipheriv(gcm, key, iv, GCM_OPTIONS)
      if (aad.length > 0) decipher.setAAD(aad)
      return gcmOpenStream(decipher)
    },
    destroy() {
      destroyed = true
      key.fill(0)
      ecb = undefined
    },
  }
}

function gcmOpenStream(decipher: DecipherGCM): GcmOpenStream {
  return {
    update: (ciphertext) => transform(decipher, ciphertext),
    final(tag) {
      decipher.setAuthTag(tag)
      try {
        decipher.final()
        return true
      } catch {
        return false
      }
    },
  }
}

function gcmStream(cipher: CipherGCM): GcmStream {
  return {
    update: (plaintext) => transform(cipher, plaintext),
    final() {
      cipher.final()
      return plain(cipher.getAuthTag())
    },
  }
}
