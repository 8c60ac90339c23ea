import { CreateBucketCommand } from '@aws-sdk/client-s3'
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
import { tryAll } from './tally.js'
import type { Outcome } from './tally.js'
import { detailsOf, plan } from './trials.js'

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
  const outcome = await tryAll(client.name, planned, {
    attempt: (trial) => attempt(m, trial),
    textOf,
    detailsOf,
    log,
  })
  return { ...outcome, failures: [...failures, ...outcome.failures] }
}
