import type { Context } from '../keyrings/keyring.js'

/** An immutable map without a prototype, so that no key (`__proto__`, `constructor`) means anything but itself. */
export function contextOf(entries: Iterable<readonly [string, string]>): Context {
  const map = Object.create(null) as Record<string, string>
  for (const [key, value] of entries) map[key] = value
  return Object.freeze(map)
}
