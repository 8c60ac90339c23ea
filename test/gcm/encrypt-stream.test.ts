import assert from 'node:assert/strict'
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { ByteInput } from '../../src/gcm.js'
import { checkExtent } from '../../src/crypto/gcm-blocks.js'
import { inputSource, limited } from '../../src/message/byte-input.js'
import { oneShot, pattern } from '../crypto/helpers.js'
import { code } from '../support/errors.js'
import { collect, collectUntilError, counted, leave, runtimes } from './support.js'

const RUNTIMES = await runtimes()

const key = pattern(32)
const aad = Uint8Array.of(0, 0x73)
const plaintext = pattern(200_001)

for (const [name, { encryptStream, encrypt }] of RUNTIMES) {
  const expected = (iv: Uint8Array, bytes = plaintext): Uint8Array => oneShot(key, iv, aad, bytes)

  describe(`encryptStream on ${name}`, () => {
    const inputs: readonly [string, () => ByteInput][] = [
      ['a Uint8Array', () => plaintext],
      ['a Blob', () => new Blob([plaintext.slice()])],
      ['a web stream', () => new Blob([plaintext.slice()]).stream()],
      ['a Readable', () => Readable.from([plaintext.subarray(0, 7), plaintext.subarray(7)])],
      ['an async iterable', () => counted(plaintext, 10_007)],
      ['an array of chunks', () => [plaintext.subarray(0, 100_000), new Uint8Array(0), plaintext.subarray(100_000)]],
    ]
    for (const [what, input] of inputs) {
      test(`of ${what}: chunks of one length, the IV at once, the tag at the end`, async () => {
        const encryption = encryptStream(input(), { key, aad })
        assert.equal(encryption.iv.length, 12)
        const lengths: number[] = []
        const chunks: Uint8Array[] = []
        for await (const chunk of encryption) {
          lengths.push(chunk.length)
          chunks.push(chunk)
        }
        // Kept and not copied: none may have been written to meanwhile.
        const sealed = Uint8Array.from(Buffer.concat([...chunks, await encryption.tag]))
        assert.deepEqual(sealed, expected(encryption.iv))
        assert.deepEqual(lengths, [65_536, 65_536, 65_536, 200_001 - 3 * 65_536])
      })
    }

    test('any chunks in, any chunk size out: the message of the one-shot cipher', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 12 }),
          fc.integer({ min: 1, max: 130 }),
          fc.constantFrom(16, 24, 32),
          async (chunks, chunkSize, keyLength) => {
            const bytes = Uint8Array.from(Buffer.concat(chunks))
            const shortKey = key.subarray(0, keyLength)
            const encryption = encryptStream(chunks, { key: shortKey, aad, chunkSize })
            const out: Uint8Array[] = []
            for await (const chunk of encryption) out.push(chunk)
            const sealed = Uint8Array.from(Buffer.concat([...out, await encryption.tag]))
            assert.deepEqual(sealed, oneShot(shortKey, encryption.iv, aad, bytes))
            assert.ok(out.slice(0, -1).every(({ length }) => length === chunkSize))
            assert.equal(out.length, Math.ceil(bytes.length / chunkSize))
          },
        ),
        { numRuns: 60 },
      )
    })

    test('nothing is a message too', async () => {
      for (const input of [new Uint8Array(0), [], new Blob([])]) {
        const encryption = encryptStream(input, { key, aad })
        assert.equal((await collect(encryption)).length, 0)
        assert.deepEqual(Uint8Array.from(await encryption.tag), expected(encryption.iv, new Uint8Array(0)))
      }
    })

    test('IVs are random, and the caller’s key, IV and additional data may change after the call', async () => {
      const [ownKey, ownIv, ownAad] = [key.slice(), new Uint8Array(12).fill(9), aad.slice()]
      const encryption = encryptStream([plaintext], { key: ownKey, unsafeIv: ownIv, aad: ownAad })
      for (const mine of [ownKey, ownIv, ownAad, encryption.iv]) mine.fill(0)
      const sealed = Buffer.concat([await collect(encryption), await encryption.tag])
      assert.deepEqual(Uint8Array.from(sealed), expected(new Uint8Array(12).fill(9)))
      const ivs = new Set<string>()
      for (let i = 0; i < 50; i++) ivs.add(Buffer.from(encryptStream([], { key }).iv).toString('hex'))
      assert.equal(ivs.size, 50)
      assert.notDeepEqual((await encrypt(plaintext, { key })).iv, (await encrypt(plaintext, { key })).iv)
    })

    test('reads no further ahead than a chunk, and nothing before it is read', async () => {
      const source = counted(plaintext, 1000)
      const encryption = encryptStream(source, { key, chunkSize: 4096 })
      await new Promise((resolve) => setImmediate(resolve))
      assert.equal(source.pulled, 0)
      let given = 0
      for await (const chunk of encryption) {
        given += chunk.length
        assert.ok(source.pulled - given < 1000, `${source.pulled} pulled, ${given} given`)
        await new Promise((resolve) => setImmediate(resolve))
        assert.ok(source.pulled - given < 1000)
      }
      assert.equal(given, plaintext.length)
      const whole = counted(plaintext, 4096)
      for await (const chunk of encryptStream(whole, { key, chunkSize: 4096 })) {
        given -= chunk.length
        assert.equal(whole.pulled, plaintext.length - given)
      }
    })

    test('as a web stream: the same, with a queue of nothing', async () => {
      const source = counted(plaintext, 1000)
      const encryption = encryptStream(source, { key, aad, chunkSize: 4096 })
      const stream = encryption.toReadableStream()
      await new Promise((resolve) => setImmediate(resolve))
      assert.equal(source.pulled, 0)
      const sealed = Buffer.concat([await collect(stream as AsyncIterable<Uint8Array>), await encryption.tag])
      assert.deepEqual(Uint8Array.from(sealed), expected(encryption.iv))
      assert.throws(() => encryption[Symbol.asyncIterator](), code('ERR_S3CSE_CONFIG', /read already/))
    })

    test('into a Node stream', async () => {
      const encryption = encryptStream(Readable.from([plaintext]), { key, aad })
      const written: Uint8Array[] = []
      await pipeline(
        encryption,
        new Writable({
          write(chunk: Uint8Array, _encoding, done) {
            written.push(chunk)
            done()
          },
        }),
      )
      assert.deepEqual(Uint8Array.from(Buffer.concat([...written, await encryption.tag])), expected(encryption.iv))
    })

    const broken = new Error('broken')
    test('an error of the input comes unchanged, and the tag rejects with it', async () => {
      const source = counted(plaintext, 10_000, (offset) => {
        if (offset === 150_000) throw broken
      })
      const encryption = encryptStream(source, { key })
      const { bytes, error } = await collectUntilError(encryption)
      assert.equal(error, broken)
      assert.equal(bytes.length, 2 * 65_536)
      await assert.rejects(encryption.tag, (found) => found === broken)
    })

    test('a loop that is left: the input is given back, and there is no tag, whoever awaits it or not', async () => {
      const source = counted(plaintext, 10_000)
      const encryption = encryptStream(source, { key })
      await leave(encryption)
      await assert.rejects(encryption.tag, code('ERR_S3CSE_CONFIG', /given up/))
      assert.ok(source.over && source.pulled < plaintext.length)
      const unstarted = encryptStream(counted(plaintext, 10_000), { key })
      await unstarted[Symbol.asyncIterator]().return?.()
      await assert.rejects(unstarted.tag, code('ERR_S3CSE_CONFIG', /given up/))
    })

    test('a tag that nobody listens to is no unhandled rejection', async () => {
      const source = counted(plaintext, 10_000, () => {
        throw broken
      })
      await assert.rejects(collect(encryptStream(source, { key })), broken)
      encryptStream(plaintext, { key }).cancel()
      await new Promise((resolve) => setTimeout(resolve, 5))
    })

    test('a cancel while the input is waited for gives no tag for a part of it', async () => {
      let controller: ReadableStreamDefaultController<Uint8Array> | undefined
      let cancelled: unknown
      const input = new ReadableStream<Uint8Array>({
        start: (given) => void (controller = given),
        cancel: (reason) => void (cancelled = reason),
      })
      const encryption = encryptStream(input, { key })
      controller!.enqueue(plaintext.subarray(0, 70_000))
      const iterator = encryption[Symbol.asyncIterator]()
      assert.equal(((await iterator.next()).value as Uint8Array).length, 65_536)
      const pending = assert.rejects(iterator.next(), broken)
      encryption.cancel(broken)
      await pending
      await assert.rejects(encryption.tag, broken)
      assert.equal(cancelled, broken)
      assert.deepEqual(await iterator.next(), { done: true, value: undefined })
    })

    test('a web stream that is cancelled cancels the input', async () => {
      const source = counted(plaintext, 10_000)
      const encryption = encryptStream(source, { key })
      const reader = encryption.toReadableStream().getReader()
      await reader.read()
      await reader.cancel(broken)
      await assert.rejects(encryption.tag, broken)
      assert.ok(source.over)
    })

    test('a signal ends it: before, while the input is waited for, and not after the end', async () => {
      const aborted = encryptStream(counted(plaintext, 1000), { key, signal: AbortSignal.abort() })
      await assert.rejects(collect(aborted), { name: 'AbortError' })
      await assert.rejects(aborted.tag, { name: 'AbortError' })

      const aborting = new AbortController()
      const source = counted(plaintext, 100_000, (offset) => {
        if (offset > 0) return new Promise(() => aborting.abort())
        return undefined
      })
      const encryption = encryptStream(source, { key, signal: aborting.signal })
      await assert.rejects(collect(encryption), { name: 'AbortError' })
      await assert.rejects(encryption.tag, { name: 'AbortError' })

      const late = new AbortController()
      const whole = encryptStream(plaintext, { key, signal: late.signal })
      await collect(whole)
      late.abort()
      assert.equal((await whole.tag).length, 16)
    })

    test('more than one message holds is refused before anything of it is encrypted', async () => {
      const huge = 2 ** 36 - 31
      const blob = { size: huge, slice: () => blob, stream: () => assert.fail('read') } as unknown as Blob
      assert.throws(() => encryptStream(blob, { key }), code('ERR_S3CSE_BODY_TOO_LARGE'))
      class Huge extends Uint8Array {
        override get length(): number {
          return huge - 100
        }
      }
      const input = Readable.from([plaintext.subarray(0, 100), new Huge(1)])
      const encryption = encryptStream(input, { key, chunkSize: 10 })
      const { bytes, error } = await collectUntilError(encryption)
      code('ERR_S3CSE_BODY_TOO_LARGE')(error)
      assert.ok(bytes.length <= 100)
      await assert.rejects(encryption.tag, code('ERR_S3CSE_BODY_TOO_LARGE'))
    })
  })
}

test('the limit is 2^36 - 32 bytes, over all chunks', async () => {
  const lengths = [2 ** 35, 2 ** 35 - 33, 1]
  const source = (last: number) =>
    limited(
      {
        next: async () => ({ length: [...lengths, last].at(given++) }) as Uint8Array,
        cancel: () => undefined,
      },
      checkExtent,
    )
  let given = 0
  const within = source(0)
  for (let i = 0; i < 4; i++) await within.next()
  given = 0
  const beyond = source(1)
  for (let i = 0; i < 3; i++) await beyond.next()
  await assert.rejects(beyond.next(), code('ERR_S3CSE_BODY_TOO_LARGE'))
  assert.throws(() => inputSource('x', 'text'), code('ERR_S3CSE_CONFIG'))
})
