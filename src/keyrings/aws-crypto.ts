import {
  EncryptedDataKey as AwsEncryptedDataKey,
  KeyringNode,
  KeyringTraceFlag,
  type AlgorithmSuiteIdentifier,
  NodeAlgorithmSuite,
  NodeDecryptionMaterial,
  NodeEncryptionMaterial,
  unwrapDataKey,
} from '@aws-crypto/material-management-node'
import { throwIfAborted } from '../bytes/abort.js'
import { configError } from '../errors.js'
import { givenDataKey, wrapWanted } from './data-key.js'
import { esdkAlgorithm, requireEsdk } from './esdk-keys.js'
import type { DataKey, EncryptedDataKey, Keyring, Suite, UnwrapRequest, WrapRequest, WrapResult } from './keyring.js'
import { takeStringMap } from './options.js'

const owner = 'fromAwsCryptoKeyring'

/** What the other side's trace says of a data key that was not made there. */
const origin = Object.freeze({ keyNamespace: 's3-cse', keyName: 'data key' })

/**
 * A keyring of the AWS Encryption SDK for JavaScript (`@aws-crypto/client-node` or a package of its own, for Node) as a
 * keyring for messages of the AWS Encryption SDK: for kinds that this library has not, such as the AWS KMS hierarchical
 * keyring. It is called with materials of `@aws-crypto/material-management-node`, which has to be installed, in the one
 * copy that the keyring uses too.
 *
 * Whatever the keyring rejects with when it reads means that it does not open the message: the reader reports
 * ERR_S3CSE_DECRYPTION_FAILED also where KMS could not be reached, because its errors do not tell. What it rejects with
 * when it writes is thrown as it is. It takes no AbortSignal: an abort counts when the keyring has answered.
 *
 * @throws CseError `ERR_S3CSE_CONFIG` for anything but such a keyring. Later: the same for another format than that of
 * the AWS Encryption SDK, and where the keyring makes no data key or does not wrap it (discovery).
 */
export function fromAwsCryptoKeyring(keyring: KeyringNode): Keyring {
  if (!((keyring as unknown) instanceof KeyringNode)) {
    throw configError(
      `${owner}: the keyring must be one of @aws-crypto for Node, from the same copy of @aws-crypto/material-management-node that s3-cse finds`,
    )
  }
  return Object.freeze({
    algorithms: Object.freeze([esdkAlgorithm]),

    async wrap(request: WrapRequest): Promise<WrapResult> {
      requireEsdk(owner, request.suite)
      wrapWanted(owner, request, esdkAlgorithm)
      const context = takeStringMap(`${owner}: the encryption context`, request.context)
      const material = new NodeEncryptionMaterial(suiteOf(request.suite), { ...context })
      try {
        const given = givenDataKey(owner, request)
        if (given !== undefined) {
          const flags = KeyringTraceFlag.WRAPPING_KEY_GENERATED_DATA_KEY
          material.setUnencryptedDataKey(given, { ...origin, flags })
          given.fill(0)
        }
        throwIfAborted(request.signal)
        await keyring.onEncrypt(material)
        throwIfAborted(request.signal)
        const encryptedDataKeys = material.encryptedDataKeys.map(fromAws)
        if (!material.hasUnencryptedDataKey || encryptedDataKeys.length === 0) {
          throw configError(`${owner}: the keyring cannot write: it made no data key, or did not wrap it`)
        }
        return { dataKey: dataKeyOf(material), encryptedDataKeys, context }
      } finally {
        material.zeroUnencryptedDataKey()
      }
    },

    async unwrap(request: UnwrapRequest): Promise<DataKey | undefined> {
      requireEsdk(owner, request.suite)
      const context = takeStringMap(`${owner}: the encryption context`, request.context)
      const material = new NodeDecryptionMaterial(suiteOf(request.suite), { ...context })
      throwIfAborted(request.signal)
      try {
        await keyring.onDecrypt(material, request.encryptedDataKeys.flatMap(toAws))
        throwIfAborted(request.signal)
        return material.hasUnencryptedDataKey ? dataKeyOf(material) : undefined
      } catch {
        throwIfAborted(request.signal)
        return undefined
      } finally {
        material.zeroUnencryptedDataKey()
      }
    },
  } satisfies Keyring)
}

function suiteOf({ id, keyLength }: Suite): NodeAlgorithmSuite {
  const known: unknown = id
  try {
    const suite = new NodeAlgorithmSuite(known as AlgorithmSuiteIdentifier)
    if (suite.keyLengthBytes === keyLength) return suite
  } catch {
    // Said below.
  }
  throw configError(`${owner}: suite 0x${id.toString(16).padStart(4, '0')} is none of the AWS Encryption SDK's`)
}

/** A copy; the one that the key object gives is wiped. */
function dataKeyOf(material: NodeEncryptionMaterial | NodeDecryptionMaterial): DataKey {
  const exported = unwrapDataKey(material.getUnencryptedDataKey())
  const dataKey = Uint8Array.from(exported)
  exported.fill(0)
  return dataKey
}

function fromAws({ providerId, providerInfo, rawInfo, encryptedDataKey }: AwsEncryptedDataKey): EncryptedDataKey {
  return {
    algorithm: esdkAlgorithm,
    provider: providerId,
    info: rawInfo === undefined ? new TextEncoder().encode(providerInfo) : Uint8Array.from(rawInfo),
    ciphertext: Uint8Array.from(encryptedDataKey),
  }
}

/** None for one with an empty field: the other side has no such keys. */
function toAws({ provider, info, ciphertext }: EncryptedDataKey): AwsEncryptedDataKey[] {
  if (provider === '' || info.length === 0 || ciphertext.length === 0) return []
  return [
    new AwsEncryptedDataKey({
      providerId: provider,
      providerInfo: new TextDecoder('utf-8', { ignoreBOM: true }).decode(info),
      encryptedDataKey: Uint8Array.from(ciphertext),
      rawInfo: Uint8Array.from(info),
    }),
  ]
}
