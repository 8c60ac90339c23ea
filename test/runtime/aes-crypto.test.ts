import assert from 'node:assert/strict'
import { createCipheriv, createHash, createHmac, createSecretKey, generateKeyPairSync } from 'node:crypto'
import { describe, mock, test } from 'node:test'
import fc from 'fast-check'
import type { Aes } from '../../src/runtime/runtime.js'
import { hex, oneShot, pattern, RUNTIMES, toHex, wycheproof } from '../crypto/helpers.js'
import { code } from '../support/errors.js'

const iv = new Uint8Array(12).fill(7)
const aad = Uint8Array.of(0, 0x73)
const keys = fc.constantFrom(16, 24, 32).chain((length) => fc.uint8Array({ minLength: length, maxLength: length }))

/** As deepEqual, but for lengths of which a printed difference would be no help. */
function same(actual: Uint8Array | undefined, expected: Uint8Array): void {
  assert.equal(Object.getPrototypeOf(actual), Uint8Array.prototype, 'a plain Uint8Array')
  assert.ok(actual !== undefined && Buffer.compare(actual, expected) === 0)
}

interface CbcGroup {
  readonly tests: readonly Readonly<Record<'key' | 'iv' | 'msg' | 'ct' | 'result', string> & { tcId: number }>[]
}

function nodeCbc(key: Uint8Array, start: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const cipher = createCipheriv(`aes-${key.length * 8}-cbc`, key, start).setAutoPadding(false)
  return Uint8Array.from(Buffer.concat([cipher.update(plaintext), cipher.final()]))
}

