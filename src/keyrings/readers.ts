import type { Keyring } from './keyring.js'

// By identity: what somebody else makes around a keyring has to be asked itself.
const known = new WeakMap<Keyring, readonly Keyring[]>()

/** Remembers the keyrings that one consists of, one for each secret key: what is there once for each reader is then told from what is there twice for one. */
export function consistsOf(keyring: Keyring, readers: readonly Keyring[]): void {
  known.set(keyring, readers)
}

/** The keyrings that one consists of: itself, where nothing else is known. */
export function readersOf(keyring: Keyring): readonly Keyring[] {
  return known.get(keyring) ?? [keyring]
}
