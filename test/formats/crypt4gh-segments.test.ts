import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { dataKeyContent } from '../../src/formats/crypt4gh/content.js'
import { orderOf } from '../../src/formats/crypt4gh/order.js'
import { messageSealer } from '../../src/formats/crypt4gh/seal.js'
import {
  bodyLength,
  segmentsIn,
  lengthOf,
  SEALED_SEGMENT_LENGTH,
  SEGMENT_LENGTH,
} from '../../src/formats/crypt4gh/segments.js'
import type { OrderKind } from '../../src/formats/crypt4gh/order.js'
import type { PositionalSealer } from '../../src/message/sealer.js'
import { code } from '../support/errors.js'

const key = new Uint8Array(32).fill(5)
const header = new Uint8Array(124).fill(7)

function sealer(method: 0 | 1, kind: OrderKind, plaintextLength?: number): Promise<PositionalSealer> {
  const content = dataKeyContent({ method, key, sequence: method === 1 ? 2n ** 64n - 1n : 0n })
  return messageSealer({ content, header, kind, plaintextLength })
}

function bytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 255)
}

describe('the segments of a message', () => {
  test('are counted both ways', () => {
    fc.assert(
      fc.property(fc.nat(5 * SEGMENT_LENGTH), fc.constantFrom(0 as const, 1 as const), (length, method) => {
        const segments = segmentsIn(bodyLength(length, method), method)
        assert.ok(segments !== undefined, 'a body is that long')
        assert.equal(lengthOf(segments), length)
      }),
    )
    for (const length of [-1, 1.5, 1, 27, SEALED_SEGMENT_LENGTH + 27, NaN])
      assert.equal(segmentsIn(length, 0), undefined)
    for (const length of [0, SEALED_SEGMENT_LENGTH]) assert.equal(segmentsIn(length, 1), undefined)
  })

  for (const method of [0, 1] as const) {
    for (const kind of ['ended', 'open'] as const) {
      test(`in any order are the message that is sealed whole (method ${method}, ${kind})`, async () => {
        for (const length of [1, SEGMENT_LENGTH, 3 * SEGMENT_LENGTH, 3 * SEGMENT_LENGTH + 100]) {
          const known = kind === 'ended' ? length : undefined
          const plaintext = bytes(length)
          const whole = Buffer.from(await (await sealer(method, kind, known)).sealWhole(plaintext))
          assert.equal(whole.length, header.length + bodyLength(length, method))
          const parts = await sealer(method, kind, known)
          assert.equal(parts.sealedLength(length), whole.length)
          const message = Buffer.alloc(whole.length)
          message.set(header)
          const offsets = Array.from({ length: Math.ceil(length / SEGMENT_LENGTH) }, (_, i) => i * SEGMENT_LENGTH)
          for (const offset of offsets.reverse()) {
            const last = offset + SEGMENT_LENGTH >= length
            const piece = plaintext.subarray(offset, offset + SEGMENT_LENGTH)
            const { sealed, state } = await parts.sealPiece(offset, piece, last)
            message.set(sealed, parts.sealedOffset(offset))
            const again = await parts.sealAgain(offset, piece, last)
            assert.deepEqual(again, { sealed, state })
            const other = await parts.sealAgain(
              offset,
              piece.map((byte) => byte ^ 1),
              last,
            )
            assert.notDeepEqual(other.state, state)
            await assert.rejects(parts.sealPiece(offset, piece, last), code('ERR_S3CSE_CONFIG'))
          }
          assert.deepEqual(await parts.trailer(length), new Uint8Array(0))
          assert.ok(message.equals(whole), `${length} bytes`)
        }
      })
    }
  }

  test('have an end that is where it was said, and is not sealed without its plaintext', async () => {
    const known = await sealer(0, 'ended', 2 * SEGMENT_LENGTH)
    assert.throws(() => known.seal(0, bytes(5), true), code('ERR_S3CSE_BODY_LENGTH'))
    const atOnce = await sealer(0, 'ended', 2 * SEGMENT_LENGTH)
    await assert.rejects(async () => atOnce.sealWhole(bytes(5)), code('ERR_S3CSE_BODY_LENGTH'))
    const short = await sealer(0, 'ended', 2 * SEGMENT_LENGTH)
    await short.seal(0, bytes(SEGMENT_LENGTH), false)
    assert.throws(() => short.trailer(SEGMENT_LENGTH), code('ERR_S3CSE_BODY_LENGTH'))
    const stream = await sealer(0, 'ended')
    await stream.seal(0, bytes(SEGMENT_LENGTH), false)
    assert.throws(() => stream.seal(SEGMENT_LENGTH, bytes(0), true), code('ERR_S3CSE_CONFIG'))
  })

  test('begin at their places only', async () => {
    const one = await sealer(0, 'open')
    assert.throws(() => one.seal(1, bytes(5), true), code('ERR_S3CSE_CONFIG'))
    assert.throws(() => one.seal(0, bytes(5), false), code('ERR_S3CSE_CONFIG'))
    assert.throws(() => one.sealedLength(Number.MAX_SAFE_INTEGER), code('ERR_S3CSE_BODY_TOO_LARGE'))
  })
})

