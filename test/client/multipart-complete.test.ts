// CompleteMultipartUpload: what it must name, what is sent with it, and that it can be sent again.
import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import type { CompletedPart } from '@aws-sdk/client-s3'

import { encryptionInfo } from '../../src/index.js'
import { checksumOf } from '../../src/testing/s3-checksums.js'
import type { S3Fault } from '../../src/testing/index.js'
import { code } from '../support/errors.js'
import { Bucket, put, read, world } from '../support/world.js'
import { assertStored, begin, existing, PART, plaintext, recordingKeyring, type Begun } from './multipart-support.js'

const w = await world({ etag: 'random', verifyPayload: false, recordBodyBytes: 100 })
const recording = recordingKeyring()
const client = w.client({ keyring: recording }, { maxAttempts: 1 })
const state = (message?: RegExp) => code('ERR_S3CSE_UPLOAD_STATE', message)
const first = plaintext(PART)
const short = plaintext(PART + 100).subarray(PART)

beforeEach(() => {
  w.s3.requests.length = 0
  w.s3.faults.length = 0
  recording.dataKeys.length = 0
})

const operations = (): string[] => w.s3.requests.map(({ operation }) => operation)

async function silently(step: () => Promise<unknown>): Promise<void> {
  w.s3.requests.length = 0
  await step()
  assert.deepEqual(operations(), [])
}

/** Three ways in which the trailer is stored: with the last part, with it once more, after it. */
const ways: readonly [what: string, expected: Uint8Array, make: (key: string) => Promise<Begun>][] = [
  [
    'with the last part',
    plaintext(PART + 100),
    async (key) => {
      const upload = await begin(client, key)
      await upload.part(1, first)
      await upload.part(2, short)
      return upload
    },
  ],
  [
    'with the last part once more',
    plaintext(PART + 100),
    async (key) => {
      const upload = await begin(client, key, {}, { partSize: PART })
      await upload.part(2, short)
      await upload.part(1, first)
      return upload
    },
  ],
  [
    'after the last part',
    first,
    async (key) => {
      const upload = await begin(client, key)
      await upload.part(1, first)
      return upload
    },
  ],
]
const isComplete: S3Fault['match'] = ({ operation }) => operation === 'CompleteMultipartUpload'
/** The part that the client sends of its own accord. */
const ownParts = (): number =>
  w.s3.requests.filter(({ operation, status }) => operation === 'UploadPart' && status === 200).length

for (const [what, expected, make] of ways) {
  const own = what === 'with the last part' ? 0 : 1
  describe(`the trailer ${what}`, () => {
    it('Complete is sent again after errors, and after an answer that was lost', async () => {
      const upload = await make('retried')
      w.s3.requests.length = 0
      // S3 has completed it when the last of these answers is lost.
      for (const fault of [
        { status: 500 },
        { status: 200, code: 'InternalError' },
        { reset: { afterResponseBytes: 0 } },
      ]) {
        w.s3.fail({ match: isComplete, ...fault })
        await assert.rejects(upload.complete())
      }
      await upload.complete()
      assert.equal(ownParts(), own)
      await assertStored(w, 'retried', recording.dataKeys[0], expected)
    })

    const where = own === 0 ? () => undefined : it
    void where('the part of our own is sent again where that failed', async () => {
      for (const fault of [{ status: 503 }, { reset: { afterResponseBytes: 0 } }] as const) {
        recording.dataKeys.length = 0
        const upload = await make('own')
        w.s3.fail({ match: ({ operation }) => operation === 'UploadPart', ...fault })
        await assert.rejects(upload.complete())
        // As a caller would who looks what is there.
        await upload.complete(fault.reset === undefined ? upload.parts() : await upload.list())
        await assertStored(w, 'own', recording.dataKeys[0], expected)
      }
    })

    it('again after success, from the same list and from one with our part', async () => {
      const upload = await make('twice')
      w.s3.fail({ match: isComplete, status: 500 })
      await assert.rejects(upload.complete())
      const listed = await upload.list()
      const output = await upload.complete()
      const info = encryptionInfo(output)
      assert.equal(info?.status, 'encrypted')
      assert.equal(info.storedLength, expected.length + 16)
      for (const parts of [upload.parts(), listed]) {
        const again = await upload.complete(parts)
        assert.equal(again.ETag, output.ETag)
        assert.deepEqual(encryptionInfo(again), info)
        assert.ok(Object.keys(again).every((name) => !name.startsWith('Checksum')))
      }
      await silently(() =>
        assert.rejects(upload.complete(undefined, { MpuObjectSize: 1 }), code('ERR_S3CSE_BODY_LENGTH')),
      )
      await silently(() => assert.rejects(upload.complete(undefined, { ChecksumCRC32: 'AAAAAA==' }), state(/any more/)))
      await assertStored(w, 'twice', recording.dataKeys[0], expected)
    })

    it('twice at once: one trailer, one part of our own, and both succeed', async () => {
      const upload = await make('atOnce')
      w.s3.requests.length = 0
      const [one, two] = await Promise.all([upload.complete(), upload.complete()])
      assert.equal(one.ETag, two.ETag)
      assert.equal(ownParts(), own)
      await assertStored(w, 'atOnce', recording.dataKeys[0], expected)
    })

    it('twice at once: when the first fails, the second goes on', async () => {
      const upload = await make('atOnce')
      w.s3.fail({ match: isComplete, status: 500, delayMs: 20 })
      const [one, two] = await Promise.allSettled([upload.complete(), upload.complete()])
      assert.equal(one.status, 'rejected')
      assert.equal(two.status, 'fulfilled')
    })

    it('with the size of the plaintext, which S3 gets as the stored one', async () => {
      const upload = await make('size')
      for (const MpuObjectSize of [expected.length + 16, 0, '5']) {
        await silently(() =>
          assert.rejects(
            upload.complete(undefined, { MpuObjectSize }),
            code('ERR_S3CSE_BODY_LENGTH', /MpuObjectSize says/),
          ),
        )
      }
      await upload.complete(undefined, { MpuObjectSize: expected.length })
      assert.equal(w.s3.requests.at(-1)?.headers['x-amz-mp-object-size'], String(expected.length + 16))
      await upload.complete(undefined, { MpuObjectSize: expected.length })
      await assertStored(w, 'size', recording.dataKeys[0], expected)
    })

    it('with a condition that does not hold, and then without', async () => {
      await put(w.plain, 'there', 'already')
      const upload = await make('there')
      await assert.rejects(upload.complete(undefined, { IfNoneMatch: '*' }), { name: 'PreconditionFailed' })
      await upload.complete()
      await assertStored(w, 'there', recording.dataKeys[0], expected)
    })
  })
}

