import { CreateKeyCommand } from '@aws-sdk/client-kms'
import type { KMSClient } from '@aws-sdk/client-kms'
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import type { ContextName } from './peer.js'
import type { Context, WrappingKey } from './protocol.js'

const MIB = 1024 * 1024

/** Bytes of plaintext. */
export const SIZES: readonly number[] = [0, 1, 15, 16, 17, MIB + 5]
export const SMALL = 17
/** What ranges are read of. */
export const RANGED = 1000
/** More than three parts. */
export const LARGE: number = 16 * MIB + 21
export const PART_SIZE: number = 5 * MIB
export const CONTEXTS: readonly ContextName[] = ['none', 'simple', 'rich', 'unicode']

const contexts: Readonly<Record<ContextName, Context>> = {
  none: {},
  simple: { purpose: 'interop' },
  rich: {
    'with blanks': 'two  blanks, and more',
    quotes: `"double" and 'single'`,
    'slash/es': '/a/b/',
    backslashes: '\\a\\\\b',
    empty: '',
  },
  unicode: { schlüssel: 'wört', 鍵: '値', lock: '🔐', '🔑': 'key' },
}
export const contextOf = (name: ContextName): Context => contexts[name]
/** Of the new key of a re-encryption. */
export const NEW_CONTEXT: Context = { purpose: 'rotated' }
export const OTHER_CONTEXT: Context = { purpose: 'another' }

/** First and last bytes, block boundaries, inside of a block, past the end. */
export const RANGES: readonly (readonly [size: number, start: number, end: number])[] = [
  [RANGED, 0, 0],
  [RANGED, 0, 15],
  [RANGED, 5, 10],
  [RANGED, 16, 31],
  [RANGED, 100, 700],
  [RANGED, 990, 999],
  [RANGED, 990, 2000],
  [MIB + 5, 70_001, 140_002],
  [LARGE, PART_SIZE - 7, PART_SIZE + 20],
]

/** Other bytes for each object. */
export function plaintext(size: number, { Key }: { readonly Key: string }): Uint8Array {
  const words = new Uint32Array(Math.ceil(size / 4))
  const hash = createHash('sha256').update(Key).digest()
  let state = hash.readUInt32LE() || 1
  for (let i = 0; i < words.length; i++) {
    words[i] = state
    // Xorshift: Marsaglia, Journal of Statistical Software 8(14), 2003.
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
  }
  return new Uint8Array(words.buffer, 0, size)
}

export interface Inputs {
  /** For what programs read and write; deleted afterwards. */
  readonly directory: string
  readonly key: (kind: WrappingKey['kind'], which?: 'first' | 'second') => WrappingKey
}

/** Keys of all kinds, two of each, and a place for files. */
export async function makeInputs(directory: string, kms: KMSClient): Promise<Inputs> {
  const made = { first: await makeKeys(kms), second: await makeKeys(kms) }
  return { directory, key: (kind, which = 'first') => made[which][kind] }
}

async function makeKeys(kms: KMSClient): Promise<Readonly<Record<WrappingKey['kind'], WrappingKey>>> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
  const { KeyMetadata } = await kms.send(new CreateKeyCommand({}))
  if (KeyMetadata?.Arn === undefined) throw new Error('KMS made no key')
  return {
    aes: { kind: 'aes', hex: randomBytes(32).toString('hex') },
    rsa: { kind: 'rsa', privateKey, publicKey },
    kms: { kind: 'kms', arn: KeyMetadata.Arn },
  }
}
