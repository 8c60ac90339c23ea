// Processes that are killed between any two steps of an upload, and others that finish it.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'

import { importUpload } from '../../src/index.js'
import { code } from '../support/errors.js'
import { runProcess } from '../support/processes.js'
import type { Ended } from '../support/processes.js'
import type { Job } from '../support/resume-child.js'
import { bytesSent, changed, finish, MiB, partsSent, PART, send, source, until } from '../support/resume.js'
import { Bucket, world } from '../support/world.js'

const w = await world({ recordBodyBytes: 0, verifyPayload: false, etag: 'random' })
const directory = mkdtempSync(path.join(tmpdir(), 's3-cse-kill-'))
after(() => rmSync(directory, { recursive: true }))

interface Scenario extends Omit<Job, 'config' | 'key' | 'state'> {
  readonly name: string
  /** Processes before it, each of which went on from the state of the one before. */
  readonly earlier?: readonly Job['kill'][]
  /** Parts that the state says are stored. */
  readonly stored: readonly number[]
  /** Those of which it knows that they were encrypted, and so must stay as they are. */
  readonly sealed: readonly number[]
  /** What arrives for the rest, the part with the trailer included. */
  readonly sent: readonly number[]
}

/** The last part is short and has the trailer. Saves: created, and for each part before it is sent and when it is stored; of the last one the trailer too. */
const short = [PART, PART, 1000]
/** The trailer gets a part of its own. Saves at the end: the trailer, and that part. */
const full = [PART, PART]
const options = {
  partSize: { partSize: PART },
  v2: { commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' },
  stateKey: { stateKey: randomBytes(32).toString('base64') },
} as const

const scenarios: readonly Scenario[] = [
  {
    name: 'when it has created the upload',
    lengths: short,
    kill: { at: 'after', save: 0 },
    stored: [],
    sealed: [],
    sent: [1, 2, 3],
  },
  {
    name: 'before the record of a part',
    lengths: short,
    kill: { at: 'before', save: 3 },
    stored: [1],
    sealed: [1],
    sent: [2, 3],
    ...options.partSize,
  },
  {
    name: 'in the middle of the record of a part',
    lengths: short,
    kill: { at: 'within', save: 3 },
    stored: [1],
    sealed: [1],
    sent: [2, 3],
  },
  {
    name: 'between the record of a part and the part',
    lengths: short,
    kill: { at: 'after', save: 3 },
    stored: [1],
    sealed: [1, 2],
    sent: [2, 3],
    ...options.v2,
  },
  {
    name: 'while a part is being sent',
    lengths: short,
    kill: { at: 'sending', part: 2 },
    stored: [1],
    sealed: [1, 2],
    sent: [2, 3],
  },
  {
    name: 'between a part and the record that it is stored',
    lengths: short,
    kill: { at: 'before', save: 4 },
    stored: [1],
    sealed: [1, 2],
    sent: [2, 3],
    ...options.stateKey,
  },
  {
    name: 'between the record of the trailer and the part with it',
    lengths: short,
    kill: { at: 'after', save: 6 },
    stored: [1, 2],
    sealed: [1, 2, 3],
    sent: [3],
    ...options.partSize,
  },
  {
    name: 'between the part with the trailer and its record',
    lengths: short,
    kill: { at: 'before', save: 7 },
    stored: [1, 2],
    sealed: [1, 2, 3],
    sent: [3],
  },
  {
    name: 'between the part with the trailer and Complete',
    lengths: short,
    kill: { at: 'after', save: 7 },
    stored: [1, 2, 3],
    sealed: [1, 2, 3],
    sent: [],
  },
  {
    name: 'between the record of the trailer and its own part',
    lengths: full,
    kill: { at: 'after', save: 5 },
    stored: [1, 2],
    sealed: [1, 2],
    sent: [3],
    ...options.v2,
  },
  {
    name: "between the trailer's own part and its record",
    lengths: full,
    kill: { at: 'before', save: 6 },
    stored: [1, 2],
    sealed: [1, 2],
    sent: [3],
  },
  {
    name: "between the trailer's own part and Complete",
    lengths: full,
    kill: { at: 'after', save: 6 },
    stored: [1, 2],
    sealed: [1, 2],
    sent: [],
    ...options.stateKey,
  },
  {
    name: 'when the upload is complete',
    lengths: full,
    kill: { at: 'completed' },
    stored: [1, 2],
    sealed: [1, 2],
    sent: [],
  },
  {
    name: 'again and again',
    lengths: [PART, PART, PART, 1000],
    earlier: [
      { at: 'after', save: 1 },
      { at: 'within', save: 2 },
      { at: 'within', save: 0 },
    ],
    kill: { at: 'after', save: 3 },
    stored: [1],
    sealed: [1, 2],
    sent: [2, 3, 4],
  },
]

const stateOf = ({ name }: Scenario) => path.join(directory, name.replaceAll(/\W/g, '-'))
const ends = new Map<Scenario, readonly Ended[]>()

async function run(scenario: Scenario): Promise<void> {
  const { name: key, earlier = [], kill, ...rest } = scenario
  const ended: Ended[] = []
  for (const [index, one] of [...earlier, kill].entries()) {
    const job: Job = { ...rest, key, kill: one, state: stateOf(scenario), config: w.s3.clientConfig, resume: index > 0 }
    ended.push(
      await runProcess('resume-child', job, async (child) => {
        if (one.at !== 'sending') return
        const mine = () => w.s3.requests.filter((request) => request.key === key && request.query.partNumber === '2')
        await until(() => child.exitCode !== null || bytesSent({ requests: mine() }) >= 2 * MiB)
        child.kill('SIGKILL')
      }),
    )
  }
  ends.set(scenario, ended)
}

describe('a process that is killed', () => {
  before(async () => {
    // Two at a time: each spends most of its time loading.
    const waiting = [...scenarios]
    const worker = async () => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) await run(next)
    }
    await Promise.all([worker(), worker()])
  })

  for (const scenario of scenarios) {
    const { name: Key, lengths, stored, sealed, sent, commitmentPolicy, stateKey } = scenario
    it(`${Key} is followed by one that sends parts ${sent.join(', ') || 'no more'}`, async () => {
      for (const { signal, errors } of ends.get(scenario)!) assert.equal(signal, 'SIGKILL', errors)
      const state = readFileSync(stateOf(scenario), 'utf8')
      const resume = async () => {
        const client = w.client({ commitmentPolicy })
        const given = { stateKey: stateKey === undefined ? undefined : new Uint8Array(Buffer.from(stateKey, 'base64')) }
        return { client, imported: await importUpload(client, { Bucket, Key }, state, given) }
      }
      const parts = source(...lengths)
      w.s3.requests.length = 0

      // With another source nothing of a part that was encrypted before leaves.
      const first = await resume()
      assert.deepEqual(
        first.imported.Parts.map(({ PartNumber }) => PartNumber),
        stored,
      )
      for (const number of sealed) {
        const other = changed(parts[number - 1]!, 0)
        await assert.rejects(
          send(first.client, first.imported, number, other),
          code('ERR_S3CSE_UPLOAD_STATE', /other bytes/),
        )
      }
      assert.deepEqual(w.s3.requests, [])

      const second = await resume()
      await finish(second.client, second.imported, parts)
      assert.deepEqual(partsSent(w.s3), sent)
    })
  }
})
