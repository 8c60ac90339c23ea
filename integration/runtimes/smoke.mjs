// What every runtime has to pass. The adapter of a runtime brings the SDK and what is its own (`env`); `job` says where
// S3 and KMS are, and with which keys.
/* global clearTimeout, setTimeout */
import { readAll, writeAll } from './exchange.mjs'
import { keys } from './smoke-keys.mjs'
import { world } from './smoke-kit.mjs'
import { reads } from './smoke-reads.mjs'
import { writes } from './smoke-writes.mjs'

/** Milliseconds for one case. */
const PATIENCE = 60_000

const WRITES = 'objects for others are written'

/** Returns what came of each case: `{ name, error }`, without an error if it passed. */
export async function smoke(env, job) {
  const kind = env.node === undefined ? 'browser' : 'node'
  const cases = [
    ...(job.cases ? [...writes, ...reads, ...keys].filter(([, , needs]) => needs === undefined || needs === kind) : []),
    ...(job.writes ? [[WRITES, writeAll]] : []),
    ...job.peers.map((peer) => [`objects of ${peer.name} are read`, () => fromPeer(env, job, peer)]),
  ]
  const results = []
  for (const [name, run] of cases) {
    // Those for others stand where others look for them.
    const w = world(env, { ...job, prefix: name === WRITES ? job.prefix : `${job.prefix}/${name}` })
    results.push({ name, error: await outcome(() => run(w)) })
    w.close()
  }
  return results
}

async function fromPeer(env, job, peer) {
  const from = world(env, { ...job, prefix: peer.prefix })
  try {
    await readAll(from)
  } finally {
    from.close()
  }
}

async function outcome(run) {
  let timer
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${PATIENCE} ms`)), PATIENCE)
  })
  try {
    await Promise.race([run(), late])
    return undefined
  } catch (error) {
    return `${error?.code ?? error?.name}: ${error?.message}\n${error?.stack ?? ''}`
  } finally {
    clearTimeout(timer)
  }
}
