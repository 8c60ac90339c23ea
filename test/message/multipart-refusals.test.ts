// A position is sealed once, a message has one trailer, and parts are what S3 takes: everything else is refused before a byte is given out.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import type { UploadRecord } from '../../src/message/multipart.js'
import type { ByteSource } from '../../src/runtime/runtime.js'
import { code } from '../support/errors.js'
import { pattern } from '../support/world.js'
import { framedSealer } from './framed.js'
import { framed, join, kinds, partsOf, split, v3 } from './multipart-support.js'

const MIN = 5000
const GIB = 1024 ** 3
const other = (body: Uint8Array, at = 0): Uint8Array => {
  const changed = Uint8Array.from(body)
  changed[at]! ^= 1
  return changed
}
const state = (message?: RegExp) => code('ERR_S3CSE_UPLOAD_STATE', message)
const otherBytes = state(/other bytes than before/)

describe('a part that is repeated with other bytes', () => {
  for (const kind of kinds) {
    it(`${kind.name}: is refused, wherever they differ, and the part can be sent as it was`, async () => {
      const length = 2_500_000
      const body = pattern(length)
      const parts = await partsOf(kind, { partSize: length, minPartBytes: MIN })
      const first = await parts.send(1, body)
      for (const at of [0, 1_048_576, 1_100_000, length - 1]) {
        for (const how of [{}, { chunk: 300_000 }]) {
          await assert.rejects(parts.seal(1, other(body, at), how), otherBytes)
        }
      }
      assert.deepEqual(await parts.seal(1, body), first)
      assert.deepEqual(await parts.seal(1, body, { chunk: 70_000 }), first)
    })
  }

  it('leaves nothing of them in the buffer', async () => {
    const body = pattern(20_000)
    const { m, send } = await partsOf(v3, { minPartBytes: MIN })
    await send(1, body)
    const attempt = m.begin(1, body.length, 'bytes')
    await attempt.place()
    const used = new Uint8Array(30_000)
    await assert.rejects(
      attempt.sealBytes(other(body, 7), () => used),
      otherBytes,
    )
    assert.deepEqual(used, new Uint8Array(30_000))
  })

  it('is refused while the first is on its way, after the trailer, and where nobody knows whether it arrived', async () => {
    const bodies = split(pattern(MIN + 10), [MIN, 10])
    const parts = await partsOf(v3, { minPartBytes: MIN })
    await parts.seal(1, bodies[0]!)
    await assert.rejects(parts.seal(1, other(bodies[0]!)), otherBytes)
    await parts.send(1, bodies[0]!)
    await parts.send(2, bodies[1]!)
    for (const number of [1, 2]) {
      await assert.rejects(parts.seal(number, other(bodies[number - 1]!, 9)), otherBytes)
      assert.deepEqual(await parts.seal(number, bodies[number - 1]!), parts.stored.get(number))
    }
    await parts.complete(2)
    for (const number of [1, 2]) await assert.rejects(parts.seal(number, other(bodies[number - 1]!, 9)), otherBytes)
  })

  it('two at once: the second is compared with the first', async () => {
    const body = pattern(MIN)
    for (const second of [body, other(body, 3)]) {
      const parts = await partsOf(v3, { minPartBytes: MIN })
      const [a, b] = await Promise.allSettled([parts.seal(1, body), parts.seal(1, second)])
      assert.equal(a.status, 'fulfilled')
      if (second === body) assert.deepEqual(b, a)
      else assert.ok(b.status === 'rejected' && otherBytes(b.reason))
    }
  })

  it('a stream is repeated from its start: what was given out before is compared', async () => {
    const body = pattern(2_500_000)
    const parts = await partsOf(v3, { partSize: body.length, minPartBytes: MIN })
    const broken = sourceOf([body.subarray(0, 1_200_000)], new Error('gone'))
    const given: Uint8Array[] = []
    const attempt = parts.m.begin(1, body.length, 'stream')
    await attempt.place()
    const sealed = attempt.sealStream(
      broken,
      () => undefined,
      async () => undefined,
    )
    given.push((await sealed.next())!)
    await assert.rejects(sealed.next(), /gone/)
    attempt.end()
    await assert.rejects(parts.seal(1, other(body, 1_000_000), { chunk: 65_536 }), otherBytes)
    await assert.rejects(parts.seal(1, other(body, 5)), otherBytes)
    // Nothing was given out of the rest, which may have changed.
    const whole = other(body, 2_000_000)
    const message = await parts.send(1, whole, { chunk: 65_536 })
    assert.deepEqual(Buffer.from(message).subarray(0, given[0]!.length), Buffer.from(given[0]!))
    assert.ok(Buffer.from(await parts.complete(1)).equals(v3.whole(whole)))
  })

  it('of another length', async () => {
    const body = pattern(3 * MIN)
    const parts = await partsOf(v3, { minPartBytes: MIN })
    await parts.send(1, body)
    for (const length of [3 * MIN - 1, 2 * MIN, 10]) {
      assert.throws(() => parts.m.begin(1, length, 'bytes'), otherBytes)
    }
    await parts.send(2, body.subarray(0, MIN))
    assert.equal((await parts.complete(2)).length, 4 * MIN + 16)
  })

  it('of another length while it is being sent, before anything of it is sealed', async () => {
    const parts = await partsOf(v3, { minPartBytes: MIN })
    const attempt = parts.m.begin(1, MIN, 'bytes')
    await attempt.place()
    assert.throws(() => parts.m.begin(1, MIN + 1, 'bytes'), state(/being sent already, with 5000 bytes/))
    attempt.end()
    // Nothing was sealed, and nothing above has been placed: it may have another length.
    await parts.send(1, pattern(MIN + 1))
    assert.equal((await parts.complete(1)).length, MIN + 17)
  })

  it('a last part of which nothing was sealed need not be the last', async () => {
    const parts = await partsOf(v3, { minPartBytes: MIN })
    parts.m.begin(1, 10, 'bytes').end()
    assert.throws(() => parts.m.begin(2, MIN, 'bytes'), state(/cannot follow part 1/))
    await parts.send(1, pattern(MIN))
    await parts.send(2, pattern(10))
    assert.ok(Buffer.from(await parts.complete(2)).equals(v3.whole(join([pattern(MIN), pattern(10)]))))
  })

  it('of another length, where those above it have been placed', async () => {
    const parts = await partsOf(v3, { minPartBytes: MIN })
    parts.m.begin(1, MIN, 'bytes').end()
    await parts.send(2, pattern(MIN))
    assert.throws(() => parts.m.begin(1, MIN + 1, 'bytes'), otherBytes)
    await parts.send(1, pattern(MIN))
    assert.equal((await parts.complete(2)).length, 2 * MIN + 16)
  })
})

