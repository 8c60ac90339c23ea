import { hkdf } from '../../crypto/hkdf.js'
import { COMMITMENT_LENGTH } from './header.js'
import type { EsdkSuite } from './suites.js'

/** What a message is encrypted with, and what its header says of its data key. */
export interface MessageKeys {
  /** Whoever asked wipes it. */
  readonly contentKey: Uint8Array
  /** 32 bytes that only this data key gives; empty where the suite does not commit. */
  readonly commitment: Uint8Array
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

/**
 * HKDF (RFC 5869) as the message format uses it: version 1 has the message id in the info and no salt, version 2 has it
 * as the salt and commits to the data key. Suites without a KDF encrypt with (a copy of) the data key.
 */
export async function messageKeys(suite: EsdkSuite, dataKey: Uint8Array, messageId: Uint8Array): Promise<MessageKeys> {
  if (suite.kdf === undefined) return { contentKey: Uint8Array.from(dataKey), commitment: new Uint8Array(0) }
  const id = Uint8Array.of(suite.id >> 8, suite.id & 255)
  const salt = suite.committing ? messageId : new Uint8Array(0)
  const keys = await hkdf(suite.kdf, { salt, inputKey: dataKey })
  try {
    const info = Uint8Array.of(...id, ...(suite.committing ? text('DERIVEKEY') : messageId))
    const commitment = suite.committing ? await keys.expand(text('COMMITKEY'), COMMITMENT_LENGTH) : new Uint8Array(0)
    return { contentKey: await keys.expand(info, suite.keyLength), commitment }
  } finally {
    keys.destroy()
  }
}
