import { runtime } from '#runtime'
import { throwIfAborted } from '../bytes/abort.js'
import { sameEntries } from '../bytes/same-entries.js'
import { configError } from '../errors.js'
import { givenDataKey, wrapWanted } from './data-key.js'
import { esdkAlgorithm, requireEsdk } from './esdk-keys.js'
import type { Context, DataKey, EncryptedDataKey, Keyring, UnwrapRequest, WrapRequest, WrapResult } from './keyring.js'
import { isBytes, takeList, takeOptions, takeStringMap } from './options.js'

/** The options of `multiKeyring`: at least one keyring. */
export interface MultiKeyringOptions {
  /** Makes the data key and wraps it. Default: none, and then it is for reading, or for messages that bring a data key. */
  readonly generator?: Keyring | undefined
  /** Wrap the same data key, each for itself. Default: none. */
  readonly children?: readonly Keyring[] | undefined
}

const owner = 'multiKeyring'

/**
 * Several keyrings for one message, each of which can open it alone: `generator` makes the data key, `children` wrap it
 * too, and the message stores what they wrapped in this order. If one of them fails nothing is written. To read, they
 * are asked in the same order, and the first that opens one of the message's encrypted data keys is enough; what the
 * others failed with is thrown only if none does (the first error).
 *
 * For formats that store several encrypted data keys: messages of the AWS Encryption SDK. S3EC has one, and refuses this
 * keyring at set-up. A multi-keyring may be a child of another. Put an `rsaKeyring` with padding `PKCS1` last: it cannot
 * tell whether it has opened a data key, so that those behind it are not asked.
 *
 * @throws CseError `ERR_S3CSE_CONFIG` for no keyring at all, an unknown option, or a keyring that is none or whose
 * `algorithms` are all of other formats. Later: the same for a new data key without a generator, and for a keyring that
 * gives another data key than it was to wrap, none, or another encryption context; and what the keyrings throw.
 */
export function multiKeyring(options: MultiKeyringOptions): Keyring {
  const { generator, children } = takeOptions(owner, options, { generator: 'optional', children: 'optional' })
  if (generator !== undefined) checkMember('generator', generator)
  const others = takeList(`${owner}: children`, children, (child) => checkMember('children', child))
  const members = generator === undefined ? others : [generator, ...others]
  if (members.length === 0) throw configError(`${owner}: give a generator, children or both`)

  return Object.freeze({
    algorithms: Object.freeze([esdkAlgorithm]),
    ...(members.some(({ sharesDataKeys }) => sharesDataKeys === true) && { sharesDataKeys: true }),

    async wrap(request: WrapRequest): Promise<WrapResult> {
      requireEsdk(owner, request.suite)
      wrapWanted(owner, request, esdkAlgorithm)
      const context = takeStringMap(`${owner}: the encryption context`, request.context)
      let dataKey = givenDataKey(owner, request)
      if (dataKey === undefined && generator === undefined) {
        throw configError(`${owner}: nothing makes a data key to write with; give a generator`)
      }
      const encryptedDataKeys: EncryptedDataKey[] = []
      try {
        for (const member of members) {
          throwIfAborted(request.signal)
          const wrapped = await wrappedBy(member, { ...request, context }, dataKey)
          dataKey ??= wrapped.dataKey
          encryptedDataKeys.push(...wrapped.encryptedDataKeys)
        }
        return { dataKey: dataKey as DataKey, encryptedDataKeys, context }
      } catch (error) {
        dataKey?.fill(0)
        throw error
      }
    },

    async unwrap(request: UnwrapRequest): Promise<DataKey | undefined> {
      requireEsdk(owner, request.suite)
      const errors: unknown[] = []
      for (const member of members) {
        throwIfAborted(request.signal)
        try {
          const dataKey: unknown = await member.unwrap(request)
          if (!isBytes(dataKey)) continue
          if (dataKey.length === request.suite.keyLength) return dataKey
          dataKey.fill(0)
        } catch (error) {
          errors.push(error)
        }
      }
      throwIfAborted(request.signal)
      if (errors.length > 0) throw errors[0]
      return undefined
    },
  } satisfies Keyring)
}

function checkMember(option: string, keyring: unknown): Keyring {
  const { wrap, unwrap, algorithms } = (keyring ?? {}) as Readonly<Record<string, unknown>>
  if (typeof wrap !== 'function' || typeof unwrap !== 'function') {
    throw configError(`${owner}: ${option} must be keyrings: objects with the methods wrap and unwrap`)
  }
  if (algorithms !== undefined && !(Array.isArray(algorithms) && algorithms.includes(esdkAlgorithm))) {
    throw configError(
      `${owner}: ${option} must be keyrings for messages of the AWS Encryption SDK, and one does not have ${JSON.stringify(esdkAlgorithm)} among its algorithms: raw keys need keyNamespace and keyName for it`,
    )
  }
  return keyring as Keyring
}

/** What one of them made of the data key, or of none: then the result's is a new one. */
async function wrappedBy(
  member: Keyring,
  request: WrapRequest,
  dataKey: DataKey | undefined,
): Promise<{ readonly dataKey: DataKey; readonly encryptedDataKeys: readonly EncryptedDataKey[] }> {
  // A copy, because whoever gets it may keep or wipe it.
  const copy = dataKey && new Uint8Array(dataKey)
  let result: Readonly<Record<string, unknown>> = {}
  let isOurs = false
  try {
    const given: unknown = await member.wrap(copy === undefined ? request : { ...request, dataKey: copy })
    result = (given ?? {}) as typeof result
    const made = result.dataKey
    if (!isBytes(made) || made.length !== request.suite.keyLength) {
      throw configError(`${owner}: a keyring's wrap gave no data key of ${request.suite.keyLength} bytes`)
    }
    if (dataKey !== undefined && !runtime.equal(made, dataKey)) {
      throw configError(`${owner}: a keyring's wrap gave another data key than the one that it was to wrap`)
    }
    if (!isSame(result.context, request.context)) {
      throw configError(
        `${owner}: a keyring's wrap changed the encryption context, which is what all data keys of the message are bound to`,
      )
    }
    const wrapped: unknown = result.encryptedDataKeys
    if (!Array.isArray(wrapped) || wrapped.length === 0) {
      throw configError(`${owner}: a keyring's wrap gave no encrypted data key`)
    }
    isOurs = dataKey === undefined
    return { dataKey: made, encryptedDataKeys: wrapped as EncryptedDataKey[] }
  } finally {
    copy?.fill(0)
    if (!isOurs && isBytes(result.dataKey)) result.dataKey.fill(0)
  }
}

function isSame(found: unknown, context: Context): boolean {
  return typeof found === 'object' && found !== null && sameEntries(found as Context, context)
}
