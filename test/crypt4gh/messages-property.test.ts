import { describe, it } from 'node:test'

import fc from 'fast-check'

import { decrypt, decryptStream, encrypt, encryptStream, openRange, rearrange, reencrypt } from '../../src/crypt4gh.js'
import { pattern } from '../support/world.js'
import { alice, all, bob, pieces, S, same } from './messages-support.js'

const plaintext = pattern(3 * S + 1000)
const { message } = await encrypt(plaintext, { keyring: alice })
/** Near the ends of segments, and anywhere. */
const place = fc.oneof(
  fc.integer({ min: 0, max: plaintext.length + 10 }),
  fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: -2, max: 2 })).map(([n, by]) => Math.max(0, n * S + by)),
)
const range = fc.tuple(place, place).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)

describe('for any', () => {
  it('input and range, what is encrypted of it is that slice', async () => {
    await fc.assert(
      fc.asyncProperty(
        range,
        fc.integer({ min: 500, max: 3 * S }),
        fc.boolean(),
        async ([start, end], length, told) => {
          const made = encryptStream(pieces(plaintext, length), {
            keyring: alice,
            start,
            end,
            plaintextLength: told ? plaintext.length : undefined,
          })
          same(
            (await decrypt(await all(made), { keyring: alice })).plaintext,
            plaintext.subarray(start, end),
            'the slice',
          )
        },
      ),
      { numRuns: 40 },
    )
  })

  it('range, every way to read it gives that slice', async () => {
    const reader = await openRange(message, { keyring: alice })
    await fc.assert(
      fc.asyncProperty(range, fc.integer({ min: 500, max: 3 * S }), async ([start, end], length) => {
        const [expected, options] = [plaintext.subarray(start, end), { keyring: alice, start, end }]
        same(await reader.read(start, end), expected, 'openRange')
        same((await decrypt(message, options)).plaintext, expected, 'decrypt')
        const streams = [true, false].map((verifyRest) =>
          decryptStream(pieces(message, length), { ...options, verifyRest }),
        )
        for (const stream of streams) same(await all(stream), expected, 'decryptStream')
      }),
      { numRuns: 60 },
    )
  })

  it('part of a part of a part, of which recipients change, it is the slice of the slice', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(range, { minLength: 1, maxLength: 4 }), range, async (ranges, last) => {
        let [made, expected] = [message, plaintext]
        for (const [start, end] of ranges) {
          if (expected.subarray(start, end).length === 0) continue
          expected = expected.subarray(start, end)
          made = await all(rearrange(made, { keyring: alice, start, end }))
          const there = await all(reencrypt(pieces(made, 9999), { keyring: alice, to: bob }))
          made = await all(reencrypt(there, { keyring: bob, to: alice }))
        }
        same((await decrypt(made, { keyring: alice })).plaintext, expected, 'decrypt')
        same(await all(decryptStream(pieces(made, 12_345), { keyring: alice })), expected, 'decryptStream')
        const reader = await openRange(made, { keyring: alice })
        same(await reader.read(...last), expected.subarray(...last), 'openRange')
      }),
      { numRuns: 60 },
    )
  })
})
