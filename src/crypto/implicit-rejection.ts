import { runtime } from '#runtime'

/**
 * The key that takes the place of what a badly padded block holds: pseudo-random for everyone who does not have
 * `secret`, and the same each time, so that repeating a read tells nothing. The read goes on with it and fails where a
 * wrong key fails.
 */
export async function rejectionKey(secret: Uint8Array, ciphertext: Uint8Array, length: number): Promise<Uint8Array> {
  const bytes = await runtime.hmac('SHA-512', secret, ciphertext)
  const key = bytes.slice(0, length)
  bytes.fill(0)
  return key
}
