import { configError } from '../errors.js'
import type { MaybePromise, RsaKeyInput, RsaPrivateKey } from '../runtime/runtime.js'
import { dataKeyToWrap, onlyEncryptedKey, refuseContext, wrapResult, wrapWanted } from './data-key.js'
import { esdkAlgorithm, esdkWrapResult, isEsdk, isNamed, namesMissing } from './esdk-keys.js'
import type { Context, DataKey, Keyring, UnwrapRequest, WrapRequest, WrapResult } from './keyring.js'
import { keysByMaterials, requireChoice, takeDescription } from './materials.js'
import { takeList, takeOptions, takeStringMap } from './options.js'
import { importPrivate, importPublic } from './rsa-import.js'
import {
  esdkRsaUnwrap,
  esdkRsaWrap,
  requireDistinct,
  takeRsaKeyName,
  type RsaKeyName,
  type RsaPadding,
} from './rsa-esdk.js'
import { oaepWrap, oaepWrapName, pkcs1Wrap, pkcs1WrapName, requireHash, rsaUnwraps } from './rsa-wraps.js'

/** A further private key, for reading only: chosen by `materialsDescription`, by `keyNamespace` and `keyName`, or by either. */
export interface RsaAdditionalKey {
  readonly privateKey: RsaKeyInput
  /** Opens the objects of the S3 encryption clients that were stored with exactly this description. */
  readonly materialsDescription?: Context | undefined
  /** Together with `keyName`: opens the messages of the AWS Encryption SDK that name this key. */
  readonly keyNamespace?: string | undefined
  readonly keyName?: string | undefined
  /** Of the data keys in those messages. Default: `'OAEP_SHA256'`, whatever the keyring's is. */
  readonly padding?: RsaPadding | undefined
}

/** The options of `rsaKeyring`. */
export interface RsaKeyringOptions {
  /** Wraps data keys; enough for writing. At least 2048 bits. PEM, DER (SPKI), KeyObject or CryptoKey. */
  readonly publicKey?: RsaKeyInput | undefined
  /** Unwraps data keys; enough for reading. At least 2048 bits. PEM, DER (PKCS#8), KeyObject or CryptoKey. */
  readonly privateKey?: RsaKeyInput | undefined
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
  /** Which of their keys it is: at most 65,535 bytes in UTF-8. */
  readonly keyName?: string | undefined
  /**
   * Of data keys in messages of the AWS Encryption SDK, for writing and reading (S3EC has its own). `'PKCS1'` has to be
   * asked for: it cannot tell another key's data key or a changed one from its own, so that it gives some key for
   * whatever names it and the message fails later. It works on Node, with keys that are no CryptoKeys. Default:
   * `'OAEP_SHA256'`.
   */
  readonly padding?: RsaPadding | undefined
  /**
   * Further keys for reading, chosen by an equal materials description or by their names; of objects of the S3 encryption
   * clients the default key opens all else. Default: none.
   */
  readonly additionalKeys?: readonly RsaAdditionalKey[] | undefined
}

const owner = 'rsaKeyring'

/**
 * Wraps data keys with an RSA public key: OAEP with SHA-1 (RFC 8017 section 7.1) over the data key and the name of the
 * content algorithm (the `RSA-OAEP-SHA1` wrap of the S3 encryption clients, format V3 code `22`).
 *
 * In messages of the AWS Encryption SDK it is the raw RSA keyring, with `keyNamespace`, `keyName` and `padding`: it wraps
 * the data key alone, so that the wrap binds no encryption context (the message's header does), and stores no materials
 * description. Of one message it tries 16 encrypted data keys at most. A CryptoKey may be for the hash of `padding`, and
 * is then for such messages only.
 *
 * Reads also what older clients wrote: `RSA/ECB/OAEPWithSHA-256AndMGF1Padding` and `RSA` (PKCS#1 v1.5, section 7.2),
 * on Node and with the private key as PEM, DER or KeyObject only. Whether such objects may be read at all is the
 * format's policy, decided before the keyring is asked.
 *
 * Anyone who has the public key can make objects that this keyring opens.
 *
 * @throws CseError `ERR_S3CSE_CONFIG` for a key that is not RSA, too short or of the wrong half, a pair that does not belong
 * together, an unknown option, a name that is missing or cannot be stored, an additional key that nothing chooses, two
 * keys with equal materials descriptions, or with equal names where one has padding `PKCS1`. Where the runtime imports keys
 * asynchronously (browsers), a wrong key is reported at the first use. Also for a wrap that the runtime or the kind of
 * key does not have, and for a message of the AWS Encryption SDK where no names were given.
 */
