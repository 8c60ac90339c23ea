import { runtime } from '#runtime'
import { sameEntries } from '../../bytes/same-entries.js'
import { cbcSealer } from '../../crypto/cbc-message.js'
import { gcmSealer } from '../../crypto/gcm-message.js'
import { randomNonZeroBytes } from '../../crypto/random.js'
import { configError } from '../../errors.js'
import type { Context, EncryptedDataKey, Keyring } from '../../keyrings/keyring.js'
import { isBytes } from '../../keyrings/options.js'
import type { Sealer } from '../../message/sealer.js'
import type { Sealed, SealRequest } from '../format.js'
import { callersContext, contentAlgorithmKey, stringEntries, withoutClientKeys } from './context.js'
import { contentAad, contentIv, deriveFrom, messageIdLength } from './derive.js'
import { encodeV1, encodeV2, encodeV3 } from './encode.js'
import type { EnvelopeVersion } from './envelope-keys.js'
import { contextOf } from '../context-of.js'
import { shown } from './messages.js'
import { cbcSuite, committingSuite, dataKeyLength, type SuiteRow } from './suites.js'
import { suiteForKeyrings, summaryOf } from './summary.js'
import { bindsContext, bindsSuiteInContext, maxEncryptedDataKeyLength, wrapByName, type WrapRow } from './wraps.js'
import type { WritingKind } from './writing.js'

/** A wrap result that fits the format. */
export interface Wrapped {
  readonly wrap: WrapRow
  readonly encryptedDataKey: Uint8Array
  readonly context: Context
}

/** Asks the keyring for a data key and makes envelope and sealer of the kind that is written. */
export async function sealMessage(request: SealRequest, kind: WritingKind): Promise<Sealed> {
  const { keyring, signal } = request
  const { suite } = kind
  const contentAlgorithm = String(suite.stored[0])
  const given = callersContext(request.encryptionContext)
  const algorithm = kind.legacy ? legacyWrapOf(kind, keyring) : undefined
  const result: unknown = await keyring.wrap({
    suite: suiteForKeyrings(suite, contentAlgorithm, false),
    context: given,
    ...(algorithm !== undefined && { algorithm }),
    ...(request.plaintextLength !== undefined && { plaintextLength: request.plaintextLength }),
    commitmentPolicy: request.commitmentPolicy,
    ...(signal && { signal }),
  })
  if (!isObject(result)) throw mistake('gave no result.')
  const { dataKey, encryptedDataKeys, context } = result
  if (!isBytes(dataKey)) throw mistake('gave no data key.')
  try {
    if (dataKey.length !== dataKeyLength) {
      throw mistake(`gave a data key of ${dataKey.length} bytes instead of ${dataKeyLength}.`)
    }
    const wrapped = checkWrapped({ encryptedDataKeys, context }, { kind, given, algorithm, contentAlgorithm })
    const { ordered = false } = request
    return await (suite.committing
      ? sealV3(dataKey, wrapped, ordered)
      : sealUncommitted(dataKey, wrapped, kind, ordered))
  } finally {
    dataKey.fill(0)
  }
}

/** What a keyring has wrapped, if readers will take it. */
export function checkWrapped(
  { encryptedDataKeys, context }: { readonly encryptedDataKeys?: unknown; readonly context?: unknown },
  asked: {
    readonly kind: Pick<WritingKind, 'wraps'>
    /** The caller's context. */
    readonly given: Context
    readonly algorithm: string | undefined
    readonly contentAlgorithm: string
  },
): Wrapped {
  const { kind, given, algorithm, contentAlgorithm } = asked
  const wrapped = { ...checkEncryptedDataKeys(encryptedDataKeys, kind), context: checkStoredContext(context) }
  if (algorithm !== undefined && wrapped.wrap.name !== algorithm) {
    throw mistake(`wrapped with ${wrapped.wrap.name} where ${algorithm} was asked for.`)
  }
  checkBinding(wrapped, given, contentAlgorithm)
  return wrapped
}

/** Throws ERR_S3CSE_CONFIG if the keyring has none of the wraps that a legacy format is written with. */
export function legacyWrapOf(kind: WritingKind, { algorithms }: Pick<Keyring, 'algorithms'>): string {
  const name = kind.wraps.find((wrap) => algorithms?.includes(wrap))
  if (name !== undefined) return name
  throw configError(
    `insecureLegacyWriting: format ${kind.version} with ${String(kind.suite.stored[0])} is written with the wrap ${kind.wraps.join(' or ')}, which the keyring does not have among its algorithms.`,
  )
}

