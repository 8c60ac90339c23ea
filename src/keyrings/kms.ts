import { configError } from '../errors.js'
import { givenDataKey, wrapResult, wrapWanted } from './data-key.js'
import { esdkAlgorithm, isEsdk } from './esdk-keys.js'
import type {
  Context,
  DataKey,
  Keyring,
  RewrapRequest,
  RewrapResult,
  UnwrapRequest,
  WrapRequest,
  WrapResult,
} from './keyring.js'
import {
  isConfiguredKey,
  isSameKey,
  parseKmsKeyArn,
  parseKmsKeyName,
  type KmsKeyArn,
  type KmsKeyName,
} from './kms-arn.js'
import {
  checkClient,
  encrypt,
  generateDataKey,
  isCiphertextBlob,
  takeGrantTokens,
  takePlaintext,
  unexpected,
  type KmsAccess,
  type KmsClientLike,
} from './kms-client.js'
import { contextToWrap, kmsAlgorithm, legacyKmsAlgorithm } from './kms-context.js'
import { esdkKmsUnwrap, esdkKmsWrap } from './kms-esdk.js'
import { kmsRewrap, rememberSource, type KmsSource } from './kms-rewrap.js'
import { kmsAlgorithms, kmsUnwrap } from './kms-unwrap.js'
import { takeOptions } from './options.js'

/** The options of `kmsKeyring`. */
export interface KmsKeyringOptions {
  /** The caller's own `KMSClient`: its region, credentials, endpoint, retries and time-outs are used as they are. */
  readonly client: KmsClientLike
  /**
   * The key: a key ARN (best), a key id, an alias name (`alias/…`) or an alias ARN. Objects can be read only through
   * the key that wrapped them, so that re-pointing an alias makes older objects unreadable through it.
   */
  readonly keyId: string
  /**
   * For permissions from a grant that has not taken effect everywhere yet; at most ten. Those of both keyrings are sent
   * with ReEncrypt; if these are more than ten together, the data key is unwrapped and wrapped instead. Default: none.
   */
  readonly grantTokens?: readonly string[] | undefined
}

const owner = 'kmsKeyring'

/**
 * Data keys from a symmetric key in AWS KMS (the `kms+context` wrap of the S3 encryption clients, format V3 code `12`):
 * GenerateDataKey to write, Decrypt to read. KMS authenticates the encryption context and the content algorithm. Decrypt
 * always names the configured key, and its answer must come from that key.
 *
 * Reads also the `kms` wrap of older clients, whose context does not bind the content algorithm. Whether such objects
 * may be read at all is the format's policy, decided before the keyring is asked.
 *
 * In messages of the AWS Encryption SDK it is the strict AWS KMS keyring, also for multi-region keys: the encryption context
 * goes to KMS as it is, and of the encrypted data keys those are opened whose key ARN fits `keyId`, with 16 calls at
 * most. If KMS fails for one of them the others are tried before that is reported. Their data keys are never moved by
 * ReEncrypt.
 *
 * A data key that another `kmsKeyring` or a `kmsDiscoveryKeyring` has wrapped gets its new wrap by ReEncrypt, so that it
 * never leaves KMS, where one request can do that: both keyrings have the same client, or clients of the same region and
 * endpoint, and no ARN says that the keys are of two regions or partitions. The new keyring's client asks; it needs
 * kms:ReEncryptFrom on the old key and kms:ReEncryptTo on the new one. KMS does not show the data key, so that its length
 * is not checked then.
 *
 * The response's copy of a data key is wiped as soon as it has been taken over, so a mocked client must give fresh bytes
 * for each call.
 *
 * @throws CseError `ERR_S3CSE_CONFIG` for a keyId of another form or an unknown option. Later: KmsError
 * `ERR_S3CSE_KMS` where KMS refuses or cannot be reached for a reason that is not about the object, and
 * `ERR_S3CSE_RESPONSE_UNEXPECTED` if it answers a write or ReEncrypt with something else than was asked for.
 */
