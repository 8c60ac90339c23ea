import { abortError } from '../bytes/abort.js'
import type { MaybePromise } from '../runtime/runtime.js'
import { now, type Aging } from './caching-clock.js'

/** What the keyring gave. */
export interface Material<T> {
  /** Whether it may be given to those who come later. */
  readonly keep: boolean
  copy(): T
  wipe(): void
}

/** One request to the keyring, for all that wait for it and all that come later. */
export interface Fetch<T> extends Aging {
  /** Whether what it gave is kept. */
  isThere(): boolean
  /** A copy, now or when it is there. Rejects as the request does, or with an AbortError when `signal` is aborted. */
  take(signal: AbortSignal | undefined): MaybePromise<T>
  /** Nobody comes any more: wiped at once, or when those that wait have their copies. */
  release(): void
}

interface Waiter<T> {
  resolve(value: T): void
  reject(error: unknown): void
}

/** `ended` is told once whether there is something to keep. It may release it at once. */
export function startFetch<T>(
  ask: () => MaybePromise<Material<T>>,
  ended: (fetch: Fetch<T>, kept: boolean) => void,
): Fetch<T> {
  const waiters = new Set<Waiter<T>>()
  let material: Material<T> | undefined
  let released = false

  const fetch: Fetch<T> = {
    begun: now(),
    isThere: () => material !== undefined,
    take(signal) {
      if (material !== undefined) return material.copy()
      return new Promise<T>((resolve, reject) => {
        const leave = (): void => {
          waiters.delete(waiter)
          signal?.removeEventListener('abort', abort)
        }
        const waiter: Waiter<T> = {
          resolve(value) {
            leave()
            resolve(value)
          },
          reject(error) {
            leave()
            reject(error)
          },
        }
        const abort = (): void => waiter.reject(signal && abortError(signal))
        signal?.addEventListener('abort', abort, { once: true })
        waiters.add(waiter)
      })
    },
    release() {
      released = true
      material?.wipe()
      material = undefined
    },
  }

  function arrived(result: Material<T>): void {
    // All copies are made in this one step, so that nobody waits for bytes that somebody may wipe in between.
    for (const waiter of waiters) waiter.resolve(result.copy())
    const kept = result.keep && !released
    if (kept) material = result
    else result.wipe()
    ended(fetch, kept)
  }

  function failed(error: unknown): void {
    for (const waiter of waiters) waiter.reject(error)
    ended(fetch, false)
  }

  // A step later, so that whatever the keyring does meets a fetch that is under way.
  void Promise.resolve().then(ask).then(arrived, failed)
  return fetch
}
