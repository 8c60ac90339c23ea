import { randomBytes } from 'node:crypto'
import { checkAlgorithm, encryptionAlgorithm, isSymmetric, openWith, sealWith } from './kms-algorithms.js'
import { blobKey, contextBytes, type ContextPairs } from './kms-blob.js'
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
import { keyArn, type KmsKey, type KmsPlace } from './kms-keys.js'
import { checkEnabled, type KmsState, type KnownBlob } from './kms-state.js'

/** Names of the members that name key, algorithm and context: ReEncrypt has each of them twice. */
interface Members {
  readonly key: string
  readonly algorithm: string
  readonly context: string
}

type Algorithm = ReturnType<typeof encryptionAlgorithm>

const plain: Members = { key: 'KeyId', algorithm: 'EncryptionAlgorithm', context: 'EncryptionContext' }
const source: Members = {
  key: 'SourceKeyId',
  algorithm: 'SourceEncryptionAlgorithm',
  context: 'SourceEncryptionContext',
}
const destination: Members = {
  key: 'DestinationKeyId',
  algorithm: 'DestinationEncryptionAlgorithm',
  context: 'DestinationEncryptionContext',
}

export function generateDataKey(
  state: KmsState,
  input: KmsInput,
  place: KmsPlace,
  withPlaintext: boolean,
): Record<string, unknown> {
  const spec = optionalEnum(input, 'KeySpec', ['AES_256', 'AES_128'])
  const bytes = optionalInteger(input, 'NumberOfBytes', 1, 1024)
  if ((spec === undefined) === (bytes === undefined)) {
    throw validation('Please specify either number of bytes or key spec.')
  }
  checkCommon(input)
  const { key, seal } = sealing(state, input, place, plain, 'SYMMETRIC_DEFAULT')
  checkDryRun(input)
  const plaintext = randomBytes(bytes ?? (spec === 'AES_128' ? 16 : 32))
  const answer = { KeyId: key.arn, CiphertextBlob: base64(seal(plaintext)) }
  return withPlaintext ? { ...answer, Plaintext: base64(plaintext) } : answer
}

export function encrypt(state: KmsState, input: KmsInput, place: KmsPlace): Record<string, unknown> {
  const plaintext = requiredBlob(input, 'Plaintext', 4096)
  checkCommon(input)
  const { key, algorithm, seal } = sealing(state, input, place, plain)
  const blob = seal(plaintext)
  checkDryRun(input)
  return { KeyId: key.arn, CiphertextBlob: base64(blob), EncryptionAlgorithm: algorithm }
}

export function decrypt(state: KmsState, input: KmsInput, place: KmsPlace): Record<string, unknown> {
  checkCommon(input)
  const { key, algorithm, plaintext } = opened(state, input, place, plain)
  checkDryRun(input)
  return { KeyId: key.arn, Plaintext: base64(plaintext), EncryptionAlgorithm: algorithm }
}

export function reEncrypt(state: KmsState, input: KmsInput, place: KmsPlace): Record<string, unknown> {
  checkCommon(input)
  requiredString(input, destination.key)
  const from = opened(state, input, place, source)
  const to = sealing(state, input, place, destination)
  const blob = to.seal(from.plaintext)
  checkDryRun(input)
  return {
    CiphertextBlob: base64(blob),
    SourceKeyId: from.key.arn,
    KeyId: to.key.arn,
    SourceEncryptionAlgorithm: from.algorithm,
    DestinationEncryptionAlgorithm: to.algorithm,
  }
}

function sealing(
  { keys }: KmsState,
  input: KmsInput,
  place: KmsPlace,
  members: Members,
  algorithm: Algorithm = encryptionAlgorithm(input, members.algorithm),
): { key: KmsKey; algorithm: Algorithm; seal: (plaintext: Uint8Array) => Uint8Array } {
  const context = encryptionContext(input, members.context)
  const key = keys.resolve(requiredString(input, members.key), place)
  checkUsable(key, algorithm, context)
  return { key, algorithm, seal: (plaintext: Uint8Array) => sealWith(key, algorithm, context, plaintext) }
}

interface Opened {
  readonly key: KmsKey
  readonly algorithm: Algorithm
  readonly plaintext: Uint8Array
}

function opened(state: KmsState, input: KmsInput, place: KmsPlace, members: Members): Opened {
  const blob = requiredBlob(input, 'CiphertextBlob', 6144)
  const algorithm = encryptionAlgorithm(input, members.algorithm)
  const context = encryptionContext(input, members.context)
  const named = optionalString(input, members.key)
  const wanted = named === undefined ? undefined : state.keys.resolve(named, place)
  // Ciphertexts of asymmetric keys do not say whose they are.
  if (!isSymmetric(algorithm) && wanted === undefined) {
    throw validation(`${members.key} is required with ${algorithm}`)
  }
  const known = state.known.get(base64(blob))
  const key = !isSymmetric(algorithm) || isAsymmetric(wanted) ? wanted : keyOfBlob(state, known, blob, place)
  if (wanted !== undefined && wanted !== key) {
    throw kmsFailure(
      'IncorrectKeyException',
      'The key ID in the request does not identify a CMK that can perform this operation.',
    )
  }
  if (key === undefined || key.region !== place.region) throw elsewhere()
  checkUsable(key, algorithm, context)
  const plaintext =
    known === undefined ? openWith(key, algorithm, context, blob) : openKnown(known, contextBytes(context))
  if (plaintext === undefined) throw kmsFailure('InvalidCiphertextException', '')
  return { key, algorithm, plaintext }
}

function isAsymmetric(key: KmsKey | undefined): boolean {
  return key?.spec.startsWith('RSA_') === true
}

/** The key of a blob, as this region has it; `undefined` if only another region has it. */
function keyOfBlob(
  { keys }: KmsState,
  known: KnownBlob | undefined,
  blob: Uint8Array,
  place: KmsPlace,
): KmsKey | undefined {
  if (known !== undefined) return keys.byArn(known.keyArn)
  const named = blobKey(blob)
  if (named === undefined || !keys.knows(named.accountId, named.keyId)) {
    throw kmsFailure('InvalidCiphertextException', '')
  }
  return keys.byArn(keyArn({ accountId: named.accountId, region: place.region }, named.keyId))
}

function openKnown(known: KnownBlob, context: Uint8Array): Uint8Array | undefined {
  return Buffer.compare(known.context, context) === 0 ? known.plaintext : undefined
}

function checkUsable(key: KmsKey, algorithm: Algorithm, context: ContextPairs): void {
  checkAlgorithm(key, algorithm, context)
  checkEnabled(key)
}

function checkCommon(input: KmsInput): void {
  checkGrantTokens(input)
  if (Object.hasOwn(input, 'Recipient')) {
    throw kmsFailure('UnsupportedOperationException', 'Recipient is not supported.')
  }
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
