import { randomBytes } from 'node:crypto'
import { algorithmsOf, rsaKeyBits } from './kms-algorithms.js'
import { kmsFailure } from './kms-error.js'
import { checkGrantTokens, optionalString, requiredString, type KmsInput } from './kms-input.js'
import type { KmsKey, KmsPlace } from './kms-keys.js'
import { keyNotAlias, metadata } from './kms-management.js'
import { checkEnabled, type KmsState } from './kms-state.js'

export function getPublicKey({ keys }: KmsState, input: KmsInput, place: KmsPlace): Record<string, unknown> {
  checkGrantTokens(input)
  const key = keys.resolve(requiredString(input, 'KeyId'), place)
  if (rsaKeyBits(key.spec) === undefined) throw unsupported(key, 'has no public key')
  checkEnabled(key)
  return {
    KeyId: key.arn,
    PublicKey: key.rsaPair().publicKey.export({ format: 'der', type: 'spki' }).toString('base64'),
    CustomerMasterKeySpec: key.spec,
    KeySpec: key.spec,
    KeyUsage: key.usage,
    EncryptionAlgorithms: algorithmsOf(key.spec),
  }
}

/** A new secret for the key and its replicas; what the older ones encrypted still opens. */
export function rotateKeyOnDemand({ keys }: KmsState, input: KmsInput, place: KmsPlace): Record<string, unknown> {
  const key = keys.resolve(keyNotAlias(input, 'KeyId'), place)
  if (key.spec !== 'SYMMETRIC_DEFAULT') throw unsupported(key, 'is not a symmetric encryption key')
  requirePrimary(key)
  checkEnabled(key)
  key.secrets.unshift(randomBytes(32))
  return { KeyId: key.keyId }
}

export function replicateKey({ keys }: KmsState, input: KmsInput, place: KmsPlace): Record<string, unknown> {
  const key = keys.resolve(keyNotAlias(input, 'KeyId'), place)
  const region = requiredString(input, 'ReplicaRegion')
  const description = optionalString(input, 'Description') ?? ''
  if (key.primaryRegion === undefined) throw unsupported(key, 'is not a multi-region key')
  requirePrimary(key)
  checkEnabled(key)
  return { ReplicaKeyMetadata: metadata(keys, keys.replicate(key, region, description)) }
}

function requirePrimary(key: KmsKey): void {
  if (key.primaryRegion !== undefined && key.primaryRegion !== key.region) {
    throw unsupported(key, `is a replica; ask for its primary key in ${key.primaryRegion}`)
  }
}

function unsupported(key: KmsKey, why: string): Error {
  return kmsFailure('UnsupportedOperationException', `${key.arn} ${why}.`)
}
