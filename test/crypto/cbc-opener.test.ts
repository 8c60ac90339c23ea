import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'

import { cbcOpener } from '../../src/crypto/cbc-message.js'
import { DecryptionError } from '../../src/errors.js'
import type { Opener } from '../../src/message/opener.js'
import { code } from '../support/errors.js'
import { oneShotCbc, unpaddedCbc } from './cbc-helpers.js'
import { pattern, RUNTIMES } from './helpers.js'

const iv = pattern(16)
const key = pattern(32)
const none = new Uint8Array(0)
const LENGTHS = [...Array(51).keys(), 65_535, 65_536, 65_537, 1_048_575, 1_048_576]

type Checked = Opener &
  Required<Pick<Opener, 'absorb' | 'hash' | 'join' | 'matches' | 'verify' | 'plaintextLengthFrom'>>

/** Every one the same, with nothing that tells which it is. */
function isUniform(error: unknown): true {
  assert.ok(error instanceof DecryptionError)
  const { name, code, message, cause } = error
  const expected = new DecryptionError()
  assert.deepEqual([name, code, message, cause], [expected.name, expected.code, expected.message, undefined])
  assert.deepEqual(Object.keys(error).sort(), Object.keys(expected).sort())
  return true
}

/** Messages that no writer makes: each kind of bad padding, and lengths that cannot be. */
function* badMessages(): Generator<readonly [name: string, sealed: Uint8Array, key?: Uint8Array]> {
  const good = oneShotCbc(key, iv, pattern(40))
  for (let count = 1; count <= 16; count++) {
    const blocks = new Uint8Array(48).fill(200)
    blocks.fill(count, 48 - count)
    // Padding of one byte is only wrong by its value.
    blocks[48 - count]! ^= 0x40
    yield [`padding of ${count} bytes, the first of which is wrong`, unpaddedCbc(key, iv, blocks)]
    yield [`padding of ${count} bytes, alone`, unpaddedCbc(key, iv, blocks.subarray(32))]
  }
  for (const count of [0, 17, 32, 128, 255]) {
    yield [`padding of ${count}`, unpaddedCbc(key, iv, new Uint8Array(32).fill(count))]
  }
  yield ['truncated by a block', good.subarray(0, -16)]
  yield ['truncated by a byte', good.subarray(0, -1)]
  yield ['longer by a byte', Buffer.concat([good, Buffer.alloc(1)])]
  yield ['less than a block', good.subarray(0, 15)]
  yield ['empty', none]
  // Of 256 wrong keys one gives what looks like padding: this one does not.
  yield ['another key', good, pattern(33).subarray(1)]
}

