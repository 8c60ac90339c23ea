import { randomBytes, randomUUID } from 'node:crypto'
import { kmsFailure } from './kms-error.js'
import { optionalInteger, requiredString, requiredStrings, validation, type KmsInput } from './kms-input.js'
import type { KmsPlace } from './kms-keys.js'
import { keyNotAlias } from './kms-management.js'
import { invalidState, type KmsState } from './kms-state.js'

const dayMilliseconds = 86_400_000

/** In days; KMS takes 7 to 30, and 30 where none is given. The key stays: no test waits that long. */
export function scheduleKeyDeletion({ keys }: KmsState, input: KmsInput, place: KmsPlace): Record<string, unknown> {
  const key = keys.resolve(keyNotAlias(input, 'KeyId'), place)
  const days = optionalInteger(input, 'PendingWindowInDays', 7, 30) ?? 30
  if (key.state === 'PendingDeletion') throw invalidState(key)
  key.state = 'PendingDeletion'
  return {
    KeyId: key.arn,
    KeyState: key.state,
    PendingWindowInDays: days,
    DeletionDate: (Date.now() + days * dayMilliseconds) / 1000,
  }
}

/** The key is disabled afterwards. */
export function cancelKeyDeletion({ keys }: KmsState, input: KmsInput, place: KmsPlace): Record<string, unknown> {
  const key = keys.resolve(keyNotAlias(input, 'KeyId'), place)
  if (key.state !== 'PendingDeletion') throw invalidState(key)
  key.state = 'Disabled'
  return { KeyId: key.arn }
}

/** A grant has an id and a token, and grants nothing: this KMS denies nothing. */
export function createGrant({ keys }: KmsState, input: KmsInput, place: KmsPlace): Record<string, unknown> {
  const key = keys.resolve(keyNotAlias(input, 'KeyId'), place)
  requiredString(input, 'GranteePrincipal')
  if (requiredStrings(input, 'Operations').length === 0) throw validation('Operations must not be empty')
  if (key.state === 'PendingDeletion') throw invalidState(key)
  if (key.state === 'Disabled') throw kmsFailure('DisabledException', `${key.arn} is disabled.`)
  return { GrantId: randomUUID().replaceAll('-', ''), GrantToken: randomBytes(96).toString('base64') }
}
