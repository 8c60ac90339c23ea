// Whatever the order, the sizes and the retries: the parts are one message, the one that the cipher makes in one piece.
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { describe, it } from 'node:test'
import fc from 'fast-check'

import type { StoredVersion } from '../../src/message/multipart.js'
import { pattern } from '../support/world.js'
import { framedSealer } from './framed.js'
import { framed, join, kinds, numbersTo, partsOf, put, split, v3, type How } from './multipart-support.js'

/** S3's minimum of 5 MiB in small. */
const MIN = 5000
const plaintext = pattern(4 * 1024 * 1024)

/** The parts of one upload: their lengths, the order in which they are begun, and how each is sent. */
interface Plan {
  readonly lengths: readonly number[]
  readonly partSize: number | undefined
  readonly order: readonly number[]
  readonly hows: readonly How[]
  readonly again: readonly number[]
}

function planOf(alignment: number): fc.Arbitrary<Plan> {
  const size = fc.integer({ min: MIN + alignment, max: 3 * MIN })
  const end = fc.oneof(fc.constantFrom(0, 1, MIN - 1, MIN, MIN + 1), fc.integer({ min: 0, max: 3 * MIN }))
  const how = fc.oneof(fc.constant<How>({}), fc.record({ chunk: fc.integer({ min: 1, max: 4000 }) }))
  return fc
    .record({ sizes: fc.array(size, { maxLength: 5 }), common: fc.option(size, { nil: undefined }), end })
    .chain(({ sizes, common, end }) => {
      const partSize = common === undefined ? undefined : common - (common % alignment)
      const lengths = [...sizes.map((one) => partSize ?? one), Math.min(end, partSize ?? Infinity)]
      const numbers = numbersTo(lengths.length)
      return fc.record({
        lengths: fc.constant(lengths),
        partSize: fc.constant(partSize),
        order: fc.shuffledSubarray(numbers, { minLength: numbers.length }),
        // What is short is never a stream: it may have to be kept.
        hows: fc.tuple(...lengths.map((length) => (length < MIN ? fc.constant<How>({}) : how))),
        again: fc.array(fc.constantFrom(...numbers), { maxLength: 4 }),
      })
    })
}

