import assert from 'node:assert/strict'
import { existsSync, mkdtempSync } from 'node:fs'
import { open, readdir, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, describe, test } from 'node:test'
import fc from 'fast-check'
import type { GcmDecryptStreamOptions, ByteInput } from '../../src/gcm.js'
import { oneShot, pattern } from '../crypto/helpers.js'
import { code } from '../support/errors.js'
import { collect, collectUntilError, counted, leave, runtimes } from './support.js'

const RUNTIMES = await runtimes()

const MIB = 1024 * 1024
const key = pattern(32)
const iv = new Uint8Array(12).fill(1)
const aad = Uint8Array.of(0, 0x73)
/** Five slices, the last of which is short. */
const plaintext = pattern(4 * MIB + 12_345)
const split = (sealed: Uint8Array) => ({ ciphertext: sealed.slice(0, -16), tag: sealed.slice(-16) })
const { ciphertext, tag } = split(oneShot(key, iv, aad, plaintext))
const message = { key, iv, tag, aad }
const refused = code('ERR_S3CSE_DECRYPTION_FAILED')

const directory = mkdtempSync(join(tmpdir(), 's3-cse-test-'))
after(() => rm(directory, { recursive: true }))

/** Temporary files of this process in `directory`, which have no names; by what /proc says of them. */
async function spools(): Promise<string[]> {
  const links = (await readdir('/proc/self/fd')).map((fd) => `/proc/self/fd/${fd}`)
  const targets = await Promise.all(links.map((link) => readlink(link).catch(() => '')))
  return links.filter((_, i) => targets[i]!.startsWith(directory))
}
const noProc = existsSync('/proc/self/fd') ? false : 'no /proc on this system'

function flipped(at: number): Uint8Array {
  const copy = ciphertext.slice()
  copy[at]! ^= 1
  return copy
}

/** The ways to hold back what is not verified: read twice, in memory, on disk. */
const ways: readonly [string, (bytes: Uint8Array) => ByteInput, Partial<GcmDecryptStreamOptions>, boolean][] = [
  ['bytes, read twice', (bytes) => bytes, { maxBufferedBytes: 0 }, true],
  ['a Blob, read twice', (bytes) => new Blob([bytes.slice()]), { maxBufferedBytes: 0 }, true],
  ['a stream, in memory', (bytes) => counted(bytes, 70_001), {}, true],
  ['a stream of whole slices, in memory', (bytes) => counted(bytes, MIB), {}, true],
  ['a stream, on disk', (bytes) => counted(bytes, 70_001), { maxBufferedBytes: 2 * MIB }, false],
  ['a Readable, all of it on disk', (bytes) => Readable.from([bytes]), { maxBufferedBytes: 0 }, false],
]

