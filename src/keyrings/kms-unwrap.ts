import { KmsError } from '../errors.js'
import { onlyEncryptedKey } from './data-key.js'
import type { DataKey, UnwrapRequest } from './keyring.js'
import { parseKmsKeyArn, type KmsKeyArn } from './kms-arn.js'
import { decrypt, takePlaintext, type KmsAccess } from './kms-client.js'
import { isBoundToSuite, kmsAlgorithm } from './kms-context.js'
import { isAboutTheObject } from './kms-errors.js'

/** KMS's limit for a CiphertextBlob, in bytes. A longer one is refused here, because KMS's answer to it is not about the object. */
export const maximumBlob = 6144

/** Decrypt, and what its answer must be: a data key of the suite's length, from a key that `accept` knows. */
export async function kmsUnwrap(
  access: KmsAccess,
  target: { KeyId?: string; GrantTokens?: string[] },
  request: UnwrapRequest,
  accept: (used: KmsKeyArn) => boolean,
): Promise<DataKey | undefined> {
  const blob = onlyEncryptedKey(request, kmsAlgorithm)
  if (blob === undefined || blob.length === 0 || blob.length > maximumBlob || !isBoundToSuite(request)) return undefined
  try {
    const input = { ...target, CiphertextBlob: blob, EncryptionContext: { ...request.context } }
    const output = await decrypt(access, input)
    const dataKey = takePlaintext(output.Plaintext, request.suite.keyLength)
    const used = parseKmsKeyArn(output.KeyId)
    if (used !== undefined && accept(used)) return dataKey
    dataKey?.fill(0)
    return undefined
  } catch (error) {
    if (error instanceof KmsError && isAboutTheObject(error.cause)) return undefined
    throw error
  }
}
