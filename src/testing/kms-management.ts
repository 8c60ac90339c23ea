import { algorithmsOf } from './kms-algorithms.js'
import { kmsFailure } from './kms-error.js'
import {
  optionalBoolean,
  optionalEnum,
  optionalString,
  requiredString,
  validation,
  type KmsInput,
} from './kms-input.js'
import type { KmsKey, KmsKeys, KmsPlace } from './kms-keys.js'
import { invalidState, type KmsState } from './kms-state.js'

const keySpecs = ['SYMMETRIC_DEFAULT', 'RSA_2048', 'RSA_3072', 'RSA_4096', 'HMAC_256'] as const

export function createKey({ keys }: KmsState, input: KmsInput, place: KmsPlace): Record<string, unknown> {
  const usage = optionalEnum(input, 'KeyUsage', ['ENCRYPT_DECRYPT', 'GENERATE_VERIFY_MAC'])
  const spec = optionalEnum(input, 'KeySpec', keySpecs)
  if ((spec ?? 'SYMMETRIC_DEFAULT') !== 'SYMMETRIC_DEFAULT' && usage === undefined) {
    throw validation('KeyUsage is required for a key that is not symmetric')
  }
  if ((spec === 'HMAC_256') !== (usage === 'GENERATE_VERIFY_MAC')) {
    throw validation('KeyUsage and KeySpec do not fit together')
  }
  const multiRegion = optionalBoolean(input, 'MultiRegion')
  const description = optionalString(input, 'Description')
  return { KeyMetadata: metadata(keys, keys.create({ ...place, usage, spec, multiRegion, description })) }
}

export function describeKey({ keys }: KmsState, input: KmsInput, place: KmsPlace): Record<string, unknown> {
  return { KeyMetadata: metadata(keys, keys.resolve(requiredString(input, 'KeyId'), place)) }
}

export function setEnabled(
  { keys }: KmsState,
  input: KmsInput,
  place: KmsPlace,
  enabled: boolean,
): Record<string, unknown> {
  const key = keys.resolve(keyNotAlias(input, 'KeyId'), place)
  if (key.state !== 'Enabled' && key.state !== 'Disabled') throw invalidState(key)
  key.state = enabled ? 'Enabled' : 'Disabled'
  return {}
}

export function createAlias({ keys }: KmsState, input: KmsInput, place: KmsPlace): Record<string, unknown> {
  keys.createAlias(requiredString(input, 'AliasName'), ownKey(keys, input, place))
  return {}
}

export function updateAlias({ keys }: KmsState, input: KmsInput, place: KmsPlace): Record<string, unknown> {
  keys.updateAlias(requiredString(input, 'AliasName'), ownKey(keys, input, place))
  return {}
}

export function deleteAlias({ keys }: KmsState, input: KmsInput, place: KmsPlace): Record<string, unknown> {
  keys.deleteAlias(requiredString(input, 'AliasName'), place)
  return {}
}

export function listAliases({ keys }: KmsState, input: KmsInput, place: KmsPlace): Record<string, unknown> {
  const keyId = optionalString(input, 'KeyId')
  const target = keyId === undefined ? undefined : keys.resolve(keyId, place)
  const found = keys.aliases(place).filter((alias) => target === undefined || alias.target === target)
  return {
    Aliases: found.map((alias) => ({ AliasName: alias.name, AliasArn: alias.arn, TargetKeyId: alias.target.keyId })),
    Truncated: false,
  }
}

/** Management operations take no alias. */
export function keyNotAlias(input: KmsInput, name: string): string {
  const value = requiredString(input, name)
  if (value.includes('alias/'))
    throw kmsFailure('InvalidArnException', `${name} must be a key id or key ARN, not an alias`)
  return value
}

function ownKey(keys: KmsKeys, input: KmsInput, place: KmsPlace): KmsKey {
  const key = keys.resolve(keyNotAlias(input, 'TargetKeyId'), place)
  if (key.accountId !== place.accountId) throw validation('An alias and its key must be in the same account')
  return key
}

export function metadata(keys: KmsKeys, key: KmsKey): Record<string, unknown> {
  return {
    AWSAccountId: key.accountId,
    KeyId: key.keyId,
    Arn: key.arn,
    CreationDate: key.created.getTime() / 1000,
    Enabled: key.state === 'Enabled',
    Description: key.description,
    KeyUsage: key.usage,
    KeyState: key.state,
    Origin: 'AWS_KMS',
    KeyManager: 'CUSTOMER',
    CustomerMasterKeySpec: key.spec,
    KeySpec: key.spec,
    MultiRegion: key.primaryRegion !== undefined,
    ...(key.primaryRegion !== undefined && { MultiRegionConfiguration: multiRegionConfiguration(keys, key) }),
    ...(key.spec === 'HMAC_256'
      ? { MacAlgorithms: ['HMAC_SHA_256'] }
      : { EncryptionAlgorithms: algorithmsOf(key.spec) }),
  }
}

function multiRegionConfiguration(keys: KmsKeys, key: KmsKey): Record<string, unknown> {
  const all = keys.related(key).map(({ arn, region }) => ({ Arn: arn, Region: region }))
  return {
    MultiRegionKeyType: key.region === key.primaryRegion ? 'PRIMARY' : 'REPLICA',
    PrimaryKey: all.find(({ Region }) => Region === key.primaryRegion),
    ReplicaKeys: all.filter(({ Region }) => Region !== key.primaryRegion),
  }
}
