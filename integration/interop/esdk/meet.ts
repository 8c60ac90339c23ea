import { KMSClient } from '@aws-sdk/client-kms'
import { CreateBucketCommand } from '@aws-sdk/client-s3'
import { startKms } from 's3-cse/testing'
import type { Place } from '../matrix.js'
import { textOf } from '../ours.js'
import type { PeerCommand } from '../peer-process.js'
import { session } from '../session.js'
import { tryAll } from '../tally.js'
import type { Outcome } from '../tally.js'
import { attemptMessage } from './attempt.js'
import { makeMessageKeys } from './keys.js'
import type { MessagePeer } from './peer.js'
import { detailsOf, planMessages } from './plan.js'

/** Tries everything with one implementation of the AWS Encryption SDK. */
export async function meetMessages(
  peer: MessagePeer,
  command: PeerCommand,
  { ours, inputs, endpoints, bucket, log }: Place,
): Promise<Outcome> {
  const { s3, strict } = ours
  for (const each of [s3, strict]) await each.send(new CreateBucketCommand({ Bucket: bucket }))
  const nearby = await startKms({ region: endpoints.region })
  const keys = await makeMessageKeys(inputs, endpoints, new KMSClient(nearby.clientConfig))
  const running = session(peer, command, endpoints)
  try {
    const planned = planMessages(peer)
    const m = { ours, inputs, keys, bucket, session: running, peer, number: 0 }
    const outcome = await tryAll(peer.subject, planned, {
      attempt: (trial) => attemptMessage(m, trial),
      textOf,
      detailsOf,
      log,
    })
    const stale = (peer.messages.departures ?? [])
      .filter((departure) => !planned.some((trial) => trial.departure === departure))
      .map(({ name }) => `nothing that is tried is about the departure '${name}'`)
    return { ...outcome, failures: [...stale, ...outcome.failures] }
  } finally {
    await running.close()
    keys.close()
    await nearby.close()
  }
}
