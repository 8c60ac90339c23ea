import { runtime } from '#runtime'
import type { Aes } from '../runtime/runtime.js'
import { serialiseContext } from './context-bytes.js'
import { contextTooLong, equalBytes, esdkAlgorithm, type RawKeyName } from './esdk-keys.js'
import type { DataKey, EncryptedDataKey, UnwrapRequest, WrapRequest } from './keyring.js'

const ivLength = 12
const tagLength = 16

/** What provider info has besides the key's name, in bytes. */
export const AES_INFO_LENGTH: number = 8 + ivLength

/**
 * The raw AES wrap of the AWS Encryption SDK: AES-GCM with a random IV, bound to the encryption context. Its provider
 * info is key name ‖ bits of the tag ‖ bytes of the IV ‖ IV.
 */
export async function esdkAesWrap(
  aes: Aes,
  key: RawKeyName,
  { context }: Pick<WrapRequest, 'context'>,
  dataKey: DataKey,
): Promise<EncryptedDataKey> {
  const aad = serialiseContext(context)
  if (aad === undefined) throw contextTooLong()
  const iv = runtime.randomBytes(ivLength)
  const ciphertext = await aes.gcmEncrypt(iv, aad, dataKey)
  return { algorithm: esdkAlgorithm, provider: key.namespace, info: infoOf(key, iv), ciphertext }
}

/** The first data key among those that name this key and that it opens. */
export async function esdkAesUnwrap(aes: Aes, key: RawKeyName, request: UnwrapRequest): Promise<DataKey | undefined> {
  const aad = serialiseContext(request.context)
  if (aad === undefined) return undefined
  const { keyLength } = request.suite
  for (const { provider, info, ciphertext } of request.encryptedDataKeys) {
    const iv = info.subarray(info.length - ivLength)
    const isOurs = provider === key.namespace && equalBytes(info, infoOf(key, iv))
    if (!isOurs || ciphertext.length !== keyLength + tagLength) continue
    const dataKey =
      (await aes.gcmDecrypt(iv, aad, ciphertext)) ?? (await underJavaScriptOrder(aes, iv, request, ciphertext))
    if (dataKey !== undefined) return dataKey
  }
  return undefined
}

/**
 * `@aws-crypto/client-node` before its option `utf8Sorting` wraps under a context that is sorted as its machine's
 * language sorts words, and stores it sorted by bytes. The languages of most machines agree on most keys.
 */
function underJavaScriptOrder(
  aes: Aes,
  iv: Uint8Array,
  { context }: UnwrapRequest,
  ciphertext: Uint8Array,
): Promise<Uint8Array | undefined> | undefined | Uint8Array {
  const aad = serialiseContext(context, (a, b) => a.localeCompare(b))
  return aad === undefined ? undefined : aes.gcmDecrypt(iv, aad, ciphertext)
}

function infoOf({ name }: RawKeyName, iv: Uint8Array): Uint8Array {
  const info = new Uint8Array(name.length + 8 + iv.length)
  info.set(name)
  const view = new DataView(info.buffer)
  view.setUint32(name.length, tagLength * 8)
  view.setUint32(name.length + 4, ivLength)
  info.set(iv, name.length + 8)
  return info
}
