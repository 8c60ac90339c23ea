import { throwIfAborted } from '../bytes/abort.js'
import { KmsError } from '../errors.js'
import { givenDataKey, wrapWanted } from './data-key.js'
import { esdkAlgorithm, MAX_ATTEMPTS } from './esdk-keys.js'
import type { DataKey, EncryptedDataKey, UnwrapRequest, WrapRequest, WrapResult } from './keyring.js'
import { parseKmsKeyArn, type KmsKeyArn } from './kms-arn.js'
import {
  decrypt,
  encrypt,
  generateDataKey,
  isCiphertextBlob,
  takePlaintext,
  unexpected,
  type KmsAccess,
} from './kms-client.js'
import { isAboutTheObject } from './kms-errors.js'
import { takeStringMap } from './options.js'

/** The provider id of data keys under symmetric keys in KMS; their provider info is the key's ARN. */
const kmsProvider = 'aws-kms'

interface Target {
  readonly KeyId: string
  readonly GrantTokens?: string[]
}

/** How KMS is asked about a data key, and which of its answers counts. */
export interface KmsQuestion extends Target {
  /** Whether that may be the key that KMS has used; `arn` is its text. */
  readonly accept: (used: KmsKeyArn, arn: string) => boolean
}

/** GenerateDataKey, or Encrypt of the given data key, with the message's encryption context as it is. */
export async function esdkKmsWrap(
  owner: string,
  access: KmsAccess,
  target: Target,
  request: WrapRequest,
  accept: (used: KmsKeyArn) => boolean,
): Promise<WrapResult> {
  wrapWanted(owner, request, esdkAlgorithm)
  const context = takeStringMap(`${owner}: the encryption context`, request.context)
  const { keyLength } = request.suite
  const input = { ...target, EncryptionContext: { ...context } }
  let dataKey = givenDataKey(owner, request)
  try {
    const operation = dataKey === undefined ? 'GenerateDataKey' : 'Encrypt'
    let output: { CiphertextBlob?: Uint8Array | undefined; KeyId?: string | undefined }
    if (dataKey === undefined) {
      const made = await generateDataKey(access, { ...input, NumberOfBytes: keyLength })
      dataKey = takePlaintext(made.Plaintext, [keyLength])
      output = made
    } else {
      output = await encrypt(access, { ...input, Plaintext: dataKey })
    }
    if (dataKey === undefined) throw unexpected(access, operation, 'without a data key of the length asked for')
    const { CiphertextBlob: blob, KeyId: arn } = output
    const used = parseKmsKeyArn(arn)
    if (arn === undefined || used === undefined || !accept(used) || !isCiphertextBlob(blob)) {
      throw unexpected(access, operation, 'for another key, or without a ciphertext')
    }
    const info = new TextEncoder().encode(arn)
    const wrapped = { algorithm: esdkAlgorithm, provider: kmsProvider, info, ciphertext: new Uint8Array(blob) }
    return { dataKey, encryptedDataKeys: [wrapped], context }
  } catch (error) {
    dataKey?.fill(0)
    throw error
  }
}

/**
 * Decrypt of the data keys that `ask` has a question for, one after the other, 16 at most, until one opens. What is
 * about the object is passed over; the first of all other errors is thrown if none opens.
 */
export async function esdkKmsUnwrap(
  access: KmsAccess,
  request: UnwrapRequest,
  ask: (wrappedBy: KmsKeyArn, arn: string) => KmsQuestion | undefined,
): Promise<DataKey | undefined> {
  const errors: unknown[] = []
  let attempts = 0
  for (const entry of request.encryptedDataKeys) {
    const arn = arnOf(entry)
    const wrappedBy = parseKmsKeyArn(arn)
    const question = arn === undefined || wrappedBy === undefined ? undefined : ask(wrappedBy, arn)
    if (question === undefined || !isCiphertextBlob(entry.ciphertext)) continue
    if (++attempts > MAX_ATTEMPTS) break
    try {
      const dataKey = await answered(access, request, entry.ciphertext, question)
      if (dataKey !== undefined) return dataKey
    } catch (error) {
      throwIfAborted(access.signal)
      if (!(error instanceof KmsError && isAboutTheObject(error.cause))) errors.push(error)
    }
  }
  if (errors.length > 0) throw errors[0]
  return undefined
}

async function answered(
  access: KmsAccess,
  { context, suite }: UnwrapRequest,
  ciphertext: Uint8Array,
  { accept, ...target }: KmsQuestion,
): Promise<DataKey | undefined> {
  const input = { ...target, CiphertextBlob: ciphertext, EncryptionContext: { ...context } }
  const output = await decrypt(access, input)
  const dataKey = takePlaintext(output.Plaintext, [suite.keyLength])
  const used = parseKmsKeyArn(output.KeyId)
  if (used !== undefined && accept(used, output.KeyId as string)) return dataKey
  dataKey?.fill(0)
  return undefined
}

function arnOf({ provider, info }: EncryptedDataKey): string | undefined {
  if (provider !== kmsProvider) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(info)
  } catch {
    return undefined
  }
}