export function rsaKeyring(options: RsaKeyringOptions): Keyring {
  const { publicKey, privateKey, materialsDescription, additionalKeys, ...names } = takeOptions(owner, options, {
    publicKey: 'optional',
    privateKey: 'optional',
    materialsDescription: 'optional',
    keyNamespace: 'optional',
    keyName: 'optional',
    padding: 'optional',
    additionalKeys: 'optional',
  })
  if (publicKey === undefined && privateKey === undefined) {
    throw configError(`${owner}: give publicKey (to write), privateKey (to read) or both`)
  }
  const description = takeStringMap(`${owner}: materialsDescription`, materialsDescription ?? {})
  const name = takeRsaKeyName(owner, names)
  const opening = privateKey === undefined ? undefined : importPrivate(`${owner}: privateKey`, privateKey, name)
  const sealing =
    publicKey === undefined ? undefined : importPublic(owner, `${owner}: publicKey`, publicKey, name, opening)
  const additional = takeList(`${owner}: additionalKeys`, additionalKeys, takeAdditional)
  const keyFor = keysByMaterials<MaybePromise<RsaPrivateKey> | undefined>(
    owner,
    { materialsDescription: description, key: opening },
    additional,
  )
  const main = opening === undefined ? [] : [{ name, key: opening }]
  const named = [...main, ...additional].flatMap((one) => (isNamed(one) ? [one] : []))
  requireDistinct(
    owner,
    named.map((one) => one.name),
  )
  const speaksEsdk = name !== undefined || named.length > 0
  const canRead = opening !== undefined || additional.length > 0

  return Object.freeze({
    algorithms: Object.freeze([...rsaUnwraps.keys(), ...(speaksEsdk ? [esdkAlgorithm] : [])]),

    async wrap(request: WrapRequest): Promise<WrapResult> {
      if (sealing === undefined) throw configError(`${owner} cannot write: no public key was given`)
      if (isEsdk(owner, request.suite)) {
        if (name === undefined) throw namesMissing(owner)
        const key = await sealing
        return esdkWrapResult(owner, request, (_taken, dataKey) => esdkRsaWrap(owner, key, name, dataKey))
      }
      refuseContext(owner, request.context)
      const algorithm = wrapWanted(owner, request, oaepWrapName, pkcs1WrapName)
      const key = await sealing
      requireHash(owner, key, 'SHA-1')
      const dataKey = dataKeyToWrap(owner, request)
      try {
        const wrapped =
          algorithm === pkcs1WrapName ? pkcs1Wrap(owner, key, dataKey) : oaepWrap(key, request.suite, dataKey)
        return wrapResult(dataKey, algorithm, await wrapped, description)
      } catch (error) {
        dataKey.fill(0)
        throw error
      }
    },

    async unwrap(request: UnwrapRequest): Promise<DataKey | undefined> {
      if (!canRead) throw configError(`${owner} cannot read: no private key was given`)
      if (isEsdk(owner, request.suite)) {
        if (named.length === 0) throw namesMissing(owner)
        return esdkRsaUnwrap(owner, named, request)
      }
      const encrypted = onlyEncryptedKey(request)
      if (encrypted === undefined) return undefined
      const { algorithm, ciphertext } = encrypted
      const key = await keyFor(request.context)
      if (key !== undefined) requireHash(owner, key, 'SHA-1')
      if (key === undefined || ciphertext.length !== key.modulusLength) return undefined
      return rsaUnwraps.get(algorithm)?.(owner, key, request.suite, ciphertext)
    },
  })
}

interface AdditionalKey {
  readonly name: RsaKeyName | undefined
  readonly materialsDescription: Context | undefined
  readonly key: MaybePromise<RsaPrivateKey>
}

function takeAdditional(entry: RsaAdditionalKey): AdditionalKey {
  const what = `${owner}: additionalKeys`
  const { privateKey, materialsDescription, ...names } = takeOptions(what, entry, {
    privateKey: 'required',
    materialsDescription: 'optional',
    keyNamespace: 'optional',
    keyName: 'optional',
    padding: 'optional',
  })
  const name = takeRsaKeyName(what, names)
  const taken = {
    name,
    materialsDescription: takeDescription(what, materialsDescription),
    key: importPrivate(`${what}: privateKey`, privateKey, name),
  }
  requireChoice(what, taken)
  return taken
}