/** Chunks, then an error or the end. */
function sourceOf(chunks: Uint8Array[], error?: Error): ByteSource {
  return {
    next: async () => {
      const chunk = chunks.shift()
      if (chunk === undefined && error !== undefined) throw error
      return chunk
    },
    cancel: () => undefined,
  }
}

describe('the set of parts', () => {
  const body = pattern(MIN)

  it('nothing follows the last part, and nothing short stands before others', async () => {
    const parts = await partsOf(v3, { minPartBytes: MIN })
    await parts.send(1, body)
    await parts.send(2, body.subarray(1))
    assert.throws(() => parts.m.begin(3, MIN, 'bytes'), state(/cannot follow part 2/))
    assert.throws(() => parts.m.begin(1, 10, 'bytes'), otherBytes)
    const sized = await partsOf(v3, { partSize: 2 * MIN, minPartBytes: MIN })
    await sized.send(3, pattern(2 * MIN))
    assert.throws(() => sized.m.begin(2, 2 * MIN - 1, 'bytes'), state(/too few .*: part 3 was sent before/))
    assert.throws(() => sized.m.begin(2, 2 * MIN + 1, 'bytes'), code('ERR_S3CSE_BODY_LENGTH', /partSize says 10000/))
  })

  it('what failed before anything of it was sealed stands in nobody’s way', async () => {
    const parts = await partsOf(v3, { minPartBytes: MIN })
    await parts.send(1, body)
    const wrong = parts.m.begin(3, MIN, 'bytes')
    parts.m.begin(2, MIN, 'bytes').end()
    assert.throws(() => parts.m.begin(2, 7, 'bytes'), state(/part 3 was sent before/))
    assert.throws(() => parts.m.begin(2, MIN + 1, 'bytes'), otherBytes)
    wrong.end()
    await parts.send(2, body.subarray(0, 7))
    assert.ok(Buffer.from(await parts.complete(2)).equals(v3.whole(join([body, body.subarray(0, 7)]))))
  })

  it('numbers are whole, from 1 to 10,000', async () => {
    const { m } = await partsOf(v3)
    for (const number of [0, -1, 1.5, 10_001, Number.NaN, undefined, '1']) {
      assert.throws(() => m.begin(number as number, MIN, 'bytes'), code('ERR_S3CSE_CONFIG', /PartNumber/))
    }
  })

  it('Complete names all that was sealed, in order', async () => {
    const parts = await partsOf(v3, { partSize: MIN, minPartBytes: MIN })
    for (const number of [1, 2, 4]) await parts.send(number, body)
    const refused: readonly [numbers: unknown[], message: RegExp][] = [
      [[], /names no parts/],
      [[1, 2], /part 4 was encrypted as well/],
      [[1, 2, 4], /at place 3 it names part 4/],
      [[1, 2, 3, 4], /Part 3 was never encrypted/],
      [[1], /part 2 was encrypted as well/],
      [[2, 1], /at place 1 it names part 2/],
      [[1, 1, 2], /at place 2 it names part 1/],
      [[1, 2, undefined], /at place 3/],
      [['1', '2'], /at place 1/],
    ]
    for (const [numbers, message] of refused) {
      await assert.rejects(parts.m.finish(numbers as number[]), state(message))
    }
    await parts.send(3, body)
    assert.ok(Buffer.from(await parts.complete(4)).equals(v3.whole(join([body, body, body, body]))))
  })

  it('a refusal of the caller’s own leaves everything as it was', async () => {
    const parts = await partsOf(v3, { minPartBytes: MIN })
    await parts.send(1, body)
    const seen: unknown[] = []
    const refusing = parts.m.finish([1], (found) => {
      seen.push(found)
      throw new Error('no')
    })
    await assert.rejects(refusing, /no/)
    assert.deepEqual(seen, [{ length: MIN, lengths: [MIN], lastAsStored: false }])
    assert.equal(parts.m.frozen, undefined)
    await parts.send(2, body)
    assert.ok(Buffer.from(await parts.complete(2)).equals(v3.whole(join([body, body]))))
  })

  it('a part that was begun and not finished is missing', async () => {
    const parts = await partsOf(v3, { minPartBytes: MIN })
    const attempt = parts.m.begin(1, 3_000_000, 'stream')
    await attempt.place()
    const sealed = attempt.sealStream(
      sourceOf([pattern(2_900_000)], new Error('gone')),
      () => undefined,
      async () => undefined,
    )
    await sealed.next()
    await assert.rejects(async () => {
      for (;;) await sealed.next()
    }, /gone/)
    attempt.end()
    await assert.rejects(parts.m.finish([1]), state(/begun and not finished/))
  })

  it('what failed before anything of it was sealed is no part, and cannot become one later', async () => {
    const parts = await partsOf(v3, { minPartBytes: MIN })
    await parts.send(1, body)
    const failing = parts.m.begin(2, 10, 'bytes')
    await failing.place()
    // It may still come.
    await assert.rejects(parts.m.finish([1]), state(/part 2 was encrypted as well/))
    failing.end()
    assert.ok(Buffer.from(await parts.complete(1)).equals(v3.whole(body)))
    for (const length of [10, 11]) assert.throws(() => parts.m.begin(2, length, 'bytes'), state(/is new/))
  })

  it('is frozen with the trailer', async () => {
    for (const kind of kinds) {
      const parts = await partsOf(kind, { partSize: 5 * 1000, minPartBytes: MIN })
      await parts.send(1, body)
      await parts.send(2, body)
      await parts.complete(2)
      assert.equal(parts.m.frozen, 2 * MIN)
      assert.throws(() => parts.m.begin(3, MIN, 'bytes'), state(/new, and the upload is being completed/))
      await assert.rejects(parts.m.finish([1]), state(/part 2 was encrypted/))
      await assert.rejects(parts.m.finish([1, 2, 3]), state(/Part 3 was never encrypted/))
      await assert.rejects(parts.seal(2, other(body)), otherBytes)
      assert.ok(Buffer.from(await parts.complete(2)).equals(kind.whole(join([body, body]))))
    }
  })

  it('is frozen from the moment in which the trailer is begun', async () => {
    const wait: (() => void)[] = []
    const save = (record: UploadRecord): Promise<void> =>
      'frozen' in record ? new Promise((resolve) => wait.push(resolve)) : Promise.resolve()
    const parts = await partsOf(v3, { minPartBytes: MIN, save })
    await parts.send(1, body)
    const finishing = parts.m.finish([1])
    for (let i = 0; i < 100 && wait.length === 0; i++) await Promise.resolve()
    assert.throws(() => parts.m.begin(2, MIN, 'bytes'), state(/is new/))
    wait[0]!()
    assert.equal((await finishing).send?.number, 2)
  })

  it('is frozen before what fills no segment is sealed with the trailer', async () => {
    const sealer = framedSealer()
    let refusal: unknown
    const watching = {
      ...sealer,
      sealPiece: async (...given: Parameters<typeof sealer.sealPiece>) => {
        if (given[2])
          assert.throws(
            () => parts.m.begin(2, MIN, 'bytes'),
            (error) => ((refusal = error), true),
          )
        return sealer.sealPiece(...given)
      },
    }
    const parts = await partsOf(watching, { minPartBytes: MIN })
    await parts.send(1, pattern(MIN + 500))
    await parts.complete(1)
    assert.ok(state(/is new/)(refusal))
  })

  it('a last part of which nobody knows how it was stored cannot be followed by the trailer', async () => {
    const parts = await partsOf(v3, { partSize: 2 * MIN, minPartBytes: MIN })
    await parts.send(1, pattern(2 * MIN))
    await parts.send(2, body, { lost: true })
    await assert.rejects(parts.m.finish([1, 2]), state(/not known how part 2 was stored.*send it again/))
    assert.equal(parts.m.frozen, 3 * MIN)
    await parts.send(2, body)
    assert.ok(Buffer.from(await parts.complete(2)).equals(v3.whole(join([pattern(2 * MIN), body]))))
  })

  it('an upload that was frozen with another length has parts that nobody knows of', async () => {
    const parts = await partsOf(v3, { minPartBytes: MIN })
    await parts.send(1, body)
    parts.m.freeze(2 * MIN)
    await assert.rejects(parts.m.finish([1]), state(/completed with 10000 bytes before, and has 5000 now/))
    parts.m.freeze(MIN)
    assert.ok(Buffer.from(await parts.complete(1)).equals(v3.whole(body)))
  })

  it('a worker completes nothing, and does not send part 10,000 without the trailer', async () => {
    const parts = await partsOf(v3, { partSize: MIN, minPartBytes: MIN, worker: true })
    await parts.send(1, body)
    await assert.rejects(parts.m.finish([1]), state(/give it the receipts/))
    await assert.rejects(parts.send(10_000, body), state(/by the process that completes/))
    assert.equal((await parts.send(10_000, body.subarray(1))).length, MIN - 1)
  })
})

