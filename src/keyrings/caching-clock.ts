/** When something began. */
export interface Moment {
  readonly date: number
  readonly steady: number
}

export function now(): Moment {
  return { date: Date.now(), steady: performance.now() }
}

/**
 * Milliseconds since then, by whichever clock says more: the date may be set back, and the steady clock of many systems
 * stands still while they sleep. Neither may make a key younger.
 */
export function since({ date, steady }: Moment): number {
  return Math.max(Date.now() - date, performance.now() - steady)
}

/** The longest that setTimeout takes. */
const LONGEST_TIMER = 2 ** 31 - 1

export interface Aging {
  readonly begun: Moment
}

/** Ends what is `maxAge` milliseconds old, with one timer for all, which does not keep the process alive. */
export interface Expiry<T extends Aging> {
  add(one: T, end: () => void): void
  delete(one: T): void
  isOver(one: T): boolean
}

export function expiry<T extends Aging>(maxAge: number): Expiry<T> {
  // In the order of their beginnings, which is that of their ends.
  const ends = new Map<T, () => void>()
  let timer: ReturnType<typeof setTimeout> | undefined

  const isOver = ({ begun }: Aging): boolean => since(begun) >= maxAge

  function arm(): void {
    const [oldest] = ends.keys()
    if (oldest === undefined || timer !== undefined) return
    const left = Math.min(Math.max(1, Math.ceil(maxAge - since(oldest.begun))), LONGEST_TIMER)
    timer = setTimeout(sweep, left)
    ;(timer as { unref?: () => void }).unref?.()
  }

  function sweep(): void {
    timer = undefined
    for (const [one, end] of ends) {
      if (!isOver(one)) break
      ends.delete(one)
      end()
    }
    arm()
  }

  return {
    add(one, end) {
      ends.set(one, end)
      arm()
    },
    delete(one) {
      ends.delete(one)
      if (ends.size > 0) return
      clearTimeout(timer)
      timer = undefined
    },
    isOver,
  }
}
