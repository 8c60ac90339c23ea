import { configError } from '../errors.js'
import { checkRequest } from '../formats/esdk/check.js'
import { esdkSettings, type EsdkMessageOptions, type EsdkSettings } from '../formats/esdk/options.js'
import type { CommitmentPolicy } from '../formats/format.js'
import type { Context, Keyring } from '../keyrings/keyring.js'
import { takeSignal } from '../message/byte-stream.js'

/** What all functions of this entry need. */
interface CommonOptions {
  /** Who can unwrap the data keys: `aesKeyring` and `rsaKeyring` with `keyNamespace` and `keyName`, `kmsKeyring`, `multiKeyring`, or your own. */
  readonly keyring: Keyring
  /** Default: 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT', which writes and reads suites with key commitment only. */
  readonly commitmentPolicy?: CommitmentPolicy | undefined
  /** Gives the message up. Default: none. */
  readonly signal?: AbortSignal | undefined
}

/** What encrypting needs. */
export interface EncryptMessageOptions extends CommonOptions, Omit<EsdkMessageOptions, 'maxBodySize'> {
  /** Authenticated, not secret; stored in the header in clear. Default: none. */
  readonly encryptionContext?: Context | undefined
}

/** What decrypting needs. */
export interface DecryptMessageOptions
  extends CommonOptions, Pick<EsdkMessageOptions, 'maxEncryptedDataKeys' | 'maxBodySize'> {
  /**
   * Pairs that the message must have; it may have more, which `header.encryptionContext` shows. Those that it has not
   * stored are taken for its required encryption context: they are wrong unless it was written with just these.
   * Default: none.
   */
  readonly encryptionContext?: Context | undefined
}

/** The options as checked and copied. */
export interface TakenOptions {
  readonly keyring: Keyring
  readonly commitmentPolicy: CommitmentPolicy
  readonly encryptionContext: Context
  readonly signal: AbortSignal | undefined
  readonly settings: EsdkSettings
}

export const ENCRYPT_NAMES: readonly (keyof EncryptMessageOptions)[] = [
  'keyring',
  'commitmentPolicy',
  'encryptionContext',
  'signal',
  'algorithmSuite',
  'frameLength',
  'requiredEncryptionContextKeys',
  'maxEncryptedDataKeys',
]
export const DECRYPT_NAMES: readonly (keyof DecryptMessageOptions)[] = [
  'keyring',
  'commitmentPolicy',
  'encryptionContext',
  'signal',
  'maxEncryptedDataKeys',
  'maxBodySize',
]

type AnyOptions = CommonOptions & EsdkMessageOptions & { readonly encryptionContext?: Context | undefined }

/** Throws ERR_S3CSE_CONFIG for an unknown option, a wrong value, or what does not go together. */
export function takeMessageOptions(owner: string, options: object, names: readonly string[]): TakenOptions {
  const given: unknown = options
  if (typeof given !== 'object' || given === null) throw configError(`${owner}: options must be an object`)
  const unknown = Object.keys(given).find((name) => !names.includes(name))
  if (unknown !== undefined) {
    throw configError(`${owner}: unknown option ${JSON.stringify(unknown)}; known are ${names.join(', ')}`)
  }
  const taken = { ...given } as AnyOptions
  const { keyring, commitmentPolicy = 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT', encryptionContext = {} } = taken
  const { algorithmSuite, frameLength, requiredEncryptionContextKeys, maxEncryptedDataKeys, maxBodySize } = taken
  const message = { algorithmSuite, frameLength, requiredEncryptionContextKeys, maxEncryptedDataKeys, maxBodySize }
  const { rangesWithoutSignature = false } = taken as { rangesWithoutSignature?: unknown }
  if (typeof rangesWithoutSignature !== 'boolean') {
    throw configError(`${owner}: rangesWithoutSignature must be true or false`)
  }
  const settings = esdkSettings(owner, message, rangesWithoutSignature)
  checkRequest({ keyring, commitmentPolicy, encryptionContext }, settings)
  const signal = takeSignal(owner, taken.signal)
  return { keyring, commitmentPolicy, encryptionContext: { ...encryptionContext }, signal, settings }
}
