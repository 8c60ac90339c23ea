import type { EsdkSuiteName } from 's3-cse/esdk'

export const SUITES: readonly EsdkSuiteName[] = [
  'ALG_AES_128_GCM_IV12_TAG16_NO_KDF',
  'ALG_AES_192_GCM_IV12_TAG16_NO_KDF',
  'ALG_AES_256_GCM_IV12_TAG16_NO_KDF',
  'ALG_AES_128_GCM_IV12_TAG16_HKDF_SHA256',
  'ALG_AES_192_GCM_IV12_TAG16_HKDF_SHA256',
  'ALG_AES_256_GCM_IV12_TAG16_HKDF_SHA256',
  'ALG_AES_128_GCM_IV12_TAG16_HKDF_SHA256_ECDSA_P256',
  'ALG_AES_192_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384',
  'ALG_AES_256_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384',
  'ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY',
  'ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384',
]

export const isSigned = (suite: EsdkSuiteName): boolean => suite.includes('ECDSA')
export const commits = (suite: EsdkSuiteName): boolean => suite.includes('COMMIT_KEY')
export const dataKeyLength = (suite: EsdkSuiteName): number => Number(/AES_(\d+)/.exec(suite)?.[1]) / 8
