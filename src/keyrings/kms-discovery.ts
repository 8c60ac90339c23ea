import { configError } from '../errors.js'
import { esdkAlgorithm, isEsdk } from './esdk-keys.js'
import type { DataKey, Keyring, UnwrapRequest, WrapResult } from './keyring.js'
import { formatKmsKeyArn, isMultiRegion, type KmsKeyArn } from './kms-arn.js'
import { checkClient, takeGrantTokens, type KmsClientLike } from './kms-client.js'
import { esdkKmsUnwrap } from './kms-esdk.js'
import { regionOf } from './kms-region.js'
import { rememberSource } from './kms-rewrap.js'
import { kmsAlgorithms, kmsUnwrap } from './kms-unwrap.js'
import { takeList, takeOptions } from './options.js'

/** Whose keys may open objects. */
export interface KmsDiscoveryFilter {
  /** At least one account id of 12 digits. */
  readonly accountIds: readonly string[]
  /** `aws`, `aws-cn`, `aws-us-gov`, … */
  readonly partition: string
}

/** The options of `kmsDiscoveryKeyring`. */
export interface KmsDiscoveryKeyringOptions {
  /** The caller's own `KMSClient`; only keys of its region can be used. */
  readonly client: KmsClientLike
  /** Required: without it an object wrapped under anybody's key that the caller may use would be accepted. */
  readonly discoveryFilter: KmsDiscoveryFilter
  /** For permissions from a grant that has not taken effect everywhere yet; at most ten. Default: none. */
  readonly grantTokens?: readonly string[] | undefined
}

const owner = 'kmsDiscoveryKeyring'

/**
 * Reads objects wrapped under any KMS key of the given accounts that the caller may use; it cannot write. KMS learns the
 * key from its own ciphertext, and the key that it used must pass the filter: names of keys that are stored with an
 * object of the S3 encryption clients are never used.
 *
 * Messages of the AWS Encryption SDK store the ARN of each data key's key. Those that pass the filter are asked for by
 * that ARN, with 16 calls at most: keys of the client's own region, and multi-region keys by their replica there. KMS
 * must answer for that very key. If it fails for one of them the others are tried before that is reported.
 *
 * It opens the wraps `kms+context` and `kms`; whether objects with the second, of older clients, may be read at all is
 * the format's policy, decided before the keyring is asked. When an object gets a new wrap from a `kmsKeyring`, KMS can
 * move the data key from a key of the filter without showing it (ReEncrypt). Prefer `kmsKeyring` where the key is known:
 * it accepts no other.
 *
 * @throws CseError `ERR_S3CSE_CONFIG` for a filter without accounts or an unknown option, and on every write. Later:
 * KmsError `ERR_S3CSE_KMS` where KMS refuses or cannot be reached for a reason that is not about the object.
 */
export function kmsDiscoveryKeyring(options: KmsDiscoveryKeyringOptions): Keyring {
  const { client, discoveryFilter, grantTokens } = takeOptions(owner, options, {
    client: 'required',
    discoveryFilter: 'required',
    grantTokens: 'optional',
  })
  checkClient(owner, client)
  const tokens = takeGrantTokens(owner, grantTokens)
  const { accountIds, partition } = takeFilter(discoveryFilter)
  const keyWords = `the object's key (discovery in ${accountIds.join(', ')})`
  const accept = (used: KmsKeyArn): boolean => used.partition === partition && accountIds.includes(used.accountId)

  const keyring: Keyring = Object.freeze({
    algorithms: Object.freeze([...kmsAlgorithms, esdkAlgorithm]),

    async wrap(): Promise<WrapResult> {
      throw configError(`${owner} cannot write: it has no key of its own; write with kmsKeyring`)
    },

    async unwrap(request: UnwrapRequest): Promise<DataKey | undefined> {
      const access = { client, keyWords, signal: request.signal }
      if (!isEsdk(owner, request.suite)) return kmsUnwrap(access, tokens, request, accept)
      const region = await regionOf(client)
      return esdkKmsUnwrap(access, request, (wrappedBy) => {
        if (!accept(wrappedBy)) return undefined
        const here = { ...wrappedBy, region: region ?? wrappedBy.region }
        if (here.region !== wrappedBy.region && !isMultiRegion(wrappedBy)) return undefined
        const asked = formatKmsKeyArn(here)
        return { KeyId: asked, ...tokens, accept: (_used, arn) => arn === asked }
      })
    },
  })
  rememberSource(keyring, { client, keyId: undefined, keyWords, partition, region: undefined, ...tokens, accept })
  return keyring
}

function takeFilter(filter: KmsDiscoveryFilter): KmsDiscoveryFilter {
  const name = `${owner}: discoveryFilter`
  const { accountIds, partition } = takeOptions(name, filter, { accountIds: 'required', partition: 'required' })
  if (typeof partition !== 'string' || !/^[a-z][a-z0-9-]*$/.test(partition)) {
    throw configError(`${name}: partition must be the name of an AWS partition, such as aws`)
  }
  const accounts = takeList(`${name}: accountIds`, accountIds, (id: unknown) => {
    if (typeof id !== 'string' || !/^\d{12}$/.test(id)) {
      throw configError(`${name}: accountIds must be strings of 12 digits`)
    }
    return id
  })
  if (accounts.length === 0) throw configError(`${name}: accountIds must name at least one account`)
  return { accountIds: accounts, partition }
}
