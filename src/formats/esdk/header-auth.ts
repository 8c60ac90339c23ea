import { runtime } from '#runtime'
import { DecryptionError } from '../../errors.js'
import type { Aes } from '../../runtime/runtime.js'
import { messageKeys } from './derive.js'
import { TAG_LENGTH, type EsdkHeader } from './header.js'

/**
 * The content key of a message whose header was made with this data key: checks the commitment first, then the header's
 * tag, and gives nothing before both are right. `required`: the pairs of the encryption context that are authenticated
 * and not stored, in their stored form. Whoever gets the key wipes it. Throws DecryptionError.
 */
export async function headerKey(header: EsdkHeader, dataKey: Uint8Array, required: Uint8Array): Promise<Uint8Array> {
  const { suite, messageId, commitment } = header
  if (dataKey.length !== suite.keyLength) throw new DecryptionError()
  const keys = await messageKeys(suite, dataKey, messageId)
  try {
    if (!runtime.equal(keys.commitment, commitment)) throw new DecryptionError()
    await checkHeaderTag(header, keys.contentKey, required)
    return keys.contentKey
  } catch (error) {
    keys.contentKey.fill(0)
    throw error
  }
}

/** The same for a content key that is there already. Throws DecryptionError. */
export async function checkHeaderTag(
  { suite, body, iv, tag }: EsdkHeader,
  contentKey: Uint8Array,
  required: Uint8Array,
): Promise<void> {
  if (contentKey.length !== suite.keyLength) throw new DecryptionError()
  const aes = await runtime.aes(contentKey)
  try {
    if ((await aes.gcmDecrypt(iv, joined(body, required), tag)) === undefined) throw new DecryptionError()
  } finally {
    aes.destroy()
  }
}

/** The cipher of a message, as `headerKey` gives its key. Whoever gets it destroys it. Throws DecryptionError. */
export async function authenticateHeader(header: EsdkHeader, dataKey: Uint8Array, required: Uint8Array): Promise<Aes> {
  const contentKey = await headerKey(header, dataKey, required)
  try {
    return await runtime.aes(contentKey)
  } finally {
    contentKey.fill(0)
  }
}

/** The tag of a header that is being made: 16 bytes. */
export async function headerTag(aes: Aes, body: Uint8Array, iv: Uint8Array, required: Uint8Array): Promise<Uint8Array> {
  const tag = await aes.gcmEncrypt(iv, joined(body, required), new Uint8Array(0))
  return tag.subarray(0, TAG_LENGTH)
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (b.length === 0) return a
  const bytes = new Uint8Array(a.length + b.length)
  bytes.set(a)
  bytes.set(b, a.length)
  return bytes
}
