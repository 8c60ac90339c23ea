// A part that comes as a stream is sealed slice by slice: bounded memory, the announced length or an error, and nothing sealed by two at once.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import type { ByteSource } from '../../src/runtime/runtime.js'
import { code } from '../support/errors.js'
import { pattern } from '../support/world.js'
import { framedSealer } from './framed.js'
import { drain, framed, kinds, partsOf, v3 } from './multipart-support.js'

const MIB = 1024 * 1024
const MIN = 5000
const nothing = (): undefined => undefined

/** A source whose chunks are given by hand. */
function manual(): ByteSource & {
  push(chunk: Uint8Array | undefined | Error): void
  readonly cancelled: (Error | undefined)[]
  readonly asked: () => number
} {
  const waiting: { resolve: (chunk: Uint8Array | undefined) => void; reject: (error: Error) => void }[] = []
  const cancelled: (Error | undefined)[] = []
  let asked = 0
  return {
    cancelled,
    asked: () => asked,
    next() {
      asked++
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }))
    },
    push(chunk) {
      const one = waiting.shift()
      assert.ok(one !== undefined, 'nobody asked')
      if (chunk instanceof Error) one.reject(chunk)
      else one.resolve(chunk)
    },
    cancel: (error) => void cancelled.push(error),
  }
}

const settled = async (): Promise<void> => {
  for (let i = 0; i < 50; i++) await Promise.resolve()
}

