import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { gcmSealer } from '../../src/crypto/gcm-message.js'
import { isPositional, type PositionalSealer } from '../../src/message/sealer.js'
import type { Aes } from '../../src/runtime/runtime.js'
import { runtime } from '../../src/runtime/node.js'
import { code } from '../support/errors.js'
import { oneShot, pattern } from './helpers.js'

const iv = pattern(12)

async function sealer(
  key: Uint8Array,
  aad: Uint8Array,
  wrap: (aes: Aes) => Aes = (aes) => aes,
): Promise<PositionalSealer> {
  const made = await gcmSealer({ aes: wrap(await runtime.aes(key)), iv, aad, key })
  assert.ok(isPositional(made))
  return made
}

function joined(lengths: readonly number[]): number {
  return lengths.reduce((sum, length) => sum + length, 0)
}

describe('pieces that are sealed off the main thread', () => {
  it('are those that are sealed here, with the same states, in one message of both', async () => {
    // Groups of pieces one behind the other; only the last piece of all is not whole blocks.
    const shape = fc.record({
      keyLength: fc.constantFrom(16, 24, 32),
      aad: fc.uint8Array({ maxLength: 20 }),
      groups: fc.array(
        fc.record({
          apart: fc.boolean(),
          blocks: fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 4 }),
        }),
        { minLength: 1, maxLength: 5 },
      ),
      rest: fc.nat(15),
      order: fc.infiniteStream(fc.nat()),
    })
    await fc.assert(
      fc.asyncProperty(shape, async ({ keyLength, aad, groups, rest, order }) => {
        const key = pattern(keyLength)
        const lengths = groups.map(({ blocks }) => blocks.map((count) => count * 16))
        lengths.at(-1)!.push(...(rest === 0 ? [] : [rest]))
        const total = joined(lengths.map(joined))
        const plaintext = pattern(total)
        const one = await sealer(key, aad)
        const other = await sealer(key, aad)
        const found = new Uint8Array(total + 16)
        let at = 0
        const work = groups.map(({ apart }, i) => {
          const own = lengths[i] as number[]
          const start = at
          at += joined(own)
          return { apart, start, own, plaintext: plaintext.subarray(start, at) }
        })
        for (const item of work) {
          // What the other way gives for the same places.
          let place = item.start
          const states: Uint8Array[] = []
          for (const length of item.own) {
            states.push((await other.sealPiece(place, plaintext.subarray(place, place + length), false)).state)
            place += length
          }
          Object.assign(item, { states })
        }
        const shuffled = work.map((item) => ({ item, rank: order.next().value as number }))
        shuffled.sort((a, b) => a.rank - b.rank)
        for (const { item } of shuffled) {
          const { states } = item as unknown as { states: Uint8Array[] }
          if (item.apart) {
            const into = found.subarray(item.start, item.start + item.plaintext.length)
            const sealed = await one.sealPieces!(item.start, item.own, item.plaintext, into, true)
            assert.deepEqual(sealed.states, states)
            assert.deepEqual(Buffer.from(sealed.sha256!), createHash('sha256').update(into).digest())
          } else {
            let place = item.start
            for (const length of item.own) {
              const piece = await one.sealPiece(place, plaintext.subarray(place, place + length), false)
              found.set(piece.sealed, place)
              place += length
            }
          }
        }
        found.set(await one.trailer(total), total)
        assert.equal(Buffer.compare(found, oneShot(key, iv, aad, plaintext)), 0)
      }),
      { numRuns: 40 },
    )
  })

  it('take their places: before, after and at the same time nothing else is sealed there', async () => {
    const one = await sealer(pattern(32), new Uint8Array(0))
    const bytes = pattern(96)
    const room = (): Uint8Array => new Uint8Array(96)
    await one.sealPiece(64, bytes.subarray(64, 80), false)
    await assert.rejects(one.sealPieces!(0, [32, 64], bytes, room(), false), code('ERR_S3CSE_CONFIG', /overlap/))
    const first = one.sealPieces!(0, [32, 32], bytes.subarray(0, 64), room(), false)
    await assert.rejects(one.sealPiece(48, bytes.subarray(48, 64), false), code('ERR_S3CSE_CONFIG', /overlap/))
    await first
    await assert.rejects(
      one.sealPieces!(32, [16], bytes.subarray(32, 48), room(), false),
      code('ERR_S3CSE_CONFIG', /overlap/),
    )
    await one.trailer(80)
    await assert.rejects(one.sealPieces!(80, [16], bytes.subarray(80), room(), false), code('ERR_S3CSE_CONFIG', /tag/))
  })

  it('begin with a block', async () => {
    const one = await sealer(pattern(32), new Uint8Array(0))
    await assert.rejects(one.sealPieces!(0, [17, 16], pattern(33), new Uint8Array(49), false), code('ERR_S3CSE_CONFIG'))
    await assert.rejects(one.sealPieces!(40, [16], pattern(16), new Uint8Array(32), false), code('ERR_S3CSE_CONFIG'))
  })

  it('leave no tag behind, and nothing of them comes after the end', async () => {
    const tags: Uint8Array[] = []
    let going: () => void = () => undefined
    const gone = new Promise<void>((resolve) => (going = resolve))
    let wait = false
    const one = await sealer(pattern(32), new Uint8Array(0), (aes) => ({
      ...aes,
      async gcmEncryptApart(...args) {
        const result = await aes.gcmEncryptApart!(...args)
        tags.push(...result.tags)
        if (wait) await gone
        return result
      },
    }))
    await one.sealPieces!(0, [32, 16], pattern(48), new Uint8Array(64), false)
    assert.deepEqual(tags, [new Uint8Array(16), new Uint8Array(16)])
    wait = true
    const late = one.sealPieces!(48, [32], pattern(32), new Uint8Array(64), false)
    one.destroy()
    going()
    await assert.rejects(late, code('ERR_S3CSE_CONFIG'))
  })
})
