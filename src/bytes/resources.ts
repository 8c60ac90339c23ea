/**
 * What one read holds (a socket, a file, memory of a budget, keys), to be given back once, by whoever comes first: the
 * end of the stream, an error, a cancel, or the collection of a stream that was dropped.
 */
export interface Resources {
  /** Runs `release` when everything is given back; at once if that has happened already. */
  hold(release: (error?: Error) => void): void
  readonly released: boolean
  /** The error with which everything was given back, if there was one. */
  readonly error: Error | undefined
  /** Idempotent; last held, first given back. */
  release(error?: Error): void
}

export function resources(): Resources {
  const held: ((error?: Error) => void)[] = []
  let reason: { error: Error | undefined } | undefined
  return {
    hold(release) {
      if (reason === undefined) held.push(release)
      else release(reason.error)
    },
    get released() {
      return reason !== undefined
    },
    get error() {
      return reason?.error
    },
    release(error) {
      if (reason !== undefined) return
      reason = { error }
      for (const release of held.splice(0).reverse()) {
        try {
          release(error)
        } catch {
          // The others must be given back all the same.
        }
      }
    },
  }
}
