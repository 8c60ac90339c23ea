import { runtime } from '#runtime'
import { configError } from '../errors.js'
import type { MaybePromise, RsaKeyInput, RsaPrivateKey, RsaPublicKey } from '../runtime/runtime.js'
import { dataKeyToWrap, onlyEncryptedKey, refuseContext, requireS3ec, wrapResult, wrapWanted } from './data-key.js'
import type { Context, DataKey, Keyring, UnwrapRequest, WrapRequest, WrapResult } from './keyring.js'
import { keysByMaterials } from './materials.js'
import { andThen, importKey, takeList, takeOptions, takeStringMap } from './options.js'
import { oaepWrap, oaepWrapName, pkcs1Wrap, pkcs1WrapName, rsaUnwraps } from './rsa-wraps.js'

/** A further private key, for reading only. */
export interface RsaAdditionalKey {
  readonly privateKey: RsaKeyInput
  /** Opens the objects that were stored with exactly this description. */
  readonly materialsDescription: Context
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
  /** Further keys for reading, chosen by an equal materials description; the default key opens all else. Default: none. */
  readonly additionalKeys?: readonly RsaAdditionalKey[] | undefined
}

const owner = 'rsaKeyring'

/**
 * Wraps data keys with an RSA public key: OAEP with SHA-1 (RFC 8017 section 7.1) over the data key and the name of the
 * content algorithm (the `RSA-OAEP-SHA1` wrap of the S3 encryption clients, format V3 code `22`).
 *
 * Reads also what older clients wrote: `RSA/ECB/OAEPWithSHA-256AndMGF1Padding` and `RSA` (PKCS#1 v1.5, section 7.2),
 * on Node and with the private key as PEM, DER or KeyObject only. Whether such objects may be read at all is the
 * format's policy, decided before the keyring is asked.
 *
 * Anyone who has the public key can make objects that this keyring opens.
 *
 * @throws CseError `ERR_S3CSE_CONFIG` for a key that is not RSA, too short or of the wrong half, a pair that does not belong
 * together, an unknown option, or two keys with equal materials descriptions. Where the runtime imports keys
 * asynchronously (browsers), a wrong key is reported at the first use. Also for a legacy wrap where the runtime or the
 * kind of key has none.
 */
export function rsaKeyring(options: RsaKeyringOptions): Keyring {
  const { publicKey, privateKey, materialsDescription, additionalKeys } = takeOptions(owner, options, {
    publicKey: 'optional',
    privateKey: 'optional',
    materialsDescription: 'optional',
    additionalKeys: 'optional',
  })
  if (publicKey === undefined && privateKey === undefined) {
    throw configError(`${owner}: give publicKey (to write), privateKey (to read) or both`)
  }
  const description = takeStringMap(`${owner}: materialsDescription`, materialsDescription ?? {})
  const opening = privateKey === undefined ? undefined : importPrivate(`${owner}: privateKey`, privateKey)
  const sealing = publicKey === undefined ? undefined : importPublic(`${owner}: publicKey`, publicKey, opening)
  const additional = takeList(`${owner}: additionalKeys`, additionalKeys, (entry) => {
    const name = `${owner}: additionalKeys`
    const taken = takeOptions(name, entry, { privateKey: 'required', materialsDescription: 'required' })
    return {
      materialsDescription: takeStringMap(`${name}: materialsDescription`, taken.materialsDescription),
      key: importPrivate(`${name}: privateKey`, taken.privateKey),
    }
  })
  const keyFor = keysByMaterials<MaybePromise<RsaPrivateKey> | undefined>(
    owner,
    { materialsDescription: description, key: opening },
    additional,
  )
  const canRead = opening !== undefined || additional.length > 0

  return Object.freeze({
    algorithms: Object.freeze([...rsaUnwraps.keys()]),

    async wrap(request: WrapRequest): Promise<WrapResult> {
      if (sealing === undefined) throw configError(`${owner} cannot write: no public key was given`)
      requireS3ec(owner, request.suite)
      refuseContext(owner, request.context)
      const algorithm = wrapWanted(owner, request, oaepWrapName, pkcs1WrapName)
      const key = await sealing
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
      requireS3ec(owner, request.suite)
      const encrypted = onlyEncryptedKey(request)
      if (encrypted === undefined) return undefined
      const { algorithm, ciphertext } = encrypted
      const key = await keyFor(request.context)
      if (key === undefined || ciphertext.length !== key.modulusLength) return undefined
      return rsaUnwraps.get(algorithm)?.(owner, key, request.suite, ciphertext)
    },
  })
}

function importPrivate(name: string, key: RsaKeyInput): MaybePromise<RsaPrivateKey> {
  return importKey(name, () => runtime.rsaPrivateKey(key))
}

function importPublic(
  name: string,
  key: RsaKeyInput,
  privateKey: MaybePromise<RsaPrivateKey> | undefined,
): MaybePromise<RsaPublicKey> {
  return importKey(name, () =>
    andThen(runtime.rsaPublicKey(key), (imported) => {
      if (privateKey === undefined) return imported
      return andThen(privateKey, (other) =>
        andThen(belongTogether(imported, other), (pair) => {
          if (!pair) throw configError(`${owner}: publicKey and privateKey do not belong together`)
          return imported
        }),
      )
    }),
  )
}

/** By a trial wrap: the runtime's keys show no modulus. */
function belongTogether(publicKey: RsaPublicKey, privateKey: RsaPrivateKey): MaybePromise<boolean> {
  if (publicKey.modulusLength !== privateKey.modulusLength) return false
  const probe = runtime.randomBytes(32)
  return andThen(publicKey.oaepSha1Encrypt(probe), (sealed) =>
    andThen(privateKey.oaepSha1Decrypt(sealed), (opened) => opened !== undefined && runtime.equal(opened, probe)),
  )
}
