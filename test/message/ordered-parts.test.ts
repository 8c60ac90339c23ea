// A format whose pieces are chained: parts wait for those below them, and are one message all the same.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'

import type { ByteSource } from '../../src/runtime/runtime.js'
import { code } from '../support/errors.js'
import { pattern } from '../support/world.js'
import { join, numbersTo, orderedKinds, partsOf, put, split, type How, type Parts } from './multipart-support.js'

/** S3's minimum of 5 MiB in small. */
const MIN = 4992
const MIB = 1024 * 1024
const plaintext = pattern(4 * MIB)
const state = (message?: RegExp) => code('ERR_S3CSE_UPLOAD_STATE', message)
const otherBytes = state(/other bytes than before/)
const [cbc] = orderedKinds
const over = new Error('over')

const changed = (body: Uint8Array, at = 0): Uint8Array => {
  const other = Uint8Array.from(body)
  other[at]! ^= 1
  return other
}

/** The parts of one upload: their lengths, the order in which they are begun, and how each is sent. */
interface Plan {
  readonly lengths: readonly number[]
  readonly partSize: number | undefined
  readonly order: readonly number[]
  readonly hows: readonly How[]
}

const size = fc.oneof(fc.constantFrom(MIN + 8, 2 * MIN, 3 * MIN), fc.integer({ min: MIN + 16, max: 3 * MIN }))
const how = fc.oneof(fc.constant<How>({}), fc.record({ chunk: fc.integer({ min: 1, max: 4000 }) }))
const plans: fc.Arbitrary<Plan> = fc
  .record({
    sizes: fc.array(size, { maxLength: 5 }),
    common: fc.option(size, { nil: undefined }),
    end: fc.oneof(fc.constantFrom(0, 1, 15, 16, 17, MIN - 1, MIN, MIN + 8), fc.integer({ min: 0, max: 3 * MIN })),
  })
  .chain(({ sizes, common, end }) => {
    const partSize = common === undefined ? undefined : common - (common % 16)
    const lengths = [...sizes.map((one) => partSize ?? one), Math.min(end, partSize ?? Infinity)]
    const numbers = numbersTo(lengths.length)
    return fc.record({
      lengths: fc.constant(lengths),
      partSize: fc.constant(partSize),
      order: fc.shuffledSubarray(numbers, { minLength: numbers.length }),
      hows: fc.tuple(...lengths.map((length) => (length < MIN ? fc.constant<How>({}) : how))),
    })
  })

/** The same upload in another process: with what was recorded of it, in any order. */
async function resumed({ m }: Parts, count: number, options: object, reverse: boolean): Promise<Parts> {
  const parts = await partsOf(cbc, options)
  const records = m.records().slice(0, count)
  if (reverse && 'partSize' in options && options.partSize !== undefined) records.reverse()
  for (const { record, stored } of records) await parts.m.restore(record, stored)
  if (m.frozen !== undefined && count > 0) parts.m.freeze(m.frozen)
  return parts
}

