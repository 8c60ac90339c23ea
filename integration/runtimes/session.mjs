// Asks the runner for the job, does it, and reports. `failures` are told by whoever notices rejections that nobody
// handled and exceptions that nobody caught.
/* global fetch, setTimeout */
import { smoke } from './smoke.mjs'

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

export async function session(control, env, failures, extra = []) {
  await noticed(failures)
  const job = await (await fetch(`${control}/job`)).json()
  const cells = [...extra, ...(await smoke(env, job))]
  await sleep(100) // what is rejected late
  if (job.cases) cells.push({ name: 'no rejection is left unhandled', error: failures[0] })
  await fetch(`${control}/report`, { method: 'POST', body: JSON.stringify({ cells, userAgent: env.version }) })
}

/** A look-out that sees nothing would pass everything. */
async function noticed(failures) {
  void Promise.reject(new Error('probe'))
  for (let waits = 0; waits < 100 && failures.length === 0; waits++) await sleep(10)
  if (!failures[0]?.includes('probe')) throw new Error('unhandled rejections are not noticed here')
  failures.length = 0
}
