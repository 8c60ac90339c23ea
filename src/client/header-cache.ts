import type { ObjectName } from '../formats/format.js'
import type { Keyring } from '../keyrings/keyring.js'
import type { Input } from './sdk.js'

/** What is known of the message of one version of an object, so that further ranges of it need one request each. */
export interface KnownHeader {
  readonly etag: string
  /** Length of the stored object in bytes; that the message ends there has been verified with its final frame. */
  readonly sealedLength: number
  /** All of the header; it is authenticated each time that it is used. */
  readonly header: Uint8Array
  /** What opened it, where its key is not committed to: another one could open what was verified under that one only. */
  readonly keyring: Keyring | undefined
}

export interface HeaderCache {
  get(place: HeaderPlace): KnownHeader | undefined
  set(place: HeaderPlace, known: KnownHeader): void
  delete(place: HeaderPlace): void
}

/** An object by its name, as a request gives it. */
export interface HeaderPlace {
  readonly bucket: string
  readonly key: string
  readonly versionId: string | undefined
}

/** Bytes of all headers that are kept; those that were not used for longest go first. */
const MAX_BYTES = 4 * 1024 ** 2

export function headerCache(): HeaderCache {
  const entries = new Map<string, KnownHeader>()
  let bytes = 0
  const idOf = ({ bucket, key, versionId }: HeaderPlace): string => JSON.stringify([bucket, key, versionId ?? null])
  const costOf = (id: string, { header }: KnownHeader): number => header.length + 2 * id.length + 256
  const remove = (id: string): KnownHeader | undefined => {
    const known = entries.get(id)
    if (known === undefined || !entries.delete(id)) return undefined
    bytes -= costOf(id, known)
    return known
  }
  const add = (id: string, known: KnownHeader): void => {
    entries.set(id, known)
    bytes += costOf(id, known)
  }
  return {
    get(place) {
      const id = idOf(place)
      const known = remove(id)
      if (known !== undefined) add(id, known)
      return known
    },
    set(place, known) {
      const id = idOf(place)
      remove(id)
      add(id, known)
      for (const oldest of entries.keys()) {
        if (bytes <= MAX_BYTES) break
        remove(oldest)
      }
    },
    delete: (place) => void remove(idOf(place)),
  }
}

/** As a request names it. */
export function placeOf({ VersionId }: Input, { bucket, key }: ObjectName): HeaderPlace {
  return { bucket, key, versionId: typeof VersionId === 'string' ? VersionId : undefined }
}
