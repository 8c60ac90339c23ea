import type { Cell } from '../support/results.js'

const AT_A_TIME = 4

/** One thing that is tried, and the row of the table that it belongs to. */
export interface Tried {
  readonly cell: string
  /** What the other side is known to do differently: the attempt must fail so. */
  readonly departure: { readonly name: string; readonly sign: RegExp; readonly reason: string } | undefined
}

export interface Outcome {
  readonly cells: readonly Cell[]
  readonly failures: readonly string[]
  readonly trials: number
}

/** How trials of a kind are made and told of. */
export interface Trying<T> {
  /** Rejects with what the other side threw, or with what is wrong. */
  readonly attempt: (trial: T) => Promise<void>
  readonly textOf: (error: unknown) => string
  /** For messages. */
  readonly detailsOf: (trial: T) => string
  readonly log: (line: string) => void
}

/** Tries everything, and says of each row what came of it. `name`: of the client, for messages. */
export async function tryAll<T extends Tried>(
  name: string,
  planned: readonly T[],
  { attempt, textOf, detailsOf, log }: Trying<T>,
): Promise<Outcome> {
  const failures: string[] = []
  const cells = new Map<string, Cell>()
  const failed = new Map<string, string[]>()
  const rest = [...planned]
  let finished = 0
  const worker = async (): Promise<void> => {
    for (let trial = rest.shift(); trial !== undefined; trial = rest.shift()) {
      const error: unknown = await attempt(trial).then(
        () => undefined,
        (thrown: unknown) => thrown ?? new Error('nothing'),
      )
      const text = error === undefined ? undefined : textOf(error)
      log(`${trial.cell} (${detailsOf(trial)}): ${text ?? 'ok'}`)
      const failure = judge(trial, text)
      if (failure !== undefined) {
        // Names of objects aside, so that what fails alike is one line.
        const what = `${cellOf(trial).name}: ${failure}`.replaceAll(/"?interop-[^\s"]+"?/g, 'an object')
        failed.set(what, [...(failed.get(what) ?? []), detailsOf(trial)])
      }
      const cell = cellOf(trial)
      cells.set(cell.name, { ...cell, trials: (cells.get(cell.name)?.trials ?? 0) + 1 })
      finished += 1
    }
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, worker))
  if (finished !== planned.length) failures.push(`${name}: ${finished} trials were made, and ${planned.length} planned`)
  for (const [what, details] of failed) failures.push(`${what} (${details.join('; ')})`)
  const inOrder = [...new Set(planned.map((trial) => cellOf(trial).name))]
  return { cells: inOrder.flatMap((each) => cells.get(each) ?? []), failures, trials: finished }
}

function judge({ departure }: Tried, text: string | undefined): string | undefined {
  if (departure === undefined) return text
  if (text === undefined) return `it worked: the departure '${departure.name}' is no longer there`
  return departure.sign.test(text) ? undefined : `another failure than the departure '${departure.name}': ${text}`
}

function cellOf({ cell, departure }: Tried): Cell {
  if (departure === undefined) return { name: cell, outcome: 'pass' }
  return { name: `${cell}: ${departure.name}`, outcome: 'departure', reason: departure.reason }
}
