import { KmsError } from '../errors.js'
import { keyLengthsOf, onlyEncryptedKey } from './data-key.js'
import type { DataKey, UnwrapRequest } from './keyring.js'
import { parseKmsKeyArn, type KmsKeyArn } from './kms-arn.js'
import { decrypt, isCiphertextBlob, takePlaintext, type KmsAccess } from './kms-client.js'
import { fitsSuite, kmsAlgorithm, legacyKmsAlgorithm } from './kms-context.js'
import { isAboutTheObject } from './kms-errors.js'

/** Every wrap that KMS opens, by its name. */
export const kmsAlgorithms: readonly string[] = Object.freeze([kmsAlgorithm, legacyKmsAlgorithm])

/** The blob that KMS may be asked about; `undefined` where the object is refused without asking. */
export function storedBlob(request: UnwrapRequest): Uint8Array | undefined {
  const key = onlyEncryptedKey(request)
  if (key === undefined || !kmsAlgorithms.includes(key.algorithm) || !fitsSuite(request, key.algorithm))
    return undefined
  return isCiphertextBlob(key.ciphertext) ? key.ciphertext : undefined
}

/** Decrypt, and what its answer must be: a data key of a length that the suite has, from a key that `accept` knows. */
export async function kmsUnwrap(
  access: KmsAccess,
  target: { KeyId?: string; GrantTokens?: string[] },
  request: UnwrapRequest,
  accept: (used: KmsKeyArn) => boolean,
): Promise<DataKey | undefined> {
  const blob = storedBlob(request)
  if (blob === undefined) return undefined
  try {
    const input = { ...target, CiphertextBlob: blob, EncryptionContext: { ...request.context } }
    const output = await decrypt(access, input)
    const dataKey = takePlaintext(output.Plaintext, keyLengthsOf(request.suite))
    const used = parseKmsKeyArn(output.KeyId)
    if (used !== undefined && accept(used)) return dataKey
    dataKey?.fill(0)
    return undefined
  } catch (error) {
    if (error instanceof KmsError && isAboutTheObject(error.cause)) return undefined
    throw error
  }
}
