/**
 * What cannot be avoided: the CPU time of the bare cipher, and of a file that is written and read. The same while a plain
 * client sends or receives the same bytes: where two cores share their units, a second costs more when both are busy.
 */
import { createCipheriv, randomBytes } from 'node:crypto'
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import type { S3ClientConfig } from 's3-cse/testing'
import { generate, newSeed, pattern } from '../support/pattern.js'
import { giveAnswer, receiveTask } from '../support/processes.js'
import { KIB, MIB } from '../support/units.js'

export interface RawTask {
  /** Bytes. */
  readonly size: number
  readonly key: string
  /** A server that has an object of `size` bytes as `key`, and one for uploads. */
  readonly storing: S3ClientConfig
  readonly discarding: S3ClientConfig
  readonly directory: string
}

/** Seconds of CPU, user and system. */
export interface RawAnswer {
  /** AES-256-GCM of node:crypto in slices of 64 KiB at most, each copied into one buffer. */
  readonly gcm: { readonly alone: number; readonly upload: number; readonly read: number }
  /** Written in pieces of 256 KiB as they arrive, and read when all have arrived. */
  readonly file: number
}

const SLICE = 64 * KIB
const WRITE = 256 * KIB

const { size, key, storing, discarding, directory } = await receiveTask<RawTask>()

interface Clock {
  seconds: number
}

function during(clock: Clock, work: () => void): void {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  clock.seconds += (user + system) / 1e6
}

function encryptor(clock: Clock): (chunk: Uint8Array) => void {
  const cipher = createCipheriv('aes-256-gcm', randomBytes(32), randomBytes(12))
  const output = Buffer.allocUnsafeSlow(SLICE)
  return (chunk) => {
    during(clock, () => {
      for (let at = 0; at < chunk.length; at += SLICE) output.set(cipher.update(chunk.subarray(at, at + SLICE)))
    })
  }
}

function alone(): number {
  // More than the processor's caches hold: data on their way are not in them either.
  const source = randomBytes(Math.min(size, 64 * MIB))
  const clock = { seconds: 0 }
  const encrypt = encryptor(clock)
  for (let done = 0; done < size; done += source.length) {
    const part = source.subarray(0, size - done)
    for (let at = 0; at < part.length; at += SLICE) encrypt(part.subarray(at, at + SLICE))
  }
  return clock.seconds
}

async function upload(): Promise<number> {
  const client = new S3Client(discarding)
  const clock = { seconds: 0 }
  const encrypt = encryptor(clock)
  const body = generate(pattern(size, newSeed()), encrypt)
  await client.send(new PutObjectCommand({ Bucket: 'bench', Key: 'raw', Body: body, ContentLength: size }))
  client.destroy()
  return clock.seconds
}

async function read(): Promise<{ gcm: number; file: number }> {
  const client = new S3Client(storing)
  const gcm = { seconds: 0 }
  const file = { seconds: 0 }
  const encrypt = encryptor(gcm)
  const buffer = Buffer.alloc(WRITE)
  const name = path.join(directory, `raw-${process.pid}`)
  const descriptor = openSync(name, 'wx+', 0o600)
  let filled = 0
  const write = (): void => {
    during(file, () => void writeSync(descriptor, buffer, 0, filled))
    filled = 0
  }
  try {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: 'bench', Key: key }))
    for await (const item of Body as Readable) {
      const chunk = item as Buffer
      encrypt(chunk)
      for (let at = 0; at < chunk.length;) {
        const copied = chunk.copy(buffer, filled, at)
        at += copied
        filled += copied
        if (filled === WRITE) write()
      }
    }
    write()
    for (let at = 0; at < size; at += WRITE) during(file, () => void readSync(descriptor, buffer, 0, WRITE, at))
  } finally {
    closeSync(descriptor)
    rmSync(name)
    client.destroy()
  }
  return { gcm: gcm.seconds, file: file.seconds }
}

alone()
const reading = await read()
giveAnswer({
  gcm: { alone: alone(), upload: await upload(), read: reading.gcm },
  file: reading.file,
} satisfies RawAnswer)
