import { throwIfAborted } from '../bytes/abort.js'
import type { Aging, Expiry } from './caching-clock.js'
import { entries } from './caching-entries.js'
import { startFetch, type Fetch, type Material } from './caching-fetch.js'
import { readIdentity } from './caching-identity.js'
import { keyLengthsOf } from './data-key.js'
import type { DataKey, Keyring, Suite, UnwrapRequest } from './keyring.js'
import { isBytes } from './options.js'

export interface ReadCache {
  readonly unwrap: (request: UnwrapRequest) => Promise<DataKey | undefined>
  clear(): void
}

type Opened = Fetch<DataKey | undefined>

export function readCache(keyring: Keyring, maxEntries: number, expiry: Expiry<Aging>): ReadCache {
  const opened = entries<Opened>(maxEntries, end)

  async function unwrap(request: UnwrapRequest): Promise<DataKey | undefined> {
    if (request.suite.derivesMessageKeys !== true) return keyring.unwrap(request)
    throwIfAborted(request.signal)
    const { signal, ...asked } = request
    const id = await readIdentity(asked)
    throwIfAborted(signal)
    let fetch = opened.get(id)
    if (fetch !== undefined && expiry.isOver(fetch)) {
      forget(id, fetch)
      fetch = undefined
    }
    return (fetch ?? start(id, asked)).take(signal)
  }

  function start(id: string, request: UnwrapRequest): Opened {
    const ask = async (): Promise<Material<DataKey | undefined>> =>
      material(await keyring.unwrap(request), request.suite)
    const fetch = startFetch(ask, (ended, kept) => {
      if (!kept) forget(id, ended)
    })
    expiry.add(fetch, () => forget(id, fetch))
    opened.add(id, fetch)
    return fetch
  }

  function forget(id: string, fetch: Opened): void {
    opened.delete(id, fetch)
    end(fetch)
  }

  function end(fetch: Opened): void {
    expiry.delete(fetch)
    fetch.release()
  }

  return { unwrap, clear: () => opened.clear() }
}

/** "Not ours" is an answer for those who wait, and no more: the next may come when the keyring can do more. */
function material(dataKey: DataKey | undefined, suite: Suite): Material<DataKey | undefined> {
  if (!isBytes(dataKey)) return { keep: false, copy: () => undefined, wipe: () => undefined }
  return {
    keep: keyLengthsOf(suite).includes(dataKey.length),
    copy: () => new Uint8Array(dataKey),
    wipe: () => void dataKey.fill(0),
  }
}
