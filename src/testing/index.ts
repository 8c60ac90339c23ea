/** An S3 and a KMS inside the process, for tests of programs that use them. */
export type { CorsOptions } from './cors.js'
export { startKms } from './kms.js'
export type { KmsKeySpec, KmsKeyState } from './kms-keys.js'
export type {
  KmsClientConfig,
  KmsCreatedKey,
  KmsFault,
  KmsKeyOptions,
  KmsKnownBlob,
  KmsOptions,
  KmsRequest,
  KmsServer,
} from './kms-types.js'
export { startS3 } from './s3.js'
export type {
  S3ChecksumAlgorithm,
  S3Checksums,
  S3ChecksumType,
  S3ClientConfig,
  S3Credentials,
  S3Fault,
  S3Grant,
  S3ObjectLock,
  S3Operation,
  S3Options,
  S3PendingPart,
  S3PendingUpload,
  S3Request,
  S3Seed,
  S3Server,
  S3StoredObject,
  S3Tampering,
  S3VirtualHostConfig,
} from './s3-types.js'
