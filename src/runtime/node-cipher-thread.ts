/**
 * One thread that encrypts in memory that it shares with this one. What the main thread spends is two copies; its own
 * cipher gives results in fresh memory, which have to be collected, and WebCrypto's copies cost it as much as a cipher.
 * Buffers that move there and back are collected each time. One thread is enough: it encrypts faster than the SDK sends.
 */
import { createSecretKey, type KeyObject } from 'node:crypto'
import process from 'node:process'
import { Worker } from 'node:worker_threads'
import type { GcmStretch, GcmStretches } from './runtime.js'

/** Milliseconds without work after which the thread ends, and its memory goes. */
const IDLE_TIME = 5000

/** In bytes: the longest stretch that is encrypted there. */
const SLOT_LENGTH = 1024 * 1024

/** Stretches that are on their way at a time: the thread has the next one when it is done with one. More are faster, and leave more garbage. */
const SLOTS = 4

/** It holds next to nothing: room for more would be filled before it is collected. MiB. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 32 }

/** As text, so that it is found wherever the package was bundled to. Slices and their release: see node-crypto.ts. */
const PROGRAM = `'use strict'
const { parentPort } = require('node:worker_threads')
const { createCipheriv, createHash } = require('node:crypto')
const hashes = new Map()
const { port1 } = new MessageChannel()
port1.close()
const release = (buffer) => {
  if (buffer.transfer !== undefined) buffer.transfer(0)
  else port1.postMessage(undefined, [buffer])
}
parentPort.on('message', ({ id, algorithm, key, iv, memory, length, job, last }) => {
  const bytes = new Uint8Array(memory)
  const cipher = createCipheriv(algorithm, key, iv, { authTagLength: 16 })
  for (let at = 0; at < length; ) {
    const result = cipher.update(bytes.subarray(at, Math.min(at + 65536, length)))
    bytes.set(result, at)
    at += result.length
    release(result.buffer)
  }
  cipher.final()
  let sha256
  if (job !== undefined) {
    const hash = hashes.get(job) ?? createHash('sha256')
    hash.update(bytes.subarray(0, length))
    if (last) sha256 = new Uint8Array(hash.digest())
    if (last) hashes.delete(job)
    else hashes.set(job, hash)
  }
  parentPort.postMessage({ id, tag: new Uint8Array(cipher.getAuthTag()), sha256 })
})`

export interface Stretch {
  readonly iv: Uint8Array
  /** The first `length` bytes of it are encrypted in place. */
  readonly memory: SharedArrayBuffer
  readonly length: number
  /** Stretches of one job are hashed together, in the order in which they are given, up to the last. Default: not hashed. */
  readonly job?: number | undefined
  readonly last?: boolean | undefined
}

export interface EncryptedStretch {
  readonly tag: Uint8Array
  /** Of the ciphertexts of a job, with its last stretch. */
  readonly sha256: Uint8Array | undefined
}

export interface CipherThread {
  /** AES-GCM. Resolves with `undefined` if the thread was lost. */
  encrypt(key: KeyObject, stretch: Stretch): Promise<EncryptedStretch | undefined>
  /** Whether it is of any use to ask: not where threads are forbidden or have failed. */
  readonly usable: boolean
}

interface Answer extends EncryptedStretch {
  readonly id: number
}

