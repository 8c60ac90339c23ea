/** A number of bytes that several reads share. Nobody waits for it: a reservation fits or it does not. */
export interface Budget {
  /** Whether `bytes` were free; they are taken then. */
  reserve(bytes: number): boolean
  release(bytes: number): void
}

export function budget(limit: number): Budget {
  let used = 0
  return {
    reserve(bytes) {
      if (used + bytes > limit) return false
      used += bytes
      return true
    },
    release(bytes) {
      used -= bytes
    },
  }
}