for (const [name, { decryptStream, encryptStream }] of RUNTIMES) {
  describe(`decryptStream on ${name}`, () => {
    for (const [what, input, options, everywhere] of ways) {
      if (name === 'browser' && !everywhere) {
        test(`${what}: refused where there is no disk`, async () => {
          const { bytes, error } = await collectUntilError(decryptStream(input(ciphertext), { ...message, ...options }))
          code('ERR_S3CSE_BODY_TOO_LARGE', /maxBufferedBytes/)(error)
          assert.equal(bytes.length, 0)
        })
        continue
      }
      test(`${what}: the plaintext, in chunks of one length`, async () => {
        for (const chunkSize of [65_536, 10_007]) {
          const chunks: Uint8Array[] = []
          for await (const chunk of decryptStream(input(ciphertext), { ...message, ...options, chunkSize })) {
            chunks.push(chunk)
          }
          assert.ok(Buffer.concat(chunks).equals(plaintext))
          assert.ok(chunks.slice(0, -1).every(({ length }) => length === chunkSize))
        }
      })

      test(`${what}: nothing of it where a bit is wrong`, async () => {
        const wrong: readonly [Uint8Array, object][] = [
          [flipped(0), {}],
          [flipped(ciphertext.length - 1), {}],
          [ciphertext.subarray(0, -1), {}],
          [Uint8Array.from([...ciphertext.subarray(0, MIB + 1), 0]), {}],
          [ciphertext, { tag: tag.map((byte, i) => (i === 15 ? byte ^ 1 : byte)) }],
          [ciphertext, { iv: new Uint8Array(12) }],
          [ciphertext, { aad: undefined }],
          [ciphertext, { key: key.map((byte) => byte ^ 1) }],
        ]
        for (const [bytes, changes] of wrong) {
          const reading = decryptStream(input(bytes), { ...message, ...options, ...changes })
          const { bytes: given, error } = await collectUntilError(reading)
          refused(error)
          assert.equal(given.length, 0)
        }
      })
    }

    test('any chunks in, any chunk size out', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 12 }),
          fc.integer({ min: 1, max: 130 }),
          fc.integer({ min: 1, max: 130 }),
          fc.constantFrom('verified' as const, 'unverified' as const),
          async (chunks, size, chunkSize, release) => {
            const bytes = Uint8Array.from(Buffer.concat(chunks))
            const sealed = split(oneShot(key, iv, aad, bytes))
            const reading = decryptStream(counted(sealed.ciphertext, size), {
              ...message,
              tag: sealed.tag,
              chunkSize,
              release,
            })
            const out: Uint8Array[] = []
            for await (const chunk of reading) out.push(chunk)
            assert.deepEqual(Uint8Array.from(Buffer.concat(out)), bytes)
            assert.ok(out.slice(0, -1).every(({ length }) => length === chunkSize))
            assert.equal(out.length, Math.ceil(bytes.length / chunkSize))
          },
        ),
        { numRuns: 60 },
      )
    })

    test('slices of exactly one length, and one byte beside it', async () => {
      for (const length of [MIB - 1, MIB, MIB + 1, 2 * MIB]) {
        const bytes = plaintext.subarray(0, length)
        const sealed = split(oneShot(key, iv, aad, bytes))
        for (const input of [sealed.ciphertext, counted(sealed.ciphertext, 300_000)]) {
          const read = await collect(decryptStream(input, { ...message, tag: sealed.tag }))
          assert.ok(read.equals(bytes), `${length}`)
        }
      }
    })

    test('of an encryption, by its iv and its tag that is yet to come', async () => {
      for (const release of ['verified', 'unverified'] as const) {
        const encryption = encryptStream(counted(plaintext, 70_001), { key, aad })
        const { iv: fresh, tag: later } = encryption
        const reading = decryptStream(encryption, {
          key,
          aad,
          iv: Promise.resolve(fresh),
          tag: later,
          release,
        })
        assert.ok((await collect(reading)).equals(plaintext))
      }
    })

    test('a tag or an iv that does not come is the error; one that nobody needs any more is none', async () => {
      const lost = new Error('lost')
      const rejected = (): Promise<Uint8Array> => Promise.reject(lost)
      for (const release of ['verified', 'unverified'] as const) {
        for (const which of ['tag', 'iv']) {
          const reading = decryptStream(counted(ciphertext, 70_001), { ...message, [which]: rejected(), release })
          await assert.rejects(collect(reading), lost)
        }
        const short = decryptStream(ciphertext, { ...message, tag: Promise.resolve(tag.subarray(0, 12)), release })
        await assert.rejects(collect(short), code('ERR_S3CSE_CONFIG', /16 bytes, not 12/))
      }
      decryptStream(ciphertext, { ...message, tag: rejected() }).cancel()
      await new Promise((resolve) => setImmediate(resolve))
    })

    test('a cancel while the tag is waited for ends the wait', async () => {
      for (const release of ['verified', 'unverified'] as const) {
        const source = counted(ciphertext, 70_001)
        const pending = new Promise<Uint8Array>(() => undefined)
        const reading = decryptStream(source, { ...message, tag: pending, release, chunkSize: 8 * MIB })
        const iterator = reading[Symbol.asyncIterator]()
        if (release === 'unverified') await iterator.next()
        const next = iterator.next()
        while (!source.over) await new Promise((resolve) => setImmediate(resolve))
        await new Promise((resolve) => setTimeout(resolve, 5))
        const ended = new Error('ended')
        reading.cancel(ended)
        await assert.rejects(next, ended)
      }
    })

    test('unverified: plaintext at once, in constant memory, the error at the end', async () => {
      const source = counted(flipped(3 * MIB), 1000)
      const reading = decryptStream(source, { ...message, release: 'unverified', chunkSize: 4096 })
      let given = 0
      await assert.rejects(async () => {
        for await (const chunk of reading) {
          given += chunk.length
          assert.ok(source.pulled - given < 1000)
        }
      }, refused)
      assert.equal(given, plaintext.length)
      const chunks = await collect(decryptStream(ciphertext, { ...message, release: 'unverified' }))
      assert.ok(chunks.equals(plaintext))
    })

    test('an error of the input comes unchanged', async () => {
      const broken = new Error('broken')
      for (const release of ['verified', 'unverified'] as const) {
        const source = counted(ciphertext, 100_000, (offset) => {
          if (offset === 3_000_000) throw broken
        })
        await assert.rejects(collect(decryptStream(source, { ...message, release })), broken)
      }
    })

    test('a loop that is left, and a signal, give the input back', async () => {
      const source = counted(ciphertext, 100_000)
      await leave(decryptStream(source, { ...message, release: 'unverified' }))
      assert.ok(source.over && source.pulled < ciphertext.length)

      const aborting = new AbortController()
      const slow = counted(ciphertext, 100_000, (offset) => {
        if (offset === 3_000_000) aborting.abort()
      })
      const reading = decryptStream(slow, { ...message, signal: aborting.signal })
      await assert.rejects(collect(reading), { name: 'AbortError' })
      // A generator that is at work is told to return, and does when it gets there.
      await new Promise((resolve) => setImmediate(resolve))
      assert.ok(slow.over && slow.pulled < ciphertext.length)
    })

    test('bytes that change after they were verified are not given out', async () => {
      const bytes = ciphertext.slice()
      const reading = decryptStream(bytes, message)
      let given = 0
      await assert.rejects(async () => {
        for await (const chunk of reading) {
          if (given === 0) bytes[3 * MIB]! ^= 1
          given += chunk.length
        }
      }, refused)
      assert.equal(given, 3 * MIB)
    })

    test('a stream whose maker writes to its chunks again: what was verified is given out', async () => {
      const chunk = ciphertext.slice()
      const input = new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(chunk)
          controller.close()
        },
      })
      const read: Uint8Array[] = []
      for await (const piece of decryptStream(input, message)) {
        chunk.fill(0)
        read.push(piece)
      }
      assert.ok(Buffer.concat(read).equals(plaintext))
    })
  })
}

