import { isBytes } from '../bytes/is-bytes.js'
import { isWellFormed } from '../bytes/well-formed.js'
import { configError } from '../errors.js'
import type { MaybePromise } from '../runtime/runtime.js'

/** A passphrase: text stands for its UTF-8. It may not be empty. */
export type Passphrase = string | Uint8Array

/** A passphrase, or a function that asks for it: called only where it is needed. */
export type PassphraseSource = Passphrase | (() => MaybePromise<Passphrase>)

/** A copy, which whoever gets it wipes. */
export function passphraseBytes(owner: string, option: string, passphrase: unknown): Uint8Array {
  if (typeof passphrase === 'string' && !isWellFormed(passphrase)) {
    throw configError(`${owner}: ${option} is not well-formed Unicode`)
  }
  if (typeof passphrase !== 'string' && !isBytes(passphrase)) {
    throw configError(`${owner}: ${option} must be a string or a Uint8Array`)
  }
  if (passphrase.length === 0) throw configError(`${owner}: ${option} is empty`)
  return typeof passphrase === 'string' ? new TextEncoder().encode(passphrase) : Uint8Array.from(passphrase)
}

/** The same, asked for where it is a function. */
export async function askPassphrase(owner: string, passphrase: PassphraseSource | undefined): Promise<Uint8Array> {
  if (passphrase === undefined) throw configError(`${owner}: the key file is encrypted: give its passphrase`)
  return passphraseBytes(owner, 'passphrase', typeof passphrase === 'function' ? await passphrase() : passphrase)
}
