import { CreateBucketCommand } from '@aws-sdk/client-s3'
import type { Cell } from '../support/results.js'
import { attempt } from './attempt.js'
import type { Meeting } from './meeting.js'
import type { Inputs } from './inputs.js'
import { kindName, missingKinds } from './kinds.js'
import { textOf } from './ours.js'
import type { Ours } from './ours.js'
import type { Peer, PeerClient } from './peer.js'
import type { Endpoints, PeerCommand } from './peer-process.js'
import { session } from './session.js'
import type { Session } from './session.js'
import { detailsOf, plan } from './trials.js'
import type { Planned } from './trials.js'

const AT_A_TIME = 4

export interface Outcome {
  readonly cells: readonly Cell[]
  readonly failures: readonly string[]
  readonly trials: number
}

/** Tries everything with one peer. `log` gets what each trial came to. */
export async function meet(
  peer: Peer,
  command: PeerCommand,
  { ours, inputs, endpoints, bucket, log }: Place,
): Promise<Outcome> {
  for (const s3 of [ours.s3, ours.strict]) await s3.send(new CreateBucketCommand({ Bucket: bucket }))
  const running = session(peer, command, endpoints)
  const outcomes: Outcome[] = []
  try {
    for (const client of peer.clients) {
      outcomes.push(await withClient(client, { ours, inputs, bucket, session: running }, log))
    }
  } finally {
    await running.close()
  }
  const cells = outcomes.flatMap((each) => each.cells)
  const failures = outcomes.flatMap((each) => each.failures)
  return { cells, failures, trials: outcomes.reduce((sum, each) => sum + each.trials, 0) }
}

export interface Place {
  readonly ours: Ours
  readonly inputs: Inputs
  readonly endpoints: Endpoints
  readonly bucket: string
  readonly log: (line: string) => void
}

interface Sides {
  readonly ours: Ours
  readonly inputs: Inputs
  readonly bucket: string
  readonly session: Session
}

async function withClient(client: PeerClient, sides: Sides, log: Place['log']): Promise<Outcome> {
  const m: Meeting = { ...sides, client, written: new Map(), number: 0 }
  const planned = plan(client)
  const failures = missingKinds(client).map(
    (kind) => `${client.name}: it is not said what it does with ${kindName(kind)}`,
  )
  for (const departure of client.departures ?? []) {
    if (planned.some((trial) => trial.departure === departure)) continue
    failures.push(`${client.name}: nothing that is tried is about the departure '${departure.name}'`)
  }
  const cells = new Map<string, Cell>()
  const failed = new Map<string, string[]>()
  const rest = [...planned]
  let finished = 0
  const worker = async (): Promise<void> => {
    for (let trial = rest.shift(); trial !== undefined; trial = rest.shift()) {
      const error: unknown = await attempt(m, trial).then(
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
  if (finished !== planned.length) {
    failures.push(`${client.name}: ${finished} trials were made, and ${planned.length} planned`)
  }
  for (const [what, details] of failed) failures.push(`${what} (${details.join('; ')})`)
  const inOrder = [...new Set(planned.map((trial) => cellOf(trial).name))]
  return { cells: inOrder.flatMap((name) => cells.get(name) ?? []), failures, trials: finished }
}

function judge({ departure }: Planned, text: string | undefined): string | undefined {
  if (departure === undefined) return text
  if (text === undefined) return `it worked: the departure '${departure.name}' is no longer there`
  return departure.sign.test(text) ? undefined : `another failure than the departure '${departure.name}': ${text}`
}

function cellOf({ cell, departure }: Planned): Cell {
  if (departure === undefined) return { name: cell, outcome: 'pass' }
  return { name: `${cell}: ${departure.name}`, outcome: 'departure', reason: departure.reason }
}