describe('parts in any order', () => {
  for (const kind of kinds) {
    it(`${kind.name}: any lengths, chunks and repetitions give the one message`, async () => {
      await fc.assert(
        fc.asyncProperty(planOf(kind.alignment), async ({ lengths, partSize, order, hows, again }) => {
          const bodies = split(plaintext, lengths)
          const parts = await partsOf(kind, { partSize, minPartBytes: MIN })
          const { m, stored } = parts
          await Promise.all(order.map((number) => parts.send(number, bodies[number - 1]!, hows[number - 1])))
          for (const number of again) {
            const before = stored.get(number)!
            // With parts that fill no segment, what led a stored part is not at hand any more.
            if (partSize === undefined && kind.alignment > 1 && number > 1) continue
            const sealed = await parts.seal(number, bodies[number - 1]!)
            assert.deepEqual(Buffer.from(sealed).subarray(0, before.length), Buffer.from(before))
          }
          const message = await parts.complete(lengths.length)
          assert.deepEqual(Buffer.from(message), Buffer.from(kind.whole(join(bodies))))
          for (const number of numbersTo(lengths.length - 1)) assert.ok(stored.get(number)!.length >= MIN)
          // A second time, and a third.
          const [one, two] = await Promise.all([
            m.finish(numbersTo(lengths.length)),
            m.finish(numbersTo(lengths.length)),
          ])
          assert.deepEqual(put(stored, one.send), Buffer.from(message))
          assert.deepEqual(put(stored, two.send), Buffer.from(message))
          m.destroy(new Error('over'))
        }),
        { numRuns: 40 },
      )
    })
  }

  it('no position is taken into the message twice, and there is one trailer', async () => {
    await fc.assert(
      fc.asyncProperty(planOf(1000), async ({ lengths, partSize, order, hows }) => {
        const bodies = split(plaintext, lengths)
        const sealer = framedSealer()
        const parts = await partsOf(sealer, { partSize, minPartBytes: MIN })
        await Promise.all(order.map((number) => parts.send(number, bodies[number - 1]!, hows[number - 1])))
        await Promise.all([parts.complete(lengths.length), parts.complete(lengths.length)])
        let end = 0
        for (const { offset, length } of [...sealer.pieces].sort(
          (a, b) => a.offset - b.offset || a.length - b.length,
        )) {
          assert.equal(offset, end)
          end += length
        }
        assert.equal(end, join(bodies).length)
        assert.deepEqual(sealer.trailers, [end])
      }),
      { numRuns: 20 },
    )
  })

  it('parts of several slices, as bytes into a buffer that was used before, and as streams', async () => {
    const lengths = [1_500_000, 1_048_576, 1_048_577, 300_000]
    const bodies = split(plaintext, lengths)
    for (const kind of kinds) {
      for (const chunk of [undefined, 999_999]) {
        const parts = await partsOf(kind, { minPartBytes: 1_000_000 })
        const how = chunk === undefined ? {} : { chunk }
        for (const number of [1, 2, 3]) await parts.send(number, bodies[number - 1]!, how)
        await parts.send(4, bodies[3]!)
        assert.ok(Buffer.from(await parts.complete(4)).equals(kind.whole(join(bodies))), `${kind.name} ${chunk}`)
      }
    }
    for (const body of [bodies[0]!, bodies[3]!]) {
      const used = new Uint8Array(2_000_000).fill(255)
      const { m } = await partsOf(v3, { minPartBytes: 100_000 })
      const attempt = m.begin(1, body.length, 'bytes')
      await attempt.place()
      const sealed = await attempt.sealBytes(body, () => used)
      assert.ok(sealed.buffer === used.buffer)
      assert.ok(Buffer.from(sealed).equals(v3.whole(body).subarray(0, -16)))
      // What a tag would be computed from does not stay behind the ciphertext: it is wiped, or was never there.
      const behind = used.subarray(sealed.length, sealed.length + 16)
      assert.ok(behind.every((byte) => byte === behind[0]))
    }
  })

  it('10,000 parts, in any order, and taken over from elsewhere', async () => {
    const bodies = split(
      plaintext,
      Array.from({ length: 10_000 }, () => 16),
    )
    const order = numbersTo(9999)
    for (let i = order.length - 1; i > 0; i--) {
      const j = randomInt(i + 1)
      ;[order[i], order[j]] = [order[j]!, order[i]!]
    }
    const options = { partSize: 16, minPartBytes: 16 }
    const worker = await partsOf(v3, { ...options, worker: true })
    for (const number of order) await worker.send(number, bodies[number - 1]!)
    const owner = await partsOf(v3, options)
    // No part can follow it with the trailer, so it needs all others first.
    await assert.rejects(owner.send(10_000, bodies[9999]!), /must be sent after all others/)
    for (const { record, stored } of worker.m.records().reverse()) await owner.m.restore(record, stored)
    // The last one too, and without the trailer.
    const { state } = await (await v3.sealer()).sealAgain(9999 * 16, bodies[9999]!, true)
    const last = { number: 10_000, offset: 9999 * 16, length: 16, states: [state], from: 0 }
    await owner.m.restore(last, { withTrailer: false })
    await assert.rejects(owner.m.finish(numbersTo(10_000)), /No part can follow part 10000 .*: send part 10000 again/)
    worker.stored.set(10_000, await owner.send(10_000, bodies[9999]!))
    assert.equal(worker.stored.get(10_000)?.length, 32)
    const { send } = await owner.m.finish(numbersTo(10_000))
    assert.equal(send, undefined)
    assert.ok(put(worker.stored, send).equals(v3.whole(join(bodies))))
    assert.throws(() => owner.m.begin(10_001, 16, 'bytes'), /from 1 to 10000/)
  })

  it('a short last part waits for what is being encrypted, and has the trailer then', async () => {
    const bodies = split(plaintext, [MIN, MIN, 10])
    const parts = await partsOf(v3, { minPartBytes: MIN })
    await Promise.all([3, 2, 1].map((number) => parts.send(number, bodies[number - 1]!)))
    assert.equal(parts.stored.get(3)?.length, 26)
    assert.equal((await parts.m.finish([1, 2, 3])).send, undefined)
  })

  it('a short last part that comes first is sent again with the trailer, or before that by the caller', async () => {
    const bodies = split(plaintext, [MIN, 10])
    for (const repeated of [false, true]) {
      const parts = await partsOf(v3, { partSize: MIN, minPartBytes: MIN })
      await parts.send(2, bodies[1]!)
      assert.equal(parts.stored.get(2)?.length, 10)
      assert.deepEqual(parts.versions.get(2), { withTrailer: false, kept: parts.stored.get(2) } satisfies StoredVersion)
      await parts.send(1, bodies[0]!)
      if (repeated) await parts.send(2, bodies[1]!)
      assert.equal((await parts.m.finish([1, 2])).send?.replaces, repeated ? undefined : true)
      assert.ok(Buffer.from(await parts.complete(2)).equals(v3.whole(join(bodies))))
    }
  })

  it('the version of a last part that is answered last counts', async () => {
    const bodies = split(plaintext, [MIN, 10])
    const parts = await partsOf(v3, { partSize: MIN, minPartBytes: MIN })
    const slow = parts.m.begin(2, 10, 'bytes')
    await slow.place()
    const without = Uint8Array.from(await slow.sealBytes(bodies[1]!))
    slow.end()
    await parts.send(1, bodies[0]!)
    await parts.send(2, bodies[1]!)
    assert.equal((await parts.m.finish([1, 2])).send, undefined)
    parts.stored.set(2, without)
    slow.stored()
    assert.ok(Buffer.from(await parts.complete(2)).equals(v3.whole(join(bodies))))
  })

  it('framed: what fills no segment leads the next part, whichever was begun first', async () => {
    const bodies = split(plaintext, [MIN + 1001, MIN + 2, 3])
    for (const order of [
      [1, 2, 3],
      [3, 2, 1],
      [2, 1, 3],
    ]) {
      const parts = await partsOf(framed, { minPartBytes: MIN })
      await Promise.all(order.map((number) => parts.send(number, bodies[number - 1]!)))
      assert.ok(Buffer.from(await parts.complete(3)).equals(framed.whole(join(bodies))))
      assert.equal(parts.stored.get(1)?.length, 8 + 6 * 1016)
    }
  })
})
