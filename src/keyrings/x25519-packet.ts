import { runtime } from '#runtime'
import { crypt4ghRuntime } from '#runtime/crypt4gh'
import { joined } from '../bytes/body.js'

/** Lengths in bytes. */
export const X25519_KEY_LENGTH = 32
export const PACKET_NONCE_LENGTH = 12
const TAG_LENGTH = 16

const NOTHING = new Uint8Array(0)

export interface X25519KeyPair {
  readonly secretKey: Uint8Array
  readonly publicKey: Uint8Array
}

/** A new pair. Whoever gets it wipes the secret key. */
export async function newKeyPair(): Promise<X25519KeyPair> {
  const secretKey = runtime.randomBytes(X25519_KEY_LENGTH)
  return { secretKey, publicKey: await crypt4ghRuntime.x25519PublicKey(secretKey) }
}

/**
 * The key between a reader and a writer, 32 bytes: the first half of BLAKE2b-512 over the X25519 secret and both public
 * keys, the reader's first (Crypt4GH section 3.2.3; libsodium's crypto_kx). `own`: either of the two. `undefined` where
 * the other's public key is of small order. Whoever gets it wipes it.
 */
export async function packetKey(
  own: X25519KeyPair,
  { reader, writer }: { readonly reader: Uint8Array; readonly writer: Uint8Array },
  other: Uint8Array,
): Promise<Uint8Array | undefined> {
  const secret = await crypt4ghRuntime.x25519(own.secretKey, other)
  if (secret === undefined) return undefined
  const input = joined(secret, reader, writer)
  const hash = await crypt4ghRuntime.blake2b512(input)
  const key = hash.slice(0, X25519_KEY_LENGTH)
  for (const bytes of [secret, input, hash]) bytes.fill(0)
  return key
}

/** nonce ‖ ciphertext ‖ tag, without additional data. */
export async function sealPacket(key: Uint8Array, nonce: Uint8Array, content: Uint8Array): Promise<Uint8Array> {
  const cipher = await crypt4ghRuntime.chacha20Poly1305(key)
  try {
    return joined(nonce, cipher.encrypt(nonce, NOTHING, content))
  } finally {
    cipher.destroy()
  }
}

/** The content; `undefined` where the packet is not one under this key. */
export async function openPacket(key: Uint8Array, packet: Uint8Array): Promise<Uint8Array | undefined> {
  if (packet.length < PACKET_NONCE_LENGTH + TAG_LENGTH) return undefined
  const cipher = await crypt4ghRuntime.chacha20Poly1305(key)
  try {
    return cipher.decrypt(packet.subarray(0, PACKET_NONCE_LENGTH), NOTHING, packet.subarray(PACKET_NONCE_LENGTH))
  } finally {
    cipher.destroy()
  }
}
