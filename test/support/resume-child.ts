/**
 * A process that uploads one object part by part, saves the state to a file, and is killed where its job says: a fixture
 * of the tests of crashes, started by them with the job as its argument.
 */
import { S3Client } from '@aws-sdk/client-s3'
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { PassThrough } from 'node:stream'

import { addEncryption, importUpload } from '../../src/index.js'
import type { CommitmentPolicy } from '../../src/index.js'
import type { S3ClientConfig } from '../../src/testing/index.js'
import { complete, create, MiB, send, source } from './resume.js'
import type { Name } from './resume.js'
import { Bucket, keyring } from './world.js'

/** Where the process ends. Saves are counted from 0, that of CreateMultipartUpload or of the import. */
export type Kill =
  /** Just before a save, in the middle of it, or when it is durable. */
  | { readonly at: 'before' | 'within' | 'after'; readonly save: number }
  /** When CompleteMultipartUpload has been answered. */
  | { readonly at: 'completed' }
  /** While a part is being sent: it stays so, and the test ends the process. */
  | { readonly at: 'sending'; readonly part: number }

export interface Job {
  readonly config: S3ClientConfig
  readonly key: string
  readonly state: string
  readonly lengths: readonly number[]
  readonly kill: Kill
  /** Goes on with what is in the file. */
  readonly resume?: boolean
  readonly partSize?: number
  readonly commitmentPolicy?: CommitmentPolicy
  /** In Base64. */
  readonly stateKey?: string
}

function die(): never {
  process.kill(process.pid, 'SIGKILL')
  throw new Error('still alive')
}

function saver({ state, kill }: Job): (text: string) => void {
  let count = 0
  return (text) => {
    const here = 'save' in kill && kill.save === count++ ? kill.at : undefined
    if (here === 'before') die()
    const file = openSync(state, 'a', 0o600)
    writeSync(file, here === 'within' ? text.slice(0, text.length / 2) : text)
    if (here === 'within') die()
    fsyncSync(file)
    closeSync(file)
    if (here === 'after') die()
  }
}

/** A body that begins and does not end. */
function stalled(bytes: Buffer): PassThrough {
  const body = new PassThrough()
  body.write(bytes.subarray(0, 3 * MiB))
  return body
}

async function run(job: Job): Promise<void> {
  const { config, key: Key, state, lengths, kill, resume = false, partSize, commitmentPolicy } = job
  const stateKey = job.stateKey === undefined ? undefined : new Uint8Array(Buffer.from(job.stateKey, 'base64'))
  const client = addEncryption(new S3Client({ ...config, maxAttempts: 1 }), { keyring, commitmentPolicy })
  const saveUpload = saver(job)
  let name: Name
  const parts = new Map<number, string>()
  if (resume) {
    const imported = await importUpload(client, { Bucket, Key }, readFileSync(state, 'utf8'), { saveUpload, stateKey })
    name = imported
    for (const { PartNumber, ETag } of imported.Parts) parts.set(PartNumber!, ETag!)
  } else name = await create(client, Key, { saveUpload, stateKey, partSize })
  for (const [index, part] of source(...lengths).entries()) {
    const number = index + 1
    if (parts.has(number)) continue
    const stalls = kill.at === 'sending' && kill.part === number
    const more = stalls ? { ContentLength: part.length } : {}
    const { ETag } = await send(client, name, number, stalls ? stalled(part) : part, more)
    parts.set(number, ETag!)
  }
  const list = [...parts].sort(([a], [b]) => a - b)
  await complete(
    client,
    name,
    list.map(([PartNumber, ETag]) => ({ PartNumber, ETag })),
  )
  if (kill.at === 'completed') die()
  throw new Error('the process was to be killed before')
}

await run(JSON.parse(process.argv[2] ?? '') as Job)
