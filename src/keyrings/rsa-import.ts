import { runtime } from '#runtime'
import { configError } from '../errors.js'
import type { MaybePromise, RsaKeyInput, RsaPrivateKey, RsaPublicKey } from '../runtime/runtime.js'
import { andThen, importKey } from './options.js'
import { hashesFor, type RsaKeyName } from './rsa-esdk.js'

export function importPrivate(
  what: string,
  key: RsaKeyInput,
  name: RsaKeyName | undefined,
): MaybePromise<RsaPrivateKey> {
  return importKey(what, () => runtime.rsaPrivateKey(key, hashesFor(name)))
}

export function importPublic(
  owner: string,
  what: string,
  key: RsaKeyInput,
  name: RsaKeyName | undefined,
  privateKey: MaybePromise<RsaPrivateKey> | undefined,
): MaybePromise<RsaPublicKey> {
  return importKey(what, () =>
    andThen(runtime.rsaPublicKey(key, hashesFor(name)), (imported) => {
      if (privateKey === undefined) return imported
      return andThen(privateKey, (other) =>
        andThen(belongTogether(imported, other), (pair) => {
          if (!pair) throw configError(`${owner}: publicKey and privateKey do not belong together`)
          return imported
        }),
      )
    }),
  )
}

/** By a trial wrap: the runtime's keys show no modulus. */
function belongTogether(publicKey: RsaPublicKey, privateKey: RsaPrivateKey): MaybePromise<boolean> {
  if (publicKey.modulusLength !== privateKey.modulusLength) return false
  const hash = publicKey.hashes.find((one) => privateKey.hashes.includes(one))
  if (hash === undefined) return false
  const probe = runtime.randomBytes(32)
  return andThen(publicKey.oaepEncrypt(hash, probe), (sealed) =>
    andThen(privateKey.oaepDecrypt(hash, sealed), (opened) => opened !== undefined && runtime.equal(opened, probe)),
  )
}
