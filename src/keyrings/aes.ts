import { runtime } from '#runtime'
import { ecbWrap } from '../crypto/aes-ecb.js'
import { configError } from '../errors.js'
import type { KeyHandle, MaybePromise } from '../runtime/runtime.js'
import { AES_INFO_LENGTH, esdkAesUnwrap, esdkAesWrap } from './aes-esdk.js'
import { ecbWrapName, gcmWrap, gcmWrapName, aesUnwraps, type WrappingKey } from './aes-wraps.js'
import { dataKeyToWrap, onlyEncryptedKey, refuseContext, wrapResult, wrapWanted } from './data-key.js'
import {
  esdkAlgorithm,
  esdkWrapResult,
  isEsdk,
  isNamed,
  namesMissing,
  takeRawKeyName,
  type RawKeyName,
} from './esdk-keys.js'
import type { Context, DataKey, Keyring, UnwrapRequest, WrapRequest, WrapResult } from './keyring.js'
import { keysByMaterials, requireChoice, takeDescription } from './materials.js'
import { andThen, importKey, isBytes, takeList, takeOptions, takeStringMap } from './options.js'

/** A further wrapping key, for reading only: chosen by `materialsDescription`, by `keyNamespace` and `keyName`, or by either. */
export interface AesAdditionalKey {
  /** 16, 24 or 32 bytes, or a secret KeyObject or extractable CryptoKey of that size. */
  readonly wrappingKey: Uint8Array | KeyHandle
  /** Opens the objects of the S3 encryption clients that were stored with exactly this description. */
  readonly materialsDescription?: Context | undefined
  /** Together with `keyName`: opens the messages of the AWS Encryption SDK that name this key. */
  readonly keyNamespace?: string | undefined
  readonly keyName?: string | undefined
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
  /**
   * For messages of the AWS Encryption SDK, which store it in clear: whose key this is. Together with `keyName`; neither
   * may be empty, and this one must not begin with `aws-kms`. S3EC takes no notice of the two. Default: none, and then
   * such messages are neither written nor read.
   */
  readonly keyNamespace?: string | undefined
  /** Which of their keys it is: at most 65,515 bytes in UTF-8. */
  readonly keyName?: string | undefined
  /**
   * Further keys for reading, chosen by an equal materials description or by their names; of objects of the S3 encryption
   * clients the default key opens all else. Default: none.
   */
  readonly additionalKeys?: readonly AesAdditionalKey[] | undefined
}

const owner = 'aesKeyring'
const rejectionLabel = new TextEncoder().encode('s3-cse AES implicit rejection v1')

/**
 * Wraps data keys with an AES key that you hold: AES-GCM with a random 12-byte IV and a 16-byte tag, bound to the
 * content algorithm (the `AES/GCM` wrap of the S3 encryption clients, format V3 code `02`).
 *
 * In messages of the AWS Encryption SDK it is the raw AES keyring, which binds the encryption context as well: it needs
 * `keyNamespace` and `keyName`, and stores no materials description. It also reads what the SDK for JavaScript wrapped
 * under a context in the order of its machine's language.
 *
 * Reads also what older clients wrote: `AESWrap` (RFC 3394) and `AES` (ECB with PKCS#7 padding, which nothing
 * authenticates). Whether such objects may be read at all is the format's policy, decided before the keyring is asked.
 *
 * IVs are random, so one wrapping key should wrap at most 2^32 data keys (NIST SP 800-38D section 8.3).
 *
 * @throws CseError `ERR_S3CSE_CONFIG` for a key that is not of 16, 24 or 32 bytes, an unknown option, one name without the
 * other or one that cannot be stored, an additional key that nothing chooses, or two keys with equal materials
 * descriptions. Later: the same for a message of the AWS Encryption SDK where no names were given.
 */
export function aesKeyring(options: AesKeyringOptions): Keyring {
  const { wrappingKey, materialsDescription, additionalKeys, ...names } = takeOptions(owner, options, {
    wrappingKey: 'required',
    materialsDescription: 'optional',
    keyNamespace: 'optional',
    keyName: 'optional',
    additionalKeys: 'optional',
  })
  const name = takeRawKeyName(owner, names, AES_INFO_LENGTH)
  const description = takeStringMap(`${owner}: materialsDescription`, materialsDescription ?? {})
  const key = importWrappingKey(`${owner}: wrappingKey`, wrappingKey)
  const additional = takeList(`${owner}: additionalKeys`, additionalKeys, takeAdditional)
  const keyFor = keysByMaterials(owner, { materialsDescription: description, key }, additional)
  const named = [{ name, key }, ...additional].flatMap((one) => (isNamed(one) ? [one] : []))

  return Object.freeze({
    algorithms: Object.freeze([...aesUnwraps.keys(), ...(named.length > 0 ? [esdkAlgorithm] : [])]),

    async wrap(request: WrapRequest): Promise<WrapResult> {
      if (isEsdk(owner, request.suite)) {
        if (name === undefined) throw namesMissing(owner)
        const { aes } = await key
        return esdkWrapResult(owner, request, (taken, dataKey) => esdkAesWrap(aes, name, taken, dataKey))
      }
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
      if (isEsdk(owner, request.suite)) {
        if (named.length === 0) throw namesMissing(owner)
        for (const one of named) {
          const dataKey = await esdkAesUnwrap((await one.key).aes, one.name, request)
          if (dataKey !== undefined) return dataKey
        }
        return undefined
      }
      const encrypted = onlyEncryptedKey(request)
      if (encrypted === undefined) return undefined
      const open = aesUnwraps.get(encrypted.algorithm)
      return open?.(await keyFor(request.context), request.suite, encrypted.ciphertext)
    },
  })
}

interface AdditionalKey {
  readonly name: RawKeyName | undefined
  readonly materialsDescription: Context | undefined
  readonly key: MaybePromise<WrappingKey>
}

function takeAdditional(entry: AesAdditionalKey): AdditionalKey {
  const name = `${owner}: additionalKeys`
  const { wrappingKey, materialsDescription, ...names } = takeOptions(name, entry, {
    wrappingKey: 'required',
    materialsDescription: 'optional',
    keyNamespace: 'optional',
    keyName: 'optional',
  })
  const taken = {
    name: takeRawKeyName(name, names, AES_INFO_LENGTH),
    materialsDescription: takeDescription(name, materialsDescription),
    key: importWrappingKey(`${name}: wrappingKey`, wrappingKey),
  }
  requireChoice(name, taken)
  return taken
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
