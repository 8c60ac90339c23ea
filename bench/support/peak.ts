import { readFileSync } from 'node:fs'

/**
 * The most memory that this process has had resident, in bytes. Linux starts `maxRSS` of a new process from its parent's,
 * so that there the kernel's own record for this program counts.
 */
export function peakMemory(): number {
  const [, linux] = /^VmHWM:\s+(\d+) kB$/m.exec(readStatus()) ?? []
  return (linux === undefined ? process.resourceUsage().maxRSS : Number(linux)) * 1024
}

function readStatus(): string {
  try {
    return readFileSync('/proc/self/status', 'utf8')
  } catch {
    return ''
  }
}

export interface HeapPeaks {
  /** JavaScript objects, in bytes. */
  heapUsed: number
  /** What Buffers and ArrayBuffers hold outside the heap, in bytes. */
  arrayBuffers: number
}

/** Samples what the memory consists of; `stop` gives the largest values seen. */
export function watchHeap(intervalMs: number): { stop(): HeapPeaks } {
  const peaks = { heapUsed: 0, arrayBuffers: 0 }
  const look = (): void => {
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    peaks.heapUsed = Math.max(peaks.heapUsed, heapUsed)
    peaks.arrayBuffers = Math.max(peaks.arrayBuffers, arrayBuffers)
  }
  const timer = setInterval(look, intervalMs)
  return {
    stop() {
      clearInterval(timer)
      look()
      return peaks
    },
  }
}
