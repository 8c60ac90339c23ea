import assert from 'node:assert/strict'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import fc from 'fast-check'
import type { SeekableInput, SeekableSource } from '../../src/gcm.js'
import { oneShot, pattern } from '../crypto/helpers.js'
import { code } from '../support/errors.js'
import { collect, collectUntilError, leave, runtimes } from './support.js'

const RUNTIMES = await runtimes()

const MIB = 1024 * 1024
const key = pattern(32)
const iv = new Uint8Array(12).fill(1)
const aad = Uint8Array.of(0, 0x73)
/** Four slices, the last of which is short. */
const plaintext = pattern(3 * MIB + 12_345)
const sealed = oneShot(key, iv, aad, plaintext)
const ciphertext = sealed.slice(0, -16)
const tag = sealed.slice(-16)
const message = { key, iv, tag, aad }
const refused = code('ERR_S3CSE_DECRYPTION_FAILED')

const directory = mkdtempSync(join(tmpdir(), 's3-cse-test-'))
after(() => rm(directory, { recursive: true }))
const path = join(directory, 'sealed')
writeFileSync(path, ciphertext)

interface Watched extends SeekableSource {
  readonly bytes: Uint8Array
  readonly reads: { offset: number; length: number }[]
}

function watched(bytes: Uint8Array = ciphertext.slice(), before: () => unknown = () => 0): Watched {
  const reads: { offset: number; length: number }[] = []
  return {
    bytes,
    reads,
    length: bytes.length,
    async read(offset, into) {
      await before()
      reads.push({ offset, length: into.length })
      into.set(bytes.subarray(offset, offset + into.length))
    },
  }
}

const total = ({ reads }: Watched): number => reads.reduce((sum, { length }) => sum + length, 0)

