import { hkdfSha512 } from '../../crypto/hkdf.js'

/** Lengths in bytes of suite 0x0073. */
export const messageIdLength = 28
export const commitmentLength = 28
const contentKeyLength = 32

/** The suite's number: the AAD of the content, and the start of every HKDF info. */
export const contentAad: Uint8Array = Uint8Array.of(0x00, 0x73)
/** Constant: each message has a key of its own. */
export const contentIv: Uint8Array = new Uint8Array(12).fill(1)

const commitInfo = info('COMMITKEY')
const deriveInfo = info('DERIVEKEY')

/** What suite 0x0073 derives from a data key: HKDF-SHA-512 (RFC 5869), salted with the message id. */
export interface Derivation {
  /** What the envelope stores: `commitmentLength` bytes that only this data key gives. */
  commitment(): Promise<Uint8Array>
  /** The key that encrypts the content. The caller wipes it. */
  contentKey(): Promise<Uint8Array>
  /** Wipes what the derivations share. */
  destroy(): void
}

export async function deriveFrom(dataKey: Uint8Array, messageId: Uint8Array): Promise<Derivation> {
  const hkdf = await hkdfSha512({ salt: messageId, inputKey: dataKey })
  return {
    commitment: () => hkdf.expand(commitInfo, commitmentLength),
    contentKey: () => hkdf.expand(deriveInfo, contentKeyLength),
    destroy: () => hkdf.destroy(),
  }
}

function info(label: string): Uint8Array {
  return Uint8Array.of(...contentAad, ...new TextEncoder().encode(label))
}
