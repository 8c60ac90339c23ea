import { CreateBucketCommand } from '@aws-sdk/client-s3'
import type { Place } from '../matrix.js'
import { textOf } from '../ours.js'
import type { PeerCommand } from '../peer-process.js'
import { session } from '../session.js'
import { tryAll } from '../tally.js'
import type { Outcome } from '../tally.js'
import type { Aspect, Crypt4ghPeer } from './peer.js'
import { makePeople } from './people.js'
import { planEditLists } from './plan-edit-lists.js'
import { planKeyFiles } from './plan-key-files.js'
import { planTheirs } from './plan-theirs.js'
import { planNewHeaders } from './plan-new-headers.js'
import { planOurs } from './plan-ours.js'
import { planRefusals } from './plan-refusals.js'

/** Tries everything with one implementation of Crypt4GH. */
export async function meetFiles(
  peer: Crypt4ghPeer,
  command: PeerCommand,
  { ours, inputs, endpoints, bucket, log }: Place,
): Promise<Outcome> {
  const s3 = ours.strict
  await s3.send(new CreateBucketCommand({ Bucket: bucket }))
  const running = session(peer, command, endpoints)
  const m = { s3, bucket, people: await makePeople(), session: running, peer, directory: inputs.directory, number: 0 }
  const { departures } = peer.crypt4gh
  const planned = [
    ...planOurs(),
    ...planNewHeaders(),
    ...planTheirs(),
    ...planEditLists(),
    ...planRefusals(),
    ...planKeyFiles(),
  ].map((trial) => {
    const known = trial.about && departures[trial.about]
    return { ...trial, departure: known && { name: trial.about, ...known } }
  })
  try {
    const outcome = await tryAll(peer.subject, planned, {
      attempt: (trial) => trial.attempt(m),
      textOf,
      detailsOf: ({ details }) => details,
      log,
    })
    const stale = (Object.keys(departures) as Aspect[])
      .filter((aspect) => !planned.some(({ about }) => about === aspect))
      .map((aspect) => `nothing that is tried is about the departure '${aspect}'`)
    return { ...outcome, failures: [...stale, ...outcome.failures] }
  } finally {
    await running.close()
  }
}
