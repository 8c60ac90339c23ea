import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'

import { decrypt, decryptStream, encrypt, encryptStream, openRange, rearrange, reencrypt } from '../../src/crypt4gh.js'
import { code } from '../support/errors.js'
import { pattern } from '../support/world.js'
import { alice, all, bob, S, same, SEALED, input, settled } from './messages-support.js'

const LENGTH = 6 * S + 5
const { message, header } = await encrypt(pattern(LENGTH), { keyring: alice })

describe('bytes', () => {
  it('that were given are not those that are given out', async () => {
    const given = Uint8Array.from(message)
    for await (const chunk of reencrypt(given, { keyring: alice, to: bob })) chunk.fill(0)
    for await (const chunk of rearrange(given, { keyring: alice })) chunk.fill(0)
    for await (const chunk of decryptStream(given, { keyring: alice })) chunk.fill(0)
    same(given, message, 'what was given')
    const plaintext = pattern(LENGTH)
    for await (const chunk of encryptStream(plaintext, { keyring: alice })) chunk.fill(0)
    same(plaintext, pattern(LENGTH), 'what was given')
  })

  it('of a header apart are copied at the call', async () => {
    const [apart, body] = [header.bytes.slice(), message.subarray(header.length)]
    const options = { keyring: alice, header: apart }
    const [stream, part] = [decryptStream(body, options), rearrange(body, { ...options, end: 5 })]
    apart.fill(0)
    same(await all(stream), pattern(LENGTH), 'what was read')
    same((await decrypt(await all(part), { keyring: alice })).plaintext, pattern(5), 'a part')
  })
})

describe('a part of a stream', () => {
  it('gives the input back at its end', async () => {
    for (const make of [
      (chunks: AsyncIterable<Uint8Array>) =>
        rearrange(chunks, { keyring: alice, inputLength: message.length, start: S, end: S + 1 }),
      (chunks: AsyncIterable<Uint8Array>) =>
        decryptStream(chunks, { keyring: alice, start: S, end: S + 1, verifyRest: false }),
    ]) {
      const source = input(message)
      await all(make(source.chunks))
      await settled()
      assert.ok(source.returned, 'the input was given back')
      assert.ok(source.read < 22, `${source.read} chunks were read`)
    }
    const source = input(message)
    await all(decryptStream(source.chunks, { keyring: alice, end: 0, verifyRest: false }))
    assert.equal(source.read, 1, 'of nothing only the header is read')
  })
})

describe('memory', () => {
  it('of bytes that are decrypted is not that of a copy', async () => {
    const MIB = 1024 * 1024
    const large = (await encrypt(new Uint8Array(48 * MIB), { keyring: alice })).message
    const before = process.memoryUsage().arrayBuffers
    const iterator = decryptStream(large, { keyring: alice })[Symbol.asyncIterator]()
    await iterator.next()
    const more = process.memoryUsage().arrayBuffers - before
    await iterator.return!()
    assert.ok(more < 16 * MIB, `${more} bytes`)
  })

  it('of long streams is that of a few segments', async () => {
    const MIB = 1024 * 1024
    const total = 96 * MIB
    async function* zeros(): AsyncGenerator<Uint8Array, void> {
      for (let at = 0; at < total; at += MIB) yield new Uint8Array(MIB)
    }
    const collect = (globalThis as { gc?: () => void }).gc
    assert.ok(collect !== undefined, 'run with --expose-gc')
    let [chunks, most, length] = [0, 0, 0]
    collect()
    const before = process.memoryUsage().arrayBuffers
    const sealed = reencrypt(encryptStream(zeros(), { keyring: alice }), { keyring: alice, to: bob })
    for await (const chunk of decryptStream(sealed, { keyring: bob })) {
      length += chunk.length
      if (chunks++ % 100 !== 0) continue
      // What is free is swept beside what goes on.
      collect()
      await wait(5)
      collect()
      most = Math.max(most, process.memoryUsage().arrayBuffers - before)
    }
    assert.equal(length, total)
    assert.ok(most < 16 * MIB, `${most} bytes`)
  })
})

describe('openRange', () => {
  it('can be closed while somebody reads, and a stream cancelled, also while its source hangs', async () => {
    let isHanging = false
    const source = {
      length: message.length,
      read: async (offset: number, into: Uint8Array): Promise<void> => {
        if (isHanging) await new Promise(() => undefined)
        into.set(message.subarray(offset, offset + into.length))
      },
    }
    const reader = await openRange(source, { keyring: alice })
    const iterator = reader.stream()[Symbol.asyncIterator]()
    await iterator.next()
    isHanging = true
    const [one, other] = [reader.read(0, 5), reader.stream(5)]
    const reading = all(other)
    await settled()
    other.cancel(new Error('enough'))
    await assert.rejects(reading, /enough/)
    reader.close()
    await assert.rejects(one, code('ERR_S3CSE_CONFIG', /closed/))
    await assert.rejects(iterator.next(), code('ERR_S3CSE_CONFIG', /closed/))
    assert.throws(() => reader.stream(), code('ERR_S3CSE_CONFIG', /closed/))
  })

  it('serves several at a time, passes errors of the source on, and goes on after them', async () => {
    let fails = false
    const source = {
      length: message.length,
      read: async (offset: number, into: Uint8Array): Promise<void> => {
        if (fails) throw new Error('the disk failed')
        into.set(message.subarray(offset, offset + into.length))
      },
    }
    const reader = await openRange(source, { keyring: alice })
    const found = await Promise.all([0, 1, 2, 3].map((n) => reader.read(n * S - Math.min(n, 1), n * S + 100)))
    found.forEach((bytes, n) => same(bytes, pattern(LENGTH).subarray(n * S - Math.min(n, 1), n * S + 100), `${n}`))
    fails = true
    await assert.rejects(reader.read(0, 5), /the disk failed/)
    fails = false
    assert.equal((await reader.read(5 * S)).length, S + 5)
    assert.equal(message.length, header.length + 6 * SEALED + 33)
  })

  it('ends with a signal while it is opened', async () => {
    const controller = new AbortController()
    const source = { length: 500, read: () => new Promise<void>(() => undefined) }
    const opening = openRange(source, { keyring: alice, signal: controller.signal })
    controller.abort()
    await assert.rejects(opening, { name: 'AbortError' })
  })
})