/** A sealer of format V2's messages. `key` is copied. */
export async function gcmSealerV2(key: Uint8Array, iv: Uint8Array, ordered: boolean): Promise<Sealer> {
  return gcmSealer({ aes: await runtime.aes(key), iv, aad: new Uint8Array(0), ordered, key })
}

/** A sealer of format V3's messages; `contentKey` as HKDF gives it. It is copied. */
export async function gcmSealerV3(contentKey: Uint8Array, ordered: boolean): Promise<Sealer> {
  return gcmSealer({ aes: await runtime.aes(contentKey), iv: contentIv, aad: contentAad, ordered, key: contentKey })
}

async function sealUncommitted(
  dataKey: Uint8Array,
  wrapped: Wrapped,
  { version, suite }: WritingKind,
  ordered: boolean,
): Promise<Sealed> {
  const iv = randomNonZeroBytes(suite.ivLength)
  const metadata = version === 'V1' ? encodeV1({ ...wrapped, iv }) : encodeV2({ ...wrapped, iv, suite })
  const sealer =
    suite === cbcSuite
      ? cbcSealer({ aes: await runtime.aes(dataKey), iv, key: dataKey })
      : await gcmSealerV2(dataKey, iv, ordered)
  return { sealer, metadata, summary: summarise(version, suite, wrapped) }
}

async function sealV3(dataKey: Uint8Array, wrapped: Wrapped, ordered: boolean): Promise<Sealed> {
  const messageId = randomNonZeroBytes(messageIdLength)
  const derivation = await deriveFrom(dataKey, messageId)
  try {
    const metadata = encodeV3({ ...wrapped, messageId, commitment: await derivation.commitment() })
    const contentKey = await derivation.contentKey()
    try {
      const sealer = await gcmSealerV3(contentKey, ordered)
      return { sealer, metadata, summary: summarise('V3', committingSuite, wrapped) }
    } finally {
      contentKey.fill(0)
    }
  } finally {
    derivation.destroy()
  }
}

function summarise(version: EnvelopeVersion, suite: SuiteRow, wrapped: Wrapped): Sealed['summary'] {
  return summaryOf({
    version,
    suite,
    contentAlgorithm: String(suite.stored[0]),
    ...wrapped,
    instructionFile: undefined,
  })
}

/** The format stores exactly one. */
function checkEncryptedDataKeys(
  given: unknown,
  kind: Pick<WritingKind, 'wraps'>,
): Pick<Wrapped, 'wrap' | 'encryptedDataKey'> {
  if (!Array.isArray(given) || given.length !== 1) {
    const count = Array.isArray(given) ? given.length : 'no'
    throw mistake(`gave ${count} encrypted data keys, and this format stores exactly one.`)
  }
  const { algorithm, ciphertext } = (isObject(given[0]) ? given[0] : {}) as Partial<EncryptedDataKey>
  const wrap = typeof algorithm === 'string' ? wrapByName(algorithm) : undefined
  if (wrap === undefined || !kind.wraps.includes(wrap.name)) {
    throw mistake(`wrapped with ${shown(String(algorithm))}, which this format does not write.`)
  }
  if (!isBytes(ciphertext) || ciphertext.length === 0) throw mistake('gave an empty encrypted data key.')
  if (ciphertext.length > maxEncryptedDataKeyLength) {
    throw mistake(
      `gave an encrypted data key of ${ciphertext.length} bytes: readers take ${maxEncryptedDataKeyLength}.`,
    )
  }
  return { wrap, encryptedDataKey: ciphertext }
}

function checkStoredContext(context: unknown): Context {
  const entries = stringEntries(context)
  if (entries === undefined) throw mistake('gave a context that is not an object of strings.')
  return contextOf(entries)
}

/** What readers will check: the object would be unreadable, or readable under another context than the caller's. */
function checkBinding({ wrap, context }: Wrapped, given: Context, contentAlgorithm: string): void {
  if (!bindsSuiteInContext(wrap) && Object.hasOwn(context, contentAlgorithmKey)) {
    throw mistake(`set ${contentAlgorithmKey} in a description.`)
  }
  if (!bindsContext(wrap)) {
    if (Object.keys(given).length === 0) return
    throw configError(
      `encryptionContext was given, and the wrap ${wrap.name} authenticates none: use the keyring's materialsDescription.`,
    )
  }
  if (bindsSuiteInContext(wrap) && context[contentAlgorithmKey] !== contentAlgorithm) {
    throw mistake(`did not set ${contentAlgorithmKey} to ${contentAlgorithm} in the stored context.`)
  }
  if (!sameEntries(withoutClientKeys(context), given)) throw mistake('changed entries of the encryption context.')
}

export function mistake(what: string): Error {
  return configError(`The keyring's wrap ${what}`)
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
