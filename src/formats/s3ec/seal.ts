import { runtime } from '#runtime'
import { gcmSealer } from '../../crypto/gcm-message.js'
import { randomNonZeroBytes } from '../../crypto/random.js'
import { configError } from '../../errors.js'
import type { Context, EncryptedDataKey } from '../../keyrings/keyring.js'
import { isBytes } from '../../keyrings/options.js'
import type { Sealer } from '../../message/sealer.js'
import type { Sealed, SealRequest } from '../format.js'
import { callersContext, contentAlgorithmKey, sameContext, stringEntries, withoutClientKeys } from './context.js'
import { contentAad, contentIv, deriveFrom, messageIdLength } from './derive.js'
import { encodeV2, encodeV3 } from './encode.js'
import { contextOf } from './json-map.js'
import { shown } from './messages.js'
import { suiteForKeyrings, summaryOf } from './summary.js'
import { committingSuite, dataKeyLength, gcmSuite, type SuiteRow } from './suites.js'
import { bindsContext, maxEncryptedDataKeyLength, wrapByName, type WrapRow } from './wraps.js'

/** A wrap result that fits the format. */
interface Wrapped {
  readonly wrap: WrapRow
  readonly encryptedDataKey: Uint8Array
  readonly context: Context
}

/** Asks the keyring for a data key and makes envelope and sealer: V3, or V2 with FORBID_ENCRYPT_ALLOW_DECRYPT. */
export async function sealMessage(request: SealRequest): Promise<Sealed> {
  const { keyring, signal } = request
  const suite = request.commitmentPolicy === 'FORBID_ENCRYPT_ALLOW_DECRYPT' ? gcmSuite : committingSuite
  const contentAlgorithm = String(suite.stored[0])
  const given = callersContext(request.encryptionContext)
  const result: unknown = await keyring.wrap({
    suite: suiteForKeyrings(suite, contentAlgorithm),
    context: given,
    ...(signal && { signal }),
  })
  if (!isObject(result)) throw mistake('gave no result.')
  const { dataKey, encryptedDataKeys, context } = result
  if (!isBytes(dataKey)) throw mistake('gave no data key.')
  try {
    if (dataKey.length !== dataKeyLength) {
      throw mistake(`gave a data key of ${dataKey.length} bytes instead of ${dataKeyLength}.`)
    }
    const wrapped = { ...checkEncryptedDataKeys(encryptedDataKeys), context: checkStoredContext(context) }
    checkBinding(wrapped, given, contentAlgorithm)
    const { ordered = false } = request
    return await (suite.committing ? sealV3(dataKey, wrapped, ordered) : sealV2(dataKey, wrapped, ordered))
  } finally {
    dataKey.fill(0)
  }
}

/** A sealer of format V2's messages. `key` is copied. */
export async function gcmSealerV2(key: Uint8Array, iv: Uint8Array, ordered: boolean): Promise<Sealer> {
  return gcmSealer({ aes: await runtime.aes(key), iv, aad: new Uint8Array(0), ordered, key })
}

/** A sealer of format V3's messages; `contentKey` as HKDF gives it. It is copied. */
export async function gcmSealerV3(contentKey: Uint8Array, ordered: boolean): Promise<Sealer> {
  return gcmSealer({ aes: await runtime.aes(contentKey), iv: contentIv, aad: contentAad, ordered, key: contentKey })
}

async function sealV2(dataKey: Uint8Array, wrapped: Wrapped, ordered: boolean): Promise<Sealed> {
  const iv = randomNonZeroBytes(gcmSuite.ivLength)
  const metadata = encodeV2({ ...wrapped, iv })
  const sealer = await gcmSealerV2(dataKey, iv, ordered)
  return { sealer, metadata, summary: summarise('V2', gcmSuite, wrapped) }
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

function summarise(version: 'V2' | 'V3', suite: SuiteRow, wrapped: Wrapped): Sealed['summary'] {
  return summaryOf({ version, suite, contentAlgorithm: String(suite.stored[0]), ...wrapped })
}

/** The format stores exactly one. */
function checkEncryptedDataKeys(given: unknown): Pick<Wrapped, 'wrap' | 'encryptedDataKey'> {
  if (!Array.isArray(given) || given.length !== 1) {
    const count = Array.isArray(given) ? given.length : 'no'
    throw mistake(`gave ${count} encrypted data keys, and this format stores exactly one.`)
  }
  const { algorithm, ciphertext } = (isObject(given[0]) ? given[0] : {}) as Partial<EncryptedDataKey>
  const wrap = typeof algorithm === 'string' ? wrapByName(algorithm) : undefined
  if (wrap?.status !== 'supported') {
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
  if (!bindsContext(wrap)) {
    if (Object.hasOwn(context, contentAlgorithmKey)) throw mistake(`set ${contentAlgorithmKey} in a description.`)
    if (Object.keys(given).length === 0) return
    throw configError(
      `encryptionContext was given, and the wrap ${wrap.name} authenticates none: use the keyring's materialsDescription.`,
    )
  }
  if (context[contentAlgorithmKey] !== contentAlgorithm) {
    throw mistake(`did not set ${contentAlgorithmKey} to ${contentAlgorithm} in the stored context.`)
  }
  if (!sameContext(withoutClientKeys(context), given)) throw mistake('changed entries of the encryption context.')
}

function mistake(what: string): Error {
  return configError(`The keyring's wrap ${what}`)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
