// Bleichenbacher's attack on PKCS#1 v1.5: whoever learns which ciphertexts have the right padding decrypts a data key. Legacy wraps are refused before the private key is used; where they are enabled, bad padding goes on as another key (implicit rejection).
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import type { EncryptionOptions } from '../../src/index.js'
import { Bucket, world } from '../support/world.js'
import { allOn, cbc, cbcName, legacyMetadata, pkcs1, rawRsa, rsa } from './legacy.js'
import { assertRefused, base64, counting, flipBase64, modes, outcomeOf, policies } from './support.js'
import { expected, visible } from './uniform.js'

const w = await world()
const plaintext = Buffer.from('nothing that ends like padding does')
const dataKey = Buffer.alloc(32, 'the right data key')
const iv = Buffer.alloc(16, 3)
const body = cbc(dataKey, iv, plaintext)
const kind = { version: 'V1', wrap: 'RSA', map: '{}' } as const
const places = ['metadata', 'instruction file'] as const

async function store(
  place: (typeof places)[number],
  encryptedDataKey: Uint8Array,
  stored = body,
  by = iv,
): Promise<void> {
  const values = legacyMetadata(kind, cbcName, encryptedDataKey, by)
  await w.s3.put(Bucket, 'v1', { body: stored, metadata: place === 'metadata' ? values : {} })
  if (place !== 'metadata') await w.s3.put(Bucket, 'v1.instruction', { body: JSON.stringify(values) })
}

describe('legacy wraps are off', () => {
  const switches: (EncryptionOptions['legacy'] | undefined)[] = [
    undefined,
    {},
    { content: true },
    { content: true, wrapping: false },
    { wrapping: true },
  ]
  for (const place of places) {
    it(`${place}: valid and invalid padding are the same error, and no private key is used`, async () => {
      for (const commitmentPolicy of policies) {
        for (const legacy of switches) {
          for (const claims of [true, false]) {
            const keyring = counting(rsa, claims)
            const client = w.client({ keyring, commitmentPolicy, ...(legacy && { legacy }) })
            const errors = []
            for (const encryptedDataKey of [Buffer.alloc(256), pkcs1(dataKey), Buffer.alloc(256, 0xff)]) {
              // As in the tests of the official clients.
              await store(place, encryptedDataKey, body, Buffer.alloc(16))
              w.s3.requests.length = 0
              const outcome = await outcomeOf(client, 'v1')
              assertRefused(outcome, ['ERR_S3CSE_LEGACY_DISABLED', 'ERR_S3CSE_POLICY'])
              assert.equal(outcome.fromBody, false)
              errors.push({ ...visible(outcome.error), asked: w.s3.requests.map(({ key }) => key) })
            }
            assert.deepEqual(errors, [errors[0], errors[0], errors[0]])
            assert.equal(keyring.unwraps(), 0)
          }
        }
      }
    })
  }
})

/** A block of 256 bytes with parts at their places. */
function block(change: (block: Buffer) => void): Buffer {
  const bytes = Buffer.concat([Buffer.of(0, 2), Buffer.alloc(221, 0xa5), Buffer.of(0), dataKey])
  change(bytes)
  return rawRsa(bytes)
}
const wrongLength = (length: number): Buffer => pkcs1(Buffer.alloc(length, 'some other bytes of any length '))

const others: [name: string, encryptedDataKey: Buffer][] = [
  ['another key', pkcs1(Buffer.alloc(32, 'another data key'))],
  ['a key of 16 bytes', wrongLength(16)],
  ['a key of 24 bytes', wrongLength(24)],
  ...[0, 1, 8, 15, 17, 31, 33, 48, 64, 245].map((length): [string, Buffer] => [
    `${length} bytes, which are no key`,
    wrongLength(length),
  ]),
  ['zeros', Buffer.alloc(256)],
  ['one', Buffer.concat([Buffer.alloc(255), Buffer.of(1)])],
  ['another first byte', block((bytes) => (bytes[0] = 1))],
  ['block type 0', block((bytes) => (bytes[1] = 0))],
  ['block type 1', block((bytes) => (bytes[1] = 1))],
  ['block type 3', block((bytes) => (bytes[1] = 3))],
  ['a zero in the first eight bytes', block((bytes) => (bytes[5] = 0))],
  ['a zero at once', block((bytes) => (bytes[2] = 0))],
  ['a zero inside', block((bytes) => (bytes[100] = 0))],
  ['a zero just before the last', block((bytes) => (bytes[222] = 0))],
  ['no zero before the key', block((bytes) => (bytes[223] = 9))],
  ['no zero at all', block((bytes) => bytes.fill(0xa5, 2))],
  ['a bit of the ciphertext', Buffer.from(flipBase64(base64(pkcs1(dataKey)), 2047), 'base64')],
]

describe('legacy wraps are on', () => {
  for (const place of places) {
    for (const [mode, options] of modes) {
      it(`${place}, ${mode}: bad padding and another key are the same error at the same place`, async () => {
        const client = w.client({ ...allOn, keyring: rsa, ...options })
        await store(place, pkcs1(dataKey))
        assert.deepEqual((await outcomeOf(client, 'v1')).released, plaintext)
        const first: string[] = []
        for (const [name, encryptedDataKey] of others) {
          await store(place, encryptedDataKey)
          w.s3.requests.length = 0
          const { error, released, fromBody } = await outcomeOf(client, 'v1')
          assert.ok(error !== undefined, `${name}: ${released.toString()}`)
          assert.deepEqual(visible(error), expected, name)
          assert.equal(released.length, 0, name)
          assert.equal(fromBody, true, name)
          const asked = w.s3.requests.map(({ key }) => key ?? '')
          if (name === others[0]![0]) first.push(...asked)
          assert.deepEqual(asked, first, name)
        }
      })
    }
  }

  it('what anyone sees without the private key is seen: another length, a number that is not below the modulus', async () => {
    const client = w.client({ ...allOn, keyring: rsa })
    for (const bytes of [Buffer.alloc(256, 0xff), Buffer.alloc(255, 1), Buffer.alloc(257, 1), Buffer.alloc(512, 1)]) {
      await store('metadata', bytes)
      const { error } = await outcomeOf(client, 'v1')
      assert.deepEqual(visible(error), expected)
    }
  })

  it('good padding cannot be told by what opens: each key, made up or not, opens one of some 256 bodies', async () => {
    const client = w.client({ ...allOn, keyring: rsa })
    const tried = others.filter(([name]) =>
      ['another key', 'zeros', 'block type 1', '31 bytes, which are no key'].includes(name),
    )
    assert.equal(tried.length, 4)
    for (const [name, encryptedDataKey] of tried) {
      let garbage = 0
      for (let last = 0; last < 256; last++) {
        const changed = Buffer.from(body)
        changed[changed.length - 17] = last
        await store('metadata', encryptedDataKey, changed)
        const outcome = await outcomeOf(client, 'v1')
        if (outcome.error === undefined) garbage++
        else assert.deepEqual(visible(outcome.error), expected)
        assert.notDeepEqual(outcome.released, plaintext)
        // The same key each time, or a second look would tell a made up one.
        if (outcome.error === undefined) assert.deepEqual(await outcomeOf(client, 'v1'), outcome)
      }
      assert.ok(garbage >= 1 && garbage <= 2, `${name}: ${garbage}`)
    }
  })
})
