import { KmsError } from '../errors.js'

/** KMS's answers about the ciphertext itself: these look like every other decryption failure. */
const aboutTheObject: ReadonlySet<unknown> = new Set(['InvalidCiphertextException', 'IncorrectKeyException'])

const remedies: ReadonlyMap<string, string> = new Map([
  ['AccessDeniedException', 'check the key policy, IAM policies and grants of the caller for this operation and key'],
  ['DisabledException', 'the key is disabled; enable it'],
  ['InvalidGrantTokenException', 'check grantTokens'],
  ['InvalidKeyUsageException', 'the key must be a symmetric encryption key (ENCRYPT_DECRYPT, SYMMETRIC_DEFAULT)'],
  ['KMSInvalidStateException', 'check the state of the key (pending deletion, pending import, unavailable)'],
  ['KeyUnavailableException', 'the key is not available at the moment; try again later'],
  ['LimitExceededException', 'raise the quota, or make fewer requests'],
  ['NotFoundException', "check keyId, its account, and that the KMS client's region is the key's"],
  ['ThrottlingException', 'make fewer requests, raise the quota, or let the KMS client retry more often'],
  ['ValidationException', "check keyId, grantTokens and the encryption context against KMS's limits"],
])
/** Where an operation needs another remedy, by operation and name. */
const ownRemedies: ReadonlyMap<string, string> = new Map([
  [
    'ReEncrypt AccessDeniedException',
    "the caller of the new keyring's KMS client needs kms:ReEncryptFrom on the old key and kms:ReEncryptTo on the new key; " +
      'check key policies, IAM policies and grants',
  ],
])
const otherwise = "check region, endpoint, credentials and network of the KMS client; the cause has the SDK's error"

export function isAboutTheObject(error: unknown): boolean {
  return aboutTheObject.has(nameOf(error))
}

/** The caller's own abort passes unchanged. */
export function isCallersAbort(error: unknown, signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true && (error === signal.reason || nameOf(error) === 'AbortError')
}

/** Says which call on which key failed. The SDK's message stays in the cause: only names that are known to be harmless are quoted. */
export function kmsError(operation: string, key: string, cause: unknown): KmsError {
  const name = nameOf(cause)
  const reason = name !== undefined && /^[A-Za-z]{1,64}$/.test(name) ? name : 'an error'
  const remedy = ownRemedies.get(`${operation} ${reason}`) ?? remedies.get(reason) ?? otherwise
  return new KmsError(`KMS ${operation} with ${key} failed with ${reason}: ${remedy}.`, { cause })
}

function nameOf(error: unknown): string | undefined {
  const name: unknown = typeof error === 'object' && error !== null && 'name' in error ? error.name : undefined
  return typeof name === 'string' ? name : undefined
}