const [, { decryptStream }] = RUNTIMES[0]
const onDisk = { ...message, maxBufferedBytes: 2 * MIB, spool: { directory } }

describe('decryptStream’s temporary file', () => {
  test('begins where memory ends; it and the input are given back at the end', { skip: noProc }, async () => {
    const atStart: number[] = []
    const source = counted(ciphertext, 100_000, async () => atStart.push((await spools()).length))
    const lengths: number[] = []
    for await (const chunk of decryptStream(source, onDisk)) {
      if (lengths.length === 0) assert.equal((await spools()).length, 1)
      lengths.push(chunk.length)
    }
    // The third slice is the first that is not for memory.
    const first = atStart.indexOf(1)
    assert.ok(first * 100_000 >= 3 * MIB && first * 100_000 < 3 * MIB + 200_000, `${first}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.deepEqual(await spools(), [])
  })

  test('is closed when the loop is left, on an error, on a cancel and where the message is not authentic', async (t) => {
    if (noProc !== false) {
      t.skip(noProc)
      return
    }
    await leave(decryptStream(counted(ciphertext, 100_000), onDisk))
    const broken = counted(ciphertext, 100_000, (offset) => {
      if (offset === 4_000_000) throw new Error('broken')
    })
    await assert.rejects(collect(decryptStream(broken, onDisk)), /broken/)
    await assert.rejects(collect(decryptStream(counted(flipped(7), 100_000), onDisk)), refused)
    const reading = decryptStream(counted(ciphertext, 100_000), onDisk)
    const iterator = reading[Symbol.asyncIterator]()
    await iterator.next()
    reading.cancel()
    await assert.rejects(iterator.next(), code('ERR_S3CSE_CONFIG', /given up/))
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.deepEqual(await spools(), [])
  })

  test('that somebody writes to after the verification: nothing wrong is given out', { skip: noProc }, async () => {
    let given = 0
    await assert.rejects(async () => {
      for await (const chunk of decryptStream(counted(ciphertext, 100_000), onDisk)) {
        if (given === 0) {
          const [path] = await spools()
          const file = await open(path!, 'r+')
          await file.write(Uint8Array.of(ciphertext[4 * MIB]! ^ 1), 0, 1, 4 * MIB)
          await file.close()
        }
        given += chunk.length
      }
    }, refused)
    assert.equal(given, 4 * MIB)
  })

  test('has a limit, may be forbidden, and its errors say what it was', async () => {
    const read = (spool: GcmDecryptStreamOptions['spool']) =>
      collect(decryptStream(counted(ciphertext, 100_000), { ...onDisk, spool }))
    await assert.rejects(read({ directory, maxBytes: 4 * MIB }), code('ERR_S3CSE_SPOOL', /maxBytes/))
    await assert.rejects(read(false), code('ERR_S3CSE_BODY_TOO_LARGE', /maxBufferedBytes/))
    await assert.rejects(read({ directory: join(directory, 'missing') }), code('ERR_S3CSE_SPOOL'))
    assert.ok((await read({ directory, maxBytes: ciphertext.length })).equals(plaintext))
  })
})
