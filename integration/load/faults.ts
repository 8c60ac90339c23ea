import { createHash } from 'node:crypto'

export const FAULTS = [
  'latency',
  'slow down (503)',
  'reset before the body',
  'reset in the body',
  'reset after the body',
  'truncated answer',
  'slow',
] as const
export type Fault = (typeof FAULTS)[number]

/** How often what happens; shares of requests, between 0 and 1. */
export interface FaultPlan {
  readonly seed: string
  readonly latency: number
  readonly resetBefore: number
  readonly resetIn: number
  readonly resetAfter: number
  readonly truncated: number
  readonly slow: number
  /**
   * Storms of 503 answers: the share of windows of 5 s in which one begins, and how long it lasts, in milliseconds. The
   * first window, from the first request on, always has one.
   */
  readonly storms: number
  readonly stormLength: number
}

export const NO_FAULTS: FaultPlan = {
  seed: '',
  latency: 0,
  resetBefore: 0,
  resetIn: 0,
  resetAfter: 0,
  truncated: 0,
  slow: 0,
  storms: 0,
  stormLength: 0,
}

/** What is done to one request. */
export interface Decision {
  readonly latency: number
  readonly fault: Fault | undefined
  /** Where in the body it happens, as a share of its length. */
  readonly place: number
}

const STORM_WINDOW = 5000
/** Of the requests in a storm, so many are refused. */
const STORM_SHARE = 0.8

/**
 * Chooses by the seed, the request and how many equal requests there were before: what happens to a request does not
 * depend on which others happen to overtake it, so that a run can be repeated. Storms alone go by the clock.
 */
export function decider(plan: FaultPlan): (request: string) => Decision {
  const seen = new Map<string, number>()
  let began: number | undefined
  return (request) => {
    const times = seen.get(request) ?? 0
    seen.set(request, times + 1)
    const [first, second, third, fourth] = numbers(`${plan.seed}\0${request}\0${times}`)
    const latency = first < plan.latency ? 5 + (first / plan.latency) * 100 : 0
    began ??= Date.now()
    const elapsed = Date.now() - began
    const window = Math.floor(elapsed / STORM_WINDOW)
    const begins = window === 0 ? 0 : numbers(`${plan.seed}\0storm\0${window}`)[0]
    const storm = begins < plan.storms && elapsed % STORM_WINDOW < plan.stormLength
    if (storm && fourth < STORM_SHARE) return { latency, fault: 'slow down (503)', place: third }
    const shares: readonly (readonly [Fault, number])[] = [
      ['reset before the body', plan.resetBefore],
      ['reset in the body', plan.resetIn],
      ['reset after the body', plan.resetAfter],
      ['truncated answer', plan.truncated],
      ['slow', plan.slow],
    ]
    let below = 0
    for (const [fault, share] of shares) {
      below += share
      if (second < below) return { latency, fault, place: third }
    }
    return { latency, fault: undefined, place: third }
  }
}

/** Four numbers from 0 up to 1. */
function numbers(text: string): [number, number, number, number] {
  const digest = createHash('sha256').update(text).digest()
  const at = (index: number): number => digest.readUInt32BE(4 * index) / 2 ** 32
  return [at(0), at(1), at(2), at(3)]
}
