// Ranges of AES-GCM objects are CTR: nothing authenticates them. They are refused unless the caller chooses 'unauthenticated', in which whoever can write to the bucket flips bits at will, or 'whole-object', which verifies everything before the part is given out. A format with segments is verified segment by segment.
import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'

import { encryptionInfo } from '../../src/index.js'
import type { EncryptionOptions } from '../../src/index.js'
import { code } from '../support/errors.js'
import { Bucket, get, pattern, put, world } from '../support/world.js'
import { framed, FRAMED_METADATA, framedFormat } from '../message/framed-format.js'
import { FRAME, HEADER } from '../message/framed.js'
import { assertRefused, outcomeOf, versions, verifiedModes } from './support.js'

const w = await world()
const LENGTH = 1_300_077
const plaintext = pattern(LENGTH)
/** Over the end of the first slice of a verified read, and neither end on a block. */
const [start, end] = [1_000_005, 1_100_003]
const Range = `bytes=${start}-${end - 1}`
/** In the range, before it, behind it, and in the tag. */
const places = { inside: 1_050_000, before: 5, behind: LENGTH - 1, tag: LENGTH + 15 }

const flip = (key: string, ...at: number[]): Promise<void> =>
  w.s3.tamper(Bucket, key, ({ body }) => {
    for (const place of at) body[place]! ^= 1
  })

describe('one flipped bit, and a range around it', () => {
  for (const [version, commitmentPolicy] of versions) {
    const client = (options: Partial<EncryptionOptions>) => w.client({ commitmentPolicy, ...options })
    const writer = client({})
    beforeEach(() => put(writer, version, plaintext))

    it(`${version}: by default there are no ranges`, async () => {
      w.s3.requests.length = 0
      assertRefused(await outcomeOf(client({}), version, { Range }), 'ERR_S3CSE_RANGE_REFUSED')
      assert.equal(w.s3.requests.length, 0)
    })

    it(`${version}, unauthenticated: exactly that bit of the plaintext is flipped, unnoticed`, async () => {
      const reader = client({ rangeReads: 'unauthenticated' })
      await flip(version, ...Object.values(places))
      const { released, error } = await outcomeOf(reader, version, { Range })
      assert.equal(error, undefined)
      const expected = Buffer.from(plaintext.subarray(start, end))
      expected[places.inside - start]! ^= 1
      assert.deepEqual(released, expected)
      const output = await get(reader, version, { Range })
      assert.equal(encryptionInfo(output)?.authentication, 'none')
      await output.Body?.transformToByteArray()
      // The same client verifies what is read as a whole.
      assertRefused(await outcomeOf(reader, version), 'ERR_S3CSE_DECRYPTION_FAILED')
    })

    for (const [name, options] of verifiedModes) {
      it(`${version}, whole object, ${name}: an error wherever it is, and nothing before`, async () => {
        const reader = client({ rangeReads: 'whole-object', ...options })
        for (const [what, place] of Object.entries(places)) {
          await put(writer, version, plaintext)
          const good = await outcomeOf(reader, version, { Range })
          assert.deepEqual(good.released, plaintext.subarray(start, end))
          await flip(version, place)
          assertRefused(await outcomeOf(reader, version, { Range }), 'ERR_S3CSE_DECRYPTION_FAILED', what)
        }
      })
    }

    it(`${version}, whole object, delayed: an error at the end of Body, wherever it is`, async () => {
      const reader = client({ rangeReads: 'whole-object', delayedAuthentication: true })
      for (const place of Object.values(places)) {
        await put(writer, version, plaintext)
        await flip(version, place)
        const { released, error, fromBody } = await outcomeOf(reader, version, { Range })
        code('ERR_S3CSE_DECRYPTION_FAILED')(error)
        assert.ok(fromBody)
        assert.equal(released.length, end - start)
      }
    })
  }

  it('with segments: what stands before the segment, and an error, with no option', async () => {
    const sealedFrame = FRAME + 16
    const reader = w.client({ format: framedFormat(), rangeReads: 'unauthenticated' })
    for (const [frame, before] of [
      [1000, 0],
      [1050, 1_050_000 - start],
      [1099, 1_099_000 - start],
    ] as const) {
      for (const at of [0, FRAME, sealedFrame - 1]) {
        await w.s3.put(Bucket, 'framed', { body: framed(plaintext), metadata: FRAMED_METADATA })
        await flip('framed', HEADER.length + frame * sealedFrame + at)
        const { released, error } = await outcomeOf(reader, 'framed', { Range })
        code('ERR_S3CSE_DECRYPTION_FAILED')(error)
        assert.ok(released.length <= before)
        assert.deepEqual(released, plaintext.subarray(start, start + released.length))
      }
    }
  })
})
