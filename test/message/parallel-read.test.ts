import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'

import { sourceOfBytes } from '../../src/bytes/body.js'
import { DecryptionError } from '../../src/errors.js'
import { isParallel } from '../../src/message/parallel-read.js'
import { plainOpener } from '../../src/message/plain-opener.js'
import { cryptoRuntime as web } from '../../src/runtime/web-crypto.js'
import type { ByteSource } from '../../src/runtime/runtime.js'
import { pattern } from '../support/world.js'
import { framedOpener, framedRangeOpener, framedSealer } from './framed.js'
import { broken, gcm, gcmSealed, memoryFile, reading } from './parallel-read-support.js'

const PART = 65_536
const plaintext = pattern(5 * PART + 1000)
const stored = gcmSealed(plaintext)
const reset = new Error('reset')

/** Never answers; ends when it is cancelled. */
function silent(): ByteSource {
  let end: (error: Error) => void
  const waiting = new Promise<never>((_, reject) => (end = reject))
  waiting.catch(() => undefined)
  return { next: () => waiting, cancel: (error) => end(error ?? new Error('cancelled')) }
}

describe('a message read in ranges', () => {
  it('is the plaintext, whatever its length, its parts and their number at a time', async () => {
    const lengths = fc.oneof(
      fc.nat(300_000),
      fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: -20, max: 20 })).map(([n, by]) => n * PART + by),
    )
    await fc.assert(
      fc.asyncProperty(
        lengths,
        fc.integer({ min: 3000, max: 200_000 }),
        fc.integer({ min: 1, max: 6 }),
        async (n, partSize, concurrency) => {
          const bytes = pattern(n)
          for (const [sealed, opener] of [
            [gcmSealed(bytes), await gcm()],
            [framedSealer().sealWhole(bytes) as Uint8Array, framedRangeOpener()],
            [bytes, plainOpener()],
          ] as const) {
            const first = {
              source: sourceOfBytes(sealed.subarray(0, partSize), 5000),
              length: Math.min(partSize, sealed.length),
            }
            const r = reading(sealed, opener, partSize, { concurrency, first })
            await r.done
            assert.ok(r.file.bytes.equals(bytes))
            assert.equal(r.open.size, 0)
            // The answer to the first request is used: nothing of it but part of a segment or of the trailer comes again.
            assert.ok(!r.asked.some((range) => range.startsWith('0-')))
          }
        },
      ),
      { numRuns: 40 },
    )
  })

  it('is larger than a slice, of a format with segments as well, and by WebCrypto', async () => {
    const bytes = pattern(5_000_000)
    for (const [sealed, opener] of [
      [gcmSealed(bytes), await gcm()],
      [gcmSealed(bytes), await gcm(web)],
      [framedSealer().sealWhole(bytes) as Uint8Array, framedOpener()],
    ] as const) {
      const r = reading(sealed, opener, 2_500_000)
      await r.done
      assert.ok(r.file.bytes.equals(bytes))
    }
  })

  it('is refused if a byte of it was changed, wherever', async () => {
    for (const at of [0, PART - 1, PART, 3 * PART, stored.length - 17, stored.length - 16, stored.length - 1]) {
      const changed = Buffer.from(stored)
      changed[at]! ^= 1
      await assert.rejects(reading(changed, await gcm(), PART).done, DecryptionError, String(at))
    }
    const framed = framedSealer().sealWhole(plaintext) as Uint8Array
    for (const at of [8, 200_000, framed.length - 29, framed.length - 1]) {
      const changed = Buffer.from(framed)
      changed[at]! ^= 1
      await assert.rejects(reading(changed, framedRangeOpener(), PART).done, DecryptionError, String(at))
    }
  })

  it('keeps no more than so many requests open', async () => {
    let [open, most] = [0, 0]
    const answer = (from: number, to: number): ByteSource => {
      most = Math.max(most, ++open)
      const source = sourceOfBytes(stored.subarray(from, to), 4096)
      let ended = false
      return {
        async next() {
          await new Promise(setImmediate)
          const chunk = await source.next()
          if (chunk === undefined && !ended) {
            ended = true
            open--
          }
          return chunk
        },
        cancel: () => source.cancel(),
      }
    }
    await reading(stored, await gcm(), PART, { concurrency: 2, answer }).done
    assert.equal(most, 2)
  })

  it('never has a range written beyond its own place, nor short of it', async () => {
    for (const by of [-1, 1]) {
      const opener = plainOpener()
      const open = (_offset: number, sealed: Uint8Array) => new Uint8Array(sealed.length + by)
      const r = reading(plaintext, { ...opener, open }, PART, { concurrency: 1 })
      await assert.rejects(r.done, DecryptionError)
      assert.ok(r.file.bytes.subarray(PART).every((byte) => byte === 0xee))
    }
  })

  it('is read in any order without a check only where there is none', async () => {
    const opener = await gcm()
    assert.ok(isParallel(opener) && isParallel(framedOpener()) && isParallel(plainOpener()))
    for (const member of ['hash', 'join', 'verify']) {
      const ordered = { ...opener }
      Reflect.deleteProperty(ordered, member)
      assert.ok(!isParallel(ordered), member)
    }
  })
})

