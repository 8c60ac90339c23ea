import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { fromBytes, inverse, isZero, multiply, power, square, toBytes, xor, element } from '../../src/crypto/field.js'
import { hex, toHex } from './helpers.js'
import { bigMultiply, fromBig, toBig } from './reference.js'

const block = fc.uint8Array({ minLength: 16, maxLength: 16 })
const ONE = '80000000000000000000000000000000'

describe('GF(2^128)', () => {
  test('the example of GCM’s authors: C·H of test case 2', () => {
    const product = multiply(
      fromBytes(hex('0388dace60b6a392f328c2b971b2fe78')),
      fromBytes(hex('66e94bd4ef8a2c3b884cfa59ca342b2e')),
    )
    assert.equal(toHex(toBytes(product)), '5e2ec746917062882c85b0685353deb7')
  })

  test('multiply and square are the reference’s', () =>
    fc.assert(
      fc.property(block, block, (a, b) => {
        const [x, y] = [fromBytes(a), fromBytes(b)]
        assert.equal(toHex(toBytes(multiply(x, y))), toHex(fromBig(bigMultiply(toBig(a), toBig(b)))))
        assert.equal(toHex(toBytes(square(x))), toHex(fromBig(bigMultiply(toBig(a), toBig(a)))))
        assert.equal(toHex(toBytes(x)), toHex(a))
        assert.equal(toHex(toBytes(xor(x, y))), toHex(fromBig(toBig(a) ^ toBig(b))))
      }),
    ))

  test('every single bit, squared and multiplied', () => {
    for (let i = 0; i < 128; i++) {
      const a = fromBig(1n << BigInt(i))
      assert.equal(toHex(toBytes(square(fromBytes(a)))), toHex(fromBig(bigMultiply(toBig(a), toBig(a)))), `bit ${i}`)
    }
  })

  test('an element times its inverse is 1', () => {
    fc.assert(
      fc.property(block, (a) => {
        fc.pre(a.some((byte) => byte !== 0))
        assert.equal(toHex(toBytes(multiply(inverse(fromBytes(a)), fromBytes(a)))), ONE)
      }),
      { numRuns: 30 },
    )
    assert.ok(isZero(inverse(element())))
    assert.ok(!isZero(element(0, 0, 0, 1)))
  })

  test('power is repeated multiplication, also beyond 32 bits', () => {
    const a = fromBytes(hex('66e94bd4ef8a2c3b884cfa59ca342b2e'))
    let product = power(a, 0)
    assert.equal(toHex(toBytes(product)), ONE)
    for (let exponent = 1; exponent < 70; exponent++) {
      product = multiply(product, a)
      assert.deepEqual(power(a, exponent), product)
    }
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 36 }), fc.integer({ min: 0, max: 2 ** 36 }), (m, n) => {
        assert.deepEqual(multiply(power(a, m), power(a, n)), power(a, m + n))
      }),
      { numRuns: 30 },
    )
  })

  test('operations leave their operands alone', () => {
    const a = fromBytes(hex('66e94bd4ef8a2c3b884cfa59ca342b2e'))
    const copy = Int32Array.from(a)
    multiply(a, a)
    square(a)
    inverse(a)
    power(a, 9)
    xor(a, a)
    assert.deepEqual(Int32Array.from(a), copy)
  })

  test('a short block is padded with zeros', () => {
    assert.equal(toHex(toBytes(fromBytes(hex('0102030405'), 3))), '04050000000000000000000000000000')
    assert.ok(isZero(fromBytes(hex('01'), 1)))
  })
})
