// Signed messages as parts of an upload: the signature goes over all of them, in order.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { signedFrameSealer } from '../../src/formats/esdk/signed-sealer.js'
import type { ByteSource } from '../../src/runtime/runtime.js'
import { join, numbersTo, partsOf, put, split, type Parts } from '../message/multipart-support.js'
import { code } from '../support/errors.js'
import { bytes, independentRead, messageFor, type Made } from './esdk-signed-support.js'

const FRAME = 1000
const MIN = 5000
const plaintext = bytes(60_000)
const state = (message: RegExp) => code('ERR_S3CSE_UPLOAD_STATE', message)

async function upload(options: object = {}): Promise<Parts & { readonly made: Made }> {
  const made = await messageFor(0x0578, FRAME)
  const sealer = await signedFrameSealer({ ...made, signature: made.suite.signature! })
  return { ...(await partsOf(sealer, { minPartBytes: MIN, ...options })), made }
}

const read = (message: Uint8Array, { dataKey }: Made): Buffer => independentRead(message, dataKey, 'secp384r1')

describe('parts of a signed message', () => {
  test('begun in any order, of any lengths, sent again or not, they give one message', async () => {
    const length = fc.oneof(fc.constantFrom(MIN, 6 * FRAME, MIN + 1), fc.integer({ min: MIN + FRAME, max: 3 * MIN }))
    const last = fc.oneof(fc.constantFrom(0, 1, FRAME - 1, FRAME, MIN), fc.nat(2 * MIN))
    const plan = fc.tuple(fc.array(length, { maxLength: 3 }), last).chain(([lengths, end]) => {
      const all = [...lengths, end]
      const numbers = numbersTo(all.length)
      return fc.record({
        lengths: fc.constant(all),
        order: fc.shuffledSubarray(numbers, { minLength: numbers.length }),
        again: fc.subarray(numbers),
        chunks: fc.array(fc.option(fc.integer({ min: 1, max: 3000 }), { nil: undefined }), {
          minLength: all.length,
          maxLength: all.length,
        }),
      })
    })
    await fc.assert(
      fc.asyncProperty(plan, async ({ lengths, order, again, chunks }) => {
        const parts = await upload()
        const bodies = split(plaintext, lengths)
        await Promise.all(
          order.map((number) => {
            const chunk = bodies[number - 1]!.length < MIN ? undefined : chunks[number - 1]
            return parts.send(number, bodies[number - 1]!, chunk === undefined ? {} : { chunk })
          }),
        )
        for (const number of again) {
          // What leads a part that begins inside of a frame is kept until it is stored only.
          const start = lengths.slice(0, number - 1).reduce((sum, one) => sum + one, 0)
          if (start % FRAME !== 0) continue
          const before = parts.stored.get(number)!
          const sealed = await parts.send(number, bodies[number - 1]!)
          assert.deepEqual(sealed.subarray(0, before.length), before.subarray(0, sealed.length))
        }
        const message = await parts.complete(lengths.length)
        assert.ok(read(message, parts.made).equals(join(bodies)))
        const { send } = await parts.m.finish(numbersTo(lengths.length))
        assert.ok(put(parts.stored, send).equals(message))
        parts.m.destroy(new Error('over'))
      }),
      { numRuns: 60 },
    )
  })

  test('a part whose stream broke off is sent again, and signed once', async () => {
    const parts = await upload({ partSize: 20_000 })
    const [first, second] = split(plaintext, [20_000, 20_000]) as [Uint8Array, Uint8Array]
    let given = 0
    const source: ByteSource = {
      async next() {
        if (given >= 12_000) throw new Error('connection lost')
        return first.subarray(given, (given += 4000))
      },
      cancel: () => undefined,
    }
    await assert.rejects(parts.send(1, first, { source }), /connection lost/)
    await parts.send(1, first)
    const other = Uint8Array.from(first)
    other[0]! ^= 1
    await assert.rejects(parts.send(1, other), state(/other bytes/))
    await parts.send(2, second)
    await parts.send(1, first)
    assert.ok(read(await parts.complete(2), parts.made).equals(join([first, second])))
  })

  test('several processes cannot make one, nor can another one continue it', async () => {
    await assert.rejects(upload({ worker: true }), state(/in order/))
    const records: { record: unknown; stored: unknown }[] = []
    const parts = await upload({ partSize: 20_000 })
    await parts.send(1, plaintext.subarray(0, 20_000))
    for (const { record, stored } of parts.m.records()) {
      records.push({ record, stored })
      const elsewhere = await upload({ partSize: 20_000 })
      await assert.rejects(elsewhere.m.restore(record, stored), state(/one process/))
    }
    assert.equal(records.length, 1)
  })
})
