import { generateKeyPairSync } from 'node:crypto'

import { aesKeyring, rsaKeyring } from '../../src/index.js'
import type { Context, Keyring } from '../../src/index.js'
import { kmsKeyring } from '../../src/kms.js'
import type { KmsServer } from '../../src/testing/index.js'
import { kmsWorld } from './support.js'

/** A way to wrap, with the real keyring. */
export interface Kind {
  /** The wrap's name in V2. */
  readonly wrap: 'AES/GCM' | 'RSA-OAEP-SHA1' | 'kms+context'
  readonly keyring: Keyring
  /** Another key of the same kind. */
  readonly other: Keyring
  /** What reader and writer give; empty for raw keys. */
  readonly context: Context
  /** Where V3 stores the map. */
  readonly mapKey: 'x-amz-m' | 'x-amz-t'
}

/** All kinds, over a KMS that is closed when the tests of the file are done. */
export async function allKinds(): Promise<{ kinds: readonly Kind[]; kms: KmsServer; keyArn: string }> {
  const { kms, client } = await kmsWorld()
  const [{ arn: keyArn }, { arn: otherArn }] = [kms.createKey(), kms.createKey()]
  const rsa = (): Keyring => rsaKeyring(generateKeyPairSync('rsa', { modulusLength: 2048 }))
  const aes = (byte: number): Keyring => aesKeyring({ wrappingKey: new Uint8Array(32).fill(byte) })
  const keyOf = (keyId: string): Keyring => kmsKeyring({ client, keyId })
  const kinds: Kind[] = [
    { wrap: 'AES/GCM', keyring: aes(7), other: aes(8), context: {}, mapKey: 'x-amz-m' },
    { wrap: 'RSA-OAEP-SHA1', keyring: rsa(), other: rsa(), context: {}, mapKey: 'x-amz-m' },
    {
      wrap: 'kms+context',
      keyring: keyOf(keyArn),
      other: keyOf(otherArn),
      context: { tenant: 'a' },
      mapKey: 'x-amz-t',
    },
  ]
  return { kinds, kms, keyArn }
}
