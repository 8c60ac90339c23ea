import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { dataKeyContent, editListContent, parseContent } from '../../src/formats/crypt4gh/content.js'
import {
  headerBytes,
  MAX_HEADER_LENGTH,
  packetBytes,
  packetLength,
  parseHeader,
} from '../../src/formats/crypt4gh/header.js'
import { formatHint, hintedLength, parseHint } from '../../src/formats/crypt4gh/hint.js'
import { sealedOf, validVectors } from '../support/crypt4gh-vectors.js'

const encrypted = (length: number) => ({
  algorithm: 'crypt4gh',
  provider: 'x25519',
  info: new Uint8Array(32).fill(1),
  ciphertext: new Uint8Array(12 + length + 16).fill(2),
})

describe('the header of a Crypt4GH message', () => {
  test('is read as it was written, and from any start of it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 4, max: 90 }), { minLength: 1, maxLength: 5 }),
        fc.nat(60),
        (lengths, more) => {
          const packets = lengths.map((length) => packetBytes(encrypted(length)))
          assert.deepEqual(
            packets.map(({ length }) => length),
            lengths.map(packetLength),
          )
          const header = headerBytes(packets, 5)!
          const file = Buffer.concat([header, Buffer.alloc(more)])
          const result = parseHeader(file, 5)
          assert.ok('header' in result, 'it is whole')
          assert.equal(result.header.length, header.length)
          assert.deepEqual(
            result.header.packets.map(({ encrypted: one }) => one?.ciphertext.length),
            lengths.map((length) => length + 28),
          )
          for (let end = 0; end < header.length; end++) {
            const part = parseHeader(header.subarray(0, end), 5)
            assert.ok('needs' in part && part.needs > end && part.needs <= header.length, `${end} bytes are too few`)
          }
        },
      ),
      { numRuns: 30 },
    )
  })

  test('is refused for more packets or bytes than are read, before any memory is taken', () => {
    const start = Buffer.from('crypt4gh\x01\0\0\0\0\0\0\0', 'latin1')
    const withCount = (count: number, rest: Uint8Array = new Uint8Array(0)): Buffer => {
      const bytes = Buffer.concat([start, rest])
      bytes.writeUInt32LE(count, 12)
      return bytes
    }
    const lengthOf = (length: number): Buffer => {
      const bytes = Buffer.alloc(4)
      bytes.writeUInt32LE(length)
      return bytes
    }
    for (const wrong of [
      withCount(0),
      withCount(11),
      withCount(0xffffffff),
      withCount(1, lengthOf(0)),
      withCount(1, lengthOf(7)),
      withCount(1, lengthOf(0xffffffff)),
      withCount(1, lengthOf(MAX_HEADER_LENGTH)),
      withCount(1, Buffer.concat([lengthOf(67), Buffer.alloc(63)])),
      Buffer.from('crypt4gh\x02\0\0\0\x01\0\0\0', 'latin1'),
      Buffer.from('CRYPT4GH\x01\0\0\0\x01\0\0\0', 'latin1'),
    ]) {
      assert.ok('fault' in parseHeader(wrong, 10), wrong.toString('hex'))
    }
    assert.equal(headerBytes([new Uint8Array(8), new Uint8Array(8)], 1), undefined)
    assert.equal(headerBytes([new Uint8Array(MAX_HEADER_LENGTH)], 1), undefined)
  })

  test('a packet of another method is there, and nobody is asked to open it', () => {
    const packet = Buffer.alloc(12)
    packet.writeUInt32LE(12)
    packet.writeUInt32LE(1, 4)
    const result = parseHeader(headerBytes([packet], 1)!, 1)
    assert.ok('header' in result && result.header.packets[0]?.encrypted === undefined, 'it is skipped')
  })

  test('random bytes never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, magic) => {
        parseHeader(magic ? Buffer.concat([Buffer.from('crypt4gh\x01\0\0\0', 'latin1'), bytes]) : bytes, 3)
        parseContent(bytes)
      }),
      { numRuns: 500 },
    )
  })

  test('contents are read as they were written, with padding behind them or not', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.array(fc.nat(), { maxLength: 6 }),
        fc.nat(20),
        (key, sequence, lengths, padding) => {
          const pad = (bytes: Uint8Array): Uint8Array => Buffer.concat([bytes, Buffer.alloc(padding)])
          for (const method of [0, 1] as const) {
            const content = { method, key, sequence: method === 1 ? sequence : 0n }
            const bytes = dataKeyContent(content)
            assert.equal(bytes.length, method === 1 ? 48 : 40)
            const read = parseContent(pad(bytes))
            assert.ok(read?.type === 'data key', 'it is a data key')
            assert.deepEqual({ ...read, key: Uint8Array.from(read.key) }, { type: 'data key', ...content })
            assert.equal(parseContent(bytes.subarray(0, -1)), undefined)
          }
          const list = editListContent(lengths)
          assert.deepEqual(parseContent(pad(list)), { type: 'edit list', lengths: lengths.map(BigInt) })
          assert.equal(parseContent(list.subarray(0, -1)), undefined)
        },
      ),
    )
    assert.equal(parseContent(Uint8Array.of(0, 0, 0)), undefined)
    assert.deepEqual(parseContent(Uint8Array.of(2, 0, 0, 0)), { type: 'unknown' })
    const other = dataKeyContent({ method: 0, key: new Uint8Array(32), sequence: 0n })
    other[4] = 2
    assert.equal(parseContent(other), undefined)
  })

  test('hints are read as they were written, and give the length of what is stored', () => {
    for (const vector of validVectors) {
      const { headerLength, dataMethod: method, editList, plaintextLength } = vector
      const editedLength = editList === undefined ? undefined : plaintextLength
      const hint = parseHint(formatHint({ headerLength, method, editedLength }))
      assert.deepEqual(hint, { headerLength, method, editedLength })
      assert.equal(hintedLength(hint, sealedOf(vector).length), plaintextLength, vector.id)
    }
    for (const text of ['', '124', '0,0', '124,2', '124,0,', '124,0,x', '124,0,9999999999999999', '01,0', '1,0,01']) {
      assert.equal(parseHint(text), undefined, text)
    }
    assert.equal(hintedLength({ headerLength: 124, method: 0 }, 124 + 27), undefined)
    assert.equal(hintedLength({ headerLength: 124, method: 1 }, 124), undefined)
    assert.equal(hintedLength({ headerLength: 124, method: 0, editedLength: 9 }, 124 + 28 + 8), undefined)
  })
})
