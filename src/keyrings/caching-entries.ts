/** Entries by identity, no more than `max`: the one that was not used for longest goes first. */
export interface Entries<E> {
  /** Counts as a use. */
  get(id: string): E | undefined
  add(id: string, entry: E): void
  /** Unless another entry has taken its place. */
  delete(id: string, entry: E): void
  clear(): void
}

/** `end` is called for whatever is pushed out or cleared. */
export function entries<E>(max: number, end: (entry: E) => void): Entries<E> {
  // The one that was not used for longest comes first.
  const all = new Map<string, E>()
  return {
    get(id) {
      const entry = all.get(id)
      if (entry === undefined) return undefined
      all.delete(id)
      all.set(id, entry)
      return entry
    },
    add(id, entry) {
      all.set(id, entry)
      for (const [oldest, pushedOut] of all) {
        if (all.size <= max) break
        all.delete(oldest)
        end(pushedOut)
      }
    },
    delete(id, entry) {
      if (all.get(id) === entry) all.delete(id)
    },
    clear() {
      const gone = [...all.values()]
      all.clear()
      for (const entry of gone) end(entry)
    },
  }
}
