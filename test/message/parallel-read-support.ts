import { runtime } from '#runtime'
import { createCipheriv } from 'node:crypto'

import { sourceOfBytes } from '../../src/bytes/body.js'
import { gcmOpener } from '../../src/crypto/gcm-message.js'
import type { Opener } from '../../src/message/opener.js'
import { planReads } from '../../src/message/parallel-read-plan.js'
import { parallelRead, type ParallelReadOptions } from '../../src/message/parallel-read.js'
import type { ByteSource, Runtime } from '../../src/runtime/runtime.js'

const key = new Uint8Array(32).fill(1)
const iv = new Uint8Array(12).fill(2)

export function gcmSealed(plaintext: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, iv)
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

export async function gcm(crypto: Pick<Runtime, 'aes'> = runtime): Promise<Opener> {
  return gcmOpener({ aes: await crypto.aes(key), iv, aad: new Uint8Array(0) })
}

/** A file in memory. Places that were never written are 0xee. */
export interface MemoryFile {
  readonly bytes: Buffer
  write(offset: number, data: Uint8Array): Promise<void>
  read(offset: number, into: Uint8Array): Promise<void>
}

export function memoryFile(length: number): MemoryFile {
  const bytes = Buffer.alloc(length, 0xee)
  return {
    bytes,
    async write(offset, data) {
      await Promise.resolve()
      if (offset + data.length > length) throw new Error(`written up to ${offset + data.length} of ${length}`)
      bytes.set(data, offset)
    },
    async read(offset, into) {
      into.set(bytes.subarray(offset, offset + into.length))
    },
  }
}

/** A source that gives `bytes`, and then the error in place of the end. */
export function broken(bytes: Uint8Array, error: Error): ByteSource {
  const source = sourceOfBytes(bytes, 10_000)
  return {
    async next() {
      const chunk = await source.next()
      if (chunk === undefined) throw error
      return chunk
    },
    cancel: (reason) => source.cancel(reason),
  }
}

export type Answer = (from: number, to: number, signal: AbortSignal) => ByteSource | Promise<ByteSource>

export interface Reading {
  readonly file: MemoryFile
  /** What was asked for, in order: 'from-to'. */
  readonly asked: string[]
  /** Sources that were given out and neither read to their end nor cancelled. */
  readonly open: Set<ByteSource>
  readonly done: Promise<void>
}

/** Reads a stored message that is in memory. `answer` replaces the answers to requests. */
export function reading(
  stored: Uint8Array,
  opener: Opener,
  partSize: number,
  options: Partial<ParallelReadOptions> & { readonly answer?: Answer; readonly file?: MemoryFile } = {},
): Reading {
  const plan = planReads(opener, stored.length, partSize)
  if (plan === undefined) throw new Error('no plan')
  const { answer = (from: number, to: number) => sourceOfBytes(stored.subarray(from, to), 10_007), ...rest } = options
  const asked: string[] = []
  const open = new Set<ByteSource>()
  const file = options.file ?? memoryFile(plan.plaintextLength)
  const watched = (source: ByteSource): ByteSource => {
    const watching: ByteSource = {
      async next() {
        const chunk = await source.next()
        if (chunk === undefined) open.delete(watching)
        return chunk
      },
      cancel(error) {
        open.delete(watching)
        source.cancel(error)
      },
    }
    open.add(watching)
    return watching
  }
  const done = parallelRead({
    opener,
    plan,
    concurrency: 3,
    maxAttempts: 3,
    request: async (from, to, signal) => {
      asked.push(`${from}-${to}`)
      return watched(await answer(from, to, signal))
    },
    retryable: () => false,
    signal: new AbortController().signal,
    ...rest,
    file,
  })
  return { file, asked, open, done }
}