describe('limits', () => {
  it('64 GiB - 32 bytes a message, when the lengths add up', async () => {
    const tooLong = code('ERR_S3CSE_BODY_TOO_LARGE')
    const rest = 64 * GIB - 32 - 12 * 5 * GIB
    const sized = await partsOf(v3, { partSize: 5 * GIB })
    assert.throws(() => sized.m.begin(13, 5 * GIB, 'stream'), tooLong)
    assert.throws(() => sized.m.begin(13, rest + 1, 'stream'), tooLong)
    assert.equal(await sized.m.begin(13, rest, 'stream').place(), rest)

    const parts = await partsOf(v3)
    for (let number = 1; number <= 12; number++) parts.m.begin(number, 5 * GIB, 'stream').end()
    assert.throws(() => parts.m.begin(13, rest + 1, 'stream'), tooLong)
    parts.m.begin(13, rest, 'stream').end()
    // From the other end: which part it is comes out when the lengths are known.
    const late = await partsOf({ ...(await v3.sealer()), sealedOffset: (offset) => offset })
    const attempts = [13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2].map((number) => late.m.begin(number, 5 * GIB, 'stream'))
    const placing = assert.rejects(attempts[0]!.place(), tooLong)
    late.m.begin(1, 5 * GIB, 'stream')
    await placing
    assert.equal(await attempts[11]!.place(), 5 * GIB)
  })

  it('5 GiB a part, with the trailer where it has it', async () => {
    const tooLong = code('ERR_S3CSE_BODY_TOO_LARGE', /S3 takes parts of up to 5368709120/)
    const parts = await partsOf(v3)
    await assert.rejects(parts.m.begin(1, 5 * GIB + 1, 'stream').place(), tooLong)
    const sized = await partsOf(v3, { partSize: 5 * GIB })
    assert.equal(await sized.m.begin(1, 5 * GIB, 'stream').place(), 5 * GIB)
    await assert.rejects(sized.m.begin(2, 5 * GIB - 15, 'stream').place(), tooLong)
  })

  it('part sizes that fill no segment leave enough for S3, or an error names one that does', async () => {
    const MIN_S3 = 5 * 1024 ** 2
    const { m } = await partsOf(framed)
    const attempt = m.begin(1, MIN_S3, 'bytes')
    // 5242 frames and the header are more than 5 MiB, so that the 880 bytes over may wait.
    assert.equal(await attempt.place(), 8 + 5242 * 1016)
    const bare = { ...framedSealer(), sealedOffset: (offset: number) => offset }
    const { m: tight } = await partsOf(bare)
    await assert.rejects(tight.begin(1, MIN_S3, 'bytes').place(), state(/880 bytes at its end .* partSize of 5243000/))
    await assert.rejects(
      partsOf(framed, { partSize: MIN_S3 }),
      code('ERR_S3CSE_CONFIG', /multiple of 1000.*5243000 fits/),
    )
    await assert.rejects(partsOf(framed, { partSize: 6_000_001 }), code('ERR_S3CSE_CONFIG', /6000000 fits/))
    const fitting = await partsOf(bare, { partSize: 5_243_000 })
    assert.equal(await fitting.m.begin(1, 5_243_000, 'bytes').place(), 5_243_000)
  })
})

