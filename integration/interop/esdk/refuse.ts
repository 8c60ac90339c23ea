import type { S3Client } from '@aws-sdk/client-s3'
import { encryptedView } from 's3-cse'
import type { EncryptionOptions } from 's3-cse'
import { esdk } from 's3-cse/esdk'
import { OTHER_CONTEXT } from '../inputs.js'
import { expectRefusal, get } from '../ours.js'
import type { Place } from '../ours.js'
import type { MessageRequest } from '../protocol.js'
import { isChange } from './changes.js'
import type { ChangeName } from './changes.js'
import { contextOf, REQUIRED } from './contexts.js'
import { refusedHere } from './functions.js'
import type { MessageKeys } from './keys.js'
import { optionsOf } from './ours.js'
import type { MessageTrial, Refusal } from './peer.js'

const ALLOWED_KEYS = 2
const FAILED = 'ERR_S3CSE_DECRYPTION_FAILED'
const INVALID = 'ERR_S3CSE_ENVELOPE_INVALID'
const MISMATCH = 'ERR_S3CSE_CONTEXT_MISMATCH'
const POLICY = 'ERR_S3CSE_POLICY'

/** The pair itself does not fit, or what it is part of. */
const CODES: Readonly<Record<Refusal, readonly string[]>> = {
  'another key': [FAILED],
  'another context': [MISMATCH],
  'a required pair that is not given': [FAILED],
  'another value of a required pair': [FAILED],
  'no key commitment': [POLICY],
  'more encrypted data keys than allowed': [POLICY],
}

/** With what the message is to be refused, for this side. */
function wrongly(trial: MessageTrial, why: Refusal): Omit<EncryptionOptions, 'keyring'> {
  const right = optionsOf(trial)
  switch (why) {
    case 'another key':
      return right
    case 'another context':
      return { ...right, encryptionContext: OTHER_CONTEXT }
    case 'a required pair that is not given':
      return optionsOf({ ...trial, required: false })
    case 'another value of a required pair':
      return { ...right, encryptionContext: { ...contextOf(trial.context), [REQUIRED]: 'another' } }
    case 'no key commitment':
      return { ...right, commitmentPolicy: 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT', format: esdk() }
    case 'more encrypted data keys than allowed':
      return optionsOf(trial, { maxEncryptedDataKeys: ALLOWED_KEYS })
  }
}

/** This side refuses the message. */
export async function refuseMessage(
  s3: S3Client,
  keys: MessageKeys,
  trial: MessageTrial & { readonly why: Refusal | ChangeName },
  place: Place,
  message: Uint8Array,
): Promise<void> {
  const { why } = trial
  const list = keys.list(trial.keys, why === 'another key' ? 'second' : 'first')
  const options = isChange(why) ? optionsOf(trial) : wrongly(trial, why)
  const keyring = keys.keyring(list, 'read')
  const client = encryptedView(s3, { keyring, ...options })
  const codes = isChange(why)
    ? // The caller's context is compared with the stored one before a key is used.
      [FAILED, INVALID, ...(why === 'a value of the encryption context' ? [MISMATCH] : [])]
    : CODES[why]
  await expectRefusal(why, () => get(client, place), ...codes)
  const most = why === 'more encrypted data keys than allowed' ? ALLOWED_KEYS : undefined
  await refusedHere(why, message, { keyring, ...options }, codes, most)
}

/** With what the message is to be refused, for the other side. */
export function refusedSettings(
  keys: MessageKeys,
  trial: MessageTrial,
  why: Refusal | ChangeName,
): Partial<MessageRequest> {
  if (isChange(why)) return {}
  switch (why) {
    case 'another key':
      return { keys: keys.list(trial.keys, 'second') }
    case 'another context':
      return { context: OTHER_CONTEXT }
    case 'a required pair that is not given':
      return { context: contextOf(trial.context), required: [] }
    case 'another value of a required pair':
      return { context: { ...contextOf(trial.context), [REQUIRED]: 'another' } }
    case 'no key commitment':
      return { policy: 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT' }
    case 'more encrypted data keys than allowed':
      return { maxEncryptedDataKeys: ALLOWED_KEYS }
  }
}
