import { runtime } from '#runtime'
import { rejectionKey } from '../crypto/implicit-rejection.js'
import { oaepSha256Decode, pkcs1Decode } from '../crypto/rsa-padding.js'
import { configError, type CseError } from '../errors.js'
import type { OaepHash, RsaPrivateKey, RsaPublicKey } from '../runtime/runtime.js'
import { keyLengthsOf } from './data-key.js'
import type { DataKey, Suite } from './keyring.js'

/** `ciphertext` is as long as the modulus. */
type Unwrap = (owner: string, key: RsaPrivateKey, suite: Suite, ciphertext: Uint8Array) => Promise<DataKey | undefined>

export const oaepWrapName = 'RSA-OAEP-SHA1'
export const pkcs1WrapName = 'RSA'
const oaepSha256WrapName = 'RSA/ECB/OAEPWithSHA-256AndMGF1Padding'

/** Every wrap under an RSA key that can be opened, by its name. */
export const rsaUnwraps: ReadonlyMap<string, Unwrap> = new Map<string, Unwrap>([
  [oaepWrapName, oaepUnwrap],
  [oaepSha256WrapName, oaepSha256Unwrap],
  [pkcs1WrapName, pkcs1Unwrap],
])

export async function oaepWrap(key: RsaPublicKey, suite: Suite, dataKey: Uint8Array): Promise<Uint8Array> {
  const block = pseudoDataKey(suite, dataKey)
  try {
    return await key.oaepEncrypt('SHA-1', block)
  } finally {
    block.fill(0)
  }
}

async function oaepUnwrap(
  _owner: string,
  key: RsaPrivateKey,
  suite: Suite,
  ciphertext: Uint8Array,
): Promise<DataKey | undefined> {
  const block = await key.oaepDecrypt('SHA-1', ciphertext)
  return block === undefined ? undefined : openPseudoDataKey(suite, block)
}

/** What OAEP encrypts: length of the data key in one byte, the data key, the name of the content algorithm. */
function pseudoDataKey({ name }: Suite, dataKey: Uint8Array): Uint8Array {
  const bound = new TextEncoder().encode(name)
  const block = new Uint8Array(1 + dataKey.length + bound.length)
  block[0] = dataKey.length
  block.set(dataKey, 1)
  block.set(bound, 1 + dataKey.length)
  return block
}

/** The block must be exactly what a writer would have made of its data key: one comparison over all of it, one outcome. */
function openPseudoDataKey(suite: Suite, block: Uint8Array): DataKey | undefined {
  const length = block[0] ?? 0
  const dataKey = block.slice(1, 1 + length)
  const wanted = pseudoDataKey(suite, dataKey)
  const valid = keyLengthsOf(suite).includes(length) && runtime.equal(block, wanted)
  block.fill(0)
  wanted.fill(0)
  if (valid) return dataKey
  dataKey.fill(0)
  return undefined
}

async function oaepSha256Unwrap(
  owner: string,
  { raw }: RsaPrivateKey,
  suite: Suite,
  ciphertext: Uint8Array,
): Promise<DataKey | undefined> {
  if (raw === undefined) throw nodeOnly(owner, `${oaepSha256WrapName} wrap can be opened`)
  const block = await raw.decrypt(ciphertext)
  return block === undefined ? undefined : oaepSha256Decode(block, keyLengthsOf(suite))
}

export async function pkcs1Wrap(owner: string, key: RsaPublicKey, dataKey: Uint8Array): Promise<Uint8Array> {
  if (key.pkcs1Encrypt === undefined) throw nodeOnly(owner, `${pkcs1WrapName} wrap can be made`)
  return key.pkcs1Encrypt(dataKey)
}

/** `undefined` only for a number that is not below the modulus; bad padding gives another key (see `rejectionKey`). */
export async function pkcs1Unwrap(
  owner: string,
  { raw }: RsaPrivateKey,
  suite: Suite,
  ciphertext: Uint8Array,
): Promise<DataKey | undefined> {
  if (raw === undefined) throw nodeOnly(owner, `${pkcs1WrapName} wrap can be opened`)
  const block = await raw.decrypt(ciphertext)
  if (block === undefined) return undefined
  const rejected = await rejectionKey(await raw.rejectionSecret(), ciphertext, suite.keyLength)
  const dataKey = pkcs1Decode(block, keyLengthsOf(suite), rejected)
  rejected.fill(0)
  return dataKey
}

/** ERR_S3CSE_CONFIG for a CryptoKey, which is for one hash, where another is needed. */
export function requireHash(owner: string, { hashes }: Pick<RsaPublicKey, 'hashes'>, hash: OaepHash): void {
  if (hashes.includes(hash)) return
  throw configError(
    `${owner}: the CryptoKey is for RSA-OAEP with ${hashes.join()}, and ${hash} is needed; give the key as PEM, DER or KeyObject, or a CryptoKey for that`,
  )
}

function nodeOnly(owner: string, what: string): CseError {
  return configError(`${owner}: the ${what} on Node only, with the key as PEM, DER or KeyObject (no CryptoKey)`)
}