for (const [name, { openSeekable, openSeekableUnverified }] of RUNTIMES) {
  const openers: readonly [string, (source: SeekableInput) => ReturnType<typeof openSeekable>][] = [
    ['openSeekable', (source) => openSeekable(source, message)],
    ['openSeekableUnverified', (source) => openSeekableUnverified(source, { key, iv })],
  ]
  for (const [what, opened] of openers) {
    describe(`${what} on ${name}`, () => {
      test('reads at any place, of any source', async () => {
        const handle = await open(path, 'r')
        const sources: SeekableInput[] = [ciphertext, new Blob([ciphertext.slice()]), watched()]
        if (name === 'node') sources.push(handle)
        for (const source of sources) {
          const reader = await opened(source)
          assert.equal(reader.length, plaintext.length)
          await fc.assert(
            fc.asyncProperty(
              fc.integer({ min: 0, max: plaintext.length + 10 }),
              fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 2 * MIB })),
              fc.boolean(),
              async (start, length, streamed) => {
                const end = start + length
                const read = streamed ? await collect(reader.stream(start, end)) : await reader.read(start, end)
                assert.ok(plaintext.subarray(start, end).every((byte, i) => byte === read[i]))
                assert.equal(read.length, plaintext.subarray(start, end).length)
              },
            ),
            { numRuns: 25 },
          )
          assert.ok((await collect(reader.stream())).equals(plaintext))
          assert.ok(Buffer.from(await reader.read(0)).equals(plaintext))
          const several = await Promise.all([0, MIB - 1, 2 * MIB, 5].map((at) => reader.read(at, at + 10)))
          assert.deepEqual(
            several.map((bytes) => Uint8Array.from(bytes)),
            [0, MIB - 1, 2 * MIB, 5].map((at) => plaintext.slice(at, at + 10)),
          )
          reader.close()
        }
        if (name === 'browser') await assert.rejects(opened(handle), code('ERR_S3CSE_CONFIG'))
        // It is the caller's: still open.
        await handle.close()
      })

      test('spans that are none are refused, and a reader that was closed gives nothing', async () => {
        const reader = await opened(ciphertext)
        for (const [start, end] of [[-1], [0.5], [NaN], [0, NaN], [2, 1], [0, 1.5]] as const) {
          await assert.rejects(reader.read(start, end), code('ERR_S3CSE_CONFIG'))
          assert.throws(() => reader.stream(start, end), code('ERR_S3CSE_CONFIG'))
        }
        const iterator = reader.stream()[Symbol.asyncIterator]()
        await iterator.next()
        await reader.read(0, 10)
        reader.close()
        reader.close()
        for (const end of [0, 1]) await assert.rejects(reader.read(0, end), code('ERR_S3CSE_CONFIG', /closed/))
        assert.throws(() => reader.stream(), code('ERR_S3CSE_CONFIG', /closed/))
        await assert.rejects(iterator.next(), code('ERR_S3CSE_CONFIG', /closed/))
      })

      test('a stream that is left does not close the reader, and reads no more than it gave and a little', async () => {
        const source = watched()
        const reader = await opened(source)
        source.reads.length = 0
        await leave(reader.stream(10))
        assert.ok(total(source) <= 2 * MIB)
        assert.deepEqual(Uint8Array.from(await reader.read(7, 9)), plaintext.slice(7, 9))
        const stream = reader.stream()
        stream.cancel(new Error('enough'))
        source.reads.length = 0
        await assert.rejects(collect(stream), /enough/)
        assert.equal(total(source), 0)
        const begun = reader.stream()
        const iterator = begun[Symbol.asyncIterator]()
        await iterator.next()
        begun.cancel(new Error('enough'))
        await assert.rejects(iterator.next(), /enough/)
      })

      test('nothing is a message too', async () => {
        const empty = oneShot(key, iv, aad, new Uint8Array(0))
        const reader =
          what === 'openSeekable'
            ? await openSeekable(new Uint8Array(0), { ...message, tag: empty })
            : await opened(new Uint8Array(0))
        assert.equal(reader.length, 0)
        assert.equal((await reader.read(0, 10)).length, 0)
        assert.equal((await collect(reader.stream())).length, 0)
      })

      test('an error of the source comes unchanged; lengths that are none, and too long ones, are refused', async () => {
        const broken = new Error('broken')
        let fail = false
        const source = watched(ciphertext, () => {
          if (fail) throw broken
        })
        const reader = await opened(source)
        fail = true
        await assert.rejects(reader.read(0, 10), broken)
        await assert.rejects(collect(reader.stream()), broken)
        fail = false
        assert.deepEqual(Uint8Array.from(await reader.read(0, 10)), plaintext.slice(0, 10))
        for (const length of [-1, 0.5, NaN, Infinity, '5' as unknown as number]) {
          await assert.rejects(opened({ ...source, length }), code('ERR_S3CSE_CONFIG'))
        }
        await assert.rejects(opened({ ...source, length: 2 ** 36 - 31 }), code('ERR_S3CSE_BODY_TOO_LARGE'))
        for (const none of [undefined, null, 'text', {}]) {
          await assert.rejects(opened(none as Uint8Array), code('ERR_S3CSE_CONFIG'))
        }
      })
    })
  }

  describe(`openSeekable on ${name}: authenticated`, () => {
    test('reads the whole message once, in slices, and then only what is asked for', async () => {
      const source = watched()
      const reader = await openSeekable(source, message)
      assert.equal(total(source), ciphertext.length)
      assert.ok(source.reads.every(({ length }) => length <= MIB))
      source.reads.length = 0
      for (let at = 2 * MIB; at < 2 * MIB + 100; at += 10) await reader.read(at, at + 10)
      assert.deepEqual(source.reads, [{ offset: 2 * MIB, length: MIB }])
      source.reads.length = 0
      await collect(reader.stream(MIB + 5, MIB + 10))
      assert.deepEqual(source.reads, [{ offset: MIB, length: MIB }])
    })

    test('a message that is not authentic is not opened', async () => {
      const wrong: readonly [(bytes: Uint8Array) => Uint8Array, object][] = [
        [(bytes) => bytes.fill(bytes[0]! ^ 1, 0, 1), {}],
        [(bytes) => bytes.fill(bytes.at(-1)! ^ 1, -1), {}],
        [(bytes) => bytes.subarray(0, -1), {}],
        [(bytes) => Uint8Array.from([...bytes.subarray(0, 100)]), {}],
        [(bytes) => bytes, { tag: tag.map((byte, i) => (i === 15 ? byte ^ 1 : byte)) }],
        [(bytes) => bytes, { iv: new Uint8Array(12) }],
        [(bytes) => bytes, { aad: new Uint8Array(0) }],
        [(bytes) => bytes, { key: key.map((byte) => byte ^ 1) }],
      ]
      for (const [change, options] of wrong) {
        await assert.rejects(openSeekable(watched(change(ciphertext.slice())), { ...message, ...options }), refused)
      }
    })

    test('what changes after the verification is not given out, slice by slice; the others are', async () => {
      const source = watched()
      const reader = await openSeekable(source, message)
      source.bytes[MIB + 77]! ^= 1
      await assert.rejects(reader.read(2 * MIB - 10, 2 * MIB - 5), refused)
      await assert.rejects(reader.read(MIB - 10, MIB + 10), refused)
      assert.deepEqual(Uint8Array.from(await reader.read(MIB - 10, MIB)), plaintext.slice(MIB - 10, MIB))
      const { bytes, error } = await collectUntilError(reader.stream())
      refused(error)
      assert.ok(bytes.equals(plaintext.subarray(0, MIB)))
      source.bytes[MIB + 77]! ^= 1
      assert.deepEqual(Uint8Array.from(await reader.read(MIB, MIB + 10)), plaintext.slice(MIB, MIB + 10))
    })

    test('slices that change places are changes', async () => {
      const source = watched()
      const reader = await openSeekable(source, message)
      source.bytes.set(ciphertext.subarray(MIB, 2 * MIB), 0)
      source.bytes.set(ciphertext.subarray(0, MIB), MIB)
      await assert.rejects(reader.read(0, 10), refused)
      await assert.rejects(collect(reader.stream(MIB, MIB + 10)), refused)
    })

    test('a source that writes to what it was given, later, changes nothing that comes out', async () => {
      const given: Uint8Array[] = []
      const source: SeekableSource = {
        length: ciphertext.length,
        async read(offset, into) {
          given.push(into)
          into.set(ciphertext.subarray(offset, offset + into.length))
        },
      }
      const reader = await openSeekable(source, message)
      const read = await reader.read(0, 100)
      for (const buffer of given) buffer.fill(0)
      assert.deepEqual(Uint8Array.from(read), plaintext.slice(0, 100))
    })

    test('a signal gives the verification up, and does not close what was opened', async () => {
      await assert.rejects(openSeekable(ciphertext, { ...message, signal: AbortSignal.abort() }), {
        name: 'AbortError',
      })
      const aborting = new AbortController()
      let reads = 0
      const source = watched(ciphertext, () => {
        if (++reads === 2) aborting.abort()
      })
      await assert.rejects(openSeekable(source, { ...message, signal: aborting.signal }), { name: 'AbortError' })
      assert.ok(reads <= 3)
      const late = new AbortController()
      const reader = await openSeekable(ciphertext, { ...message, signal: late.signal })
      late.abort()
      assert.equal((await reader.read(0, 10)).length, 10)
    })
  })

  describe(`openSeekableUnverified on ${name}`, () => {
    test('reads nothing before, and exactly what is asked for', async () => {
      const source = watched()
      const reader = await openSeekableUnverified(source, { key, iv })
      assert.equal(total(source), 0)
      await reader.read(MIB + 5, MIB + 10)
      assert.deepEqual(source.reads, [{ offset: MIB + 5, length: 5 }])
    })

    test('takes an iv or a counter, of its length, and not both', async () => {
      for (const options of [{}, { iv, counter: new Uint8Array(16) }, { iv: tag }, { counter: iv }]) {
        await assert.rejects(openSeekableUnverified(ciphertext, { key, ...options }), code('ERR_S3CSE_CONFIG'))
      }
    })
  })
}

test('a file that is cut after the verification is an error of the file', async () => {
  const [, { openSeekable }] = RUNTIMES[0]
  const other = join(directory, 'cut')
  writeFileSync(other, ciphertext)
  const handle = await open(other, 'r+')
  const reader = await openSeekable(handle, message)
  await handle.truncate(2 * MIB)
  await assert.rejects(reader.read(2 * MIB, 2 * MIB + 10), code('ERR_S3CSE_FILE'))
  assert.deepEqual(Uint8Array.from(await reader.read(0, 10)), plaintext.slice(0, 10))
  await handle.close()
})
