import assert from 'node:assert/strict'
import { KmsError } from '../../src/errors.js'
import type { WrapResult } from '../../src/keyrings/keyring.js'
import { encryptedKey } from './support.js'

export const account = '111122223333'
export const keyId = '1a198d9c-6aa2-420c-b7ed-92a56c359201'
export const arn: string = `arn:aws:kms:us-east-1:${account}:key/${keyId}`
/** An object's wrapped key that only a mocked KMS opens. */
export const stored: Pick<WrapResult, 'context' | 'encryptedDataKeys'> = {
  context: { tenant: 'context-value', 'aws:x-amz-cek-alg': '115' },
  encryptedDataKeys: [encryptedKey('kms+context', new Uint8Array([1, 2, 3]))],
}
export const fresh = (length = 32): Uint8Array => new Uint8Array(length).fill(7)

export function isKmsError(
  operation: string,
  name: string,
  remedy: RegExp,
  key: RegExp = new RegExp(arn),
): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof KmsError, String(error))
    assert.equal(error.code, 'ERR_S3CSE_KMS')
    assert.equal((error.cause as Error).name, name)
    assert.ok(error.message.startsWith(`KMS ${operation} with `), error.message)
    assert.match(error.message, key)
    assert.match(error.message, remedy)
    assert.doesNotMatch(error.message, /context-value|details of the SDK/)
    return true
  }
}
