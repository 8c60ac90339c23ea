/** Many small objects with and without a caching keyring, against a KMS that takes its time. */
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { KMSClient } from '@aws-sdk/client-kms'
import { addEncryption, cachingKeyring, type Keyring } from 's3-cse'
import { kmsKeyring, type KmsClientLike } from 's3-cse/kms'
import { startKms, type S3ClientConfig } from 's3-cse/testing'
import { giveAnswer, receiveTask } from '../support/processes.js'

export interface CachingTask {
  readonly config: S3ClientConfig
  /** Written and read, of each side. */
  readonly objects: number
  /** Bytes of plaintext. */
  readonly size: number
  /** Milliseconds that KMS takes for a request. */
  readonly kmsDelay: number
  readonly maxMessages: number
  readonly concurrencies: readonly number[]
}

export type CachingAnswer = readonly {
  readonly operation: 'PutObject' | 'GetObject'
  readonly concurrency: number
  readonly side: string
  readonly kmsRequests: number
  /** For all objects. */
  readonly seconds: number
  /** Milliseconds of each object. */
  readonly times: number[]
}[]

const task = await receiveTask<CachingTask>()
const Bucket = 'bench'
const body = randomBytes(task.size)
const kms = await startKms({ keys: ['alias/bench'], recordRequests: 1 })
const client = new KMSClient(kms.clientConfig)
let kmsRequests = 0
const slow: KmsClientLike = {
  send: async (command, options) => {
    kmsRequests++
    await delay(task.kmsDelay)
    return client.send(command, options)
  },
}
const inner = kmsKeyring({ client: slow, keyId: 'alias/bench' })
const sides: Readonly<Record<string, () => Keyring>> = {
  'without a cache': () => inner,
  'with a cache': () => cachingKeyring(inner, { maxAge: 3_600_000, maxMessages: task.maxMessages }),
}

async function put(s3: S3Client, key: string): Promise<void> {
  await s3.send(new PutObjectCommand({ Bucket, Key: key, Body: body }))
}

async function get(s3: S3Client, key: string): Promise<void> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key: key }))
  const bytes = await Body?.transformToByteArray()
  if (bytes?.length !== body.length) throw new Error(`${String(bytes?.length)} bytes came back`)
}

/** Each time with a client and a cache of its own. */
async function measure(
  operation: 'PutObject' | 'GetObject',
  concurrency: number,
  side: string,
): Promise<CachingAnswer[number]> {
  const keyring = sides[side]?.() ?? inner
  const s3 = addEncryption(new S3Client(task.config), { keyring })
  const times: number[] = []
  let next = 0
  const work = async (): Promise<void> => {
    for (let i = next++; i < task.objects; i = next++) {
      const begun = performance.now()
      await (operation === 'PutObject' ? put : get)(s3, `${side}/${i}`)
      times.push(performance.now() - begun)
    }
  }
  kmsRequests = 0
  const begun = performance.now()
  await Promise.all(Array.from({ length: concurrency }, work))
  const seconds = (performance.now() - begun) / 1000
  s3.destroy()
  return { operation, concurrency, side, kmsRequests, seconds, times }
}

/** Everything is compiled and every socket type has been used once. */
async function warmUp(): Promise<void> {
  const s3 = addEncryption(new S3Client(task.config), { keyring: inner })
  for (let i = 0; i < 200; i++) {
    await put(s3, 'warm')
    await get(s3, 'warm')
  }
  s3.destroy()
}

await warmUp()
const answer: CachingAnswer[number][] = []
for (const concurrency of task.concurrencies) {
  for (const operation of ['PutObject', 'GetObject'] as const) {
    for (const side of Object.keys(sides)) answer.push(await measure(operation, concurrency, side))
  }
}
client.destroy()
await kms.close()
giveAnswer(answer)