describe('a part as a stream', () => {
  it('is never collected: what is pulled ahead is a slice and a chunk', async () => {
    const length = 5 * 1024 * MIB
    const { m } = await partsOf(v3)
    const attempt = m.begin(1, length, 'stream')
    assert.equal(await attempt.place(), length)
    const chunk = pattern(65_536)
    let pulled = 0
    let given = 0
    const source: ByteSource = {
      async next() {
        pulled += chunk.length
        assert.ok(pulled - given <= MIB + 2 * chunk.length, `${pulled - given} bytes were pulled ahead`)
        return chunk
      },
      cancel: nothing,
    }
    const sealed = attempt.sealStream(source, nothing, async () => undefined)
    for (let i = 0; i < 48; i++) given += (await sealed.next())!.length
    assert.equal(given, 48 * MIB)
    sealed.cancel()
    attempt.end()
  })

  it('observes each byte once, finishes before the last bytes, and keeps the trailer with them', async () => {
    for (const kind of kinds) {
      const body = pattern(2 * MIB + 700_000)
      const { m, send } = await partsOf(kind, {
        partSize: body.length + (1000 - (body.length % 1000)),
        minPartBytes: MIN,
      })
      const attempt = m.begin(1, body.length, 'stream')
      const length = await attempt.place()
      const seen: Uint8Array[] = []
      let finished = 0
      const ends = [10, 65_000, 1_500_000, 1_500_001, body.length]
      const chunks = ends.map((end, index) => body.subarray(ends[index - 1] ?? 0, end))
      const source: ByteSource = { next: async () => chunks.shift(), cancel: nothing }
      const sealed = attempt.sealStream(
        source,
        (chunk) => seen.push(Uint8Array.from(chunk)),
        async () => {
          finished++
        },
      )
      const first = [await sealed.next(), await sealed.next()]
      assert.equal(finished, 0)
      const last = (await sealed.next())!
      assert.equal(finished, 1)
      assert.equal(await sealed.next(), undefined)
      attempt.end()
      const all = Buffer.concat([...first, last].map((one) => one!))
      assert.equal(all.length, length)
      assert.ok(all.equals(kind.whole(body)), kind.name)
      // S3 refuses short chunks before the last.
      for (const one of first) assert.ok(one!.length >= 8192)
      assert.ok(last.length > 16)
      assert.ok(Buffer.concat(seen).equals(body))
      assert.deepEqual(await send(1, body), Uint8Array.from(all))
    }
  })

  it('that is too short or too long is an error before its last bytes', async () => {
    const body = pattern(2 * MIB + 100)
    for (const [given, message] of [
      [body.length - 1, /is shorter than its declared length of 2097252/],
      [body.length + 1, /is longer than/],
      [0, /is shorter/],
      [3 * MIB, /is longer/],
    ] as const) {
      for (const chunk of [1000, 65_536, 4 * MIB]) {
        const { m, send, complete } = await partsOf(v3, { partSize: body.length, minPartBytes: MIN })
        const attempt = m.begin(1, body.length, 'stream')
        await attempt.place()
        const bytes = pattern(given)
        let at = 0
        const source: ByteSource = {
          next: async () => (at >= given ? undefined : bytes.subarray(at, (at += chunk))),
          cancel: nothing,
        }
        const sealed = attempt.sealStream(source, nothing, async () => undefined)
        let length = 0
        await assert.rejects(
          async () => {
            for (;;) length += (await sealed.next())!.length
          },
          code('ERR_S3CSE_BODY_LENGTH', message),
        )
        assert.ok(length <= 2 * MIB)
        attempt.end()
        await send(1, body, { chunk: 65_536 })
        assert.ok(Buffer.from(await complete(1)).equals(v3.whole(body)))
      }
    }
  })

  it('what its check throws ends it before the last bytes', async () => {
    const { m } = await partsOf(v3, { partSize: MIN, minPartBytes: MIN })
    const attempt = m.begin(1, MIN, 'stream')
    await attempt.place()
    const sealed = attempt.sealStream({ next: async () => pattern(MIN), cancel: nothing }, nothing, nothing as never)
    await assert.rejects(sealed.next(), code('ERR_S3CSE_BODY_LENGTH'))
    attempt.end()
    const again = m.begin(1, MIN, 'stream')
    await again.place()
    const chunks = [pattern(MIN)]
    const checked = again.sealStream({ next: async () => chunks.pop(), cancel: nothing }, nothing, () =>
      Promise.reject(new Error('not the digest')),
    )
    await assert.rejects(checked.next(), /not the digest/)
    assert.equal(await checked.next(), undefined)
    again.end()
    assert.deepEqual(m.records(), [])
  })

  it('is refused while another stream of the part is on its way', async () => {
    const { m, seal } = await partsOf(v3, { partSize: MIN, minPartBytes: MIN })
    const attempt = m.begin(1, MIN, 'stream')
    await attempt.place()
    const source = manual()
    const sealed = attempt.sealStream(source, nothing, async () => undefined)
    const reading = sealed.next()
    for (const how of [{}, { chunk: 100 }]) {
      await assert.rejects(seal(1, pattern(MIN), how), code('ERR_S3CSE_UPLOAD_STATE', /being sent already/))
    }
    source.push(pattern(MIN))
    await settled()
    source.push(undefined)
    assert.equal((await reading)?.length, MIN)
    // Sealed to the end: it can be compared with now.
    assert.equal((await seal(1, pattern(MIN))).length, MIN)
    attempt.end()
  })

  it('a source that never answers keeps the part from nobody once its attempt is over', async () => {
    const { m, send, complete } = await partsOf(v3, { partSize: MIN, minPartBytes: MIN })
    const attempt = m.begin(1, MIN, 'stream')
    await attempt.place()
    const source = manual()
    const sealed = attempt.sealStream(source, nothing, async () => undefined)
    const reading = sealed.next()
    attempt.end()
    assert.equal(source.cancelled.length, 1)
    await send(1, pattern(MIN))
    // Its bytes come too late: they are not sealed any more, whatever they are.
    source.push(Buffer.alloc(MIN))
    await settled()
    if (source.asked() > 1) source.push(undefined)
    await assert.rejects(reading, /was cancelled/)
    assert.ok(Buffer.from(await complete(1)).equals(v3.whole(pattern(MIN))))
  })

  it('what a source gives after its attempt is over is not sealed', async () => {
    const { m } = await partsOf(v3, { partSize: 3 * MIB, minPartBytes: MIN })
    for (const last of [pattern(2 * MIB), undefined]) {
      const attempt = m.begin(1, 3 * MIB, 'stream')
      await attempt.place()
      const source = manual()
      const sealed = attempt.sealStream(
        source,
        () => assert.fail('seen'),
        () => assert.fail('finished'),
      )
      const reading = assert.rejects(sealed.next(), /was cancelled/)
      attempt.end()
      source.push(last)
      await reading
      assert.deepEqual(m.records(), [])
    }
  })

  it('the next attempt waits for a slice that is being sealed', async () => {
    const sealer = framedSealer()
    let go: () => void = nothing
    const slow = {
      ...sealer,
      async sealPiece(...given: Parameters<typeof sealer.sealPiece>) {
        if (sealer.pieces.length === 0) await new Promise<void>((resolve) => (go = resolve))
        return sealer.sealPiece(...given)
      },
    }
    const { m, send, complete } = await partsOf(slow, { partSize: 5000, minPartBytes: MIN })
    const attempt = m.begin(1, 5000, 'stream')
    await attempt.place()
    const chunks = [pattern(5000)]
    const sealed = attempt.sealStream(
      { next: async () => chunks.pop(), cancel: nothing },
      nothing,
      async () => undefined,
    )
    const reading = sealed.next()
    await settled()
    sealed.cancel(new Error('aborted'))
    await assert.rejects(send(1, pattern(5000)), code('ERR_S3CSE_UPLOAD_STATE', /being sent already/))
    attempt.end()
    const again = send(1, pattern(5000))
    await settled()
    assert.equal(sealer.pieces.length, 0)
    go()
    await reading
    await again
    assert.deepEqual(
      sealer.pieces.map(({ offset }) => offset),
      [0],
    )
    assert.ok(Buffer.from(await complete(1)).equals(framed.whole(pattern(5000))))
  })

  it('gives its source back, once', async () => {
    const { m } = await partsOf(v3, { partSize: MIN, minPartBytes: MIN })
    const attempt = m.begin(1, MIN, 'stream')
    await attempt.place()
    const source = manual()
    const error = new Error('aborted')
    const sealed = attempt.sealStream(source, nothing, async () => undefined)
    sealed.cancel(error)
    sealed.cancel()
    attempt.end()
    attempt.end()
    assert.deepEqual(source.cancelled, [error])
    assert.equal(await sealed.next(), undefined)
    assert.equal(source.asked(), 0)
  })

  it('a part is placed before it is sealed', async () => {
    const { m } = await partsOf(v3, { partSize: MIN, minPartBytes: MIN })
    await assert.rejects(m.begin(1, MIN, 'bytes').sealBytes(pattern(MIN)), code('ERR_S3CSE_CONFIG'))
    assert.throws(() => m.begin(1, MIN, 'stream').sealStream(manual(), nothing, nothing as never))
    assert.equal((await drain({ next: async () => undefined, cancel: nothing })).length, 0)
  })
})
