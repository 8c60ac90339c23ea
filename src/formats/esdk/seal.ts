import { runtime } from '#runtime'
import { sameEntries } from '../../bytes/same-entries.js'
import { configError } from '../../errors.js'
import { esdkAlgorithm } from '../../keyrings/esdk-keys.js'
import { encodeBase64 } from '../../bytes/base64.js'
import type { Context, EncryptedDataKey, Suite } from '../../keyrings/keyring.js'
import { isBytes } from '../../keyrings/options.js'
import type { PositionalSealer } from '../../message/sealer.js'
import type { EcdsaKeyPair } from '../../runtime/runtime.js'
import type { SealRequest } from '../format.js'
import { contextOf } from '../context-of.js'
import { callersContext, divideContext, PUBLIC_KEY, requiredBytes } from './context.js'
import { messageKeys } from './derive.js'
import { frameSealer } from './frame-sealer.js'
import type { EsdkSettings } from './options.js'
import { signedFrameSealer } from './signed-sealer.js'
import { formatName, messageIdLengths, type EsdkSuite } from './suites.js'
import { headerBody, sealHeader } from './write-header.js'

/** A message that can be written. */
export interface SealedMessage {
  readonly sealer: PositionalSealer
  readonly suite: EsdkSuite
  /** That is stored. */
  readonly context: Context
  /** All of it. */
  readonly header: Uint8Array
}

/** A suite as keyrings see it. */
export function suiteForKeyrings({ id, name, keyLength, kdf }: EsdkSuite): Suite {
  return Object.freeze({ id, format: formatName, name, keyLength, derivesMessageKeys: kdf !== undefined })
}

/** What a message is written for. */
type Sealing = Pick<SealRequest, 'keyring' | 'commitmentPolicy' | 'encryptionContext' | 'plaintextLength' | 'signal'>

/** Asks the keyring for a data key and makes header and sealer. Throws ERR_S3CSE_CONFIG, and what the keyring throws. */
export async function sealMessage(request: Sealing, settings: EsdkSettings): Promise<SealedMessage> {
  const suite = settings.suiteFor(request.commitmentPolicy)
  const { signature } = suite
  const given = callersContext(request.encryptionContext)
  divideContext(given, settings.requiredKeys)
  if (signature === undefined) return seal({ request, settings, suite, context: given, pair: undefined })
  const pair = await runtime.ecdsa.generate(signature.curve)
  try {
    const context = contextOf([...Object.entries(given), [PUBLIC_KEY, encodeBase64(pair.publicKey)]])
    return await seal({ request, settings, suite, context, pair })
  } catch (error) {
    pair.destroy()
    throw error
  }
}

interface Making {
  readonly request: Sealing
  readonly settings: EsdkSettings
  readonly suite: EsdkSuite
  /** All of it. */
  readonly context: Context
  readonly pair: EcdsaKeyPair | undefined
}

async function seal({ request, settings, suite, context, pair }: Making): Promise<SealedMessage> {
  const { keyring, commitmentPolicy, plaintextLength, signal } = request
  const result: unknown = await keyring.wrap({
    suite: suiteForKeyrings(suite),
    context,
    ...(plaintextLength !== undefined && { plaintextLength }),
    commitmentPolicy,
    ...(signal && { signal }),
  })
  if (!isObject(result)) throw mistake('gave no result.')
  const { dataKey } = result
  if (!isBytes(dataKey)) throw mistake('gave no data key.')
  try {
    if (dataKey.length !== suite.keyLength) {
      throw mistake(`gave a data key of ${dataKey.length} bytes instead of ${suite.keyLength}.`)
    }
    const encryptedDataKeys = checkKeys(result.encryptedDataKeys, settings)
    // Another one would be stored than the one that wraps and callers know.
    if (!isObject(result.context) || !sameEntries(result.context as Context, context)) {
      throw mistake('changed the encryption context.')
    }
    return await withDataKey(dataKey, encryptedDataKeys, { request, settings, suite, context, pair })
  } finally {
    dataKey.fill(0)
  }
}

async function withDataKey(
  dataKey: Uint8Array,
  encryptedDataKeys: readonly EncryptedDataKey[],
  { settings, suite, context, pair }: Making,
): Promise<SealedMessage> {
  const { frameLength, requiredKeys } = settings
  const messageId = runtime.randomBytes(messageIdLengths[suite.version])
  const { contentKey, commitment } = await messageKeys(suite, dataKey, messageId)
  try {
    const { stored, required } = divideContext(context, requiredKeys)
    const body = headerBody({ suite, messageId, context: stored, encryptedDataKeys, frameLength, commitment })
    if (typeof body === 'string') throw configError(`This message cannot be stored: ${body}.`)
    const aes = await runtime.aes(contentKey)
    try {
      const header = await sealHeader(aes, suite.version, body, requiredBytes(required))
      const options = { aes, key: contentKey, messageId, frameLength, header }
      const { signature } = suite
      const sealer =
        signature === undefined || pair === undefined
          ? await frameSealer(options)
          : await signedFrameSealer({ ...options, signature, signer: pair.signer() })
      return { sealer, suite, context: stored, header }
    } catch (error) {
      aes.destroy()
      throw error
    }
  } finally {
    contentKey.fill(0)
  }
}

function checkKeys(given: unknown, { maxEncryptedDataKeys }: EsdkSettings): readonly EncryptedDataKey[] {
  if (!Array.isArray(given) || given.length === 0) throw mistake('gave no encrypted data key.')
  if (given.length > maxEncryptedDataKeys) {
    throw configError(
      `The keyring has encrypted the data key ${given.length} times, more than maxEncryptedDataKeys (${maxEncryptedDataKeys}).`,
    )
  }
  return given.map((entry: unknown) => {
    const { algorithm, provider, info, ciphertext } = isObject(entry) ? entry : {}
    if (algorithm !== esdkAlgorithm)
      throw mistake(`wrapped for another format: the algorithm is not '${esdkAlgorithm}'.`)
    if (typeof provider !== 'string' || !isBytes(info) || !isBytes(ciphertext) || ciphertext.length === 0) {
      throw mistake('gave an encrypted data key without provider, info or ciphertext.')
    }
    return { algorithm, provider, info, ciphertext }
  })
}

function mistake(what: string): Error {
  return configError(`The keyring's wrap ${what}`)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
