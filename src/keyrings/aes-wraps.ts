import { runtime } from '#runtime'
import { ecbUnwrap } from '../crypto/aes-ecb.js'
import { aesKeyUnwrap } from '../crypto/aes-key-wrap.js'
import type { Aes, MaybePromise } from '../runtime/runtime.js'
import { keyLengthsOf } from './data-key.js'
import type { DataKey, Suite } from './keyring.js'

/** An AES key that wraps data keys, and what it leaves behind of its bytes. */
export interface WrappingKey {
  readonly aes: Aes
  /** What badly padded `AES` wraps are answered with is made with it. */
  readonly rejectionSecret: Uint8Array
}

type Unwrap = (key: WrappingKey, suite: Suite, wrapped: Uint8Array) => MaybePromise<DataKey | undefined>

export const gcmWrapName = 'AES/GCM'
export const ecbWrapName = 'AES'

const ivLength = 12
const tagLength = 16

/** Every wrap under an AES key that can be opened, by its name. */
export const aesUnwraps: ReadonlyMap<string, Unwrap> = new Map<string, Unwrap>([
  [gcmWrapName, ({ aes }, suite, wrapped) => gcmUnwrap(aes, suite, wrapped)],
  ['AESWrap', ({ aes }, suite, wrapped) => aesKeyUnwrap(aes, wrapped, keyLengthsOf(suite))],
  [
    ecbWrapName,
    ({ aes, rejectionSecret }, suite, wrapped) =>
      ecbUnwrap(aes, wrapped, {
        keyLengths: keyLengthsOf(suite),
        secret: rejectionSecret,
        rejectedLength: suite.keyLength,
      }),
  ],
])

/** IV ‖ ciphertext ‖ tag. */
export async function gcmWrap(aes: Aes, suite: Suite, dataKey: Uint8Array): Promise<Uint8Array> {
  const iv = runtime.randomBytes(ivLength)
  const sealed = await aes.gcmEncrypt(iv, boundName(suite), dataKey)
  const wrapped = new Uint8Array(ivLength + sealed.length)
  wrapped.set(iv)
  wrapped.set(sealed, ivLength)
  return wrapped
}

function gcmUnwrap(aes: Aes, suite: Suite, wrapped: Uint8Array): MaybePromise<DataKey | undefined> {
  if (!keyLengthsOf(suite).includes(wrapped.length - ivLength - tagLength)) return undefined
  return aes.gcmDecrypt(wrapped.subarray(0, ivLength), boundName(suite), wrapped.subarray(ivLength))
}

/** The additional authenticated data: a data key cannot be used under another content algorithm than its own. */
function boundName({ name }: Suite): Uint8Array {
  return new TextEncoder().encode(name)
}