describe('framed: what leads the next part', () => {
  const bodies = split(pattern(3 * MIN + 900), [MIN + 700, MIN + 100, MIN + 100])

  it('is as it was: another end of the part is refused, before and after the next part', async () => {
    const parts = await partsOf(framed, { minPartBytes: MIN })
    const changed = other(bodies[0]!, MIN + 600)
    await parts.send(1, bodies[0]!)
    await assert.rejects(parts.seal(1, changed), otherBytes)
    await assert.rejects(parts.seal(1, changed, { chunk: 999 }), otherBytes)
    await parts.send(2, bodies[1]!)
    await assert.rejects(parts.seal(1, changed), otherBytes)
    assert.deepEqual(await parts.seal(1, bodies[0]!), parts.stored.get(1))
    await parts.send(3, bodies[2]!)
    assert.ok(Buffer.from(await parts.complete(3)).equals(framed.whole(join(bodies))))
  })

  it('may change as long as nothing of either part is sealed', async () => {
    const sealer = framedSealer()
    let fails = true
    const failing = {
      ...sealer,
      sealPiece: async (...given: Parameters<typeof sealer.sealPiece>) => {
        if (fails) throw new Error('no memory')
        return sealer.sealPiece(...given)
      },
    }
    const parts = await partsOf(failing, { minPartBytes: MIN })
    await assert.rejects(parts.seal(1, other(bodies[0]!, MIN + 600)), /no memory/)
    fails = false
    await parts.send(1, bodies[0]!)
    await parts.send(2, bodies[1]!)
    await parts.send(3, bodies[2]!)
    assert.ok(Buffer.from(await parts.complete(3)).equals(framed.whole(join(bodies))))
  })

  it('is let go when the next part is stored, which then cannot be sent again', async () => {
    const parts = await partsOf(framed, { minPartBytes: MIN })
    await parts.send(1, bodies[0]!)
    const lost = await parts.send(2, bodies[1]!, { lost: true })
    assert.deepEqual(await parts.send(2, bodies[1]!), lost)
    await assert.rejects(parts.seal(2, bodies[1]!), state(/beginning is not at hand any more.*multiple of 1000/))
    // Also not by sending the part before it again.
    await parts.send(1, bodies[0]!)
    await assert.rejects(parts.seal(2, bodies[1]!), state(/not at hand/))
  })
})

