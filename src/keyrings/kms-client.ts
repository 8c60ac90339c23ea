import {
  DecryptCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  ReEncryptCommand,
  type DecryptCommandInput,
  type DecryptCommandOutput,
  type EncryptCommandInput,
  type EncryptCommandOutput,
  type GenerateDataKeyCommandInput,
  type GenerateDataKeyCommandOutput,
  type ReEncryptCommandInput,
  type ReEncryptCommandOutput,
} from '@aws-sdk/client-kms'
import { configError, CseError } from '../errors.js'
import { isCallersAbort, kmsError } from './kms-errors.js'
import { isBytes, takeList } from './options.js'

/** A `KMSClient` or aggregated `KMS` of @aws-sdk/client-kms, of any version of major 3. */
export interface KmsClientLike {
  /** Sends one command of @aws-sdk/client-kms. */
  send(command: never, options?: { abortSignal?: AbortSignal }): Promise<unknown>
}

/** KMS's limit for a CiphertextBlob, in bytes. A longer one is refused here, because KMS's answer to it is not about the object. */
const maximumBlob = 6144

/** A client and what is said about it in messages. */
export interface KmsAccess {
  readonly client: KmsClientLike
  /** Words for the key, for messages. */
  readonly keyWords: string
  readonly signal: AbortSignal | undefined
}

export function generateDataKey(
  access: KmsAccess,
  input: GenerateDataKeyCommandInput,
): Promise<GenerateDataKeyCommandOutput> {
  return call<GenerateDataKeyCommandOutput>(access, 'GenerateDataKey', new GenerateDataKeyCommand(input))
}

export function encrypt(access: KmsAccess, input: EncryptCommandInput): Promise<EncryptCommandOutput> {
  return call<EncryptCommandOutput>(access, 'Encrypt', new EncryptCommand(input))
}

export function decrypt(access: KmsAccess, input: DecryptCommandInput): Promise<DecryptCommandOutput> {
  return call<DecryptCommandOutput>(access, 'Decrypt', new DecryptCommand(input))
}

export function reEncrypt(access: KmsAccess, input: ReEncryptCommandInput): Promise<ReEncryptCommandOutput> {
  return call<ReEncryptCommandOutput>(access, 'ReEncrypt', new ReEncryptCommand(input))
}

async function call<Output extends object>(access: KmsAccess, operation: string, command: object): Promise<Output> {
  const { client, keyWords, signal } = access
  let output: unknown
  try {
    output = await client.send(command as never, signal === undefined ? {} : { abortSignal: signal })
  } catch (error) {
    throw isCallersAbort(error, signal) ? error : kmsError(operation, keyWords, error)
  }
  if (typeof output !== 'object' || output === null) throw unexpected(access, operation, 'with nothing')
  return output as Output
}

export function unexpected({ keyWords }: KmsAccess, operation: string, found: string): CseError {
  return new CseError('ERR_S3CSE_RESPONSE_UNEXPECTED', `KMS ${operation} with ${keyWords} answered ${found}`)
}

/**
 * Moves a data key out of a response: the response's copy, which may lie in memory shared with others, is wiped.
 * `undefined` if it has none of these lengths (in bytes). All zero bytes are refused too: that is what a client which hands out one
 * response twice (a cache, a mock) gives the second time.
 */
export function takePlaintext(plaintext: unknown, lengths: readonly number[]): Uint8Array | undefined {
  if (!isBytes(plaintext)) return undefined
  const key = new Uint8Array(plaintext)
  plaintext.fill(0)
  if (lengths.includes(key.length) && key.some((byte) => byte !== 0)) return key
  key.fill(0)
  return undefined
}

/** Whether KMS can have made it, and takes it. */
export function isCiphertextBlob(blob: unknown): blob is Uint8Array {
  return isBytes(blob) && blob.length > 0 && blob.length <= maximumBlob
}

/** KMS's limit for one request. */
export const maximumGrantTokens = 10

export function checkClient(owner: string, client: unknown): void {
  if (typeof client !== 'object' || client === null || !('send' in client) || typeof client.send !== 'function') {
    throw configError(`${owner}: client must be a KMSClient of @aws-sdk/client-kms`)
  }
}

export function takeGrantTokens(owner: string, tokens: readonly string[] | undefined): { GrantTokens?: string[] } {
  const taken = takeList(`${owner}: grantTokens`, tokens, (token: unknown) => {
    if (typeof token !== 'string' || token === '') throw configError(`${owner}: grantTokens must be non-empty strings`)
    return token
  })
  if (taken.length > maximumGrantTokens) {
    throw configError(`${owner}: at most ${maximumGrantTokens} grantTokens, not ${taken.length}`)
  }
  return taken.length === 0 ? {} : { GrantTokens: [...taken] }
}
