import { isWellFormed } from '../bytes/well-formed.js'
import { configError, type CseError } from '../errors.js'
import type { MaybePromise } from '../runtime/runtime.js'
import { MAX_CONTEXT_LENGTH } from './context-bytes.js'
import { dataKeyToWrap, requireS3ec, wrapWanted } from './data-key.js'
import type { DataKey, EncryptedDataKey, Suite, WrapRequest, WrapResult } from './keyring.js'
import { takeStringMap } from './options.js'

/** What encrypted data keys of the AWS Encryption SDK have for an algorithm: their messages store none. */
export const esdkAlgorithm = 'esdk'

/**
 * How many encrypted data keys of one message are opened with RSA or asked KMS about: how many there are is for whoever
 * can write the object to say.
 */
export const MAX_ATTEMPTS = 16

/** Of provider id and provider info, in bytes: their lengths have 16 bits. */
const MAX_FIELD_LENGTH = 0xffff

/** Their provider ids begin with it, and no other keyring's do. */
const RESERVED_NAMESPACE = 'aws-kms'

/** A raw key's name in a message: who it is of, and which of theirs. */
export interface RawKeyName {
  readonly namespace: string
  readonly name: Uint8Array
}

/** Whether the suite is of the AWS Encryption SDK. Throws ERR_S3CSE_CONFIG if it is not of S3EC either. */
export function isEsdk(owner: string, suite: Suite): boolean {
  if (suite.format === 'esdk') return true
  requireS3ec(owner, suite)
  return false
}

/** ERR_S3CSE_CONFIG */
export function requireEsdk(owner: string, suite: Suite): void {
  if (suite.format === 'esdk') return
  throw configError(`${owner} does not support format ${JSON.stringify(suite.format)}, only "esdk"`)
}

/** ERR_S3CSE_CONFIG */
export function contextTooLong(): CseError {
  return configError(`The encryption context takes more than ${MAX_CONTEXT_LENGTH} bytes.`)
}

/** ERR_S3CSE_CONFIG */
export function namesMissing(owner: string): CseError {
  return configError(
    `${owner}: messages of the AWS Encryption SDK name their keys; give keyNamespace and keyName, the same to writers and readers`,
  )
}

/** Whether a key of a keyring has names. */
export function isNamed<T extends { readonly name: unknown }>(
  one: T,
): one is T & { readonly name: NonNullable<T['name']> } {
  return one.name !== undefined
}

/** `undefined` where neither is given. `beside`: bytes that the provider info has besides the name. */
export function takeRawKeyName(
  owner: string,
  { keyNamespace, keyName }: { readonly keyNamespace?: string | undefined; readonly keyName?: string | undefined },
  beside = 0,
): RawKeyName | undefined {
  if (keyNamespace === undefined && keyName === undefined) return undefined
  if (keyNamespace === undefined || keyName === undefined) {
    throw configError(
      `${owner}: ${keyName === undefined ? 'keyName' : 'keyNamespace'} is missing; give both or neither`,
    )
  }
  takeName(`${owner}: keyNamespace`, keyNamespace, MAX_FIELD_LENGTH)
  if (keyNamespace.startsWith(RESERVED_NAMESPACE)) {
    throw configError(`${owner}: keyNamespace must not begin with ${RESERVED_NAMESPACE}, which is for keys in AWS KMS`)
  }
  return { namespace: keyNamespace, name: takeName(`${owner}: keyName`, keyName, MAX_FIELD_LENGTH - beside) }
}

function takeName(owner: string, text: unknown, most: number): Uint8Array {
  if (typeof text !== 'string' || text === '' || !isWellFormed(text)) {
    throw configError(`${owner} must be a non-empty string of well-formed Unicode`)
  }
  const bytes = new TextEncoder().encode(text)
  if (bytes.length > most) throw configError(`${owner} must have at most ${most} bytes in UTF-8, not ${bytes.length}`)
  return bytes
}

/** A new data key, or a copy of the given one, and its wrap. */
export async function esdkWrapResult(
  owner: string,
  request: WrapRequest,
  wrap: (request: WrapRequest, dataKey: DataKey) => MaybePromise<EncryptedDataKey>,
): Promise<WrapResult> {
  wrapWanted(owner, request, esdkAlgorithm)
  const context = takeStringMap(`${owner}: the encryption context`, request.context)
  const dataKey = dataKeyToWrap(owner, request)
  try {
    return { dataKey, encryptedDataKeys: [await wrap({ ...request, context }, dataKey)], context }
  } catch (error) {
    dataKey.fill(0)
    throw error
  }
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}
