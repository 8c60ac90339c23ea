export { addEncryption, encryptedView, removeEncryption } from './client/add-encryption.js'
export { download } from './client/download.js'
export type { DownloadHandle, DownloadInput, DownloadResult } from './client/download.js'
export type { DownloadOptions, DownloadProgress } from './client/download-options.js'
export type { BodyEvent, DataKeyEvent, DecisionEvent, EncryptionEvent } from './client/events.js'
export { encryptionInfo } from './client/info.js'
export type { EncryptionInfo } from './client/info.js'
export { inspect } from './client/inspect.js'
export type { InspectedObject, InspectInput, Inspection, InspectOptions } from './client/inspect.js'
export { plaintextSizes } from './client/plaintext-sizes.js'
export type { ListedObjects, PlaintextSizesOptions } from './client/plaintext-sizes.js'
export type {
  BindOptions,
  EncryptionContext,
  EncryptionOptions,
  InstructionFileOptions,
  LegacyOptions,
  PlainObject,
  RangeReads,
  SpoolOptions,
} from './client/options.js'
export { sesMail } from './client/presets.js'
export { exportUpload } from './client/export-upload.js'
export type { ExportUploadOptions } from './client/export-upload.js'
export { importUpload } from './client/import-upload.js'
export type { ImportedUpload, ImportUploadOptions } from './client/import-upload.js'
export { importReceipts, uploadReceipt } from './client/upload-receipt.js'
export type { UploadName } from './client/upload-receipt.js'
export { rearrange } from './client/rearrange.js'
export { reencrypt } from './client/reencrypt.js'
export type {
  RearrangeInput,
  RearrangeResult,
  ReencryptInput,
  ReencryptOptions,
  ReencryptResult,
} from './client/reencrypt-options.js'
export { requestOptions } from './client/request-options.js'
export type { EncryptableBody, RequestOptions, SaveUpload, SdkInput } from './client/request-options.js'
export { rotateKey } from './client/rotate-key.js'
export { reEncryptInstructionFile } from './client/rotate-file.js'
export type { ReEncryptInstructionFileInput, ReEncryptInstructionFileResult } from './client/rotate-file.js'
export type {
  RewriteOlder,
  RotateFrom,
  RotateKeyInput,
  RotateKeyOptions,
  RotateKeyResult,
} from './client/rotation-options.js'
export { CseError, DecryptionError, KmsError, NotEncryptedError, PolicyError, RotationError } from './errors.js'
export type { CseErrorCode, ObjectFacts, ReadNeeds } from './errors.js'
export type {
  CommitmentPolicy,
  Envelope,
  EnvelopeSummary,
  Format,
  InstructionFile,
  InstructionFiles,
  NewHeader,
  ObjectMetadata,
  RearrangeRequest,
  ReencryptRequest,
  RewrapEnvelopeRequest,
  RewrappedEnvelope,
  SplitEnvelope,
} from './formats/format.js'
export { s3ec } from './formats/s3ec/s3ec.js'
export type { S3ecOptions } from './formats/s3ec/s3ec.js'
export type { LegacyWriting } from './formats/s3ec/writing.js'
export { aesKeyring } from './keyrings/aes.js'
export type { AesAdditionalKey, AesKeyringOptions } from './keyrings/aes.js'
export { cachingKeyring } from './keyrings/caching.js'
export type { CachingKeyring, CachingKeyringOptions } from './keyrings/caching.js'
export type {
  Context,
  DataKey,
  EncryptedDataKey,
  Keyring,
  RewrapRequest,
  RewrapResult,
  Suite,
  UnwrapRequest,
  WrapRequest,
  WrapResult,
} from './keyrings/keyring.js'
export { multiKeyring } from './keyrings/multi.js'
export type { MultiKeyringOptions } from './keyrings/multi.js'
export { rsaKeyring } from './keyrings/rsa.js'
export type { RsaAdditionalKey, RsaKeyringOptions } from './keyrings/rsa.js'
export type { RsaPadding } from './keyrings/rsa-esdk.js'
export type { KeyHandle, RsaKeyInput } from './runtime/runtime.js'
