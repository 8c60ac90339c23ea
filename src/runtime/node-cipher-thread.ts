/**
 * One thread that encrypts in buffers which move there and back. It takes half of what the same costs the main thread,
 * where results come in fresh memory that has to be collected; WebCrypto's copies cost the main thread as much as the
 * cipher does. One is enough: it encrypts faster than the SDK sends.
 */
import { createSecretKey, type KeyObject } from 'node:crypto'
import process from 'node:process'
import { Worker } from 'node:worker_threads'
import type { GcmStretch } from './runtime.js'

/** Milliseconds without work after which the thread ends. */
const IDLE_TIME = 5000

/** As text, so that it is found wherever the package was bundled to. Slices and their release: see node-crypto.ts. */
const PROGRAM = `'use strict'
const { parentPort } = require('node:worker_threads')
const { createCipheriv } = require('node:crypto')
const { port1 } = new MessageChannel()
port1.close()
const release = (buffer) => {
  if (buffer.transfer !== undefined) buffer.transfer(0)
  else port1.postMessage(undefined, [buffer])
}
parentPort.on('message', ({ id, algorithm, key, stretches, buffer }) => {
  const bytes = new Uint8Array(buffer)
  const tags = []
  let at = 0
  for (const { iv, length } of stretches) {
    const cipher = createCipheriv(algorithm, key, iv, { authTagLength: 16 })
    for (const end = at + length; at < end; ) {
      const result = cipher.update(bytes.subarray(at, Math.min(at + 65536, end)))
      bytes.set(result, at)
      at += result.length
      release(result.buffer)
    }
    cipher.final()
    tags.push(new Uint8Array(cipher.getAuthTag()))
  }
  parentPort.postMessage({ id, buffer, tags }, [buffer])
})`

export interface Encrypted {
  readonly buffer: ArrayBuffer
  readonly tags: Uint8Array[]
}

export interface CipherThread {
  /**
   * AES-GCM in place, from the beginning of `buffer` on, which is moved: it is empty from then on, and what it held
   * comes back in another. `undefined` if the thread was lost, and the buffer with it.
   */
  encrypt(key: KeyObject, stretches: readonly GcmStretch[], buffer: ArrayBuffer): Promise<Encrypted | undefined>
  /** Whether it is of any use to ask: not where threads are forbidden or have failed. */
  readonly usable: boolean
}

interface Answer extends Encrypted {
  readonly id: number
}

/** `start` is for tests. */
export function cipherThread(start: () => Worker = startWorker): CipherThread {
  const waiting = new Map<number, (answer: Encrypted | undefined) => void>()
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
    encrypt(key, stretches, buffer) {
      return new Promise((resolve) => {
        const id = ++lastId
        try {
          worker ??= begin()
          clearTimeout(idle)
          worker.ref()
          worker.postMessage(
            { id, algorithm: `aes-${(key.symmetricKeySize as number) * 8}-gcm`, key, stretches, buffer },
            [buffer],
          )
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
  return new Worker(PROGRAM, { eval: true, execArgv: [], env: {} })
}

let shared: CipherThread | undefined

/**
 * Encrypts consecutive stretches of `plaintext` in the memory of `into`, which must be the whole of its buffer and
 * at least as long. `undefined` if it has to be done here; `into` is empty then, or as good as before.
 */
export async function encryptApart(
  key: Uint8Array,
  plaintext: Uint8Array,
  stretches: readonly GcmStretch[],
  into: Uint8Array,
): Promise<{ readonly output: Uint8Array; readonly tags: readonly Uint8Array[] } | undefined> {
  shared ??= cipherThread()
  if (!shared.usable || !isNode() || !(into.buffer instanceof ArrayBuffer)) return undefined
  into.set(plaintext)
  // It crosses as a handle; its bytes are wiped when the last one is gone.
  const answer = await shared.encrypt(createSecretKey(key), stretches, into.buffer)
  return answer === undefined ? undefined : { output: new Uint8Array(answer.buffer), tags: answer.tags }
}

/** Bun and Deno have node:worker_threads of their own making, on which nothing was measured. */
function isNode(): boolean {
  return process.versions['bun'] === undefined && process.versions['deno'] === undefined
}
