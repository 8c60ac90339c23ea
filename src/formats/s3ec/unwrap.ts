import { runtime } from '#runtime'
import { DecryptionError } from '../../errors.js'
import { encryptedKey } from '../../keyrings/data-key.js'
import type { EncryptedDataKey, Keyring } from '../../keyrings/keyring.js'
import { isBytes } from '../../keyrings/options.js'
import type { ObjectName, OpenRequest } from '../format.js'
import { callersContext, checkContext } from './context.js'
import type { StoredEnvelope } from './decode.js'
import { deriveFrom } from './derive.js'
import { invalidEnvelope } from './messages.js'
import { checkPolicy } from './policy.js'
import type { SuiteRow } from './suites.js'
import { keyLengthsOf, suiteForKeyrings } from './summary.js'

const noLegacy = Object.freeze({ wrapping: false, content: false })

/** Everything that is checked before a key is used or a key service is asked. */
export function checkMessage(envelope: StoredEnvelope, request: OpenRequest, object: ObjectName): void {
  const { commitmentPolicy, legacy = noLegacy } = request
  checkPolicy(envelope, { commitmentPolicy, legacy }, object)
  checkWrap(envelope, request.keyring, object)
  checkContext(envelope, callersContext(request.encryptionContext), object)
}

/** Gives the key that encrypts the content, which is wiped afterwards. */
export function withContentKey<T>(
  envelope: StoredEnvelope,
  request: OpenRequest,
  object: ObjectName,
  use: (key: Uint8Array) => Promise<T>,
): Promise<T> {
  const { nonce, commitment } = envelope
  return withDataKey(envelope, request, object, (dataKey) =>
    commitment === undefined ? use(dataKey) : withCommittedKey(dataKey, nonce, commitment, use),
  )
}

/** Gives the data key, which is wiped afterwards. */
export async function withDataKey<T>(
  envelope: StoredEnvelope,
  request: OpenRequest,
  object: ObjectName,
  use: (key: Uint8Array) => Promise<T>,
): Promise<T> {
  const { keyring, signal } = request
  checkMessage(envelope, request, object)
  // Nothing above has used a key or asked a key service, and nothing below tells one failure from another.
  const dataKey: unknown = await keyring.unwrap({
    suite: suiteForKeyrings(envelope.suite, envelope.contentAlgorithm, allowsContent(request)),
    context: envelope.context,
    encryptedDataKeys: encryptedDataKeysOf(envelope),
    commitmentPolicy: request.commitmentPolicy,
    ...(signal && { signal }),
  })
  if (!isBytes(dataKey)) throw new DecryptionError()
  try {
    if (!keyLengths(envelope.suite, request).includes(dataKey.length)) throw new DecryptionError()
    return await use(dataKey)
  } finally {
    dataKey.fill(0)
  }
}

/** As keyrings take them. */
export function encryptedDataKeysOf({ wrap, encryptedDataKey }: StoredEnvelope): readonly EncryptedDataKey[] {
  return [encryptedKey(wrap.name, encryptedDataKey)]
}

export function allowsContent({ legacy = noLegacy }: OpenRequest): boolean {
  return legacy.content
}

export function keyLengths(suite: SuiteRow, request: OpenRequest): readonly number[] {
  return keyLengthsOf(suite, allowsContent(request))
}

/** The commitment comes first: only the one data key that was committed to may give a content key. */
export async function withCommittedKey<T>(
  dataKey: Uint8Array,
  messageId: Uint8Array,
  commitment: Uint8Array,
  use: (key: Uint8Array) => Promise<T>,
): Promise<T> {
  const derivation = await deriveFrom(dataKey, messageId)
  try {
    if (!runtime.equal(await derivation.commitment(), commitment)) throw new DecryptionError()
    const contentKey = await derivation.contentKey()
    try {
      return await use(contentKey)
    } finally {
      contentKey.fill(0)
    }
  } finally {
    derivation.destroy()
  }
}

function checkWrap({ wrap }: StoredEnvelope, keyring: Keyring, object: ObjectName): void {
  const { algorithms } = keyring
  if (algorithms === undefined || algorithms.includes(wrap.name)) return
  throw invalidEnvelope(object, `its data key is under ${wrap.name}, and the keyring opens ${algorithms.join(', ')}.`)
}