describe('what Complete names', () => {
  it('is what was encrypted: no more, no less, in order', async () => {
    const upload = await begin(client, 'list', {}, { partSize: PART })
    const [none, one] = [{ PartNumber: 3, ETag: '"x"' }, await upload.part(1, first)]
    await upload.part(3, short)
    const [p1, p3] = upload.parts()
    const lists: readonly [unknown, RegExp][] = [
      [[], /names no parts/],
      [[p1], /part 3 was encrypted as well/],
      [[p1, p3], /at place 2 it names part 3/],
      [[p1, { PartNumber: 2, ETag: one.ETag }, p3], /Part 2 was never encrypted/],
      [[p3, p1], /at place 1 it names part 3/],
      [[p1, p1], /at place 2 it names part 1/],
      [[p1, none, none, none], /at place 2/],
    ]
    for (const [list, message] of lists) {
      await silently(() => assert.rejects(upload.complete(list as CompletedPart[]), state(message)))
    }
    for (const MultipartUpload of [undefined, {}, { Parts: 'all' }]) {
      await silently(() => assert.rejects(upload.complete([], { MultipartUpload }), code('ERR_S3CSE_CONFIG', /Parts/)))
    }
    await upload.part(2, first)
    await upload.complete()
    assert.ok((await read(client, 'list')).equals(Buffer.concat([first, first, short])))
  })

  it('a part that failed before anything of it was encrypted need not be named', async () => {
    const upload = await begin(client, 'failed')
    await upload.part(1, first)
    await silently(() => assert.rejects(upload.part(2, short, { ContentMD5: 'AAAAAAAAAAAAAAAAAAAAAA==' })))
    await upload.complete()
    await assertStored(w, 'failed', recording.dataKeys[0], first)
  })

  it('the last part is named by what was stored last', async () => {
    const upload = await begin(client, 'etag', {}, { partSize: 6 * 1024 * 1024 })
    // At least 5 MiB, and sent before those below it: without the trailer, and not kept.
    await upload.part(2, first)
    const [before] = upload.parts()
    await upload.part(1, plaintext(6 * 1024 * 1024))
    // Now with it, but the answer is lost. (S3 has it.)
    w.s3.fail({ match: ({ operation }) => operation === 'UploadPart', reset: { afterResponseBytes: 0 } })
    await assert.rejects(upload.part(2, first))
    const listed = await upload.list()
    assert.notEqual(listed[1]?.ETag, before?.ETag)
    await silently(() =>
      assert.rejects(upload.complete([listed[0]!, { ...listed[1] }]), state(/part 2 by another ETag/)),
    )
    // By the other one S3 refuses it.
    await assert.rejects(upload.complete(), { name: 'InvalidPart' })
    await upload.part(2, first)
    await upload.complete()
    const expected = Buffer.concat([plaintext(6 * 1024 * 1024), first])
    await assertStored(w, 'etag', recording.dataKeys[0], expected)
  })

  it('a last part whose answer was lost is sent again', async () => {
    const upload = await begin(client, 'lost')
    await upload.part(1, first)
    w.s3.fail({ match: ({ operation }) => operation === 'UploadPart', reset: { afterResponseBytes: 0 } })
    await assert.rejects(upload.part(2, short))
    const listed = await upload.list()
    assert.equal(listed.length, 2)
    await silently(() => assert.rejects(upload.complete(listed), state(/not known how part 2 was stored/)))
    await upload.part(2, short)
    await upload.complete()
    await assertStored(w, 'lost', recording.dataKeys[0], plaintext(PART + 100))
  })

  it('an abort ends it, also while another Complete is under way', async () => {
    const upload = await ways[2]![2]('abort')
    const controller = new AbortController()
    controller.abort()
    await assert.rejects(upload.complete(undefined, {}, { abortSignal: controller.signal }), { name: 'AbortError' })
    w.s3.fail({ match: isComplete, delayMs: 150 })
    const waits = new AbortController()
    let over = false
    const one = upload.complete().finally(() => (over = true))
    const two = assert.rejects(upload.complete(undefined, {}, { abortSignal: waits.signal }), { name: 'AbortError' })
    waits.abort()
    await two
    assert.equal(over, false)
    await one
    await assertStored(w, 'abort', recording.dataKeys[0], first)
  })

  it('another client knows nothing of it', async () => {
    const upload = await ways[0]![2]('stranger')
    const stranger = existing(w.client(), 'stranger', upload.id)
    await silently(() => assert.rejects(stranger.complete(upload.parts()), state(/Nothing is known/)))
    assert.equal(w.s3.uploads(Bucket).filter(({ uploadId }) => uploadId === upload.id).length, 1)
  })
})