/** `onIdle` is called when the thread ends for want of work. `start` is for tests. */
export function cipherThread(onIdle: () => void, start: () => Worker = startWorker): CipherThread {
  const waiting = new Map<number, (answer: EncryptedStretch | undefined) => void>()
  let worker: Worker | undefined
  let idle: NodeJS.Timeout | undefined
  let usable = true
  let lastId = 0

  function lost(): void {
    usable = false
    worker = undefined
    for (const resolve of waiting.values()) resolve(undefined)
    waiting.clear()
  }
  function begin(): Worker {
    const started = start()
    started.on('message', (answer: Answer) => {
      waiting.get(answer.id)?.(answer)
      waiting.delete(answer.id)
      if (waiting.size > 0) return
      // It holds no process open that has nothing else to do.
      started.unref()
      idle = setTimeout(() => {
        worker = undefined
        void started.terminate()
        onIdle()
      }, IDLE_TIME).unref()
    })
    // One that ends by itself; what comes of one that was ended concerns nobody.
    const failed = (): void => {
      if (worker !== started) return
      lost()
      void started.terminate()
    }
    started.on('error', failed)
    started.on('messageerror', failed)
    started.on('exit', failed)
    return started
  }
  return {
    get usable() {
      return usable
    },
    encrypt(key, stretch) {
      return new Promise((resolve) => {
        if (!usable) {
          resolve(undefined)
          return
        }
        const id = ++lastId
        try {
          worker ??= begin()
          clearTimeout(idle)
          worker.ref()
          const algorithm = `aes-${(key.symmetricKeySize as number) * 8}-gcm`
          worker.postMessage({ id, algorithm, key, ...stretch })
          waiting.set(id, resolve)
        } catch {
          // Forbidden by the permission model, or no memory for it.
          void worker?.terminate()
          lost()
          resolve(undefined)
        }
      })
    },
  }
}

/** With nothing of what the process was started with: loaders and instruments would be started again for it. */
function startWorker(): Worker {
  return new Worker(PROGRAM, { eval: true, execArgv: [], env: {}, resourceLimits: RESOURCE_LIMITS })
}

/** Memory that is shared with the thread; at most `SLOTS` pieces of it, in the order in which they are asked for. */
interface Slots {
  take(): Promise<SharedArrayBuffer>
  give(slot: SharedArrayBuffer): void
}

function slots(): Slots {
  const free: SharedArrayBuffer[] = []
  const waiting: ((slot: SharedArrayBuffer) => void)[] = []
  let taken = 0
  return {
    take() {
      if (taken === SLOTS) return new Promise((resolve) => waiting.push(resolve))
      taken++
      return Promise.resolve(free.pop() ?? new SharedArrayBuffer(SLOT_LENGTH))
    },
    give(slot) {
      const next = waiting.shift()
      if (next !== undefined) {
        next(slot)
        return
      }
      taken--
      free.push(slot)
    },
  }
}

const shared: { thread?: CipherThread; slots?: Slots } = {}

let jobs = 0

/**
 * See `Aes.gcmEncryptApart`. Resolves with `undefined` if it has to be done here, and what `into` holds then is of no use.
 */
export async function encryptApart(
  rawKey: Uint8Array,
  plaintext: Uint8Array,
  stretches: readonly GcmStretch[],
  into: Uint8Array,
  hash: boolean,
): Promise<GcmStretches | undefined> {
  const thread = (shared.thread ??= cipherThread(() => delete shared.slots))
  const memory = (shared.slots ??= slots())
  if (!thread.usable || !isNode() || stretches.some(({ length }) => length > SLOT_LENGTH)) return undefined
  // It crosses as a handle; its bytes are wiped when the last one is gone.
  const key = createSecretKey(rawKey)
  // At once, before the caller can change it.
  into.set(plaintext)
  const job = hash ? ++jobs : undefined
  let end = 0
  const answers = await Promise.all(
    stretches.map(async ({ iv, length }, index) => {
      const start = end
      end += length
      const last = index === stretches.length - 1
      const slot = await memory.take()
      try {
        const bytes = new Uint8Array(slot, 0, length)
        bytes.set(into.subarray(start, start + length))
        const answer = await thread.encrypt(key, { iv, memory: slot, length, job, last })
        // What the thread did not get to is plaintext.
        if (answer === undefined) bytes.fill(0)
        else into.set(bytes, start)
        return answer
      } finally {
        memory.give(slot)
      }
    }),
  )
  const encrypted = answers.filter((answer) => answer !== undefined)
  if (encrypted.length < answers.length) return undefined
  return { tags: encrypted.map(({ tag }) => tag), sha256: encrypted.at(-1)?.sha256 }
}

/** Bun and Deno have node:worker_threads of their own making, on which nothing was measured. */
function isNode(): boolean {
  return process.versions['bun'] === undefined && process.versions['deno'] === undefined
}