describe('the order of segments', () => {
  const hex = (value: Uint8Array): string => Buffer.from(value).toString('hex')
  const numbers = [0, 1, 2, 255, 256, 65536, 2 ** 32, 2 ** 40 + 5, 2 ** 48 - 1]

  test('is in their nonces, of which no two are equal', async () => {
    const order = await orderOf(key)
    const nonces = numbers.flatMap((index) => [order.nonce(index, false), order.nonce(index, true)])
    assert.equal(new Set(nonces.map(hex)).size, nonces.length)
  })

  test('is marked by kind and first segment, each with a mark of its own that comes from the key', async () => {
    const [one, other] = [await orderOf(key), await orderOf(key.map((byte) => byte ^ 1))]
    const marks: string[] = []
    for (const order of [one, other]) {
      for (const kind of ['ended', 'empty', 'open', 'part'] as const) {
        for (const first of kind === 'part' ? numbers : [0]) {
          const mark = order.mark({ kind, first })
          assert.deepEqual(order.markIn(mark), { kind, first })
          assert.equal((order === one ? other : one).markIn(mark), undefined)
          marks.push(hex(mark))
        }
      }
      marks.push(hex(order.nonce(0, false)))
    }
    assert.equal(new Set(marks).size, marks.length)
    assert.ok(
      marks.every((mark) => mark.length === 24),
      'they have 12 bytes',
    )
  })

  test('is marked by nothing else', async () => {
    const order = await orderOf(key)
    for (const kind of ['ended', 'empty', 'open', 'part'] as const) {
      for (let at = 0; at < 12; at++) {
        const mark = order.mark({ kind, first: 0 })
        mark[at]! ^= 1
        const first = 2 ** (8 * (at - 6))
        assert.deepEqual(order.markIn(mark), kind === 'part' && at >= 6 ? { kind, first } : undefined)
      }
    }
  })

  test('is the same in every version of this library', async () => {
    const order = await orderOf(Uint8Array.from({ length: 32 }, (_, i) => i))
    const found = [
      order.nonce(0, false),
      order.nonce(258, true),
      order.mark({ kind: 'ended', first: 0 }),
      order.mark({ kind: 'part', first: 3 }),
      await order.listNonce(Uint8Array.of(1, 2, 3), 5),
    ]
    assert.deepEqual(found.map(hex), [
      '432a83b76537a2b3fa64a7e5',
      '412b83b76537a2b3fa64a7e4',
      '575648cdff1bc3061e95690c',
      '2225a87dd08dbb4c322c60a0',
      '999754a3dac450ab531590bb',
    ])
  })
})