describe('records', () => {
  it('stand before the bytes of each slice, and what is not on record does not leave', async () => {
    const body = pattern(2_500_000)
    const saved: UploadRecord[] = []
    let broken = false
    const save = async (record: UploadRecord): Promise<void> => {
      if (broken) throw new Error('disk full')
      saved.push(record)
    }
    const { m } = await partsOf(v3, { partSize: body.length, minPartBytes: MIN, save })
    const attempt = m.begin(1, body.length, 'stream')
    await attempt.place()
    const sealed = attempt.sealStream(
      sourceOf([body]),
      () => undefined,
      async () => undefined,
    )
    await sealed.next()
    assert.equal(saved.length, 1)
    broken = true
    await assert.rejects(sealed.next(), /disk full/)
    attempt.end()
    broken = false
    const again = m.begin(1, body.length, 'bytes')
    await again.place()
    await again.sealBytes(body)
    again.end()
    const states = saved.flatMap((record) => ('part' in record ? [[record.part.from, record.part.states.length]] : []))
    assert.deepEqual(states, [
      [0, 1],
      [1, 2],
    ])
  })

  it('a trailer is on record first, and is made once that succeeds', async () => {
    const sealer = framedSealer()
    let broken = true
    const saved: UploadRecord[] = []
    const save = async (record: UploadRecord): Promise<void> => {
      if ('frozen' in record && broken) throw new Error('disk full')
      saved.push(record)
    }
    const parts = await partsOf(sealer, { minPartBytes: MIN, save })
    await parts.send(1, pattern(MIN + 10))
    await assert.rejects(parts.m.finish([1]), /disk full/)
    assert.deepEqual(sealer.trailers, [])
    assert.throws(() => parts.m.begin(2, MIN, 'bytes'), state(/is new/))
    broken = false
    assert.ok(Buffer.from(await parts.complete(1)).equals(framed.whole(pattern(MIN + 10))))
    await parts.complete(1)
    assert.deepEqual(sealer.trailers, [MIN + 10])
    assert.deepEqual(saved.at(-1), { frozen: MIN + 10 })
  })

  it('say where a part begins, though nothing of those before it is sealed', async () => {
    const saved: UploadRecord[] = []
    const parts = await partsOf(v3, { minPartBytes: MIN, save: async (record) => void saved.push(record) })
    const attempts = [1, 2].map((number) => parts.m.begin(number, MIN + number, 'bytes'))
    await parts.send(3, pattern(MIN))
    const [record] = saved
    assert.ok(record !== undefined && 'part' in record)
    assert.equal(record.part.offset, 2 * MIN + 3)
    assert.deepEqual(
      record.below.map(({ number, offset, length, states }) => [number, offset, length, states.length]),
      [
        [1, 0, MIN + 1, 0],
        [2, MIN + 1, MIN + 2, 0],
      ],
    )
    attempts.forEach((attempt) => attempt.end())
    await parts.send(2, pattern(MIN + 2))
    assert.ok(saved[1] !== undefined && 'part' in saved[1] && saved[1].below.length === 0)
  })
})

