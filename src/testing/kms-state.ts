import { kmsFailure } from './kms-error.js'
import type { KmsInput } from './kms-input.js'
import type { KmsKey, KmsKeys, KmsPlace } from './kms-keys.js'

/** What an operation works on. */
export interface KmsState {
  readonly keys: KmsKeys
  /** Blobs of another KMS, by their base64. */
  readonly known: Map<string, KnownBlob>
}

export interface KnownBlob {
  readonly keyArn: string
  readonly context: Uint8Array
  readonly plaintext: Uint8Array
}

/** Takes a request's document and gives the answer's; throws what `kmsFailure` makes. */
export type KmsOperation = (state: KmsState, input: KmsInput, place: KmsPlace) => Readonly<Record<string, unknown>>

export function invalidState(key: KmsKey): Error {
  return kmsFailure('KMSInvalidStateException', `${key.arn} is ${key.state}.`)
}

/** Whether the key may be used for cryptography. */
export function checkEnabled(key: KmsKey): void {
  if (key.state === 'Disabled') throw kmsFailure('DisabledException', `${key.arn} is disabled.`)
  if (key.state === 'Unavailable') throw kmsFailure('KeyUnavailableException', `${key.arn} is not available.`)
  if (key.state !== 'Enabled') throw invalidState(key)
}
