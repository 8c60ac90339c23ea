import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe, test } from 'node:test'
import { configError } from '../../src/errors.js'
import { andThen, importKey, isBytes, takeStringMap } from '../../src/keyrings/options.js'
import { config } from './support.js'

describe('importing keys', () => {
  const wrong = (): never => {
    throw new TypeError('An RSA key is needed.')
  }

  test('the error of a runtime that answers at once is thrown at the call', () => {
    assert.throws(() => importKey('k: key', wrong), config(/^k: key: An RSA key is needed\.$/))
  })

  test('the error of one that answers later is kept for the first use', async () => {
    const key = importKey('k: key', async () => wrong())
    await new Promise((resolve) => setImmediate(resolve))
    await assert.rejects(async () => key, config(/^k: key: An RSA key is needed\.$/))
    await assert.rejects(async () => key, config(/^k: key: An RSA key is needed\.$/), 'each use')
    assert.equal(await importKey('k: key', async () => 42), 42)
    assert.equal(
      importKey('k: key', () => 42),
      42,
    )
  })

  test('errors of the platform are not quoted, and are no cause', () => {
    const secret = randomUUID()
    const platform = Object.assign(new TypeError(`Received ${secret}`), { code: 'ERR_INVALID_ARG_TYPE' })
    for (const error of [platform, new Error(secret)]) {
      assert.throws(
        () =>
          importKey('k: key', () => {
            throw error
          }),
        (thrown: Error) => {
          assert.ok(!thrown.message.includes(secret))
          assert.equal(thrown.cause, undefined)
          return config(/^k: key: the key could not be imported$/)(thrown)
        },
      )
    }
  })

  test('configuration errors pass unchanged', () => {
    const error = configError('mine')
    assert.throws(
      () =>
        importKey('k: key', () => {
          throw error
        }),
      error,
    )
  })

  test('andThen goes on at once where it can', async () => {
    assert.equal(
      andThen(1, (value) => value + 1),
      2,
    )
    assert.equal(await andThen(Promise.resolve(1), (value) => value + 1), 2)
  })
})

describe('maps of strings', () => {
  test('are frozen copies without prototype', () => {
    const given = { b: '1', a: '', constructor: 'x' }
    const taken = takeStringMap('m', given)
    assert.equal(Object.getPrototypeOf(taken), null)
    assert.ok(Object.isFrozen(taken))
    assert.deepEqual({ ...taken }, given)
  })

  test('are literals: what keeps its entries elsewhere would count as empty', () => {
    const others: unknown[] = [
      new Map([['a', 'b']]),
      new Headers({ a: 'b' }),
      Object.create({ inherited: 'x' }),
      new Date(),
    ]
    for (const value of [...others, Promise.resolve({ a: 'b' })]) {
      assert.throws(() => takeStringMap('m', value), config(/^m must be an object of strings/))
    }
  })

  test('are checked', () => {
    for (const value of [undefined, null, 'text', 1, [], ['a'], new Uint8Array(1), { a: null }, { a: undefined }]) {
      assert.throws(() => takeStringMap('m', value), config(/^m/))
    }
    for (const value of [{ a: '\udc00' }, { '\ud800': 'a' }, { a: 'x\ud800' }, { '\ud800': '\udc00' }]) {
      assert.throws(() => takeStringMap('m', value), config(/well-formed/))
    }
    takeStringMap('m', { '\u{1f600}': '\u{1f600}' })
  })
})

test('bytes are Uint8Arrays and Buffers', () => {
  assert.ok(isBytes(new Uint8Array(1)) && isBytes(Buffer.alloc(1)))
  for (const value of [[], new ArrayBuffer(1), new Uint16Array(1), new DataView(new ArrayBuffer(1)), 'x', null]) {
    assert.ok(!isBytes(value))
  }
})