for (const [name, runtime] of RUNTIMES) {
  const openerOf = async (own: Uint8Array = key): Promise<Checked> =>
    cbcOpener({ aes: await runtime.aes(own), iv }) as Checked

  describe(`reading AES-CBC on ${name}`, () => {
    it('gives what node:crypto has made, whole, with keys of 128, 192 and 256 bits', async () => {
      for (const own of [pattern(16), pattern(24), key]) {
        for (const length of LENGTHS) {
          const sealed = oneShotCbc(own, iv, pattern(length))
          const opener = await openerOf(own)
          assert.ok(Buffer.from(await opener.openWhole(sealed)).equals(pattern(length)), `${length}`)
          assert.equal(await opener.plaintextLengthFrom(sealed.length, sealed.subarray(-32)), length)
          assert.equal(opener.plaintextLength(sealed.length), undefined)
        }
      }
    })

    it('and in pieces, from the beginning or from any extent', async () => {
      await fc.assert(
        fc.asyncProperty(fc.nat(700), fc.nat(), fc.nat(), fc.nat(20), async (length, a, b, blocks) => {
          const sealed = oneShotCbc(key, iv, pattern(length))
          const [start, end] = [a % (length + 1), b % (length + 1)].sort((x, y) => x - y) as [number, number]
          const opener = await openerOf()
          for (const extent of [{ start: 0, end: sealed.length, offset: 0 }, opener.extent(start, end)]) {
            const opened: Uint8Array[] = []
            const step = (blocks + 1) * 16
            for (let at = extent.start; at < extent.end; at += step) {
              const piece = sealed.subarray(at, Math.min(at + step, extent.end))
              opened.push(Uint8Array.from(await opener.open(at, piece, at + piece.length === sealed.length)))
            }
            const plaintext = Buffer.concat(opened)
            const expected = pattern(length).subarray(extent.offset, Math.min(length, extent.end))
            assert.deepEqual(plaintext, Buffer.from(expected))
          }
          const { start: from, end: to, offset } = opener.extent(start, end)
          assert.ok(from % 16 === 0 && to % 16 === 0 && offset <= start && to >= end && to - from <= end - start + 46)
        }),
        { numRuns: 150 },
      )
    })

    it('refuses in one way what is no message: whole, at the end, by its end, and after the pieces', async () => {
      for (const [what, sealed, own] of badMessages()) {
        const reads: Record<string, (opener: Checked) => unknown> = {
          openWhole: (opener) => opener.openWhole(sealed),
          open: (opener) => opener.open(0, sealed, true),
          plaintextLengthFrom: (opener) => opener.plaintextLengthFrom(sealed.length, sealed.subarray(-32)),
          async verify(opener) {
            await opener.absorb(0, sealed)
            await opener.verify(sealed.length, none)
          },
          async pieces(opener) {
            for (let at = 0; at < sealed.length; at += 16) await opener.absorb(at, sealed.subarray(at, at + 16))
            await opener.verify(sealed.length, none)
          },
        }
        for (const [how, read] of Object.entries(reads)) {
          const opener = await openerOf(own)
          assert.equal(opener.plaintextLength(sealed.length), undefined)
          await assert.rejects(async () => read(opener), isUniform, `${what}, ${how}`)
        }
      }
      const opener = await openerOf()
      for (const length of [-1, 0.5, NaN, 2 ** 53]) {
        assert.throws(() => opener.plaintextLength(length), code('ERR_S3CSE_ENVELOPE_INVALID'))
        await assert.rejects(async () => opener.plaintextLengthFrom(length, iv), isUniform)
      }
      await assert.rejects(async () => opener.plaintextLengthFrom(32, iv), isUniform)
      await assert.rejects(async () => opener.open(0, pattern(17), false), isUniform)
      await assert.rejects(async () => opener.open(8, pattern(16), false), isUniform)
      // Nothing is left of the last piece but what others are chained to.
      await assert.rejects(async () => opener.open(160, pattern(16), true), isUniform)
      assert.equal((await opener.open(0, none, false)).length, 0)
    })

    it('checks the end after pieces in any order, by their bytes or by their states', async () => {
      for (const length of [0, 10, 20, 47, 48, 100, 1000]) {
        const sealed = oneShotCbc(key, iv, pattern(length))
        const cut = fc.shuffledSubarray(
          Array.from({ length: sealed.length / 16 }, (_, index) => index * 16),
          { minLength: sealed.length / 16 },
        )
        await fc.assert(
          fc.asyncProperty(cut, fc.boolean(), fc.constantFrom(1, 2, 3), async (order, joins, blocks) => {
            const opener = await openerOf()
            const starts = order.filter((at) => at % (blocks * 16) === 0)
            for (const [index, at] of starts.entries()) {
              if (index > 0) await assert.rejects(async () => opener.verify(sealed.length, none), isUniform)
              const piece = sealed.subarray(at, at + blocks * 16)
              // Read before, and other bytes, but not taken.
              await opener.hash(at, new Uint8Array(piece.length))
              if (joins) await opener.join(at, piece.length, await opener.hash(at, piece))
              else await opener.absorb(at, piece)
              await assert.rejects(async () => opener.absorb(at, piece), code('ERR_S3CSE_CONFIG', /overlap/))
            }
            await opener.verify(sealed.length, none)
            for (const other of [sealed.length - 16, sealed.length + 16, 0]) {
              await assert.rejects(async () => opener.verify(other, none), isUniform)
            }
          }),
          { numRuns: 10 },
        )
      }
    })

    it('knows a piece again by its state, and no other, at no other place', async () => {
      const [opener, other] = [await openerOf(), await openerOf()]
      const piece = pattern(64)
      const changed = Uint8Array.from(piece)
      changed[0]! ^= 1
      const state = Uint8Array.from(await opener.absorb(16, piece))
      assert.equal(state.length, 16)
      assert.equal(await opener.matches(state, 16, piece), true)
      assert.equal(await opener.matches(state, 16, changed), false)
      assert.equal(await opener.matches(state, 32, piece), false)
      assert.equal(await opener.matches(state, 16, piece.subarray(0, 48)), false)
      assert.equal(await other.matches(state, 16, piece), false)
      const stateKey = pattern(32)
      const aes = await runtime.aes(key)
      const [one, two] = [cbcOpener({ aes, iv, stateKey }), cbcOpener({ aes, iv, stateKey })] as [Checked, Checked]
      assert.deepEqual(await one.hash(0, piece), await two.hash(0, piece))
      // Joined by a state whose bytes were never seen here.
      await opener.join(0, 16, new Uint8Array(16))
      await opener.join(80, 16, new Uint8Array(16))
      await assert.rejects(async () => opener.verify(96, none), isUniform)
      assert.equal((await opener.absorb(96, none)).length, 16)
      assert.throws(() => cbcOpener({ aes, iv: piece }), code('ERR_S3CSE_CONFIG', /64 bytes/))
    })

    it('ends with destroy', async () => {
      const opener = await openerOf()
      await opener.absorb(0, iv)
      opener.destroy()
      opener.destroy()
      for (const call of [
        () => opener.openWhole(iv),
        () => opener.open(0, iv, false),
        () => opener.absorb(16, iv),
        () => opener.hash(16, iv),
        () => opener.join(16, 16, iv),
        () => opener.matches(iv, 0, iv),
        () => opener.verify(16, none),
        () => opener.plaintextLengthFrom(16, iv),
      ]) {
        await assert.rejects(async () => call(), code('ERR_S3CSE_CONFIG', /closed/))
      }
    })
  })
}
