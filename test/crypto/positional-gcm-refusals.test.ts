import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, mock, test } from 'node:test'
import { ghash } from '@noble/ciphers/_polyval.js'
import { positionalGcm } from '../../src/crypto/positional-gcm.js'
import { code } from '../support/errors.js'
import { pattern, RUNTIMES, withMethods } from './helpers.js'

const iv = Uint8Array.from({ length: 12 }, (_, i) => 0xf0 + i)
const aad = Uint8Array.of(0, 0x73)
const key = pattern(32)

describe('positional GCM refuses', () => {
  const { aes } = RUNTIMES[0][1]
  const start = async () => positionalGcm({ aes: await aes(key), iv, aad })

  test('sealing a byte twice, also at the same time and after a part of it was joined elsewhere', async () => {
    const message = await start()
    await message.seal(16, pattern(16))
    for (const [offset, length] of [
      [16, 16],
      [31, 1],
      [0, 17],
      [0, 48],
      [20, 2],
    ] as const) {
      await assert.rejects(message.seal(offset, pattern(length)), code('ERR_S3CSE_CONFIG', /overlap/))
    }
    const results = await Promise.allSettled([message.seal(64, pattern(8)), message.seal(71, pattern(8))])
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected'],
    )
    await message.join(100, 10, new Uint8Array(16))
    await assert.rejects(message.seal(109, pattern(1)), code('ERR_S3CSE_CONFIG', /overlap/))
    await message.seal(99, pattern(1))
  })

  test('joining a byte twice', async () => {
    const message = await start()
    await message.join(0, 20, await message.hash(0, pattern(20)))
    await assert.rejects(message.join(19, 5, new Uint8Array(16)), code('ERR_S3CSE_CONFIG', /overlap/))
  })

  test('a tag over gaps, over what was sealed and not joined, and any second tag', async () => {
    const message = await start()
    const { state } = await message.seal(0, pattern(16))
    await assert.rejects(message.tag(16), code('ERR_S3CSE_CONFIG', /cover/))
    await message.join(0, 16, state)
    await assert.rejects(message.tag(15), code('ERR_S3CSE_CONFIG', /cover/))
    await assert.rejects(message.tag(0), code('ERR_S3CSE_CONFIG', /cover/))
    const { state: later } = await message.seal(17, pattern(2))
    await assert.rejects(message.tag(16), code('ERR_S3CSE_CONFIG', /cover/))
    await message.join(17, 2, later)
    await assert.rejects(message.tag(19), code('ERR_S3CSE_CONFIG', /cover/))
    const { state: between } = await message.seal(16, pattern(1))
    await message.join(16, 1, between)
    const [first, again] = await Promise.all([message.tag(19), message.tag(19)])
    assert.deepEqual(first, again)
    await assert.rejects(message.tag(16), code('ERR_S3CSE_CONFIG', /has 19 bytes/))
    await assert.rejects(message.seal(19, pattern(1)), code('ERR_S3CSE_CONFIG', /has its tag/))
    await assert.rejects(message.join(19, 1, new Uint8Array(16)), code('ERR_S3CSE_CONFIG', /has its tag/))
  })

  test('a tag that begins elsewhere than at 0', async () => {
    const message = await start()
    await message.join(16, 16, new Uint8Array(16))
    await assert.rejects(message.tag(16), code('ERR_S3CSE_CONFIG', /cover/))
    await assert.rejects(message.tag(32), code('ERR_S3CSE_CONFIG', /cover/))
  })

  test('IVs of other lengths, places that are none, H = 0', async () => {
    const cipher = await aes(key)
    assert.throws(
      () => positionalGcm({ aes: cipher, iv: new Uint8Array(16), aad }),
      code('ERR_S3CSE_CONFIG', /16 bytes/),
    )
    const message = await start()
    for (const offset of [-1, 0.5, NaN, 2 ** 53]) {
      await assert.rejects(message.seal(offset, pattern(1)), code('ERR_S3CSE_CONFIG', /non-negative integers/))
    }
    const zero = withMethods(cipher, { block: () => new Uint8Array(16) })
    await assert.rejects(
      positionalGcm({ aes: zero, iv, aad }).hash(0, pattern(1)),
      code('ERR_S3CSE_CONFIG', /cannot be used/),
    )
  })
})

describe('positional GCM keeps its secrets', () => {
  const { aes } = RUNTIMES[0][1]

  test('nothing is computed before the first call, H once', async () => {
    const cipher = await aes(key)
    const block = mock.fn((input: Uint8Array) => cipher.block(input))
    const message = positionalGcm({ aes: withMethods(cipher, { block }), iv, aad })
    await message.open(0, pattern(100))
    assert.equal(block.mock.callCount(), 0)
    await Promise.all([message.hash(0, pattern(100)), message.hash(160, pattern(100))])
    await message.hash(0, pattern(100))
    // H and the mask of the tag.
    assert.equal(block.mock.callCount(), 2)
    await message.seal(0, pattern(10))
    assert.equal(block.mock.callCount(), 3)
  })

  test('destroy wipes H, its inverse, the mask and the hashes; later calls fail', async () => {
    const cipher = await aes(randomBytes(32))
    const seen: Int32Array[] = []
    const Native = globalThis.Int32Array
    globalThis.Int32Array = class extends Native {
      constructor(length: number) {
        super(length)
        seen.push(this)
      }
    } as unknown as Int32ArrayConstructor
    const alive = (bytes: Uint8Array): boolean => {
      const view = new DataView(Uint8Array.from(bytes).buffer)
      return seen.some((words) => words.every((word, i) => word === view.getInt32(4 * i)))
    }
    try {
      const message = positionalGcm({ aes: cipher, iv, aad })
      const data = pattern(32)
      await message.join(0, 32, await message.hash(0, data))
      const h = await cipher.block(new Uint8Array(16))
      const mask = await cipher.block(Uint8Array.of(...iv, 0, 0, 0, 1))
      const y = Uint8Array.from(ghash(data, h))
      assert.deepEqual([alive(h), alive(mask), alive(y)], [true, true, true])
      message.destroy()
      assert.deepEqual([alive(h), alive(mask), alive(y)], [false, false, false])
      message.destroy()
      const closed = code('ERR_S3CSE_CONFIG', /closed/)
      await assert.rejects(message.seal(64, data), closed)
      await assert.rejects(message.sealAgain(0, data), closed)
      await assert.rejects(message.hash(0, data), closed)
      await assert.rejects(message.open(0, data), closed)
      await assert.rejects(message.join(64, 1, new Uint8Array(16)), closed)
      await assert.rejects(message.tag(32), closed)
    } finally {
      globalThis.Int32Array = Native
    }
  })

  for (const way of ['one-pass', 'two-pass'] as const)
    test(`what is under way when it is destroyed fails, sealing in ${way}`, async () => {
      const cipher = await aes(key)
      const slow = withMethods(cipher, {
        gcmEncrypt: async (...parameters) => {
          await new Promise(setImmediate)
          return cipher.gcmEncrypt(...parameters)
        },
        ctr: async (...parameters) => {
          await new Promise(setImmediate)
          return cipher.ctr(...parameters)
        },
      })
      const message = positionalGcm({ aes: slow, iv, aad, way })
      await message.hash(0, pattern(1))
      const pending = [message.seal(0, pattern(20)), message.hash(0, pattern(20))]
      const settled = Promise.allSettled(pending)
      await Promise.resolve()
      message.destroy()
      for (const result of await settled) {
        assert.equal(result.status, 'rejected')
        code('ERR_S3CSE_CONFIG', /closed/)(result.reason)
      }
    })
})
