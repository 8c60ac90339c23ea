import { runtime } from '#runtime'
import { DecryptionError } from '../../errors.js'
import type { Aes } from '../../runtime/runtime.js'
import { messageKeys } from './derive.js'
import { TAG_LENGTH, type EsdkHeader } from './header.js'

/**
 * The cipher of a message whose header was made with this data key: checks the commitment first, then the header's tag,
 * and gives nothing before both are right. `required`: the pairs of the encryption context that are authenticated and not
 * stored, in their stored form. Whoever gets the cipher destroys it. Throws DecryptionError.
 */
export async function authenticateHeader(header: EsdkHeader, dataKey: Uint8Array, required: Uint8Array): Promise<Aes> {
  const { suite, messageId, commitment, body, iv, tag } = header
  if (dataKey.length !== suite.keyLength) throw new DecryptionError()
  const keys = await messageKeys(suite, dataKey, messageId)
  let aes: Aes
  try {
    if (!runtime.equal(keys.commitment, commitment)) throw new DecryptionError()
    aes = await runtime.aes(keys.contentKey)
  } finally {
    keys.contentKey.fill(0)
  }
  const opened = await aes.gcmDecrypt(iv, joined(body, required), tag)
  if (opened !== undefined) return aes
  aes.destroy()
  throw new DecryptionError()
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
