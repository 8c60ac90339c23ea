export { addEncryption, encryptedView, removeEncryption } from './client/add-encryption.js'
export { encryptionInfo } from './client/info.js'
export type { EncryptionInfo } from './client/info.js'
export type { EncryptionContext, EncryptionOptions, PlainObject, SpoolOptions } from './client/options.js'
export { requestOptions } from './client/request-options.js'
export type { EncryptableBody, RequestOptions, SdkInput } from './client/request-options.js'
export { CseError, DecryptionError, KmsError, NotEncryptedError, PolicyError } from './errors.js'
export type { CseErrorCode } from './errors.js'
export type { CommitmentPolicy, Envelope, EnvelopeSummary, Format, ObjectMetadata } from './formats/format.js'
export { s3ec } from './formats/s3ec/s3ec.js'
export { aesKeyring } from './keyrings/aes.js'
export type { AesKeyringOptions } from './keyrings/aes.js'
export type {
  Context,
  DataKey,
  EncryptedDataKey,
  Keyring,
  Suite,
  UnwrapRequest,
  WrapRequest,
  WrapResult,
} from './keyrings/keyring.js'
export { rsaKeyring } from './keyrings/rsa.js'
export type { RsaKeyringOptions } from './keyrings/rsa.js'
export type { KeyHandle, RsaKeyInput } from './runtime/runtime.js'