export function kmsKeyring(options: KmsKeyringOptions): Keyring {
  const { client, keyId, grantTokens } = takeOptions(owner, options, {
    client: 'required',
    keyId: 'required',
    grantTokens: 'optional',
  })
  checkClient(owner, client)
  const tokens = takeGrantTokens(owner, grantTokens)
  const name: KmsKeyName | undefined = typeof keyId === 'string' ? parseKmsKeyName(keyId) : undefined
  if (name === undefined) {
    throw configError(`${owner}: keyId must be a key ARN, a key id, an alias name (alias/…) or an alias ARN`)
  }
  const accept = (used: KmsKeyArn): boolean => isConfiguredKey(name, used)
  const keyWords = `key ${keyId}`
  const accessFor = (signal: AbortSignal | undefined): KmsAccess => ({ client, keyWords, signal })
  const source: KmsSource = {
    client,
    keyId,
    keyWords,
    partition: 'partition' in name ? name.partition : undefined,
    region: 'region' in name ? name.region : undefined,
    ...tokens,
    accept,
  }

  const keyring: Keyring = Object.freeze({
    algorithms: Object.freeze([...kmsAlgorithms, esdkAlgorithm]),

    async wrap(request: WrapRequest): Promise<WrapResult> {
      if (isEsdk(owner, request.suite)) {
        return esdkKmsWrap(owner, accessFor(request.signal), { KeyId: keyId, ...tokens }, request, accept)
      }
      const algorithm = wrapWanted(owner, request, kmsAlgorithm, legacyKmsAlgorithm)
      const context = contextToWrap(owner, request.context, { algorithm, suite: request.suite, keyId })
      const given = givenDataKey(owner, request)
      const target = { KeyId: keyId, EncryptionContext: { ...context }, ...tokens }
      const access = accessFor(request.signal)
      if (given === undefined) {
        const { keyLength } = request.suite
        const size = keyLength === 32 ? { KeySpec: 'AES_256' as const } : { NumberOfBytes: keyLength }
        const output = await generateDataKey(access, { ...target, ...size })
        const made = { dataKey: takePlaintext(output.Plaintext, [keyLength]), algorithm, context }
        return checked(access, 'GenerateDataKey', output, made)
      }
      try {
        const output = await encrypt(access, { ...target, Plaintext: given })
        return checked(access, 'Encrypt', output, { dataKey: given, algorithm, context })
      } catch (error) {
        given.fill(0)
        throw error
      }
    },

    async unwrap(request: UnwrapRequest): Promise<DataKey | undefined> {
      const target = { KeyId: keyId, ...tokens }
      if (!isEsdk(owner, request.suite)) return kmsUnwrap(accessFor(request.signal), target, request, accept)
      return esdkKmsUnwrap(accessFor(request.signal), request, (wrappedBy) => {
        if (!accept(wrappedBy)) return undefined
        return { ...target, accept: (used) => accept(used) && isSameKey(wrappedBy, used) }
      })
    },

    async rewrap(request: RewrapRequest): Promise<RewrapResult | undefined> {
      // A message's header is authenticated together with what it says of its data key.
      if (isEsdk(owner, request.suite)) return undefined
      const algorithm = wrapWanted(owner, request, kmsAlgorithm, legacyKmsAlgorithm)
      const context = contextToWrap(owner, request.newContext, { algorithm, suite: request.suite, keyId })
      return kmsRewrap(request, { ...source, keyId, algorithm, context })
    },
  })
  rememberSource(keyring, source)
  return keyring

  function checked(
    access: KmsAccess,
    operation: string,
    output: { CiphertextBlob?: Uint8Array | undefined; KeyId?: string | undefined },
    { dataKey, algorithm, context }: { dataKey: DataKey | undefined; algorithm: string; context: Context },
  ): WrapResult {
    if (dataKey === undefined) throw unexpected(access, operation, 'without a data key of the length asked for')
    const blob = output.CiphertextBlob
    const used = parseKmsKeyArn(output.KeyId)
    if (used !== undefined && accept(used) && isCiphertextBlob(blob)) {
      return wrapResult(dataKey, algorithm, new Uint8Array(blob), context)
    }
    dataKey.fill(0)
    throw unexpected(access, operation, 'for another key, or without a ciphertext')
  }
}