describe('a digest of the whole object', () => {
  const whole = plaintext(PART + 100)
  const announced = (ChecksumAlgorithm: string) => ({ ChecksumAlgorithm, ChecksumType: 'FULL_OBJECT' })

  for (const name of ['CRC32', 'CRC32C', 'CRC64NVME'] as const) {
    it(`${name}, announced: verified over the plaintext, and never sent`, async () => {
      const upload = await begin(client, 'digest', announced(name))
      const parts = name === 'CRC32' ? [first, short] : [short]
      for (const [index, part] of parts.entries()) await upload.part(index + 1, part)
      const whole = Buffer.concat(parts)
      const digest = checksumOf(name.toLowerCase() as 'crc32', whole)
      for (const wrong of [checksumOf(name.toLowerCase() as 'crc32', first), 'AAAA', 'no', 5]) {
        await silently(() =>
          assert.rejects(
            upload.complete(undefined, { [`Checksum${name}`]: wrong }),
            code('ERR_S3CSE_CHECKSUM', /not the digest of the plaintext/),
          ),
        )
      }
      w.s3.requests.length = 0
      const output = await upload.complete(undefined, { [`Checksum${name}`]: digest, ChecksumType: 'FULL_OBJECT' })
      assert.ok(!JSON.stringify(w.s3.requests.map(({ headers }) => headers)).includes(digest))
      assert.equal(output[`Checksum${name}`], undefined)
      const stored = encryptionInfo(output)?.checksums[`Checksum${name}`]
      const { body } = await w.stored('digest')
      assert.equal(stored, checksumOf(name.toLowerCase() as 'crc32', body))
      assert.ok((await read(client, 'digest')).equals(whole))
    })
  }

  it('not announced, of another algorithm or of a kind that parts do not give: refused', async () => {
    const digest = checksumOf('crc32', whole)
    const cases: readonly [object, object][] = [
      [{}, { ChecksumCRC32: digest }],
      [{ ChecksumAlgorithm: 'CRC32' }, { ChecksumCRC32: digest }],
      [announced('CRC32C'), { ChecksumCRC32: digest }],
      [announced('CRC32'), { ChecksumSHA256: checksumOf('sha256', whole) }],
      [announced('CRC32'), { ContentMD5: 'AAAAAAAAAAAAAAAAAAAAAA==' }],
    ]
    for (const [create, given] of cases) {
      const upload = await begin(client, 'digest', create)
      await upload.part(1, short)
      await silently(() =>
        assert.rejects(upload.complete(undefined, given), code('ERR_S3CSE_CHECKSUM', /must be announced/)),
      )
      await upload.complete()
    }
  })

  it('streams and repeated parts count as well', async () => {
    const upload = await begin(client, 'digest', announced('CRC32'))
    await upload.part(1, new Blob([Buffer.from(first)]).stream(), { ContentLength: PART })
    await upload.part(1, first)
    await upload.part(2, short)
    await upload.complete(undefined, { ChecksumCRC32: checksumOf('crc32', whole) })
    assert.ok((await read(client, 'digest')).equals(whole))
  })
})
