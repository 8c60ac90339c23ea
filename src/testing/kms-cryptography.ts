import { randomBytes } from 'node:crypto'
import { blobKey, contextBytes, openBlob, sealBlob } from './kms-blob.js'
import { kmsFailure } from './kms-error.js'
import {
  checkGrantTokens,
  encryptionContext,
  optionalBoolean,
  optionalEnum,
  optionalInteger,
  optionalString,
  requiredBlob,
  requiredString,
  validation,
  type KmsInput,
} from './kms-input.js'
import { keyArn, type KmsKey, type KmsKeys, type KmsPlace } from './kms-keys.js'
import { invalidState, symmetricAlgorithm as algorithm, type KmsState, type KnownBlob } from './kms-state.js'

export function generateDataKey(
  { keys }: KmsState,
  input: KmsInput,
  place: KmsPlace,
  withPlaintext: boolean,
): Record<string, unknown> {
  const spec = optionalEnum(input, 'KeySpec', ['AES_256', 'AES_128'])
  const bytes = optionalInteger(input, 'NumberOfBytes', 1, 1024)
  if ((spec === undefined) === (bytes === undefined)) {
    throw validation('Please specify either number of bytes or key spec.')
  }
  const context = encryptionContext(input)
  const key = usableKey(keys, input, place)
  const plaintext = randomBytes(bytes ?? (spec === 'AES_128' ? 16 : 32))
  const answer = { KeyId: key.arn, CiphertextBlob: base64(sealBlob(key, context, plaintext)) }
  return withPlaintext ? { ...answer, Plaintext: base64(plaintext) } : answer
}

export function encrypt({ keys }: KmsState, input: KmsInput, place: KmsPlace): Record<string, unknown> {
  const plaintext = requiredBlob(input, 'Plaintext', 4096)
  const context = encryptionContext(input)
  const key = usableKey(keys, input, place)
  return { KeyId: key.arn, CiphertextBlob: base64(sealBlob(key, context, plaintext)), EncryptionAlgorithm: algorithm }
}

export function decrypt(state: KmsState, input: KmsInput, place: KmsPlace): Record<string, unknown> {
  const blob = requiredBlob(input, 'CiphertextBlob', 6144)
  const context = encryptionContext(input)
  checkSymmetric(input)
  checkGrantTokens(input)
  const named = optionalString(input, 'KeyId')
  const wanted = named === undefined ? undefined : state.keys.resolve(named, place)
  const known = state.known.get(base64(blob))
  const key = known === undefined ? keyOfBlob(state.keys, blob, place) : state.keys.byArn(known.keyArn)
  if (wanted !== undefined && wanted !== key) {
    throw kmsFailure(
      'IncorrectKeyException',
      'The key ID in the request does not identify a CMK that can perform this operation.',
    )
  }
  if (key === undefined || key.region !== place.region) throw elsewhere()
  checkUsable(key)
  const plaintext = known === undefined ? openBlob(key, context, blob) : openKnown(known, contextBytes(context))
  if (plaintext === undefined) throw kmsFailure('InvalidCiphertextException', '')
  checkDryRun(input)
  return { KeyId: key.arn, Plaintext: base64(plaintext), EncryptionAlgorithm: algorithm }
}

/** The key of a blob, as this region has it; `undefined` if only another region has it. */
function keyOfBlob(keys: KmsKeys, blob: Uint8Array, place: KmsPlace): KmsKey | undefined {
  const named = blobKey(blob)
  if (named === undefined || !keys.knows(named.accountId, named.keyId)) {
    throw kmsFailure('InvalidCiphertextException', '')
  }
  return keys.byArn(keyArn({ accountId: named.accountId, region: place.region }, named.keyId))
}

function openKnown(known: KnownBlob, context: Uint8Array): Uint8Array | undefined {
  return Buffer.compare(known.context, context) === 0 ? known.plaintext : undefined
}

function usableKey(keys: KmsKeys, input: KmsInput, place: KmsPlace): KmsKey {
  checkSymmetric(input)
  checkGrantTokens(input)
  const key = keys.resolve(requiredString(input, 'KeyId'), place)
  checkUsable(key)
  checkDryRun(input)
  return key
}

function checkUsable(key: KmsKey): void {
  if (key.usage !== 'ENCRYPT_DECRYPT') {
    throw kmsFailure(
      'InvalidKeyUsageException',
      `${key.arn} key usage is ${key.usage} which is not valid for this operation.`,
    )
  }
  if (key.state === 'Disabled') throw kmsFailure('DisabledException', `${key.arn} is disabled.`)
  if (key.state === 'Unavailable') throw kmsFailure('KeyUnavailableException', `${key.arn} is not available.`)
  if (key.state !== 'Enabled') throw invalidState(key)
}

function checkSymmetric(input: KmsInput): void {
  const wanted = optionalEnum(input, 'EncryptionAlgorithm', [
    algorithm,
    'RSAES_OAEP_SHA_1',
    'RSAES_OAEP_SHA_256',
    'SM2PKE',
  ])
  if (wanted !== undefined && wanted !== algorithm) {
    throw kmsFailure('InvalidKeyUsageException', `Algorithm ${wanted} is not valid for a symmetric key.`)
  }
  if (Object.hasOwn(input, 'Recipient'))
    throw kmsFailure('UnsupportedOperationException', 'Recipient is not supported.')
}

function checkDryRun(input: KmsInput): void {
  if (optionalBoolean(input, 'DryRun')) {
    throw kmsFailure('DryRunOperationException', 'The request would have succeeded, but the DryRun option is set.')
  }
}

function elsewhere(): Error {
  return kmsFailure(
    'AccessDeniedException',
    'The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.',
  )
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')
}
