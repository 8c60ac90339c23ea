// What else travels with an upload: digests of the caller's, lists, progress; and what is left when nobody completes it.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { beforeEach, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ListMultipartUploadsCommand, ListPartsCommand } from '@aws-sdk/client-s3'
import { Upload, type Progress } from '@aws-sdk/lib-storage'

import { encryptionInfo } from '../../src/index.js'
import { checksumOf } from '../../src/testing/s3-checksums.js'
import { code } from '../support/errors.js'
import { Bucket, read, world } from '../support/world.js'
import { assertStored, begin, existing, PART, plaintext, recordingKeyring, writingFramed } from './multipart-support.js'

const w = await world()
const recording = recordingKeyring()
const client = w.client({ keyring: recording }, { maxAttempts: 1 })

beforeEach(() => {
  w.s3.requests.length = 0
  w.s3.faults.length = 0
  recording.dataKeys.length = 0
})

describe('the digest of a part, by each algorithm', () => {
  const body = plaintext(PART + 100)
  const parts = [body.subarray(0, PART), body.subarray(PART)]
  const algorithms = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256', 'MD5'] as const
  const digestOf = (name: (typeof algorithms)[number], bytes: Uint8Array): object =>
    name === 'MD5'
      ? { ContentMD5: createHash('md5').update(bytes).digest('base64') }
      : { [`Checksum${name}`]: checksumOf(name.toLowerCase() as 'crc32', bytes) }

  for (const name of algorithms) {
    it(`${name}: verified over the plaintext, in its place one over the ciphertext`, async () => {
      const announced = name === 'MD5' ? {} : { ChecksumAlgorithm: name }
      const upload = await begin(client, 'digest', announced)
      const wrong = digestOf(name, plaintext(7))
      const refused = code('ERR_S3CSE_CHECKSUM', /is not the digest of the body/)
      for (const [index, part] of parts.entries()) {
        w.s3.requests.length = 0
        await assert.rejects(upload.part(index + 1, part, wrong), refused)
        assert.equal(w.s3.requests.length, 0)
        // The whole part as a stream, which may be sent as far as its last bytes.
        const stream = (): object => Readable.from([part])
        await assert.rejects(upload.part(index + 1, stream(), { ...wrong, ContentLength: part.length }), refused)
        assert.equal((await upload.list()).length, index)
        for (const given of [stream(), part]) {
          w.s3.requests.length = 0
          const right = digestOf(name, part)
          const output = await upload.part(index + 1, given, { ...right, ContentLength: part.length })
          const [request] = w.s3.requests
          const sent = JSON.stringify([request?.headers, request?.trailers])
          for (const value of Object.values(right)) assert.ok(!sent.includes(value as string))
          const algorithm = name === 'MD5' ? 'crc32' : (name.toLowerCase() as 'crc32')
          const header = `x-amz-checksum-${algorithm}`
          const expected = request?.headers[header] ?? request?.trailers[header]
          assert.equal(expected, output[`Checksum${algorithm.toUpperCase() as 'CRC32'}`])
          if (request?.body !== undefined) assert.equal(expected, checksumOf(algorithm, request.body))
        }
      }
      await upload.complete()
      await assertStored(w, 'digest', recording.dataKeys[0], body)
    })
  }
})

describe('lists', () => {
  it('of uploads and of parts are as any client sees them, and change nothing', async () => {
    const upload = await begin(client, 'listed')
    await upload.part(1, plaintext(PART))
    await upload.part(2, 'end')
    for (const lister of [client, w.plain]) {
      const { Uploads = [] } = await lister.send(new ListMultipartUploadsCommand({ Bucket }))
      assert.deepEqual(
        Uploads.map(({ Key, UploadId }) => [Key, UploadId]),
        [['listed', upload.id]],
      )
      const name = { Bucket, Key: 'listed', UploadId: upload.id }
      const { Parts = [] } = await lister.send(new ListPartsCommand(name))
      // As they are stored: the last one with the tag.
      assert.deepEqual(
        Parts.map(({ PartNumber, Size, ETag }) => ({ PartNumber, Size, ETag })),
        [
          { PartNumber: 1, Size: PART, ETag: upload.parts()[0]?.ETag },
          { PartNumber: 2, Size: 19, ETag: upload.parts()[1]?.ETag },
        ],
      )
    }
    // Who knows an upload from a list alone can complete it, in the client that created it.
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket }))
    const found = existing(client, Uploads[0]!.Key!, Uploads[0]!.UploadId!)
    const output = await found.complete(await found.list())
    assert.equal(encryptionInfo(output)?.storedLength, PART + 19)
    const expected = Buffer.concat([plaintext(PART), Buffer.from('end')])
    await assertStored(w, 'listed', recording.dataKeys[0], expected)
    assert.equal((await client.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads, undefined)
  })
})

describe('progress', () => {
  for (const [what, length] of [
    ['what fits one part', 1000],
    ['an empty object', 0],
    ['a full last part, which a part of our own follows', 2 * PART],
  ] as const) {
    it(`${what}: in bytes of plaintext`, async () => {
      const seen: Progress[] = []
      const params = { Bucket, Key: 'progress', Body: plaintext(length) }
      const upload = new Upload({ client, params, queueSize: 1 })
      upload.on('httpUploadProgress', (progress) => seen.push(progress))
      await upload.done()
      assert.ok(seen.length > 0)
      assert.equal(seen.at(-1)?.loaded, length)
      assert.ok(seen.every(({ loaded = 0, total }) => loaded <= length && total === length))
      assert.ok((await read(client, 'progress')).equals(plaintext(length)))
    })
  }
})

describe('an upload that nobody completes', () => {
  it('is forgotten after uploadStateMaxAge, with its key', async () => {
    const format = writingFramed()
    const forgetful = w.client({ format, uploadStateMaxAge: 300 }, { maxAttempts: 1 })
    const upload = await begin(forgetful, 'left')
    await upload.part(1, 'x')
    assert.deepEqual(
      format.sealers.map((sealer) => sealer.destroyed()),
      [false],
    )
    const wiped = (): boolean => format.sealers.every((sealer) => sealer.destroyed())
    for (let i = 0; i < 500 && !wiped(); i++) await sleep(10)
    assert.ok(wiped())
    w.s3.requests.length = 0
    await assert.rejects(upload.complete(), code('ERR_S3CSE_UPLOAD_STATE', /uploadStateMaxAge/))
    assert.equal(w.s3.requests.length, 0)
    // S3 still has it, and an Abort goes through.
    await upload.abort()
    assert.deepEqual(w.s3.uploads(Bucket), [])
  })
})