for (const [name, runtime] of RUNTIMES) {
  describe(`AES on ${name}`, () => {
    test('GCM is node’s one-shot cipher, for all key lengths', async () => {
      await fc.assert(
        fc.asyncProperty(
          keys,
          fc.uint8Array({ maxLength: 50 }),
          fc.uint8Array({ maxLength: 90 }),
          async (key, a, p) => {
            const aes = await runtime.aes(key)
            const sealed = await aes.gcmEncrypt(iv, a, p)
            same(sealed, oneShot(key, iv, a, p))
            same(await aes.gcmDecrypt(iv, a, sealed), p)
          },
        ),
        { numRuns: 40 },
      )
    })

    test('lengths around what a native call takes, as views into larger buffers', async () => {
      const key = pattern(32)
      const aes = await runtime.aes(key)
      for (const length of [0, 1, 4080, 4096, 65535, 65536, 65537, 131072, 200003]) {
        const plaintext = pattern(length + 10).subarray(3, 3 + length)
        const expected = oneShot(key, iv, aad, plaintext)
        same(await aes.gcmEncrypt(iv, aad, plaintext), expected)
        const view = new Uint8Array(expected.length + 9).subarray(5, 5 + expected.length)
        view.set(expected)
        same(await aes.gcmDecrypt(iv, aad, view), plaintext)
        const counter = Uint8Array.of(...iv, 0, 0, 0, 2)
        same(await aes.ctr(counter, expected.subarray(0, length)), plaintext)
      }
    })

    test('what does not authenticate gives nothing', async () => {
      const aes = await runtime.aes(pattern(32))
      const sealed = await aes.gcmEncrypt(iv, aad, pattern(100_000))
      sealed[99_999]! ^= 1
      assert.equal(await aes.gcmDecrypt(iv, aad, sealed), undefined)
      const short = await aes.gcmEncrypt(iv, aad, pattern(20))
      assert.equal(await aes.gcmDecrypt(iv, pattern(2), short), undefined)
      for (let length = 0; length < short.length; length++) {
        assert.equal(await aes.gcmDecrypt(iv, aad, short.subarray(0, length)), undefined)
      }
    })

    test('a block is AES-ECB', async () => {
      await fc.assert(
        fc.asyncProperty(keys, fc.uint8Array({ minLength: 16, maxLength: 16 }), async (key, input) => {
          const aes = await runtime.aes(key)
          const ecb = createCipheriv(`aes-${key.length * 8}-ecb`, key, null).setAutoPadding(false)
          const expected = ecb.update(input)
          same(await aes.block(input), expected)
          same(await aes.block(input), expected)
        }),
        { numRuns: 20 },
      )
      const aes = await runtime.aes(pattern(16))
      await assert.rejects(async () => aes.block(pattern(15)), code('ERR_S3CSE_CONFIG', /16 bytes/))
      await assert.rejects(async () => aes.block(pattern(32)), code('ERR_S3CSE_CONFIG', /16 bytes/))
      await assert.rejects(async () => aes.ctr(pattern(12), pattern(1)), code('ERR_S3CSE_CONFIG', /16 bytes/))
    })

    test('CBC is node’s cipher without padding, in one stretch and chained', async () => {
      const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
      const messages = fc.nat({ max: 12 }).chain((blocks) => fc.tuple(bytes(blocks * 16), fc.nat({ max: blocks })))
      await fc.assert(
        fc.asyncProperty(keys, bytes(16), messages, async (key, start, [plaintext, cut]) => {
          const aes = await runtime.aes(key)
          const expected = nodeCbc(key, start, plaintext)
          same(await aes.cbcEncrypt(start, plaintext), expected)
          same(await aes.cbcDecrypt(start, expected), plaintext)
          const next = cut === 0 ? start : expected.subarray(cut * 16 - 16, cut * 16)
          same(await aes.cbcEncrypt(start, plaintext.subarray(0, cut * 16)), expected.subarray(0, cut * 16))
          same(await aes.cbcEncrypt(next, plaintext.subarray(cut * 16)), expected.subarray(cut * 16))
          same(await aes.cbcDecrypt(start, expected.subarray(0, cut * 16)), plaintext.subarray(0, cut * 16))
          same(await aes.cbcDecrypt(next, expected.subarray(cut * 16)), plaintext.subarray(cut * 16))
        }),
        { numRuns: 40 },
      )
    })

    test('CBC of no block, of blocks that look like padding, and around what a native call takes', async () => {
      const key = pattern(32)
      const aes = await runtime.aes(key)
      const start = pattern(16)
      for (const length of [0, 16, 65536 - 16, 65536, 65536 + 16, 200_000]) {
        for (const plaintext of [pattern(length + 10).subarray(3, 3 + length), new Uint8Array(length).fill(16)]) {
          const expected = nodeCbc(key, start, plaintext)
          same(await aes.cbcEncrypt(start, plaintext), expected)
          const view = new Uint8Array(length + 9).subarray(5, 5 + length)
          view.set(expected)
          same(await aes.cbcDecrypt(start, view), plaintext)
          same(view, expected)
        }
      }
    })

    test('CBC takes whole blocks and an IV of one block', async () => {
      const aes = await runtime.aes(pattern(16))
      for (const method of ['cbcEncrypt', 'cbcDecrypt'] as const) {
        const call = async (start: Uint8Array, data: Uint8Array) => aes[method](start, data)
        for (const length of [1, 15, 17, 31, 65537]) {
          await assert.rejects(async () => call(pattern(16), pattern(length)), code('ERR_S3CSE_CONFIG', /whole blocks/))
        }
        for (const length of [0, 12, 15, 17, 32]) {
          await assert.rejects(async () => call(pattern(length), pattern(16)), code('ERR_S3CSE_CONFIG', /16 bytes/))
        }
      }
    })

    test('CBC: Wycheproof, with the padding put on and looked at here', async (t) => {
      const file = wycheproof<CbcGroup>(t, 'aes_cbc_pkcs5_test')
      if (file === undefined) return
      const count = { valid: 0, invalid: 0 }
      for (const one of file.testGroups.flatMap((group) => group.tests)) {
        const aes = await runtime.aes(hex(one.key))
        const padded = await aes.cbcDecrypt(hex(one.iv), hex(one.ct))
        const length = 16 - ((one.msg.length / 2) % 16)
        if (one.result === 'valid') {
          assert.equal(toHex(padded), one.msg + length.toString(16).padStart(2, '0').repeat(length), `test ${one.tcId}`)
          assert.equal(toHex(await aes.cbcEncrypt(hex(one.iv), padded)), one.ct, `test ${one.tcId}`)
          count.valid++
        } else {
          const last = padded.at(-1) ?? 0
          const good = last >= 1 && last <= 16 && padded.subarray(-last).every((byte) => byte === last)
          assert.equal(good, false, `test ${one.tcId}`)
          count.invalid++
        }
      }
      assert.deepEqual(count, { valid: 72, invalid: 144 })
    })

    test('keys of other lengths are refused', async () => {
      for (const length of [0, 8, 15, 17, 31, 33, 64]) {
        await assert.rejects(async () => runtime.aes(pattern(length)), code('ERR_S3CSE_CONFIG', /16, 24 or 32/))
      }
    })

    test('the key is copied; destroy makes every call fail', async () => {
      const key = pattern(32)
      const aes = await runtime.aes(key)
      key.fill(0)
      same(await aes.gcmEncrypt(iv, aad, pattern(9)), oneShot(pattern(32), iv, aad, pattern(9)))
      aes.destroy()
      aes.destroy()
      const calls: ((a: Aes) => unknown)[] = [
        (a) => a.block(pattern(16)),
        (a) => a.gcmEncrypt(iv, aad, pattern(9)),
        (a) => a.gcmDecrypt(iv, aad, pattern(30)),
        (a) => a.gcmDecrypt(iv, aad, pattern(3)),
        (a) => a.ctr(pattern(16), pattern(9)),
        (a) => a.cbcEncrypt(pattern(16), pattern(16)),
        (a) => a.cbcDecrypt(pattern(16), pattern(16)),
        (a) => a.cbcEncrypt(pattern(16), pattern(0)),
        (a) => a.cbcDecrypt(pattern(16), pattern(0)),
        ...(aes.gcmStream === undefined ? [] : [(a: Aes) => a.gcmStream!(iv, aad)]),
      ]
      for (const call of calls) {
        await assert.rejects(async () => call(aes), code('ERR_S3CSE_CONFIG', /destroyed/))
      }
    })
  })

  describe(`the rest of ${name}`, () => {
    test('HMAC-SHA-512, with keys of any length', async () => {
      const bytes = fc.uint8Array({ maxLength: 300 })
      await fc.assert(
        fc.asyncProperty(bytes, bytes, async (key, data) => {
          same(await runtime.hmac('SHA-512', key, data), createHmac('sha512', key).update(data).digest())
        }),
        { numRuns: 40 },
      )
      const none = new Uint8Array(0)
      same(await runtime.hmac('SHA-512', none, none), createHmac('sha512', none).update(none).digest())
    })

    test('SHA-1 and SHA-256', async () => {
      for (const length of [0, 1, 55, 56, 64, 1000]) {
        same(await runtime.digest('SHA-1', pattern(length)), createHash('sha1').update(pattern(length)).digest())
        same(await runtime.digest('SHA-256', pattern(length)), createHash('sha256').update(pattern(length)).digest())
      }
    })

    test('random bytes of any length', () => {
      for (const length of [0, 1, 32, 65536, 65537, 200_000]) {
        const bytes = runtime.randomBytes(length)
        assert.equal(Object.getPrototypeOf(bytes), Uint8Array.prototype)
        assert.equal(bytes.length, length)
        // A stretch that was left out would be zero.
        if (length > 64) assert.ok(bytes.subarray(-64).some((byte) => byte !== 0))
      }
      assert.notEqual(toHex(runtime.randomBytes(16)), toHex(runtime.randomBytes(16)))
    })

    test('equal compares contents and length', () => {
      assert.equal(runtime.equal(pattern(28), pattern(28)), true)
      assert.equal(runtime.equal(new Uint8Array(0), new Uint8Array(0)), true)
      assert.equal(runtime.equal(pattern(28), pattern(29)), false)
      assert.equal(runtime.equal(pattern(28), new Uint8Array(0)), false)
      for (let bit = 0; bit < 28 * 8; bit++) {
        const changed = pattern(28)
        changed[bit >> 3]! ^= 1 << (bit & 7)
        assert.equal(runtime.equal(pattern(28), changed), false)
      }
    })

    test('secret CryptoKeys are exported if they may be', async () => {
      const raw = new Uint8Array(pattern(32))
      const imported = async (extractable: boolean) =>
        crypto.subtle.importKey('raw', raw, 'AES-GCM', extractable, ['encrypt'])
      same(await runtime.exportSecretKey(await imported(true)), raw)
      await assert.rejects(async () => runtime.exportSecretKey(await imported(false)), {
        name: 'TypeError',
        message: /not extractable/,
      })
      const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
      await assert.rejects(async () => runtime.exportSecretKey(pair.privateKey), {
        name: 'TypeError',
        message: /not a private one/,
      })
      await assert.rejects(async () => runtime.exportSecretKey({ type: 'secret' }), {
        name: 'TypeError',
        message: /secret key is needed/,
      })
    })
  })
}

