import assert from 'node:assert/strict'
import { hkdfSync } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { HKDF_MAX_LENGTH, hkdfSha512 } from '../../src/crypto/hkdf.js'
import type { HashName } from '../../src/runtime/runtime.js'
import { code } from '../support/errors.js'
import { hex, pattern, RUNTIMES, toHex, wycheproof } from './helpers.js'

interface HkdfGroup {
  readonly tests: readonly {
    readonly tcId: number
    readonly ikm: string
    readonly salt: string
    readonly info: string
    readonly size: number
    readonly okm: string
    readonly result: string
  }[]
}

/** Keys and commitments of two objects in format V3. */
const KNOWN = [
  {
    dataKey: '80d90dc4cc7e77d8a6332efa44eba56230a7fe7b89af37d1e501ab2e07c0a163',
    messageId: 'b8ea76bed24c7b85382a148cb9dcd1cfdfb765f55ded4dfa6e0c4c79',
    contentKey: '6dd14f546cc006e639126e83f5d4d1b118576bb5df97f38c6fb3a1db87bbc338',
    commitment: 'f89818bc0a346d3a3426b68e9509b6b2ae5fe1f904aa329fb73625db',
  },
  {
    dataKey: '501afb8227d22e75e68010414b8abdaf3064c081e8e922dafef4992036394d60',
    messageId: '61a00b4981a5aacfd136c55cb726e32d2a547dc7600a7d4675c69127',
    contentKey: 'e14786a714748d1d2c3a4a6816dec56ddf1881bbeabb4f39420ffb9f63700b2f',
    commitment: '5c1e73e47f6fe3a70d6d094283aceaa76d2975feb829212d88f0afc1',
  },
]

const info = (label: string): Uint8Array => Uint8Array.of(0, 0x73, ...new TextEncoder().encode(label))

for (const [name, runtime] of RUNTIMES) {
  const hmac = (hash: HashName, key: Uint8Array, data: Uint8Array) => runtime.hmac(hash, key, data)

  describe(`HKDF-SHA-512 on ${name}`, () => {
    test('content keys and commitments of S3EC V3', async () => {
      for (const { dataKey, messageId, contentKey, commitment } of KNOWN) {
        const hkdf = await hkdfSha512({ salt: hex(messageId), inputKey: hex(dataKey) }, hmac)
        assert.equal(toHex(await hkdf.expand(info('DERIVEKEY'), 32)), contentKey)
        assert.equal(toHex(await hkdf.expand(info('COMMITKEY'), 28)), commitment)
      }
    })

    test('is node:crypto’s', async () => {
      const bytes = fc.uint8Array({ maxLength: 200 })
      await fc.assert(
        fc.asyncProperty(bytes, bytes, bytes, fc.nat(300), async (salt, inputKey, someInfo, length) => {
          const hkdf = await hkdfSha512({ salt, inputKey }, hmac)
          const expected =
            length === 0 ? new Uint8Array(0) : new Uint8Array(hkdfSync('sha512', inputKey, salt, someInfo, length))
          assert.deepEqual(await hkdf.expand(someInfo, length), expected)
        }),
        { numRuns: 40 },
      )
    })

    test('Wycheproof', async (t) => {
      const file = wycheproof<HkdfGroup>(t, 'hkdf_sha512_test')
      if (file === undefined) return
      let [valid, refused] = [0, 0]
      for (const { tests } of file.testGroups) {
        for (const one of tests) {
          const hkdf = await hkdfSha512({ salt: hex(one.salt), inputKey: hex(one.ikm) }, hmac)
          if (one.result === 'valid') {
            assert.equal(toHex(await hkdf.expand(hex(one.info), one.size)), one.okm, `test ${one.tcId}`)
            valid++
          } else {
            await assert.rejects(hkdf.expand(hex(one.info), one.size), code('ERR_S3CSE_CONFIG'), `test ${one.tcId}`)
            refused++
          }
        }
      }
      assert.deepEqual([valid, refused, valid + refused], [80, 3, file.numberOfTests])
    })
  })
}

test('the longest output, and none longer', async () => {
  const hkdf = await hkdfSha512({ salt: pattern(3), inputKey: pattern(4) })
  const longest = await hkdf.expand(pattern(5), HKDF_MAX_LENGTH)
  assert.deepEqual(longest, new Uint8Array(hkdfSync('sha512', pattern(4), pattern(3), pattern(5), HKDF_MAX_LENGTH)))
  for (const length of [HKDF_MAX_LENGTH + 1, -1, 0.5, NaN]) {
    await assert.rejects(hkdf.expand(pattern(5), length), code('ERR_S3CSE_CONFIG', /16320/))
  }
})

test('destroy wipes the extracted key, and nothing is expanded from zeros afterwards', async () => {
  const given: Uint8Array[] = []
  const hmac = async (hash: HashName, key: Uint8Array, data: Uint8Array): Promise<Uint8Array> => {
    await new Promise(setImmediate)
    const result = await RUNTIMES[0][1].hmac(hash, key, data)
    given.push(result)
    return result
  }
  const hkdf = await hkdfSha512({ salt: pattern(3), inputKey: pattern(4) }, hmac)
  const pending = hkdf.expand(pattern(5), 200)
  hkdf.destroy()
  await assert.rejects(pending, code('ERR_S3CSE_CONFIG', /wiped/))
  await assert.rejects(hkdf.expand(pattern(5), 1), code('ERR_S3CSE_CONFIG', /wiped/))
  assert.deepEqual(given[0], new Uint8Array(64))
})

test('nothing that the HMAC gave is left: the first block of an expansion is the key', async () => {
  const given: Uint8Array[] = []
  const hmac = (): Uint8Array => {
    const bytes = new Uint8Array(64).fill(given.length + 1)
    given.push(bytes)
    return bytes
  }
  const hkdf = await hkdfSha512({ salt: pattern(28), inputKey: pattern(32) }, hmac)
  assert.equal((await hkdf.expand(pattern(5), 150)).length, 150)
  hkdf.destroy()
  assert.equal(given.length, 4)
  for (const bytes of given) assert.deepEqual(bytes, new Uint8Array(64))
})
