/** A network of limited speed between the server and all of its clients. */
import { setTimeout as sleep } from 'node:timers/promises'

/** undefined from `take`: go on at once. Waits end with the server. */
export interface Pacer {
  /** Accounts for bytes that were received or are to be sent; resolves when there is room for more. */
  take(bytes: number): Promise<void> | undefined
}

/** Timers are exact to about a millisecond: shorter waits are saved up, and as much may be made up for after a late one. */
const SLACK_MS = 5
/** The most that a timer can wait. */
const MAX_WAIT_MS = 2 ** 31 - 1

interface Clock {
  /** Milliseconds. */
  now(): number
  wait(ms: number, signal: AbortSignal): Promise<void>
}

const CLOCK: Clock = Object.freeze({
  now: () => performance.now(),
  wait: (ms: number, signal: AbortSignal) => sleep(ms, undefined, { signal, ref: false }).catch(() => undefined),
})

/**
 * A token bucket, kept as the time at which everything taken so far has passed. `bytesPerSecond` undefined: no limit.
 */
export function createPacer(
  bytesPerSecond: number | undefined,
  signal: AbortSignal,
  clock: Clock = CLOCK,
): Pacer | undefined {
  if (bytesPerSecond === undefined) return undefined
  if (!(bytesPerSecond > 0)) throw new TypeError('startS3: paceBytesPerSecond must be over 0')
  let passed = clock.now()
  return {
    take(bytes) {
      const time = clock.now()
      passed = Math.max(passed, time - SLACK_MS) + (bytes / bytesPerSecond) * 1000
      const wait = Math.min(passed - time, MAX_WAIT_MS)
      return wait < SLACK_MS || signal.aborted ? undefined : clock.wait(wait, signal)
    },
  }
}
