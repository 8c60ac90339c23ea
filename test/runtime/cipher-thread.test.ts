import assert from 'node:assert/strict'
import { createHash, createSecretKey } from 'node:crypto'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { cipherThread } from '../../src/runtime/node-cipher-thread.js'
import { runtime } from '../../src/runtime/node.js'
import { oneShot, pattern } from '../crypto/helpers.js'

const NOTHING = new Uint8Array(0)
const nothing = (): void => undefined
const key = pattern(32)
const ivs = [pattern(12), pattern(16), pattern(16).reverse()]

function ended(program: string): () => Worker {
  return () => new Worker(program, { eval: true, stderr: true })
}

/** The threads of the library. */
const started: Worker[] = []
let watching = true
process.on('worker', (worker) => {
  if (watching) started.push(worker)
})

/** What the thread gives, in the form that the one-shot cipher has. */
async function apart(
  rawKey: Uint8Array,
  plaintext: Uint8Array,
  lengths: readonly number[],
  hash = false,
): Promise<Uint8Array[]> {
  const aes = await runtime.aes(rawKey)
  const stretches = lengths.map((length, i) => ({ iv: ivs[i % ivs.length] as Uint8Array, length }))
  // What stands around it is not touched.
  const around = new Uint8Array(plaintext.length + 32).fill(0xee)
  const output = around.subarray(16, -16)
  const { tags, sha256 } = await aes.gcmEncryptApart!(plaintext, stretches, output, hash)
  assert.deepEqual(sha256 && Buffer.from(sha256), hash ? createHash('sha256').update(output).digest() : undefined)
  for (const edge of [around.subarray(0, 16), around.subarray(-16)]) assert.ok(edge.every((byte) => byte === 0xee))
  let at = 0
  return lengths.map((length, i) => {
    at += length
    return Buffer.concat([output.subarray(at - length, at), tags[i] as Uint8Array])
  })
}

function expected(rawKey: Uint8Array, plaintext: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  let at = 0
  return lengths.map((length, i) => {
    at += length
    return oneShot(rawKey, ivs[i % ivs.length] as Uint8Array, NOTHING, plaintext.subarray(at - length, at))
  })
}

describe('encryption in another thread', () => {
  it('is node’s one-shot cipher, for all key lengths', async () => {
    const shape = fc.record({
      keyLength: fc.constantFrom(16, 24, 32),
      lengths: fc.array(fc.constantFrom(0, 1, 16, 4096, 65535, 65536, 65537, 200_003), { minLength: 1, maxLength: 5 }),
    })
    await fc.assert(
      fc.asyncProperty(shape, async ({ keyLength, lengths }) => {
        const plaintext = pattern(lengths.reduce<number>((sum, length) => sum + length, 0))
        const rawKey = pattern(keyLength)
        assert.deepEqual(
          (await apart(rawKey, plaintext, lengths, lengths.length % 2 === 0)).map((one) => Buffer.from(one)),
          expected(rawKey, plaintext, lengths).map((one) => Buffer.from(one)),
        )
      }),
      { numRuns: 30 },
    )
  })

  it('is one thread', () => {
    assert.equal(started.length, 1)
    watching = false
  })

  it('does several things at a time, each with its own key', async () => {
    const results = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        apart(pattern(32 - 8 * (i % 3)), pattern(100_000 + i), [65536, 34464 + i], i % 2 === 0),
      ),
    )
    for (const [i, result] of results.entries()) {
      const plaintext = pattern(100_000 + i)
      const lengths = [65536, 34464 + i]
      for (const [n, one] of expected(pattern(32 - 8 * (i % 3)), plaintext, lengths).entries()) {
        assert.equal(Buffer.compare(one, result[n] as Uint8Array), 0)
      }
    }
  })

  for (const [how, start] of [
    ['throws', ended('throw new Error("no")')],
    ['ends', ended('process.exit(1)')],
    ['ends while it works', ended('require("node:worker_threads").parentPort.once("message", () => process.exit(0))')],
  ] as const) {
    it(`a thread that ${how} answers nothing, and is not started again`, async () => {
      let started = 0
      const thread = cipherThread(nothing, () => {
        started++
        return start()
      })
      const work = (): Promise<unknown> =>
        thread.encrypt(createSecretKey(key), { iv: ivs[0]!, memory: new SharedArrayBuffer(64), length: 48 })
      assert.deepEqual(await Promise.all([work(), work()]), [undefined, undefined])
      assert.equal(thread.usable, false)
      assert.equal(started, 1)
    })
  }

  it('a thread that cannot be started is none', async () => {
    const thread = cipherThread(nothing, () => {
      throw new Error('ERR_ACCESS_DENIED')
    })
    assert.equal(
      await thread.encrypt(createSecretKey(key), { iv: ivs[0]!, memory: new SharedArrayBuffer(8), length: 8 }),
      undefined,
    )
    assert.equal(thread.usable, false)
  })

  it('ends when there was nothing to do for a while, and another one begins', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const workers: Worker[] = []
    const thread = cipherThread(nothing, () => {
      const answer = `const { parentPort } = require('node:worker_threads')
        parentPort.on('message', ({ id }) => parentPort.postMessage({ id, tag: new Uint8Array(16) }))`
      const worker = new Worker(answer, { eval: true })
      workers.push(worker)
      return worker
    })
    const work = (): Promise<unknown> =>
      thread.encrypt(createSecretKey(key), { iv: ivs[0]!, memory: new SharedArrayBuffer(8), length: 8 })
    await work()
    t.mock.timers.tick(4000)
    await work()
    t.mock.timers.tick(4000)
    await work()
    assert.equal(workers.length, 1)
    const exit = once(workers[0]!, 'exit')
    t.mock.timers.tick(5000)
    await exit
    assert.equal(thread.usable, true)
    await work()
    assert.equal(workers.length, 2)
    await workers[1]!.terminate()
  })

  it('takes longer stretches than the memory it shares as the main thread does', async () => {
    const plaintext = pattern(1_100_000)
    const lengths = [1_048_577, 51_423]
    assert.deepEqual(
      (await apart(key, plaintext, lengths)).map((one) => Buffer.from(one)),
      expected(key, plaintext, lengths).map((one) => Buffer.from(one)),
    )
  })

  it('is done by the main thread when the other one was lost, and from then on', async () => {
    const plaintext = pattern(7_000_000)
    const lengths = [...Array.from({ length: 6 }, () => 1 << 20), 7_000_000 - (6 << 20)]
    const wanted = expected(key, plaintext, lengths).map((one) => Buffer.from(one))
    assert.equal(started.length, 1)
    watching = true
    void started[0]!.terminate()
    const once = async (): Promise<Buffer[]> => (await apart(key, plaintext, lengths)).map((one) => Buffer.from(one))
    assert.deepEqual(await once(), wanted)
    assert.deepEqual(await once(), wanted)
    assert.equal(started.length, 1)
  })
})