describe('parts that are encrypted in order', () => {
  for (const kind of orderedKinds) {
    it(`${kind.name}: begun in any order, of any lengths, in any chunks, they give the one message`, async () => {
      await fc.assert(
        fc.asyncProperty(plans, async ({ lengths, partSize, order, hows }) => {
          const bodies = split(plaintext, lengths)
          const { m, send, complete, stored } = await partsOf(kind, { partSize, minPartBytes: MIN })
          await Promise.all(order.map((number) => send(number, bodies[number - 1]!, hows[number - 1])))
          const message = await complete(lengths.length)
          assert.deepEqual(Buffer.from(message), Buffer.from(kind.whole(join(bodies))))
          for (const number of numbersTo(lengths.length - 1)) assert.ok(stored.get(number)!.length >= MIN - 16)
          const again = await m.finish(numbersTo(lengths.length))
          assert.deepEqual(put(stored, again.send), Buffer.from(message))
          m.destroy(over)
        }),
        { numRuns: 40 },
      )
    })
  }

  it('of several slices, as bytes and as streams', async () => {
    const bodies = split(plaintext, [1_500_000, MIB, MIB + 1, 300_000])
    for (const chunk of [undefined, 999_999]) {
      const parts = await partsOf(cbc, { minPartBytes: 1_000_000 })
      const how = chunk === undefined ? {} : { chunk }
      await Promise.all([4, 3, 2, 1].map((number) => parts.send(number, bodies[number - 1]!, number < 4 ? how : {})))
      assert.ok(Buffer.from(await parts.complete(4)).equals(cbc.whole(join(bodies))))
      assert.equal(parts.versions.get(4)?.withTrailer, true)
    }
  })

  it('an empty upload, and one of a single part of any length', async () => {
    for (const length of [0, 1, 15, 16, 17, MIN - 1, MIN, MIN + 8]) {
      const parts = await partsOf(cbc, { minPartBytes: MIN })
      const body = plaintext.subarray(0, length)
      await parts.send(1, body)
      assert.deepEqual(Buffer.from(await parts.complete(1)), Buffer.from(cbc.whole(body)), `${length}`)
    }
  })

  it('again: the same bytes at any time, other bytes never', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: MIN / 16, max: 2000 }), { minLength: 1, maxLength: 4 }),
        fc.nat(MIN - 1),
        fc.nat(),
        how,
        async (sizes, end, at, how) => {
          const lengths = [...sizes.map((count) => count * 16), end]
          const bodies = split(plaintext, lengths)
          const parts = await partsOf(cbc, { minPartBytes: MIN })
          for (const number of numbersTo(lengths.length)) await parts.send(number, bodies[number - 1]!)
          for (const finished of [false, true]) {
            for (const number of numbersTo(lengths.length)) {
              const body = bodies[number - 1]!
              const hows = number < lengths.length ? how : {}
              const sealed = await parts.seal(number, body, hows)
              assert.deepEqual(sealed, parts.stored.get(number))
              if (body.length === 0) continue
              await assert.rejects(parts.seal(number, changed(body, at % body.length), hows), otherBytes)
              await assert.rejects(parts.seal(number, body.subarray(1), {}), state())
            }
            if (!finished) await parts.complete(lengths.length)
          }
          assert.deepEqual(Buffer.from(await parts.complete(lengths.length)), Buffer.from(cbc.whole(join(bodies))))
        },
      ),
      { numRuns: 20 },
    )
  })

  it('are continued in another process from any record of them', async () => {
    await fc.assert(
      fc.asyncProperty(plans, fc.nat(), fc.boolean(), async ({ lengths, partSize, hows }, at, reverse) => {
        // Whole blocks: what fills none would have to come from the part before.
        const aligned = lengths.map((length, index) => (index < lengths.length - 1 ? length - (length % 16) : length))
        const bodies = split(plaintext, aligned)
        const options = { partSize, minPartBytes: MIN - 16 }
        const first = await partsOf(cbc, options)
        const known = at % (lengths.length + 1)
        for (const number of numbersTo(known)) await first.send(number, bodies[number - 1]!, hows[number - 1])
        if (known === lengths.length) await first.complete(known)
        const next = await resumed(first, known, options, reverse)
        for (const [number, body] of first.stored) next.stored.set(number, body)
        for (const number of numbersTo(known)) {
          const body = bodies[number - 1]!
          assert.deepEqual(await next.seal(number, body), first.stored.get(number))
          if (body.length > 0) await assert.rejects(next.seal(number, changed(body)), otherBytes)
        }
        for (const number of numbersTo(lengths.length).slice(known)) {
          await next.send(number, bodies[number - 1]!, hows[number - 1])
        }
        assert.deepEqual(Buffer.from(await next.complete(lengths.length)), Buffer.from(cbc.whole(join(bodies))))
      }),
      { numRuns: 40 },
    )
  })

  it('a part that broke off in the middle is finished later, in this process or another', async () => {
    const [one, two] = split(plaintext, [3 * MIB, 100]) as [Uint8Array, Uint8Array]
    for (const elsewhere of [false, true]) {
      let parts = await partsOf(cbc, { minPartBytes: MIN, maxWait: 20 })
      let given = 0
      const broken: ByteSource = {
        next: async () => {
          if (given === 2 * MIB) throw new Error('broken')
          return one.subarray(given, (given += 512 * 1024))
        },
        cancel: () => undefined,
      }
      await assert.rejects(parts.send(1, one, { source: broken }), /broken/)
      assert.equal(parts.m.records()[0]?.record.states.length, 2)
      await assert.rejects(parts.send(2, two), state(/Part 2 waited 20 ms for part 1: .* in order. Send part 1 first/))
      if (elsewhere) {
        const next = await partsOf(cbc, { minPartBytes: MIN, maxWait: 20 })
        for (const { record } of parts.m.records()) await next.m.restore(record, undefined)
        parts = next
        await assert.rejects(parts.send(2, two), state(/Part 2 waited/))
      }
      await assert.rejects(parts.send(1, changed(one, MIB)), otherBytes)
      await parts.send(1, one)
      await parts.send(2, two)
      assert.ok(Buffer.from(await parts.complete(2)).equals(cbc.whole(join([one, two]))))
    }
  })

  it('the end of a part that is not at hand any more is asked for', async () => {
    const body = plaintext.subarray(0, MIN + 3)
    const first = await partsOf(cbc, { minPartBytes: MIN })
    await first.send(1, body)
    const next = await resumed(first, 1, { minPartBytes: MIN }, false)
    await assert.rejects(next.complete(1), state(/last bytes of part 1 are not at hand any more: send it again/))
    await next.send(1, body)
    assert.deepEqual(Buffer.from(await next.complete(1)), Buffer.from(cbc.whole(body)))
  })
})
