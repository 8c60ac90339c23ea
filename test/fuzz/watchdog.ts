import { Worker } from 'node:worker_threads'

/** Ends this process where one case does not end: a loop in one turn of the event loop lets no timer run. */

/** In milliseconds, of one case: nothing here takes a second, on however slow a machine. */
const LIMIT = 120_000

const [PROPERTY, SEED, CASES, BEATS] = [0, 1, 2, 3] as const

const CODE = `
const { workerData: { state, names, limit } } = require('node:worker_threads')
const { writeSync } = require('node:fs')
let last = -1
let since = Date.now()
setInterval(() => {
  const beats = Atomics.load(state, ${BEATS})
  if (beats !== last) [last, since] = [beats, Date.now()]
  if (Atomics.load(state, ${PROPERTY}) < 0 || Date.now() - since < limit) return
  const name = names[Atomics.load(state, ${PROPERTY})]
  writeSync(2, 'HANG: ' + name + ', seed ' + Atomics.load(state, ${SEED}) + ', case ' + Atomics.load(state, ${CASES}) + '\\n')
  process.kill(process.pid, 'SIGKILL')
}, limit / 20)
`

export interface Watchdog {
  /** From now on, cases of this property. */
  readonly begin: (name: string, seed: number) => void
  /** The next case begins. */
  readonly beat: () => void
  /** None is running. */
  readonly rest: () => void
  readonly end: () => Promise<void>
}

export function watchdog(names: readonly string[]): Watchdog {
  const state = new Int32Array(new SharedArrayBuffer(16))
  state[PROPERTY] = -1
  const worker = new Worker(CODE, { eval: true, workerData: { state, names, limit: LIMIT }, execArgv: [] })
  worker.unref()
  const beat = (): void => {
    Atomics.add(state, CASES, 1)
    Atomics.add(state, BEATS, 1)
  }
  return {
    begin(name, seed) {
      Atomics.store(state, SEED, seed)
      Atomics.store(state, CASES, 0)
      Atomics.add(state, BEATS, 1)
      Atomics.store(state, PROPERTY, names.indexOf(name))
    },
    beat,
    rest() {
      Atomics.store(state, PROPERTY, -1)
    },
    end: async () => {
      await worker.terminate()
    },
  }
}
