import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { decryptStream, encrypt, encryptStream, rearrange, reencrypt } from '../../src/crypt4gh.js'
import type { ByteStream } from '../../src/crypt4gh.js'
import type { Keyring } from '../../src/index.js'
import { code } from '../support/errors.js'
import { pattern } from '../support/world.js'
import { alice, all, bob, S, input, settled } from './messages-support.js'

const LENGTH = 6 * S + 5
const { message } = await encrypt(pattern(LENGTH), { keyring: alice })

type Made = ByteStream & { readonly header: Promise<unknown> }
type Make = (chunks: AsyncIterable<Uint8Array>, more?: { keyring?: Keyring; signal?: AbortSignal }) => Made

const streams: Readonly<Record<string, readonly [Uint8Array, Make]>> = {
  encryptStream: [pattern(LENGTH), (chunks, more) => encryptStream(chunks, { keyring: alice, ...more })],
  'encryptStream of a known length': [
    pattern(LENGTH),
    (chunks, more) => encryptStream(chunks, { keyring: alice, plaintextLength: LENGTH, ...more }),
  ],
  decryptStream: [message, (chunks, more) => decryptStream(chunks, { keyring: alice, ...more })],
  reencrypt: [message, (chunks, more) => reencrypt(chunks, { keyring: alice, to: bob, ...more })],
  rearrange: [
    message,
    (chunks, more) => rearrange(chunks, { keyring: alice, inputLength: message.length, start: S, ...more }),
  ],
}

/** A keyring that is asked how often it is used, and may take its time, or fail. */
function keyringThat(act: () => Promise<void>): Keyring {
  return {
    ...alice,
    wrap: async (request) => {
      await act()
      return alice.wrap(request)
    },
    unwrap: async (request) => {
      await act()
      return alice.unwrap(request)
    },
  }
}

for (const [name, [bytes, make]] of Object.entries(streams)) {
  describe(name, () => {
    it('reads nothing and uses no key before it is read', async () => {
      const source = input(bytes)
      let used = 0
      const stream = make(source.chunks, {
        keyring: keyringThat(async () => {
          used++
        }),
      })
      await settled()
      assert.deepEqual([source.read, used], [0, 0])
      assert.ok((await all(stream)).length > 0)
      assert.ok(used > 0)
    })

    it('reads no more than it gives out, and a little', async () => {
      const source = input(bytes)
      const iterator = make(source.chunks)[Symbol.asyncIterator]()
      await iterator.next()
      const first = source.read
      await settled()
      assert.equal(source.read, first, 'nothing is read while nobody reads')
      assert.ok(first <= 10, `${first} chunks for the first one`)
      await iterator.next()
      assert.ok(source.read <= first + 16, `${source.read} chunks for the second one`)
      await iterator.return!()
    })

    it('passes an error of the input on, of the header as well', async () => {
      for (const fails of [0, 20]) {
        const source = input(bytes, { fails })
        const stream = make(source.chunks)
        await assert.rejects(all(stream), /the input failed/)
        // Where the length is known the header is made before anything is read.
        if (fails === 0 && !name.endsWith('known length')) await assert.rejects(stream.header, /the input failed/)
        else await stream.header
        await settled()
        assert.ok(source.returned, 'it was given back')
      }
    })

    it('passes an error of the keyring on, and gives the input back', async () => {
      const source = input(bytes)
      const keyring = keyringThat(() => Promise.reject(new Error('no key')))
      const stream = make(source.chunks, { keyring })
      await assert.rejects(all(stream), /no key/)
      await assert.rejects(stream.header, /no key/)
      await settled()
      assert.equal(source.returned || source.read === 0, true)
    })

    it('can be cancelled before it is read, between chunks and while it waits', async () => {
      const reason = new Error('enough')
      const unread = make(input(bytes).chunks)
      unread.cancel(reason)
      await assert.rejects(all(unread), /enough/)
      await assert.rejects(unread.header, /enough/)

      const between = input(bytes)
      const stream = make(between.chunks)
      const iterator = stream[Symbol.asyncIterator]()
      await iterator.next()
      await iterator.next()
      stream.cancel(reason)
      await assert.rejects(iterator.next(), /enough/)
      await settled()
      assert.ok(between.returned, 'the input was given back')

      for (const hangs of [0, 3, 15]) {
        const waiting = make(input(bytes, { hangs }).chunks)
        const reading = all(waiting)
        await settled()
        waiting.cancel(reason)
        await assert.rejects(reading, /enough/)
      }
    })

    it('ends with a loop that is left', async () => {
      const source = input(bytes)
      for await (const chunk of make(source.chunks)) {
        assert.ok(chunk.length > 0)
        if (source.read > 0) break
      }
      await settled()
      assert.ok(source.returned, 'the input was given back')
    })

    it('ends with a signal, before, while a key is waited for, and in the middle', async () => {
      const aborted = { name: 'AbortError' }
      const before = make(input(bytes).chunks, { signal: AbortSignal.abort() })
      await assert.rejects(all(before), aborted)

      const slow = new AbortController()
      const keyring = keyringThat(() => new Promise(() => undefined))
      const stream = make(input(bytes).chunks, { keyring, signal: slow.signal })
      const reading = all(stream)
      await settled()
      slow.abort()
      await assert.rejects(reading, aborted)
      await assert.rejects(stream.header, aborted)

      const middle = new AbortController()
      const source = input(bytes)
      const iterator = make(source.chunks, { signal: middle.signal })[Symbol.asyncIterator]()
      await iterator.next()
      await iterator.next()
      middle.abort()
      await assert.rejects(iterator.next(), aborted)
      await settled()
      assert.ok(source.returned, 'the input was given back')
    })

    it('is read once', async () => {
      const stream = make(input(bytes).chunks)
      await all(stream)
      assert.throws(() => stream[Symbol.asyncIterator](), code('ERR_S3CSE_CONFIG'))
    })
  })
}
