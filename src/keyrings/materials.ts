import { configError } from '../errors.js'
import type { Context } from './keyring.js'
import { takeStringMap } from './options.js'

interface Entry<K> {
  readonly materialsDescription: Context
  readonly key: K
}

/** Of an additional key, which may be chosen in another way. */
export function takeDescription(owner: string, materialsDescription: unknown): Context | undefined {
  if (materialsDescription === undefined) return undefined
  return takeStringMap(`${owner}: materialsDescription`, materialsDescription)
}

/** ERR_S3CSE_CONFIG for a key that no object could ever choose. */
export function requireChoice(
  owner: string,
  { name, materialsDescription }: { readonly name: unknown; readonly materialsDescription: unknown },
): void {
  if (name !== undefined || materialsDescription !== undefined) return
  throw configError(`${owner}: give materialsDescription, or keyNamespace and keyName: nothing chooses this key`)
}

/**
 * The raw keys of a keyring, found by the materials description that is stored with an object. The entry whose
 * description is equal to the stored one is used, otherwise the default key, as in the official clients.
 */
export function keysByMaterials<K>(
  owner: string,
  fallback: Entry<K>,
  additional: readonly (Pick<Entry<K>, 'key'> & { readonly materialsDescription: Context | undefined })[],
): (stored: Context) => K {
  const keys = new Map<string, K>([[identity(fallback.materialsDescription), fallback.key]])
  for (const { materialsDescription, key } of additional) {
    if (materialsDescription === undefined) continue
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
