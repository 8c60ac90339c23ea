/** CPU time of many small requests with and without encryption, batch by batch in turn. */
import { randomBytes } from 'node:crypto'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { addEncryption, aesKeyring } from 's3-cse'
import type { S3ClientConfig } from 's3-cse/testing'
import { giveAnswer, receiveTask } from '../support/processes.js'

export interface SmallTask {
  readonly config: S3ClientConfig
  /** Of each side and operation. */
  readonly batches: number
  /** In each batch. */
  readonly operations: number
  /** Bytes of plaintext. */
  readonly size: number
}

/** CPU time of each batch in milliseconds an operation, user and system; pairs stand at the same index. */
export interface Batches {
  readonly plain: number[]
  readonly encrypted: number[]
}

export interface SmallAnswer {
  readonly PutObject: Batches
  readonly GetObject: Batches
}

const task = await receiveTask<SmallTask>()
const Bucket = 'bench'
const body = randomBytes(task.size)
const clients = {
  plain: new S3Client(task.config),
  encrypted: addEncryption(new S3Client(task.config), { keyring: aesKeyring({ wrappingKey: randomBytes(32) }) }),
}
type Side = keyof typeof clients

async function put(side: Side): Promise<void> {
  await clients[side].send(new PutObjectCommand({ Bucket, Key: side, Body: body }))
}

async function get(side: Side): Promise<void> {
  const { Body } = await clients[side].send(new GetObjectCommand({ Bucket, Key: side }))
  const bytes = await Body?.transformToByteArray()
  if (bytes?.length !== body.length) throw new Error(`${String(bytes?.length)} bytes came back`)
}

/** Milliseconds of CPU an operation. */
async function batch(operation: (side: Side) => Promise<void>, side: Side): Promise<number> {
  // No forced collection in between: what follows one costs far more for a while, on both sides, and in no real program.
  const before = process.cpuUsage()
  for (let i = 0; i < task.operations; i++) await operation(side)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000 / task.operations
}

async function check(): Promise<void> {
  for (const side of ['plain', 'encrypted'] as const) await put(side)
  const { Body } = await clients.encrypted.send(new GetObjectCommand({ Bucket, Key: 'encrypted' }))
  const returned = await Body?.transformToByteArray()
  const { Body: storedBody } = await clients.plain.send(new GetObjectCommand({ Bucket, Key: 'encrypted' }))
  const stored = await storedBody?.transformToByteArray()
  if (returned === undefined || body.compare(returned) !== 0) throw new Error('what came back is not what was put')
  if (stored === undefined || Buffer.from(stored).includes(body)) throw new Error('nothing was encrypted')
}

async function measure(operation: (side: Side) => Promise<void>): Promise<Batches> {
  const times: Batches = { plain: [], encrypted: [] }
  // The first two pairs warm up.
  for (let pair = -2; pair < task.batches; pair++) {
    const order = pair % 2 === 0 ? (['plain', 'encrypted'] as const) : (['encrypted', 'plain'] as const)
    for (const side of order) {
      const time = await batch(operation, side)
      if (pair >= 0) times[side].push(time)
    }
  }
  return times
}

await check()
giveAnswer({ PutObject: await measure(put), GetObject: await measure(get) } satisfies SmallAnswer)
for (const client of Object.values(clients)) client.destroy()
