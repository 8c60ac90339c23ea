import { runtime } from '#runtime'
import { configError } from '../errors.js'
import { isBytes } from './options.js'
import type { Context, DataKey, EncryptedDataKey, Suite, UnwrapRequest, WrapRequest, WrapResult } from './keyring.js'

/** The provider id of every data key in the formats of the S3 encryption clients. */
const s3ecProvider = 'S3Keyring'

/** What a wrap is bound to differs from format to format, so a keyring refuses those that it does not know. */
export function requireS3ec(owner: string, suite: Suite): void {
  if (suite.format !== 's3ec') throw configError(`${owner} does not support format ${JSON.stringify(suite.format)}`)
}

/** Raw keys do not authenticate a context: taking one would promise a protection that the object does not get. */
export function refuseContext(owner: string, context: Context): void {
  if (Object.keys(context).length > 0) {
    throw configError(
      `${owner} takes no encryption context, because a raw key does not authenticate one; ` +
        'use the materialsDescription option to label objects with the key that opens them',
    )
  }
}

/** In bytes: what an unwrapped data key may have. */
export function keyLengthsOf({ keyLength, keyLengths }: Suite): readonly number[] {
  return keyLengths ?? [keyLength]
}

/** The wrap that is asked for: `usual`, unless the request names another of `others`. */
export function wrapWanted(
  owner: string,
  { algorithm }: Pick<WrapRequest, 'algorithm'>,
  usual: string,
  ...others: string[]
): string {
  if (algorithm === undefined || algorithm === usual || others.includes(algorithm)) return algorithm ?? usual
  throw configError(`${owner} writes ${[usual, ...others].join(' or ')}, not ${JSON.stringify(algorithm)}`)
}

/** A copy of the data key that is to be wrapped, or `undefined` if a new one is wanted. */
export function givenDataKey(owner: string, request: WrapRequest): DataKey | undefined {
  const { dataKey, suite } = request
  if (dataKey === undefined) return undefined
  const lengths = keyLengthsOf(suite)
  if (!isBytes(dataKey) || !lengths.includes(dataKey.length)) {
    throw configError(`${owner}: dataKey must be a Uint8Array of ${lengths.join(' or ')} bytes`)
  }
  return new Uint8Array(dataKey)
}

/** The data key to wrap: the request's (copied), or a new one. The caller of `wrap` owns it. */
export function dataKeyToWrap(owner: string, request: WrapRequest): DataKey {
  return givenDataKey(owner, request) ?? runtime.randomBytes(request.suite.keyLength)
}

/** S3EC has exactly one encrypted data key. */
export function onlyEncryptedKey({ encryptedDataKeys }: UnwrapRequest): EncryptedDataKey | undefined {
  return encryptedDataKeys.length === 1 ? encryptedDataKeys[0] : undefined
}

export function wrapResult(dataKey: DataKey, algorithm: string, ciphertext: Uint8Array, context: Context): WrapResult {
  return { dataKey, encryptedDataKeys: [encryptedKey(algorithm, ciphertext)], context }
}

export function encryptedKey(algorithm: string, ciphertext: Uint8Array): EncryptedDataKey {
  return { algorithm, provider: s3ecProvider, info: new Uint8Array(0), ciphertext }
}
