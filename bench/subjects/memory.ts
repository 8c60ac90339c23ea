/** One PutObject or GetObject of a large stream: this process's peak memory is the result. */
import type { Readable } from 'node:stream'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { addEncryption, aesKeyring } from 's3-cse'
import type { S3ClientConfig } from 's3-cse/testing'
import { consume, generate, pattern } from '../support/pattern.js'
import { peakMemory, watchHeap, type HeapPeaks } from '../support/peak.js'
import { giveAnswer, receiveTask } from '../support/processes.js'

export interface MemoryTask {
  readonly operation: 'put' | 'get'
  readonly encryption: 'none' | 'verified' | 'delayed'
  readonly config: S3ClientConfig
  readonly key: string
  /** Bytes of plaintext. */
  readonly size: number
  /** Base64. */
  readonly wrappingKey: string
  /** Base64: what the body is made from. */
  readonly seed: string
  readonly spoolDirectory: string
}

export interface MemoryAnswer extends HeapPeaks {
  /** Bytes, before the request and at the end. */
  readonly before: number
  readonly peak: number
  readonly seconds: number
  readonly cpuSeconds: number
}

const task = await receiveTask<MemoryTask>()
const body = pattern(task.size, Buffer.from(task.seed, 'base64'))
const client = new S3Client(task.config)
if (task.encryption !== 'none') {
  addEncryption(client, {
    keyring: aesKeyring({ wrappingKey: Buffer.from(task.wrappingKey, 'base64') }),
    delayedAuthentication: task.encryption === 'delayed',
    spool: { directory: task.spoolDirectory },
  })
}

const before = peakMemory()
const heap = watchHeap(50)
const cpu = process.cpuUsage()
const begun = performance.now()
const object = { Bucket: 'bench', Key: task.key }
if (task.operation === 'put') {
  await client.send(new PutObjectCommand({ ...object, Body: generate(body), ContentLength: task.size }))
} else {
  const { Body } = await client.send(new GetObjectCommand(object))
  await consume(Body as Readable, body)
}
const seconds = (performance.now() - begun) / 1000
const { user, system } = process.cpuUsage(cpu)
const peaks = heap.stop()
giveAnswer({ before, peak: peakMemory(), seconds, cpuSeconds: (user + system) / 1e6, ...peaks } satisfies MemoryAnswer)
client.destroy()
