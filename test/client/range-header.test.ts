import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'

import { answeredRange } from '../../src/client/range-answer.js'
import { formatRange, parseRange, resolveRange, storedSpec } from '../../src/client/range.js'
import type { RangeSpec } from '../../src/client/range.js'
import { rangeOf } from '../../src/testing/s3-conditions.js'
import { code } from '../support/errors.js'

const MAX = Number.MAX_SAFE_INTEGER

/** What the header is of `length` bytes: a range, 'ignored', or 416. */
function outcome(header: string, length: number): unknown {
  const spec = parseRange(header)
  return spec === undefined ? 'ignored' : (resolveRange(spec, length) ?? 416)
}

describe('Range headers', () => {
  it("mean what S3's mean", () => {
    for (const [header, expected] of [
      ['bytes=0-0', { start: 0, end: 1 }],
      ['bytes=10-20', { start: 10, end: 21 }],
      [' bytes=10-20 ', { start: 10, end: 21 }],
      ['bytes=0010-0020', { start: 10, end: 21 }],
      ['bytes=190-300', { start: 190, end: 200 }],
      ['bytes=199-', { start: 199, end: 200 }],
      ['bytes=0-9223372036854775807', { start: 0, end: 200 }],
      [`bytes=0-${MAX}`, { start: 0, end: 200 }],
      ['bytes=-1', { start: 199, end: 200 }],
      ['bytes=-200', { start: 0, end: 200 }],
      ['bytes=-201', { start: 0, end: 200 }],
      [`bytes=-${'9'.repeat(400)}`, { start: 0, end: 200 }],
      ['bytes=200-', 416],
      ['bytes=200-200', 416],
      ['bytes=-0', 416],
      [`bytes=${'9'.repeat(400)}-`, 416],
      ['bytes=100-50', 'ignored'],
      ['bytes=9007199254740993-9007199254740992', 'ignored'],
      ['10-20', 'ignored'],
      ['bytes=', 'ignored'],
      ['bytes=-', 'ignored'],
      ['bytes=0-1,5-6', 'ignored'],
      ['bytes=0-1,', 'ignored'],
      ['bytes=a-b', 'ignored'],
      ['bytes=+1-2', 'ignored'],
      ['bytes=1-2-3', 'ignored'],
      ['bytes 0-1', 'ignored'],
      ['chars=0-1', 'ignored'],
      ['', 'ignored'],
    ] as const) {
      assert.deepEqual(outcome(header, 200), expected, header)
    }
    assert.deepEqual(outcome('bytes=-5', 0), { start: 0, end: 0 })
    assert.equal(outcome('bytes=-0', 0), 416)
    assert.equal(outcome('bytes=0-', 0), 416)
  })

  const specs: fc.Arbitrary<RangeSpec> = fc.oneof(
    fc.nat(500).map((suffix) => ({ suffix })),
    fc.nat(500).map((first) => ({ first, last: undefined })),
    fc.tuple(fc.nat(500), fc.nat(500)).map(([first, more]) => ({ first, last: first + more })),
  )

  it('are read as the S3 of the tests reads them, and written back', () => {
    fc.assert(
      fc.property(specs, fc.nat(600), (spec, length) => {
        const header = formatRange(spec)
        assert.deepEqual(parseRange(header), spec)
        let expected: unknown
        try {
          expected = rangeOf(header, length) ?? { start: 0, end: 0 }
        } catch {
          expected = undefined
        }
        assert.deepEqual(resolveRange(spec, length), expected)
      }),
    )
  })

  it('ask for the blocks of the ciphertext that hold the range, and no others', () => {
    fc.assert(
      fc.property(specs, fc.nat(600), (spec, length) => {
        const wanted = resolveRange(spec, length)
        if (wanted === undefined || wanted.start === wanted.end) return
        const stored = resolveRange(storedSpec(spec), length + 16)
        assert.ok(stored)
        assert.ok(stored.start <= wanted.start - (wanted.start % 16))
        assert.ok(stored.end >= wanted.end)
        // Of the tag what the range would take of it, and of the last bytes as much as where they begin is unknown.
        assert.ok(stored.end - wanted.end <= 16)
        assert.ok(wanted.start - stored.start < ('suffix' in spec ? 31 : 16))
      }),
    )
    assert.equal(formatRange(storedSpec({ first: 20, last: 40 })), 'bytes=16-40')
    assert.equal(formatRange(storedSpec({ first: 16, last: undefined })), 'bytes=16-')
    assert.equal(formatRange(storedSpec({ suffix: 1 })), 'bytes=-32')
    assert.equal(formatRange(storedSpec({ suffix: 0 })), 'bytes=-0')
    assert.equal(formatRange(storedSpec({ suffix: MAX })), `bytes=-${MAX}`)
    assert.equal(formatRange(storedSpec({ first: MAX, last: MAX })), 'bytes=9007199254740976-9007199254740991')
  })

  it('beyond 2^31 and 2^32 bytes', () => {
    for (const at of [2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32 + 5, 2 ** 36 - 40]) {
      const spec = parseRange(`bytes=${at}-${at + 7}`)
      assert.ok(spec)
      assert.deepEqual(resolveRange(spec, 2 ** 36 - 32), { start: at, end: at + 8 })
      assert.deepEqual(storedSpec(spec), { first: Math.floor(at / 16) * 16, last: at + 7 })
      assert.deepEqual(resolveRange({ suffix: 2 ** 36 - 32 - at }, 2 ** 36 - 32), { start: at, end: 2 ** 36 - 32 })
    }
  })
})

