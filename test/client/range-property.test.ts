import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'

import type { S3Client } from '@aws-sdk/client-s3'

import type { EncryptionOptions } from '../../src/index.js'
import { get, pattern, put, world } from '../support/world.js'

const w = await world()
const MIB = 1024 * 1024
const sizes = [0, 1, 15, 16, 17, 31, 32, 33, 200, 65_536, 65_537, MIB - 16, MIB - 1, MIB, MIB + 1, 2 * MIB, 2 * MIB + 5]
const versions = [
  ['V2', 'FORBID_ENCRYPT_ALLOW_DECRYPT'],
  ['V3', 'REQUIRE_ENCRYPT_ALLOW_DECRYPT'],
] as const
const modes: readonly [name: string, options: Partial<EncryptionOptions>][] = [
  ['unauthenticated', { rangeReads: 'unauthenticated' }],
  ['in memory', { rangeReads: 'whole-object' }],
  ['spooled', { rangeReads: 'whole-object', maxBufferedBytes: 0 }],
  ['read twice', { rangeReads: 'whole-object', maxBufferedBytes: 0, spool: false }],
  ['delayed', { rangeReads: 'whole-object', delayedAuthentication: true }],
]
const clients = new Map<string, S3Client>()
for (const [version, commitmentPolicy] of versions) {
  for (const [mode, options] of modes) clients.set(`${version} ${mode}`, w.client({ commitmentPolicy, ...options }))
}

for (const size of sizes) {
  await put(w.plain, `plain ${size}`, pattern(size))
  for (const [version] of versions) await put(clients.get(`${version} in memory`)!, `${version} ${size}`, pattern(size))
}

/** Everything that a caller sees of an answer. */
async function seen(client: S3Client, key: string, Range: string): Promise<object> {
  try {
    const { Body, ContentRange, ContentLength, AcceptRanges, $metadata } = await get(client, key, { Range })
    const bytes = Buffer.from(await Body!.transformToByteArray())
    return { bytes, ContentRange, ContentLength, AcceptRanges, status: $metadata.httpStatusCode }
  } catch (error) {
    const { name, message, ActualObjectSize, RangeRequested } = error as Record<string, unknown>
    return { name, message, ActualObjectSize, RangeRequested }
  }
}

/** Places in an object that matter: its ends, those of the tag, of blocks and of slices, and any other. */
const placeIn = (size: number): fc.Arbitrary<number> =>
  fc
    .oneof(
      fc.tuple(fc.constantFrom(0, 16, 64 * 1024, MIB, size, size + 16), fc.integer({ min: -17, max: 17 })),
      fc.tuple(fc.nat(size + 40), fc.constant(0)),
    )
    .map(([at, by]) => Math.max(0, at + by))

const cases = fc.constantFrom(...sizes).chain((size) =>
  fc.record({
    size: fc.constant(size),
    version: fc.constantFrom('V2', 'V3'),
    mode: fc.constantFrom(...modes.map(([name]) => name)),
    Range: fc.oneof(
      { weight: 6, arbitrary: fc.tuple(placeIn(size), placeIn(size)).map(([a, b]) => `bytes=${a}-${b}`) },
      { weight: 2, arbitrary: fc.tuple(placeIn(size), fc.nat(40)).map(([a, n]) => `bytes=${a}-${a + n}`) },
      { weight: 2, arbitrary: placeIn(size).map((a) => `bytes=${a}-`) },
      { weight: 2, arbitrary: placeIn(size).map((n) => `bytes=-${n}`) },
    ),
  }),
)

describe('any range of any object', () => {
  it('is what a plain client gets of the plaintext', async () => {
    const kinds = new Set<string>()
    await fc.assert(
      fc.asyncProperty(cases, async ({ size, version, mode, Range }) => {
        const expected = await seen(w.plain, `plain ${size}`, Range)
        const found = await seen(clients.get(`${version} ${mode}`)!, `${version} ${size}`, Range)
        assert.deepEqual(found, expected)
        kinds.add('name' in expected ? String(expected.name) : String((expected as { status?: number }).status))
      }),
      { numRuns: 300 },
    )
    // A run that has seen only one kind of answer has shown nothing.
    assert.deepEqual([...kinds].sort(), ['200', '206', 'InvalidRange'])
  })
})
