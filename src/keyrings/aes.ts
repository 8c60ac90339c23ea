import { runtime } from '#runtime'
import { configError } from '../errors.js'
import type { Aes, KeyHandle, MaybePromise } from '../runtime/runtime.js'
import { dataKeyToWrap, onlyEncryptedKey, refuseContext, requireS3ec, wrapResult } from './data-key.js'
import type { Context, DataKey, Keyring, UnwrapRequest, WrapRequest, WrapResult } from './keyring.js'
import { keysByMaterials } from './materials.js'
import { andThen, importKey, isBytes, takeList, takeOptions, takeStringMap } from './options.js'

/** A further wrapping key, for reading only. */
export interface AesAdditionalKey {
  /** 16, 24 or 32 bytes, or a secret KeyObject or extractable CryptoKey of that size. */
  readonly wrappingKey: Uint8Array | KeyHandle
  /** Opens the objects that were stored with exactly this description. */
  readonly materialsDescription: Context
}

export interface AesKeyringOptions {
  /** The AES key that wraps data keys: 16, 24 or 32 bytes (copied), or a secret KeyObject or extractable CryptoKey of that size. */
  readonly wrappingKey: Uint8Array | KeyHandle
  /**
   * A label that is stored in clear with every object and later tells which key opens it. It is not authenticated.
   * Default: none.
   */
  readonly materialsDescription?: Context | undefined
  /** Further keys for reading, chosen by an equal materials description; the default key opens all else. Default: none. */
  readonly additionalKeys?: readonly AesAdditionalKey[] | undefined
}

const owner = 'aesKeyring'
const algorithm = 'AES/GCM'
const ivLength = 12
const tagLength = 16

/**
 * Wraps data keys with an AES key that you hold: AES-GCM with a random 12-byte IV and a 16-byte tag, bound to the
 * content algorithm (the `AES/GCM` wrap of the S3 encryption clients, format V3 code `02`).
 *
 * IVs are random, so one wrapping key should wrap at most 2^32 data keys (NIST SP 800-38D section 8.3).
 *
 * @throws CseError `ERR_S3CSE_CONFIG` for a key that is not of 16, 24 or 32 bytes, an unknown option, or two keys with
 * equal materials descriptions.
 */
export function aesKeyring(options: AesKeyringOptions): Keyring {
  const { wrappingKey, materialsDescription, additionalKeys } = takeOptions(owner, options, {
    wrappingKey: 'required',
    materialsDescription: 'optional',
    additionalKeys: 'optional',
  })
  const description = takeStringMap(`${owner}: materialsDescription`, materialsDescription ?? {})
  const key = importWrappingKey(`${owner}: wrappingKey`, wrappingKey)
  const additional = takeList(`${owner}: additionalKeys`, additionalKeys, (entry) => {
    const name = `${owner}: additionalKeys`
    const taken = takeOptions(name, entry, { wrappingKey: 'required', materialsDescription: 'required' })
    return {
      materialsDescription: takeStringMap(`${name}: materialsDescription`, taken.materialsDescription),
      key: importWrappingKey(`${name}: wrappingKey`, taken.wrappingKey),
    }
  })
  const keyFor = keysByMaterials(owner, { materialsDescription: description, key }, additional)

  return Object.freeze({
    algorithms: Object.freeze([algorithm]),

    async wrap(request: WrapRequest): Promise<WrapResult> {
      requireS3ec(owner, request.suite)
      refuseContext(owner, request.context)
      const aes = await key
      const dataKey = dataKeyToWrap(owner, request)
      try {
        const iv = runtime.randomBytes(ivLength)
        const sealed = await aes.gcmEncrypt(iv, boundName(request), dataKey)
        const encrypted = new Uint8Array(ivLength + sealed.length)
        encrypted.set(iv)
        encrypted.set(sealed, ivLength)
        return wrapResult(dataKey, algorithm, encrypted, description)
      } catch (error) {
        dataKey.fill(0)
        throw error
      }
    },

    async unwrap(request: UnwrapRequest): Promise<DataKey | undefined> {
      requireS3ec(owner, request.suite)
      const encrypted = onlyEncryptedKey(request, algorithm)
      if (encrypted?.length !== ivLength + request.suite.keyLength + tagLength) return undefined
      const aes = await keyFor(request.context)
      return aes.gcmDecrypt(encrypted.subarray(0, ivLength), boundName(request), encrypted.subarray(ivLength))
    },
  })
}

/** The additional authenticated data: a data key cannot be used under another content algorithm than its own. */
function boundName({ suite }: WrapRequest | UnwrapRequest): Uint8Array {
  return new TextEncoder().encode(suite.name)
}

function importWrappingKey(name: string, key: Uint8Array | KeyHandle): MaybePromise<Aes> {
  return importKey(name, () =>
    andThen(isBytes(key) ? new Uint8Array(key) : runtime.exportSecretKey(key), (bytes) => {
      const { length } = bytes
      if (length !== 16 && length !== 24 && length !== 32) {
        throw configError(`${name} must have 16, 24 or 32 bytes, not ${length}`)
      }
      return andThen(runtime.aes(bytes), (aes) => {
        bytes.fill(0)
        return aes
      })
    }),
  )
}
