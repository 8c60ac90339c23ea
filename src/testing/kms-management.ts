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
import { invalidState, symmetricAlgorithm as algorithm, type KmsState } from './kms-state.js'

export function createKey({ keys }: KmsState, input: KmsInput, place: KmsPlace): Record<string, unknown> {
  const usage = optionalEnum(input, 'KeyUsage', ['ENCRYPT_DECRYPT', 'GENERATE_VERIFY_MAC'])
  const spec = optionalEnum(input, 'KeySpec', ['SYMMETRIC_DEFAULT', 'HMAC_256'])
  if ((spec === 'HMAC_256') !== (usage === 'GENERATE_VERIFY_MAC')) {
    throw validation('KeyUsage and KeySpec do not fit together')
  }
  const multiRegion = optionalBoolean(input, 'MultiRegion')
  const description = optionalString(input, 'Description')
  return { KeyMetadata: metadata(keys.create({ ...place, usage, spec, multiRegion, description })) }
}

export function describeKey({ keys }: KmsState, input: KmsInput, place: KmsPlace): Record<string, unknown> {
  return { KeyMetadata: metadata(keys.resolve(requiredString(input, 'KeyId'), place)) }
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
function keyNotAlias(input: KmsInput, name: string): string {
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

function metadata(key: KmsKey): Record<string, unknown> {
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
    ...(key.spec === 'SYMMETRIC_DEFAULT' ? { EncryptionAlgorithms: [algorithm] } : { MacAlgorithms: ['HMAC_SHA_256'] }),
  }
}
