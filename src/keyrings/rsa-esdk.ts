import { configError } from '../errors.js'
import type { MaybePromise, OaepHash, RsaPrivateKey, RsaPublicKey } from '../runtime/runtime.js'
import { equalBytes, esdkAlgorithm, MAX_ATTEMPTS, takeRawKeyName, type RawKeyName } from './esdk-keys.js'
import type { DataKey, EncryptedDataKey, Suite, UnwrapRequest } from './keyring.js'
import { pkcs1Unwrap, pkcs1Wrap, requireHash } from './rsa-wraps.js'

/**
 * How data keys are padded in messages of the AWS Encryption SDK (RFC 8017): OAEP with one hash for everything, or
 * RSAES-PKCS1-v1_5.
 */
export type RsaPadding = 'PKCS1' | 'OAEP_SHA1' | 'OAEP_SHA256' | 'OAEP_SHA384' | 'OAEP_SHA512'

const oaepHashes: ReadonlyMap<RsaPadding, OaepHash> = new Map([
  ['OAEP_SHA1', 'SHA-1'],
  ['OAEP_SHA256', 'SHA-256'],
  ['OAEP_SHA384', 'SHA-384'],
  ['OAEP_SHA512', 'SHA-512'],
])

const paddings: readonly RsaPadding[] = [...oaepHashes.keys(), 'PKCS1']

/** What messages call a key, and the one padding that its data keys have. */
export interface RsaKeyName extends RawKeyName {
  readonly padding: RsaPadding
}

/** What every key has to be good for: S3EC is OAEP with SHA-1. */
const s3ecHash: OaepHash = 'SHA-1'

/** `undefined` where no names are given. */
export function takeRsaKeyName(
  owner: string,
  given: Parameters<typeof takeRawKeyName>[1] & { readonly padding?: RsaPadding | undefined },
): RsaKeyName | undefined {
  const { padding = 'OAEP_SHA256' } = given
  if (!paddings.includes(padding)) throw configError(`${owner}: padding must be one of ${paddings.join(', ')}`)
  const name = takeRawKeyName(owner, given)
  if (name !== undefined) return { ...name, padding }
  if (given.padding === undefined) return undefined
  throw configError(
    `${owner}: padding is for messages of the AWS Encryption SDK; give keyNamespace and keyName with it`,
  )
}

/** What OAEP a key has to be imported for. */
export function hashesFor(name: RsaKeyName | undefined): readonly OaepHash[] {
  const hash = name && oaepHashes.get(name.padding)
  return hash === undefined || hash === s3ecHash ? [s3ecHash] : [s3ecHash, hash]
}

/** Every key of `PKCS1` opens whatever names it, so that two of one name could not be told apart. */
export function requireDistinct(owner: string, names: readonly RsaKeyName[]): void {
  const isSame = (a: RsaKeyName, b: RsaKeyName): boolean =>
    a !== b && a.namespace === b.namespace && equalBytes(a.name, b.name)
  if (names.some((one) => one.padding === 'PKCS1' && names.some((other) => isSame(one, other)))) {
    throw configError(
      `${owner}: two keys have the same keyNamespace and keyName, one with padding PKCS1, so that neither could be chosen`,
    )
  }
}

/** The raw RSA wrap of the AWS Encryption SDK: nothing but the data key, so that no encryption context is bound. */
export async function esdkRsaWrap(
  owner: string,
  key: RsaPublicKey,
  { namespace, name, padding }: RsaKeyName,
  dataKey: DataKey,
): Promise<EncryptedDataKey> {
  const hash = oaepHashes.get(padding)
  if (hash !== undefined) requireHash(owner, key, hash)
  const ciphertext = await (hash === undefined ? pkcs1Wrap(owner, key, dataKey) : key.oaepEncrypt(hash, dataKey))
  return { algorithm: esdkAlgorithm, provider: namespace, info: new Uint8Array(name), ciphertext }
}

/** The first data key among those that name one of these keys and that it opens; those that can tell come before PKCS1. */
export async function esdkRsaUnwrap(
  owner: string,
  keys: readonly { readonly name: RsaKeyName; readonly key: MaybePromise<RsaPrivateKey> }[],
  { suite, encryptedDataKeys }: UnwrapRequest,
): Promise<DataKey | undefined> {
  const isLast = ({ name }: { readonly name: RsaKeyName }): number => Number(name.padding === 'PKCS1')
  let attempts = 0
  for (const { name, key: imported } of [...keys].sort((a, b) => isLast(a) - isLast(b))) {
    const key = await imported
    for (const { provider, info, ciphertext } of encryptedDataKeys) {
      if (provider !== name.namespace || !equalBytes(info, name.name)) continue
      if (ciphertext.length !== key.modulusLength) continue
      if (++attempts > MAX_ATTEMPTS) return undefined
      const dataKey = await opened(owner, key, name.padding, suite, ciphertext)
      if (dataKey !== undefined) return dataKey
    }
  }
  return undefined
}

async function opened(
  owner: string,
  key: RsaPrivateKey,
  padding: RsaPadding,
  suite: Suite,
  ciphertext: Uint8Array,
): Promise<DataKey | undefined> {
  const hash = oaepHashes.get(padding)
  if (hash === undefined) return pkcs1Unwrap(owner, key, suite, ciphertext)
  requireHash(owner, key, hash)
  const dataKey = await key.oaepDecrypt(hash, ciphertext)
  if (dataKey === undefined || dataKey.length === suite.keyLength) return dataKey
  dataKey.fill(0)
  return undefined
}
