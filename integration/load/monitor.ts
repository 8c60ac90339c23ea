/** What the process held in the course of a phase. */
export interface Usage {
  /** Bytes, after a garbage collection: the median of the first and of the last third of the looks. */
  readonly rssFirst: number
  readonly rssLast: number
  readonly looks: number
  readonly mostSockets: number
  readonly mostDescriptors: number
}

export interface Monitor {
  stop(): void
  usage(): Usage
}

export function monitor(every: number, look: () => { sockets: number; descriptors: number }): Monitor {
  const memory: number[] = []
  let mostSockets = 0
  let mostDescriptors = 0
  const sample = (): void => {
    const { sockets, descriptors } = look()
    mostSockets = Math.max(mostSockets, sockets)
    mostDescriptors = Math.max(mostDescriptors, descriptors)
    if (globalThis.gc === undefined) throw new Error('node needs --expose-gc')
    globalThis.gc()
    memory.push(process.memoryUsage.rss())
  }
  const timer = setInterval(sample, every)
  return {
    stop() {
      clearInterval(timer)
      sample()
    },
    usage() {
      const third = Math.max(1, Math.floor(memory.length / 3))
      return {
        rssFirst: median(memory.slice(0, third)),
        rssLast: median(memory.slice(-third)),
        looks: memory.length,
        mostSockets,
        mostDescriptors,
      }
    },
  }
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
}
