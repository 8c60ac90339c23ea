import { configError } from '../errors.js'
import type { Context } from './keyring.js'

interface Entry<K> {
  readonly materialsDescription: Context
  readonly key: K
}

/**
 * The raw keys of a keyring, found by the materials description that is stored with an object. The entry whose
 * description is equal to the stored one is used, otherwise the default key, as in the official clients.
 */
export function keysByMaterials<K>(
  owner: string,
  fallback: Entry<K>,
  additional: readonly Entry<K>[],
): (stored: Context) => K {
  const keys = new Map<string, K>([[identity(fallback.materialsDescription), fallback.key]])
  for (const { materialsDescription, key } of additional) {
    const id = identity(materialsDescription)
    if (keys.has(id)) {
      throw configError(
        `${owner}: two keys have the same materialsDescription (none is the same as {}), so that neither could be chosen`,
      )
    }
    keys.set(id, key)
  }
  return (stored) => {
    const id = identity(stored)
    return keys.has(id) ? (keys.get(id) as K) : fallback.key
  }
}

/** Equal for equal maps, whatever the order of their entries; own entries only. */
function identity(context: Context): string {
  return JSON.stringify(Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1)))
}
