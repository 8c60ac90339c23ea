import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'

import { pattern, put, world } from '../support/world.js'
import { folder, PART } from './download-support.js'

const w = await world()
const f = folder(w)
const clients = [
  w.client({}, { maxAttempts: 1 }),
  w.client({ commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' }, { maxAttempts: 1 }),
] as const
const all = pattern(600_000)

const lengths = fc.oneof(
  fc.nat(all.length),
  fc.tuple(fc.integer({ min: 1, max: 8 }), fc.integer({ min: -40, max: 40 })).map(([parts, by]) => parts * PART + by),
)

it('a download gives the plaintext, whatever its length, parts, their number, and what breaks off meanwhile', async () => {
  let broken = 0
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        client: fc.constantFrom(...clients),
        length: lengths,
        partSize: fc.oneof(fc.constant(PART), fc.integer({ min: PART, max: 4 * PART })),
        concurrency: fc.integer({ min: 1, max: 6 }),
        resume: fc.boolean(),
        breaks: fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.nat(3 * PART)), { maxLength: 2 }),
        interrupted: fc.boolean(),
      }),
      async ({ client, length, partSize, concurrency, resume, breaks, interrupted }) => {
        const plaintext = all.subarray(0, length)
        await put(client, 'property', plaintext)
        let gets = 0
        const end = w.s3.onRequest(({ operation }) => {
          if (operation !== 'GetObject') return
          const at = gets++
          for (const [number, bytes] of breaks) if (number === at) w.s3.fail({ truncateBody: bytes })
        })
        try {
          const options = { partSize, concurrency, resume }
          if (interrupted) {
            await f.get(client, 'property', { ...options, maxAttempts: 1 }).catch((error: unknown) => {
              broken++
              assert.equal((error as Error).message, 'aborted')
            })
          }
          await f.get(client, 'property', options)
        } finally {
          end()
          w.s3.faults.length = 0
        }
        assert.ok((await f.content()).equals(plaintext))
        assert.deepEqual(await f.names(), ['file'])
      },
    ),
    { numRuns: 60 },
  )
  assert.ok(broken > 0)
})