const [[, node], [, web]] = RUNTIMES

test('secret KeyObjects are exported on Node and unknown in browsers', async () => {
  const raw = pattern(24)
  same(await node.exportSecretKey(createSecretKey(raw)), raw)
  const { privateKey } = generateKeyPairSync('ed25519')
  assert.throws(() => node.exportSecretKey(privateKey), { name: 'TypeError', message: /not a private one/ })
  await assert.rejects(async () => web.exportSecretKey(createSecretKey(raw)), {
    name: 'TypeError',
    message: /KeyObjects/,
  })
})

test('node:crypto’s stream is the same message as one call; its copy of the key is wiped', async () => {
  const key = pattern(32)
  const spy = mock.method(Uint8Array, 'from')
  const aes = await node.aes(key)
  const copies = spy.mock.calls.map(({ result }) => result as Uint8Array)
  spy.mock.restore()
  const plaintext = pattern(150_000)
  const stream = aes.gcmStream!(iv, aad)
  const sealed = [plaintext.subarray(0, 7), plaintext.subarray(7, 7), plaintext.subarray(7)].map((piece) =>
    stream.update(piece),
  )
  for (const piece of sealed) assert.equal(Object.getPrototypeOf(piece), Uint8Array.prototype)
  same(Uint8Array.from(Buffer.concat([...sealed, stream.final()])), oneShot(pattern(32), iv, aad, plaintext))
  assert.throws(() => stream.final())
  assert.deepEqual(copies, [pattern(32)])
  aes.destroy()
  assert.deepEqual(copies, [new Uint8Array(32)])
})