describe('a range whose response breaks off', () => {
  it('is asked for again, and only the attempt that got all of it counts', async () => {
    const failures = new Map<number, number>()
    const r = reading(stored, await gcm(), PART, {
      answer(from, to) {
        const failed = failures.get(from) ?? 0
        failures.set(from, failed + 1)
        const right = stored.subarray(from, to)
        if (failed === 2) return sourceOfBytes(right, 10_000)
        // Other bytes than the right ones: had they been hashed or kept, the tag would not fit.
        const wrong = Buffer.alloc(to - from, 99)
        return failed === 0 ? broken(wrong.subarray(0, 50_000), reset) : sourceOfBytes(wrong.subarray(1), 10_000)
      },
    })
    await r.done
    assert.ok(r.file.bytes.equals(plaintext))
    assert.deepEqual([...failures.values()], [3, 3, 3, 3, 3, 3])
    assert.equal(r.open.size, 0)
  })

  it('is asked for again when the first answer breaks off', async () => {
    const first = { source: broken(stored.subarray(0, 100), reset), length: PART }
    const r = reading(stored, await gcm(), PART, { first })
    await r.done
    assert.ok(r.file.bytes.equals(plaintext))
    assert.equal(r.asked.filter((range) => range === `0-${PART}`).length, 1)
  })

  it('ends the read with the last error when it broke off too often', async () => {
    const r = reading(stored, await gcm(), PART, {
      answer: (from, to) =>
        from === 2 * PART
          ? broken(stored.subarray(from, to - 1), reset)
          : sourceOfBytes(stored.subarray(from, to), 10_000),
    })
    await assert.rejects(r.done, reset)
    assert.equal(r.asked.filter((range) => range.startsWith(`${2 * PART}-`)).length, 3)
    assert.equal(r.open.size, 0)
  })

  it('that is too long or too short is not taken', async () => {
    for (const by of [-1, 1]) {
      const r = reading(stored, await gcm(), PART, {
        maxAttempts: 1,
        answer: (from, to) => sourceOfBytes(stored.subarray(from, from === PART ? to + by : to), 10_000),
      })
      await assert.rejects(r.done, { code: 'ERR_S3CSE_RESPONSE_UNEXPECTED' })
      assert.equal(r.open.size, 0)
    }
  })

  it('never lowers the progress, which ends at the length', async () => {
    const seen: number[] = []
    let failed = false
    const r = reading(stored, await gcm(), PART, {
      concurrency: 1,
      onProgress: (loaded) => seen.push(loaded),
      answer(from, to) {
        if (from !== PART || failed) return sourceOfBytes(stored.subarray(from, to), 10_000)
        failed = true
        return broken(stored.subarray(from, to), reset)
      },
    })
    await r.done
    assert.ok(failed)
    assert.deepEqual(
      seen,
      [...new Set(seen)].sort((a, b) => a - b),
    )
    assert.equal(seen.at(-1), plaintext.length)
  })
})

