import type { Keyring } from './keyring.js'

const inners = new WeakMap<Keyring, Keyring>()

/** Remembers what a keyring does its work with, for those that have to know what it really is. */
export function wrapsAround(outer: Keyring, inner: Keyring): void {
  inners.set(outer, inner)
}

/** The keyring at the core of others around it. */
export function innermost(keyring: Keyring): Keyring {
  const inner = inners.get(keyring)
  return inner === undefined ? keyring : innermost(inner)
}
