import { runtime } from '#runtime'
import { ecbWrap } from '../crypto/aes-ecb.js'
import { configError } from '../errors.js'
import type { KeyHandle, MaybePromise } from '../runtime/runtime.js'
import { ecbWrapName, gcmWrap, gcmWrapName, aesUnwraps, type WrappingKey } from './aes-wraps.js'
import { dataKeyToWrap, onlyEncryptedKey, refuseContext, requireS3ec, wrapResult, wrapWanted } from './data-key.js'
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

/** The options of `aesKeyring`. */
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
const rejectionLabel = new TextEncoder().encode('s3-cse AES implicit rejection v1')

/**
 * Wraps data keys with an AES key that you hold: AES-GCM with a random 12-byte IV and a 16-byte tag, bound to the
 * content algorithm (the `AES/GCM` wrap of the S3 encryption clients, format V3 code `02`).
 *
 * Reads also what older clients wrote: `AESWrap` (RFC 3394) and `AES` (ECB with PKCS#7 padding, which nothing
 * authenticates). Whether such objects may be read at all is the format's policy, decided before the keyring is asked.
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
    algorithms: Object.freeze([...aesUnwraps.keys()]),

    async wrap(request: WrapRequest): Promise<WrapResult> {
      requireS3ec(owner, request.suite)
      refuseContext(owner, request.context)
      const algorithm = wrapWanted(owner, request, gcmWrapName, ecbWrapName)
      const { aes } = await key
      const dataKey = dataKeyToWrap(owner, request)
      try {
        const wrapped = algorithm === ecbWrapName ? ecbWrap(aes, dataKey) : gcmWrap(aes, request.suite, dataKey)
        return wrapResult(dataKey, algorithm, await wrapped, description)
      } catch (error) {
        dataKey.fill(0)
        throw error
      }
    },

    async unwrap(request: UnwrapRequest): Promise<DataKey | undefined> {
      requireS3ec(owner, request.suite)
      const encrypted = onlyEncryptedKey(request)
      if (encrypted === undefined) return undefined
      const open = aesUnwraps.get(encrypted.algorithm)
      return open?.(await keyFor(request.context), request.suite, encrypted.ciphertext)
    },
  })
}

function importWrappingKey(name: string, key: Uint8Array | KeyHandle): MaybePromise<WrappingKey> {
  return importKey(name, () =>
    andThen(isBytes(key) ? new Uint8Array(key) : runtime.exportSecretKey(key), (bytes) => {
      const { length } = bytes
      if (length !== 16 && length !== 24 && length !== 32) {
        throw configError(`${name} must have 16, 24 or 32 bytes, not ${length}`)
      }
      return andThen(runtime.aes(bytes), (aes) =>
        andThen(runtime.hmac('SHA-512', bytes, rejectionLabel), (rejectionSecret) => {
          bytes.fill(0)
          return { aes, rejectionSecret }
        }),
      )
    }),
  )
}