describe('a request that fails', () => {
  it('is repeated if it may be, and ends the read if not', async () => {
    const busy = new Error('busy')
    let failed = 0
    const options = (retryable: boolean) => ({
      retryable: (error: unknown) => retryable && error === busy,
      answer(from: number, to: number) {
        if (from !== PART || failed++ > 0) return sourceOfBytes(stored.subarray(from, to), 10_000)
        throw busy
      },
    })
    const r = reading(stored, await gcm(), PART, options(true))
    await r.done
    assert.ok(r.file.bytes.equals(plaintext))
    assert.equal(failed, 2)
    failed = 0
    await assert.rejects(reading(stored, await gcm(), PART, options(false)).done, busy)
    assert.equal(failed, 1)
  })

  it('cancels all others; of several errors the first is the one', async () => {
    const [one, two] = [new Error('one'), new Error('two')]
    const r = reading(stored, await gcm(), PART, {
      answer(from, _to, signal) {
        if (from === PART) throw one
        if (from === 0) return silent()
        return new Promise<ByteSource>((_, reject) => signal.addEventListener('abort', () => reject(two)))
      },
    })
    await assert.rejects(r.done, one)
    assert.equal(r.open.size, 0)
    assert.deepEqual(r.asked, [`0-${PART}`, `${PART}-${2 * PART}`, `${2 * PART}-${3 * PART}`])
  })

  it('is the first error too where others are of the file', async () => {
    const [one, two] = [new Error('one'), new Error('two')]
    let fail: (error: Error) => void
    const later = new Promise<void>((_, reject) => (fail = reject))
    const r = reading(stored, await gcm(), PART, {
      finished(index) {
        if (index !== 0) return later
        setImmediate(() => fail(two))
        return Promise.reject(one)
      },
    })
    await assert.rejects(r.done, one)
    assert.equal(r.open.size, 0)
  })

  it('is not repeated after a file that cannot be written, or a decryption that fails', async () => {
    const full = Object.assign(new Error('full'), { code: 'ENOSPC' })
    const file = { ...memoryFile(plaintext.length), write: () => Promise.reject(full) }
    const r = reading(stored, await gcm(), PART, { file, retryable: () => false, concurrency: 1 })
    await assert.rejects(r.done, full)
    assert.equal(r.asked.length, 1)

    const framed = Buffer.from(framedSealer().sealWhole(plaintext) as Uint8Array)
    framed[10]! ^= 1
    const s = reading(framed, framedOpener(), PART, { concurrency: 1 })
    await assert.rejects(s.done, DecryptionError)
    assert.equal(s.asked.length, 1)
    assert.equal(s.open.size, 0)
  })
})

describe('a read that is aborted', () => {
  const why = new Error('not any more')

  it('ends at once with the reason, with nothing left open', async () => {
    const controller = new AbortController()
    const r = reading(stored, await gcm(), PART, { signal: controller.signal, answer: silent })
    setImmediate(() => controller.abort(why))
    await assert.rejects(r.done, why)
    assert.equal(r.open.size, 0)
    assert.equal(r.asked.length, 3)
  })

  it('before it began asks for nothing, and lets the first answer go', async () => {
    let cancelled = false
    const source = { next: () => Promise.reject(new Error('read')), cancel: () => void (cancelled = true) }
    const r = reading(stored, await gcm(), PART, { signal: AbortSignal.abort(why), first: { source, length: PART } })
    await assert.rejects(r.done, why)
    assert.deepEqual(r.asked, [])
    assert.ok(cancelled)
  })

  it('lets an answer go that comes too late, and does not wait to try again', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const controller = new AbortController()
    const late = reading(stored, await gcm(), PART, {
      concurrency: 1,
      signal: controller.signal,
      async answer() {
        controller.abort(why)
        await new Promise(setImmediate)
        return silent()
      },
    })
    await assert.rejects(late.done, why)
    assert.equal(late.open.size, 0)

    const second = new AbortController()
    const waiting = reading(stored, await gcm(), PART, {
      concurrency: 1,
      signal: second.signal,
      answer() {
        setImmediate(() => second.abort(why))
        return broken(new Uint8Array(0), reset)
      },
    })
    await assert.rejects(waiting.done, why)
    assert.equal(waiting.asked.length, 1)
  })
})

describe('ranges that are in the file already', () => {
  const finished = new Set([0, 2, 5])
  const partly = () => {
    const file = memoryFile(plaintext.length)
    for (const index of finished) file.bytes.set(plaintext.subarray(index * PART, (index + 1) * PART), index * PART)
    return file
  }
  const isFinished = (index: number) => finished.has(index)

  it('are not asked for, but the trailer is', async () => {
    const told: number[] = []
    const seen: number[] = []
    const r = reading(stored, await gcm(), PART, {
      file: partly(),
      isFinished,
      finished: async (index) => void told.push(index),
      onProgress: (loaded) => seen.push(loaded),
    })
    await r.done
    assert.ok(r.file.bytes.equals(plaintext))
    const wanted = [1, 3, 4].map((index) => `${index * PART}-${(index + 1) * PART}`)
    assert.deepEqual(r.asked.sort(), [...wanted, `${stored.length - 16}-${stored.length}`].sort())
    assert.deepEqual(told.sort(), [1, 3, 4])
    assert.equal(seen.at(-1), plaintext.length)
  })

  it('are verified by what is in the file', async () => {
    for (const at of [0, 2 * PART + 77, plaintext.length - 1]) {
      const file = partly()
      file.bytes[at]! ^= 1
      await assert.rejects(reading(stored, await gcm(), PART, { file, isFinished }).done, DecryptionError, String(at))
    }
  })
})
