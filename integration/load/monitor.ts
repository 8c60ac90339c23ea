/** What the process held in the course of a phase. */
export interface Usage {
  /** Bytes, after a garbage collection: the median of the first and of the last third of the looks. */
  readonly rssFirst: number
  readonly rssLast: number
  /** The same of what the garbage collector knows: objects, and what they hold outside of its heap. */
  readonly heldFirst: number
  readonly heldLast: number
  readonly looks: number
  readonly mostSockets: number
  readonly mostDescriptors: number
}

export interface Monitor {
  stop(): void
  usage(): Usage
}

export function monitor(every: number, look: () => { sockets: number; descriptors: number }): Monitor {
  const resident: number[] = []
  const held: number[] = []
  let mostSockets = 0
  let mostDescriptors = 0
  const sample = (): void => {
    const { sockets, descriptors } = look()
    mostSockets = Math.max(mostSockets, sockets)
    mostDescriptors = Math.max(mostDescriptors, descriptors)
    if (globalThis.gc === undefined) throw new Error('node needs --expose-gc')
    globalThis.gc()
    const { rss, heapUsed, external } = process.memoryUsage()
    resident.push(rss)
    held.push(heapUsed + external)
  }
  const timer = setInterval(sample, every)
  return {
    stop() {
      clearInterval(timer)
      sample()
    },
    usage() {
      const [rssFirst, rssLast] = thirds(resident)
      const [heldFirst, heldLast] = thirds(held)
      return {
        rssFirst,
        rssLast,
        heldFirst,
        heldLast,
        looks: resident.length,
        mostSockets,
        mostDescriptors,
      }
    },
  }
}

/** The median of the first third, and of the last. */
function thirds(looks: readonly number[]): [first: number, last: number] {
  const third = Math.max(1, Math.floor(looks.length / 3))
  return [median(looks.slice(0, third)), median(looks.slice(-third))]
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
}
