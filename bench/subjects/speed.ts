/** One side of one row of the speed benchmark, in a process of its own. */
import { createReadStream, createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { pipeline } from 'node:stream/promises'
import type { Readable } from 'node:stream'
import path from 'node:path'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { addEncryption, aesKeyring, download } from 's3-cse'
import type { S3ClientConfig } from 's3-cse/testing'
import type { Operation } from '../speed/rows.js'
import { consume, generate, inMemory, pattern, type Pattern } from '../support/pattern.js'
import { peakMemory } from '../support/peak.js'
import { giveAnswer, receiveTask } from '../support/processes.js'
import { MIB } from '../support/units.js'

export interface SpeedTask {
  readonly operation: Operation
  readonly encrypted: boolean
  readonly config: S3ClientConfig
  /** Of the object; `warm` is that of a smaller one. */
  readonly key: string
  readonly warmKey: string
  /** Bytes of plaintext. */
  readonly size: number
  readonly warmSize: number
  /** Bodies are made before the clock starts, and uploaded from memory. */
  readonly inMemory: boolean
  readonly operations: number
  readonly warmOperations: number
  /** Base64. */
  readonly wrappingKey: string
  readonly seed: string
  /** Of the temporary files and the downloaded ones. */
  readonly directory: string
  /** Whether what was written or read is checked, to the byte, after the measurement. */
  readonly check: boolean
}

export interface SpeedAnswer {
  readonly seconds: number
  readonly cpuSeconds: number
  /** Bytes. */
  readonly peak: number
  /** 99th percentile, milliseconds. */
  readonly loopDelay: number
}

const Bucket = 'bench'
const task = await receiveTask<SpeedTask>()
const { operation, encrypted } = task
const seed = Buffer.from(task.seed, 'base64')
const destination = path.join(task.directory, `download-${process.pid}`)
const client = new S3Client(task.config)
if (encrypted) {
  addEncryption(client, {
    keyring: aesKeyring({ wrappingKey: Buffer.from(task.wrappingKey, 'base64') }),
    delayedAuthentication: operation === 'get-delayed',
    unsignedPayload: operation === 'upload-unsigned',
    spool: { directory: task.directory },
  })
}
// The option unsignedPayload does the same, but on https alone, which would measure TLS.
if (encrypted && operation === 'upload-unsigned') {
  client.middlewareStack.add(
    (next) => (args) => {
      const { headers } = args.request as { headers: Record<string, string> }
      headers['x-amz-content-sha256'] ??= 'UNSIGNED-PAYLOAD'
      return next(args)
    },
    { step: 'build' },
  )
}

/** Reads to the end and looks at nothing: whatever a reader does costs both sides the same. */
function drain(stream: Readable): Promise<number> {
  return new Promise((resolve, reject) => {
    let length = 0
    stream.on('data', (chunk: Buffer) => (length += chunk.length))
    stream.on('end', () => resolve(length))
    stream.on('error', reject)
  })
}

async function get(Key: string): Promise<Readable> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }))
  return Body as Readable
}

/** Made before the clock starts. */
type Body = Buffer | undefined

const runs: Record<Operation, (Key: string, content: Pattern, body: Body) => Promise<void>> = {
  'put-buffer': async (Key, _, Body) => {
    await client.send(new PutObjectCommand({ Bucket, Key, Body: Body as Buffer }))
  },
  'put-stream': async (Key, content) => {
    await client.send(new PutObjectCommand({ Bucket, Key, Body: generate(content), ContentLength: content.size }))
  },
  upload,
  'upload-unsigned': upload,
  'get-verified': read,
  'get-delayed': read,
  download: async (Key) => {
    if (encrypted) await download(client, { Bucket, Key }, destination)
    else await pipeline(await get(Key), createWriteStream(destination))
  },
}

async function upload(Key: string, content: Pattern, body: Body): Promise<void> {
  const params = { Bucket, Key, Body: body ?? generate(content) }
  await new Upload({ client, params, partSize: 8 * MIB, queueSize: 4 }).done()
}

async function read(Key: string, { size }: Pattern): Promise<void> {
  const length = await drain(await get(Key))
  if (length !== size) throw new Error(`${length} bytes came back instead of ${size}`)
}

async function check(content: Pattern): Promise<void> {
  await consume(operation === 'download' ? createReadStream(destination) : await get(task.key), content)
}

function bodyOf(content: Pattern): Body {
  return task.inMemory ? inMemory(content) : undefined
}

const warm = pattern(task.warmSize, seed)
const warmBody = bodyOf(warm)
for (let i = 0; i < task.warmOperations; i++) await runs[operation](task.warmKey, warm, warmBody)
await rm(destination, { force: true })

const content = pattern(task.size, seed)
const body = bodyOf(content)
const loop = monitorEventLoopDelay({ resolution: 1 })
loop.enable()
const cpu = process.cpuUsage()
const begun = performance.now()
for (let i = 0; i < task.operations; i++) await runs[operation](task.key, content, body)
const seconds = (performance.now() - begun) / 1000
const { user, system } = process.cpuUsage(cpu)
loop.disable()
const answer: SpeedAnswer = {
  seconds,
  cpuSeconds: (user + system) / 1e6,
  peak: peakMemory(),
  loopDelay: loop.percentile(99) / 1e6,
}
if (task.check) await check(content)
await rm(destination, { force: true })
giveAnswer(answer)
client.destroy()
