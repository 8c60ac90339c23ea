export interface PartWaitsOptions {
  /** In milliseconds. */
  readonly maxWait: number
  /** Makes the error for a signal that was aborted. */
  readonly abortError: (signal: AbortSignal) => Error
}

/** Parts that wait for what others bring. */
export interface PartWaits {
  /** What `ready` gives, as soon as it gives something. Rejects with `tooLate` after `maxWait`, with the abort's error, or when closed. */
  until<T extends number | true>(
    ready: () => T | undefined,
    tooLate: () => Error,
    signal: AbortSignal | undefined,
  ): Promise<T>
  /** Something has changed. */
  check(): void
  /** Whoever waits gets this error. */
  close(error: Error): void
}

interface Waiting {
  check(): void
  fail(error: Error): void
}

export function partWaits({ maxWait, abortError }: PartWaitsOptions): PartWaits {
  const waiting = new Set<Waiting>()
  let closed: Error | undefined

  return {
    until(ready, tooLate, signal) {
      if (closed !== undefined) return Promise.reject(closed)
      const found = ready()
      if (found !== undefined) return Promise.resolve(found)
      return new Promise((resolve, reject) => {
        const abort = (): void => entry.fail(abortError(signal as AbortSignal))
        const timer = setTimeout(() => entry.fail(tooLate()), maxWait)
        const end = (): void => {
          clearTimeout(timer)
          waiting.delete(entry)
          signal?.removeEventListener('abort', abort)
        }
        const entry: Waiting = {
          check() {
            const result = ready()
            if (result === undefined) return
            end()
            resolve(result)
          },
          fail(error) {
            end()
            reject(error)
          },
        }
        waiting.add(entry)
        signal?.addEventListener('abort', abort, { once: true })
        if (signal?.aborted === true) abort()
      })
    },
    check() {
      for (const one of waiting) one.check()
    },
    close(error) {
      closed = error
      for (const one of waiting) one.fail(error)
    },
  }
}
