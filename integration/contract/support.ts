/** The harness of the contract suite: what the library promises, held against servers that others wrote. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { recordResult } from '../support/results.js'
import type { Cell } from '../support/results.js'
import { kmsDepartures, s3Departures } from './departures.js'
import type { Departure, Departures } from './departures.js'
import { kmsServer, makePlace, s3Server } from './support-place.js'
import type { Place } from './support-place.js'
import { whenTold } from '../support/ending.js'
import { cleanUp } from './support-clean.js'
import { packageVersion } from './support-servers.js'
import type { Server } from './support-servers.js'

export { aes, credentials, kmsConfig, s3Config } from './support-place.js'
export type { Place } from './support-place.js'
export type { ServerKind } from './support-servers.js'

export interface CheckOptions {
  /** For which server's results it counts. Default: 's3'. One that uses KMS at all says 'kms' or 'both'. */
  readonly uses?: 's3' | 'kms' | 'both'
  /** Milliseconds. Default: 60,000. */
  readonly timeout?: number
}

interface Check {
  readonly uses: 's3' | 'kms' | 'both'
  cell?: Cell
}

const checks = new Map<string, Check>()

/**
 * One check, as a test of node:test. `name` is unique and does not change: it stands in the table of what was tried, and
 * in departures.ts. A check with a departure runs as well, and has to fail in the way that is written there.
 */
export function check(name: string, body: (t: Place) => Promise<void>, options: CheckOptions = {}): void {
  const { uses = 's3', timeout = 60_000 } = options
  if (checks.has(name)) throw new Error(`two checks are called ${name}`)
  const own: Check = { uses }
  checks.set(name, own)
  void test(name, { timeout }, async (t) => {
    const departure = departureOf(name, uses)
    const made = await makePlace(uses !== 's3')
    try {
      if (departure === undefined) {
        await body(made.place)
        await made.settled()
        own.cell = { name, outcome: 'pass' }
      } else {
        await departs(departure, body(made.place))
        t.diagnostic(`departure of the server: ${departure.reason}`)
        own.cell = { name, outcome: 'departure', reason: departure.reason }
      }
    } finally {
      made.destroy()
    }
  })
}

function departureOf(name: string, uses: Check['uses']): Departure | undefined {
  const ofS3 = uses === 'kms' ? undefined : s3Departures[s3Server.kind]?.[name]
  const ofKms = uses === 's3' ? undefined : kmsDepartures[kmsServer.kind]?.[name]
  if (ofS3 !== undefined && ofKms !== undefined) {
    const sign = new RegExp(`${ofS3.sign.source}|${ofKms.sign.source}`, 's')
    const sometimes = ofS3.sometimes === true && ofKms.sometimes === true
    return { reason: `${ofS3.reason} ${ofKms.reason}`, sign, sometimes }
  }
  return ofS3 ?? ofKms
}

async function departs({ reason, sign, sometimes = false }: Departure, running: Promise<void>): Promise<void> {
  const error: unknown = await running.then(
    () => undefined,
    (each: unknown) => each ?? new Error('rejected with nothing'),
  )
  if (error === undefined && sometimes) return
  assert.ok(error !== undefined, `the departure is gone: the check passes, which was said to fail because: ${reason}`)
  // An assertion shows what it was given in short only.
  const text = `${inspect(error, { depth: 6 })}\n${inspect((error as { actual?: unknown }).actual, { depth: 6 })}`
  if (sign.test((error as Error).message) || sign.test(text)) return
  throw new Error(`the departure is another one: ${sign} is not in what follows, though said to be: ${reason}`, {
    cause: error,
  })
}

whenTold(cleanUp)

/** The last test of a run, `whole` if every suite was loaded: nothing in the list is stale; what was tried is recorded. */
export function finish(whole: boolean): void {
  void test('every departure in the list is that of a check', async () => {
    if (whole) assert.deepEqual(staleNames(), [])
    await cleanUp()
    const cells = [...checks.values()].map(({ cell }) => cell)
    if (whole && !cells.includes(undefined)) record()
  })
}

function staleNames(): string[] {
  const stale = (departures: Departures, not: Check['uses']): string[] =>
    Object.entries(departures).flatMap(([kind, names]) =>
      Object.keys(names).flatMap((name) => {
        const uses = checks.get(name)?.uses
        return uses === undefined || uses === not ? [`${kind}: ${name}`] : []
      }),
    )
  return [...stale(s3Departures, 'kms'), ...stale(kmsDepartures, 's3')]
}

/** Only of servers that the runner started: what others run is not a version that this repository says anything of. */
function record(): void {
  if (!s3Server.own || !kmsServer.own) return
  const result = (server: Server, what: string, counts: (check: Check) => boolean): void => {
    const { kind, name: subject, version } = server
    const cells = [...checks.values()].filter(counts).map(({ cell }) => cell!)
    const ours = kind === 'in-process'
    const tried = `the contract of the client with ${what}`
    recordResult({ part: 'contract', subject, version: ours ? packageVersion : version, pinned: !ours, tried, cells })
  }
  const [s3, kms] = [s3Server.kind, kmsServer.kind]
  if (s3 === kms) {
    result(s3Server, 'S3 and KMS', () => true)
    return
  }
  if (s3 !== 'in-process') result(s3Server, 'S3', ({ uses }) => uses !== 'kms')
  if (kms !== 'in-process') result(kmsServer, 'KMS', ({ uses }) => uses !== 's3')
}