describe('the end', () => {
  it('wipes what is secret, and refuses everything after', async () => {
    const sealer = framedSealer()
    const parts = await partsOf(sealer, { minPartBytes: MIN })
    await parts.send(1, pattern(MIN + 10))
    const [{ record }] = parts.m.records() as [ReturnType<typeof parts.m.records>[number]]
    assert.ok(record.states[0]!.some((byte) => byte !== 0))
    const over = new Error('it is over')
    const attempt = parts.m.begin(2, MIN, 'bytes')
    const waiting = parts.m.begin(4, MIN, 'bytes').place()
    parts.m.destroy(over)
    parts.m.destroy(new Error('again'))
    await assert.rejects(waiting, over)
    await assert.rejects(attempt.place(), over)
    assert.deepEqual(record.states[0], new Uint8Array(16))
    assert.ok(sealer.destroyed())
    assert.throws(() => parts.m.begin(1, MIN, 'bytes'), over)
    await assert.rejects(parts.m.finish([1]), over)
    await assert.rejects(parts.m.restore(record, undefined), over)
  })

  it('wipes what waited to lead the next part', async (t) => {
    const copies = t.mock.method(Uint8Array, 'from')
    const tail = pattern(MIN + 700).subarray(MIN)
    const parts = await partsOf(framed, { minPartBytes: MIN })
    await parts.seal(1, pattern(MIN + 700))
    const kept = copies.mock.calls.flatMap(({ result }) => (result?.length === 700 ? [result] : []))
    copies.mock.restore()
    assert.ok(kept.length > 0 && kept.every((one) => tail.equals(one)))
    parts.m.destroy(new Error('over'))
    for (const one of kept) assert.deepEqual(one, new Uint8Array(700))
  })

  it('comes while a part is sealed: nothing of it is given out, and its state is wiped', async () => {
    const sealer = framedSealer()
    const states: Uint8Array[] = []
    const over = new Error('it is over')
    const slow = {
      ...sealer,
      async sealPiece(...given: Parameters<typeof sealer.sealPiece>) {
        const piece = await sealer.sealPiece(...given)
        states.push(piece.state)
        parts.m.destroy(over)
        return piece
      },
    }
    const parts = await partsOf(slow, { minPartBytes: MIN })
    await assert.rejects(parts.seal(1, pattern(MIN)), over)
    assert.deepEqual(states, [new Uint8Array(16)])
  })

  it('an abort ends every wait', async () => {
    const { m } = await partsOf(v3, { minPartBytes: MIN })
    const cases: readonly [what: string, wait: (signal: AbortSignal) => Promise<unknown>][] = [
      ['for lengths', (signal) => m.begin(3, MIN, 'bytes').place(signal)],
      ['for the same part', (signal) => m.begin(3, MIN, 'bytes').place(signal)],
    ]
    for (const [what, wait] of cases) {
      for (const early of [true, false]) {
        const controller = new AbortController()
        if (early) controller.abort()
        const waiting = assert.rejects(wait(controller.signal), { name: 'AbortError' }, what)
        controller.abort()
        await waiting
      }
    }
    m.destroy(new Error('over'))
    const parts = await partsOf(v3, { minPartBytes: MIN })
    const lower = parts.m.begin(1, MIN, 'bytes')
    await lower.place()
    const controller = new AbortController()
    const last = assert.rejects(parts.m.begin(2, 1, 'bytes').place(controller.signal), { name: 'AbortError' })
    await Promise.resolve()
    controller.abort()
    await last
    lower.end()
  })
})