describe('the answer to a range', () => {
  const answer = (ContentRange: unknown, ContentLength: unknown, httpStatusCode = 206) => ({
    $metadata: { httpStatusCode },
    ...(ContentRange === undefined ? {} : { ContentRange }),
    ContentLength,
  })

  it('is the part that was asked for, clamped to the object, or the whole', () => {
    const read = (spec: RangeSpec, range: string, length: number) => answeredRange(answer(range, length), spec, 'b/k')
    assert.deepEqual(read({ first: 16, last: 40 }, 'bytes 16-40/216', 25), { part: { start: 16, end: 41 }, total: 216 })
    assert.deepEqual(read({ first: 16, last: 999 }, 'bytes 16-215/216', 200)?.part, { start: 16, end: 216 })
    assert.deepEqual(read({ first: 0, last: undefined }, 'bytes 0-215/216', 216)?.part, { start: 0, end: 216 })
    assert.deepEqual(read({ suffix: 32 }, 'bytes 184-215/216', 32)?.part, { start: 184, end: 216 })
    assert.deepEqual(read({ suffix: 999 }, 'bytes 0-215/216', 216)?.part, { start: 0, end: 216 })
    assert.equal(answeredRange(answer(undefined, 216, 200), { suffix: 32 }, 'b/k'), undefined)
  })

  it('is nothing else', () => {
    const spec = { first: 16, last: 40 }
    for (const [range, length, status] of [
      ['bytes 16-40/216', 25, 200],
      [undefined, 25, 206],
      ['bytes 0-24/216', 25, 206],
      ['bytes 17-40/216', 24, 206],
      ['bytes 16-39/216', 24, 206],
      ['bytes 16-41/216', 26, 206],
      ['bytes 16-40/40', 25, 206],
      ['bytes 16-40/16', 25, 206],
      ['bytes 16-40/0', 25, 206],
      ['bytes 16-40/*', 25, 206],
      ['bytes */216', 25, 206],
      ['bytes 16-40', 25, 206],
      ['16-40/216', 25, 206],
      ['bytes 16-40/9007199254740993', 25, 206],
      ['bytes 16-40/99999999999999999999', 25, 206],
      ['bytes 16-40/216, bytes 50-60/216', 25, 206],
      [['bytes 16-40/216'], 25, 206],
      ['', 25, 206],
      ['bytes 16-40/216', 24, 206],
      ['bytes 16-40/216', 26, 206],
      ['bytes 16-40/216', undefined, 206],
      ['bytes 16-40/216', '25', 206],
    ] as const) {
      assert.throws(
        () => answeredRange(answer(range, length, status), spec, 'b/k'),
        code('ERR_S3CSE_RESPONSE_UNEXPECTED', /b\/k.*bytes=16-40/),
        `${String(range)} ${String(length)} ${status}`,
      )
    }
    assert.throws(
      () => answeredRange({ ContentRange: 'bytes 16-40/216' }, spec, 'b/k'),
      code('ERR_S3CSE_RESPONSE_UNEXPECTED'),
    )
  })
})
