// CVE-2020-8911: whoever sees of a CBC object only whether it was read, and why not, decrypts it byte by byte. Reading CBC is off by default; all that fails fails alike, with the same requests, and nothing is released before the end.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import type { GetObjectCommandInput } from '@aws-sdk/client-s3'

import { aesKeyring } from '../../src/index.js'
import type { EncryptionOptions } from '../../src/index.js'
import { Bucket, keyring, pattern, world } from '../support/world.js'
import { allOn, cbc, cbcName, ecb, legacyMetadata, wrappingKey } from './legacy.js'
import { assertRefused, counting, flipBase64, modes, outcomeOf, policies } from './support.js'
import { expected, visible } from './uniform.js'

const w = await world()
const other = aesKeyring({ wrappingKey: new Uint8Array(32).fill(8) })
const iv = Buffer.alloc(16, 0x1f)
/** No block of it ends like padding, wherever it is cut. */
const text = (length: number): Buffer => Buffer.alloc(length, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ')

interface Stored {
  readonly metadata: Record<string, string>
  readonly body: Uint8Array
}

/** V1 under AES/ECB, so that a wrong key is seen nowhere but in the padding. */
function stored(dataKey: Uint8Array, plaintext: Uint8Array, padded = true): Stored {
  const kind = { version: 'V1', wrap: 'AES', map: '{}' } as const
  const body = cbc(dataKey, iv, plaintext, padded)
  return { body, metadata: legacyMetadata(kind, cbcName, ecb(wrappingKey, dataKey), iv) }
}

interface Mode {
  readonly name: string
  readonly options: Partial<EncryptionOptions>
  readonly more?: Partial<GetObjectCommandInput>
}
const ranged = { rangeReads: 'unauthenticated' } as const
const everyMode: readonly Mode[] = [
  ...modes.map(([name, options]) => ({ name, options })),
  ...['bytes=0-9', 'bytes=16-40', 'bytes=-5', 'bytes=20-', 'bytes=0-'].map((Range) => ({
    name: Range,
    options: ranged,
    more: { Range },
  })),
  { name: 'a range of a whole read', options: { rangeReads: 'whole-object' }, more: { Range: 'bytes=0-9' } },
  { name: 'delayed, spooled', options: { delayedAuthentication: true, maxBufferedBytes: 0 } },
]

/** What is wrong with the padding of one block of 16 bytes. */
const paddings: [name: string, block: Buffer][] = [
  ...[0, 17, 32, 127, 128, 255].map((last): [string, Buffer] => [`ends in ${last}`, text(16).fill(last, 15)]),
  ...Array.from({ length: 15 }, (_, i) => i + 2).flatMap((count) =>
    [16 - count, 14].map((wrong): [string, Buffer] => {
      const block = text(16).fill(count, 16 - count)
      block[wrong]! ^= 1
      return [`${count}, of which byte ${wrong} is wrong`, block]
    }),
  ),
  ['sixteen zeros', Buffer.alloc(16)],
]

for (const length of [16, 24, 32]) {
  const dataKey = Buffer.alloc(32, 'a key of some length that is fixed').subarray(0, length)
  const good = stored(dataKey, text(100))
  const otherKey = stored(Buffer.from(dataKey).reverse(), text(100))
  /** All of the same stored length, so that nobody without a key sees a difference. */
  const sameLength: [string, Stored, wrongKey?: boolean][] = [
    ['a reader with another key', good, true],
    ['another data key', { ...good, metadata: otherKey.metadata }],
    ['the body of another data key', { ...good, body: otherKey.body }],
    ['a wrapped key that is padded wrongly', { ...good, metadata: flippedKey(good.metadata) }],
    ['a bit of the last block', { ...good, body: flippedBit(good.body, -16) }],
    ['a bit of the block before', { ...good, body: flippedBit(good.body, -17) }],
    ...paddings.map(([name, block]): [string, Stored] => [
      name,
      stored(dataKey, Buffer.concat([text(96), block]), false),
    ]),
  ]
  const otherLengths: [string, Stored][] = [
    ...[1, 15, 17, 111].map((cut): [string, Stored] => [
      `${cut} bytes less`,
      { ...good, body: good.body.subarray(0, -cut) },
    ]),
    ...[1, 3, 6].map((blocks): [string, Stored] => [
      `${blocks} blocks less`,
      { ...good, body: good.body.subarray(0, -16 * blocks) },
    ]),
    ['a byte more', { ...good, body: Buffer.concat([good.body, Buffer.of(0)]) }],
    ['a block more', { ...good, body: Buffer.concat([good.body, Buffer.alloc(16)]) }],
    ['blocks in another order', { ...good, body: Buffer.concat([good.body.subarray(16), good.body.subarray(0, 16)]) }],
  ]
  const empty: [string, Stored] = ['nothing at all', { ...good, body: Buffer.alloc(0) }]

  describe(`data keys of ${length} bytes: one error`, () => {
    // The length of the key makes no difference to the ways of reading: all of them for one.
    const some = everyMode.filter(({ name }) => ['in memory', 'bytes=16-40'].includes(name))
    assert.equal(some.length, 2)
    for (const { name, options, more = {} } of length === 32 ? everyMode : some) {
      it(name, async () => {
        const [right, wrong] = [keyring, other].map((one) => w.client({ ...allOn, keyring: one, ...options }))
        const outcome = async ({ metadata, body }: Stored, wrongKey = false) => {
          await w.s3.put(Bucket, 'cbc', { metadata, body })
          w.s3.requests.length = 0
          const result = await outcomeOf(wrongKey ? wrong! : right!, 'cbc', more)
          return { ...result, asked: w.s3.requests.map(({ operation, headers }) => `${operation} ${headers['range']}`) }
        }
        const whole = await outcome(good)
        if (options.rangeReads === 'whole-object') {
          // Nothing can be verified of it, so that no object is read, whatever is in it.
          for (const [, one, wrongKey] of [...sameLength, ...otherLengths, empty]) {
            assertRefused(await outcome(one, wrongKey), 'ERR_S3CSE_RANGE_REFUSED', name)
          }
          assertRefused(whole, 'ERR_S3CSE_RANGE_REFUSED', name)
          return
        }
        assert.equal(whole.error, undefined, name)
        const first = await outcome(sameLength[0]![1], true)
        for (const [what, one, wrongKey] of sameLength) {
          const { error, released, fromBody, asked } = await outcome(one, wrongKey)
          assert.deepEqual(visible(error), expected, what)
          assert.equal(released.length, 0, what)
          assert.deepEqual([fromBody, asked], [first.fromBody, first.asked], what)
        }
        // S3 itself answers ranges that begin after what is stored.
        const others =
          more.Range === undefined ? [...otherLengths, empty] : otherLengths.filter(([, { body }]) => body.length > 40)
        for (const [what, one] of others) {
          const { error, released, fromBody, asked } = await outcome(one)
          assert.deepEqual(visible(error), expected, what)
          assert.equal(released.length, 0, what)
          assert.deepEqual([fromBody, asked.length], [first.fromBody, first.asked.length], what)
        }
      })
    }
  })
}

function flippedBit(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[copy.length + at]! ^= 1
  return copy
}

function flippedKey(metadata: Record<string, string>): Record<string, string> {
  const key = metadata['x-amz-key']!
  return { ...metadata, 'x-amz-key': flipBase64(key, Buffer.from(key, 'base64').length * 8 - 1) }
}

describe('what is released', () => {
  const large = pattern(3 * 1024 * 1024 + 5)
  const dataKey = Buffer.alloc(32, 'the data key of a large object')

  for (const { name, options } of everyMode.filter(({ more }) => more === undefined)) {
    it(`${name}: nothing before the padding is seen, however much there is`, async () => {
      const client = w.client({ ...allOn, ...options })
      const { metadata, body } = stored(dataKey, large)
      await w.s3.put(Bucket, 'large', { metadata, body })
      assert.deepEqual((await outcomeOf(client, 'large')).released, large)
      await w.s3.put(Bucket, 'large', { metadata, body: flippedBit(body, -1) })
      const { error, released } = await outcomeOf(client, 'large')
      assert.deepEqual(visible(error), expected)
      assert.equal(released.length, 0)
      // Nor when the rest of it does not come.
      await w.s3.put(Bucket, 'large', { metadata, body })
      w.s3.fail({ match: ({ key }) => key === 'large', times: 10, truncateBody: 2 * 1024 * 1024 })
      const cut = await outcomeOf(client, 'large')
      w.s3.faults.length = 0
      assert.ok(cut.error !== undefined)
      assert.equal(cut.released.length, 0)
    })
  }

  it('not protected: a bit of the IV or of a block inside is a bit of the text, without an error', async () => {
    const { metadata, body } = stored(dataKey, text(100))
    const client = w.client(allOn)
    await w.s3.put(Bucket, 'cbc', { body, metadata: { ...metadata, 'x-amz-iv': flipBase64(metadata['x-amz-iv'], 0) } })
    const byIv = await outcomeOf(client, 'cbc')
    assert.deepEqual([byIv.error, byIv.released[0]! ^ text(1)[0]!], [undefined, 1])
    assert.deepEqual(byIv.released.subarray(1), text(100).subarray(1))
    await w.s3.put(Bucket, 'cbc', { metadata, body: flippedBit(body, -112 + 16) })
    const byBlock = await outcomeOf(client, 'cbc')
    assert.deepEqual([byBlock.error, byBlock.released[32]! ^ text(100)[32]!], [undefined, 1])
    assert.deepEqual(byBlock.released.subarray(33), text(100).subarray(33))
  })
})

it('off by default, under every policy, whatever is in the object: no key is used', async () => {
  const asked = counting(keyring)
  const { metadata, body } = stored(Buffer.alloc(32, 1), text(100))
  for (const legacy of [undefined, {}, { wrapping: true }, { content: false, wrapping: true }, { content: true }]) {
    for (const commitmentPolicy of policies) {
      for (const { name, options, more } of everyMode) {
        const client = w.client({ keyring: asked, commitmentPolicy, ...options, ...(legacy && { legacy }) })
        const errors = []
        for (const bytes of [body, flippedBit(body, -17), body.subarray(0, 97)]) {
          await w.s3.put(Bucket, 'cbc', { metadata, body: bytes })
          const outcome = await outcomeOf(client, 'cbc', more)
          assertRefused(outcome, ['ERR_S3CSE_LEGACY_DISABLED', 'ERR_S3CSE_POLICY'], name)
          errors.push(visible(outcome.error))
        }
        assert.deepEqual(errors, [errors[0], errors[0], errors[0]])
      }
    }
  }
  assert.equal(asked.unwraps(), 0)
})
