/** The keyrings that use AWS KMS; the only part of this library that needs @aws-sdk/client-kms. */
export { kmsKeyring, type KmsKeyringOptions } from './keyrings/kms.js'
export {
  kmsDiscoveryKeyring,
  type KmsDiscoveryFilter,
  type KmsDiscoveryKeyringOptions,
} from './keyrings/kms-discovery.js'
export type { KmsClientLike } from './keyrings/kms-client.js'