test('node:crypto leaves no unverified plaintext in the buffer it made', async () => {
  const aes = await node.aes(pattern(32))
  const sealed = oneShot(pattern(32), iv, aad, pattern(100_000))
  sealed[0]! ^= 1
  const spy = mock.method(Buffer, 'allocUnsafeSlow')
  assert.equal(await aes.gcmDecrypt(iv, aad, sealed), undefined)
  const made = spy.mock.calls.map(({ result }) => result as Buffer)
  spy.mock.restore()
  assert.deepEqual(
    made.map((buffer) => buffer.length),
    [100_000],
  )
  assert.ok(made[0]!.every((byte) => byte === 0))
})

describe('WebCrypto that lacks something', () => {
  test('AES-192 (Chromium) is named; other failures pass', async () => {
    const failure = new DOMException('192-bit AES keys are not supported', 'OperationError')
    const spy = mock.method(crypto.subtle, 'importKey', async () => {
      throw failure
    })
    try {
      await assert.rejects(async () => web.aes(pattern(24)), code('ERR_S3CSE_CONFIG', /192 bits/))
      await assert.rejects(async () => web.aes(pattern(32)), failure)
    } finally {
      spy.mock.restore()
    }
  })

  test('pages that are not secure have no crypto.subtle', async () => {
    const descriptor = Object.getOwnPropertyDescriptor(globalThis, 'crypto')!
    Object.defineProperty(globalThis, 'crypto', { value: {}, configurable: true })
    try {
      await assert.rejects(async () => web.aes(pattern(32)), code('ERR_S3CSE_CONFIG', /secure context/))
      const der = Uint8Array.of(0x30, 0)
      await assert.rejects(async () => web.rsaPublicKey(der), code('ERR_S3CSE_CONFIG', /secure context/))
    } finally {
      Object.defineProperty(globalThis, 'crypto', descriptor)
    }
  })

  test('an error of decrypt that is not about the tag is not taken for one', async () => {
    const aes = await web.aes(pattern(32))
    await assert.rejects(async () => aes.gcmDecrypt('no bytes' as unknown as Uint8Array, aad, pattern(32)), {
      name: 'TypeError',
    })
  })
})
