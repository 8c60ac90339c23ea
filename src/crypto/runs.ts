/** The bytes [start, end), and what is known of them. */
export interface Run<T> {
  readonly start: number
  readonly end: number
  readonly value: T
}

/** Stretches of bytes that come in any order, none twice. Adjacent ones become one, so that in-order use holds one run. */
export interface Runs<T> {
  /** Sorted; no two overlap or touch. */
  readonly list: readonly Run<T>[]
  overlaps(start: number, end: number): boolean
  /** Takes a non-empty run; `false`, with nothing changed, if any byte of it is there already. */
  add(start: number, end: number, value: T): boolean
}

export function runs<T>(join: (left: Run<T>, right: Run<T>) => T): Runs<T> {
  const list: Run<T>[] = []

  /** Index of the first run that ends behind `start`: what comes before it lies wholly before. */
  const indexAfter = (start: number): number => {
    let low = 0
    let high = list.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((list[middle] as Run<T>).end > start) high = middle
      else low = middle + 1
    }
    return low
  }
  const overlapsAt = (index: number, end: number): boolean => {
    const next = list[index]
    return next !== undefined && next.start < end
  }

  return {
    list,
    overlaps: (start, end) => overlapsAt(indexAfter(start), end),
    add(start, end, value) {
      const index = indexAfter(start)
      if (overlapsAt(index, end)) return false
      const before = list[index - 1]
      const after = list[index]
      let run: Run<T> = { start, end, value }
      let first = index
      let replaced = 0
      if (before?.end === start) {
        run = { start: before.start, end, value: join(before, run) }
        first--
        replaced++
      }
      if (after?.start === end) {
        run = { start: run.start, end: after.end, value: join(run, after) }
        replaced++
      }
      list.splice(first, replaced, run)
      return true
    },
  }
}
