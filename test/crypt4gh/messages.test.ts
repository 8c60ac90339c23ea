import assert from 'node:assert/strict'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { describe, it } from 'node:test'

import {
  decrypt,
  decryptStream,
  encrypt,
  encryptStream,
  inspectHeader,
  openRange,
  rearrange,
} from '../../src/crypt4gh.js'
import { code } from '../support/errors.js'
import { pattern } from '../support/world.js'
import { alice, all, bob, both, pieces, S, same, watched } from './messages-support.js'

const sizes = [0, 1, S - 1, S, S + 1, 2 * S, 3 * S + 5]

describe('Crypt4GH messages', () => {
  for (const mode of [undefined, 'write'] as const) {
    it(`are written and read in every way (${mode ?? 'method 0'})`, async () => {
      const options = { keyring: both, experimentalAuthenticatedMode: mode }
      for (const size of sizes) {
        const plaintext = pattern(size)
        const once = await encrypt(plaintext, options)
        const messages = [once.message]
        for (const input of [plaintext, new Blob([plaintext]), pieces(plaintext, 1000), pieces(plaintext, S)]) {
          const stream = encryptStream(input, options)
          messages.push(await all(stream))
          const header = await stream.header
          assert.equal(header.integrity, 'ordered')
          assert.deepEqual([header.packets, header.dataMethod], [2, mode ? 1 : 0])
          assert.equal(header.messageLength(size), messages.at(-1)!.length)
        }
        const told = encryptStream(pieces(plaintext, 70_001), { ...options, plaintextLength: size })
        messages.push(await all(told))
        messages.push(await all(encryptStream(Readable.from([Buffer.from(plaintext)]), options)))
        for (const message of messages) {
          assert.equal(message.length, once.message.length)
          for (const keyring of [alice, bob]) {
            const reading = { keyring, experimentalAuthenticatedMode: mode && ('read' as const) }
            const found = await decrypt(message, reading)
            same(found.plaintext, plaintext, 'at once')
            assert.equal(found.header.integrity, 'ordered')
            same(await all(decryptStream(pieces(message, 50_001), reading)), plaintext, 'as a stream')
            const reader = await openRange(message, reading)
            same(await all(reader.stream()), plaintext, 'through openRange')
          }
        }
      }
    })
  }

  it('are written with their header apart', async () => {
    for (const size of [0, 5, S]) {
      const plaintext = pattern(size)
      const stream = encryptStream(pieces(plaintext, 999), { keyring: alice, detachedHeader: true })
      const body = await all(stream)
      const header = await stream.header
      assert.equal(body.length, header.messageLength(size) - header.length)
      same((await decrypt(body, { keyring: alice, header: header.bytes })).plaintext, plaintext, 'read again')
      const made = await all(rearrange(body, { keyring: alice, header: header.bytes, end: 3 })).catch(
        code('ERR_S3CSE_CONFIG'),
      )
      if (size > 0)
        same((await decrypt(made as Uint8Array, { keyring: alice })).plaintext, plaintext.subarray(0, 3), 'a part')
    }
  })

  it('what is no header by itself is refused as one', async () => {
    const { message, header } = await encrypt(pattern(9), { keyring: alice })
    const body = message.subarray(header.length)
    for (const wrong of [message, header.bytes.subarray(0, -1), header.bytes.subarray(1), new Uint8Array(0)]) {
      const options = { keyring: alice, header: wrong }
      await assert.rejects(decrypt(body, options), code('ERR_S3CSE_ENVELOPE_INVALID'))
      await assert.rejects(all(decryptStream(body, options)), code('ERR_S3CSE_ENVELOPE_INVALID'))
      await assert.rejects(openRange(body, options), code('ERR_S3CSE_ENVELOPE_INVALID'))
      await assert.rejects(all(rearrange(body, options)), code('ERR_S3CSE_ENVELOPE_INVALID'))
    }
  })

  it('only a range of the input is encrypted, and what is behind it not read', async () => {
    const plaintext = pattern(3 * S)
    for (const [start, end] of [
      [10, 60],
      [S, 2 * S],
      [S + 1, undefined],
      [0, 0],
      [9 * S, undefined],
      [5, 9 * S],
    ] as const) {
      const expected = plaintext.subarray(start, end)
      for (const plaintextLength of [undefined, plaintext.length]) {
        for (const input of [plaintext, new Blob([plaintext]), pieces(plaintext, 777)]) {
          const message = await all(encryptStream(input, { keyring: alice, start, end, plaintextLength }))
          const found = await decrypt(message, { keyring: alice })
          same(found.plaintext, expected, `${start}-${end}`)
          assert.equal(found.header.integrity, 'ordered')
        }
      }
    }
    let given = 0
    let isReturned = false
    function* endless(): Generator<Uint8Array, void> {
      try {
        for (;;) {
          given++
          yield new Uint8Array(100)
        }
      } finally {
        isReturned = true
      }
    }
    await all(encryptStream(endless(), { keyring: alice, start: 50, end: 250 }))
    assert.equal(given, 3)
    assert.ok(isReturned, 'the input was given back')
  })

  it('of a declared length, and of no other', async () => {
    for (const size of [0, 5, S, S + 5, 2 * S]) {
      for (const plaintextLength of [size - 1, size + 1, size + S, Math.max(0, size - S)]) {
        if (plaintextLength === size || plaintextLength < 0) continue
        for (const length of [1000, S, 3 * S]) {
          const stream = encryptStream(pieces(pattern(size), length), { keyring: alice, plaintextLength })
          await assert.rejects(all(stream), code('ERR_S3CSE_BODY_LENGTH'), `${size} declared as ${plaintextLength}`)
        }
        assert.throws(() => encryptStream(pattern(size), { keyring: alice, plaintextLength }), code('ERR_S3CSE_CONFIG'))
      }
    }
  })

  it('of a declared length, of a stream that does not end', async () => {
    let given = 0
    function* endless(): Generator<Uint8Array, void> {
      // It ends where nobody stops it, so that this cannot hang.
      for (; given < 50; given++) yield new Uint8Array(S)
    }
    const stream = encryptStream(endless(), { keyring: alice, plaintextLength: S + 5 })
    await assert.rejects(all(stream), code('ERR_S3CSE_BODY_LENGTH'))
    assert.ok(given < 5, `${given} chunks were read`)
  })

  it('are read from a file, a Blob, bytes, and anything with length and read', async () => {
    const plaintext = pattern(5 * S + 17)
    const { message } = await encrypt(plaintext, { keyring: alice })
    const directory = await mkdtemp(path.join(tmpdir(), 's3-cse-'))
    try {
      await writeFile(path.join(directory, 'message'), message)
      await using file = await open(path.join(directory, 'message'))
      for (const source of [message, new Blob([Uint8Array.from(message)]), file, watched(message)]) {
        const reader = await openRange(source, { keyring: alice })
        same(await reader.read(S - 3, S + 3), plaintext.subarray(S - 3, S + 3), 'read')
        const made = await all(rearrange(source, { keyring: alice, start: S - 3, end: S + 3 }))
        same((await decrypt(made, { keyring: alice })).plaintext, plaintext.subarray(S - 3, S + 3), 'a part')
        assert.equal((await inspectHeader(source)).packets.length, 1)
        reader.close()
        await assert.rejects(reader.read(0, 1), code('ERR_S3CSE_CONFIG'))
      }
    } finally {
      await rm(directory, { recursive: true })
    }
  })
})
