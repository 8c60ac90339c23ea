import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  ListPartsCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import type { CompletedPart, S3Client } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { encryptionInfo, exportUpload, importUpload, requestOptions } from '../../src/index.js'
import type { RequestOptions } from '../../src/index.js'
import { bytesOf, code, digestOf, exists, holds, MIB, read, s3Error, sameBytes } from './support-objects.js'
import type { At } from './support-objects.js'
import { check } from './support.js'

const PART = 5 * MIB
const FORMATS = { V3: {}, V2: { commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' } } as const

/** Small chunks that are no divisor of anything. */
function stream(bytes: Uint8Array): Readable {
  const size = 60_001
  const count = Math.ceil(bytes.length / size)
  const chunks = Array.from({ length: count }, (_, index) => bytes.subarray(index * size, (index + 1) * size))
  return Readable.from(chunks, { objectMode: false })
}

interface Begun {
  readonly UploadId: string
  part(number: number, Body: unknown, more?: object): Promise<void>
  complete(more?: object): Promise<object>
  abort(): Promise<unknown>
}

/** The commands of one upload, by hand. */
async function begin(client: S3Client, at: At, more: object = {}, options: RequestOptions = {}): Promise<Begun> {
  const input = requestOptions({ ...at, ...more }, options)
  const { UploadId = '' } = await client.send(new CreateMultipartUploadCommand(input))
  return existing(client, { ...at, UploadId })
}

function existing(client: S3Client, upload: At & { UploadId: string }, known: readonly CompletedPart[] = []): Begun {
  const parts = new Map(known.map((part) => [part.PartNumber!, part]))
  return {
    UploadId: upload.UploadId,
    async part(PartNumber, Body, more = {}) {
      const command = new UploadPartCommand({ ...upload, PartNumber, Body: Body as Uint8Array, ...more })
      const { ETag, ChecksumCRC32C, ChecksumSHA256 } = await client.send(command)
      const checksums = { ...(ChecksumCRC32C && { ChecksumCRC32C }), ...(ChecksumSHA256 && { ChecksumSHA256 }) }
      parts.set(PartNumber, { PartNumber, ETag, ...checksums })
    },
    complete(more = {}) {
      const Parts = [...parts.values()].sort((a, b) => a.PartNumber! - b.PartNumber!)
      return client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts }, ...more }))
    },
    abort: () => client.send(new AbortMultipartUploadCommand(upload)),
  }
}

for (const [format, options] of Object.entries(FORMATS)) {
  for (const [kind, bodyOf] of [
    ['bytes', (bytes: Buffer) => bytes],
    ['stream', stream],
  ] as const) {
    check(`multipart, ${format}: Upload of 20 MiB + 5, ${kind}, four parts at a time`, async (t) => {
      const client = t.client(options)
      const at = { Bucket: t.Bucket, Key: t.key() }
      const plaintext = bytesOf(20 * MIB + 5)
      const params = { ...at, Body: bodyOf(plaintext), Metadata: { own: 'value' }, ContentType: 'text/x-test' }
      await new Upload({ client, params, queueSize: 4 }).done()
      await holds(client, t.plain, at, plaintext)
      const output = await client.send(new HeadObjectCommand(at))
      assert.deepEqual([output.Metadata, output.ContentType], [{ own: 'value' }, 'text/x-test'])
      assert.equal(output.ContentLength, plaintext.length)
    })
  }

  for (const [what, last] of [
    ['the trailer goes with a short last part', 100],
    ['the trailer is a part of its own', 0],
  ] as const) {
    check(`multipart, ${format}: parts in order, ${what}`, async (t) => {
      const client = t.client(options)
      const at = { Bucket: t.Bucket, Key: t.key() }
      const plaintext = bytesOf(2 * PART + last)
      const upload = await begin(client, at)
      for (let n = 1; (n - 1) * PART < plaintext.length; n++) {
        await upload.part(n, plaintext.subarray((n - 1) * PART, n * PART))
      }
      const output = await upload.complete()
      assert.equal(encryptionInfo(output)?.status, 'encrypted')
      await holds(client, t.plain, at, plaintext)
    })
  }

  check(`multipart, ${format}: parts in any order, with partSize`, async (t) => {
    const client = t.client(options)
    const at = { Bucket: t.Bucket, Key: t.key() }
    const plaintext = bytesOf(3 * PART + 1000)
    const upload = await begin(client, at, {}, { partSize: PART })
    for (const n of [4, 2, 1, 3]) await upload.part(n, plaintext.subarray((n - 1) * PART, n * PART))
    await upload.complete()
    await holds(client, t.plain, at, plaintext)
  })

  check(`multipart, ${format}: an upload goes on in another client`, async (t) => {
    const [client, other] = [t.client(options), t.client(options)]
    const at = { Bucket: t.Bucket, Key: t.key() }
    const plaintext = bytesOf(2 * PART + 1000)
    const upload = await begin(client, at)
    await upload.part(1, plaintext.subarray(0, PART))
    const text = await exportUpload(client, { ...at, UploadId: upload.UploadId })
    await assert.rejects(upload.part(2, plaintext.subarray(PART, 2 * PART)), code('ERR_S3CSE_UPLOAD_STATE'))
    const { Parts, UploadId } = await importUpload(other, at, text)
    assert.deepEqual(
      Parts.map(({ PartNumber }) => PartNumber),
      [1],
    )
    const continued = existing(other, { ...at, UploadId }, Parts)
    await continued.part(2, plaintext.subarray(PART, 2 * PART))
    await continued.part(3, plaintext.subarray(2 * PART))
    await continued.complete()
    await holds(client, t.plain, at, plaintext)
  })
}

check('multipart: Upload of less than a part', async (t) => {
  const client = t.client()
  for (const size of [0, 1, 1000]) {
    const at = { Bucket: t.Bucket, Key: t.key() }
    await new Upload({ client, params: { ...at, Body: stream(bytesOf(size)) } }).done()
    await holds(client, t.plain, at, bytesOf(size))
  }
})

check('multipart: a single part by hand, empty or small', async (t) => {
  const client = t.client()
  for (const size of [0, 1000]) {
    const at = { Bucket: t.Bucket, Key: t.key() }
    const upload = await begin(client, at)
    await upload.part(1, bytesOf(size))
    await upload.complete()
    await holds(client, t.plain, at, bytesOf(size))
  }
})

check('multipart: parts that are streams', async (t) => {
  const client = t.client()
  const at = { Bucket: t.Bucket, Key: t.key() }
  const plaintext = bytesOf(PART + 70_000)
  const upload = await begin(client, at)
  for (const piece of [plaintext.subarray(0, PART), plaintext.subarray(PART)]) {
    await upload.part(piece.length === PART ? 1 : 2, stream(piece), { ContentLength: piece.length })
  }
  await upload.complete()
  await holds(client, t.plain, at, plaintext)
})

check('multipart: a part once more with the same bytes, not with others', async (t) => {
  const client = t.client()
  const at = { Bucket: t.Bucket, Key: t.key() }
  const plaintext = bytesOf(2 * PART)
  const upload = await begin(client, at)
  await upload.part(1, plaintext.subarray(0, PART))
  await upload.part(1, plaintext.subarray(0, PART))
  await assert.rejects(upload.part(1, Buffer.alloc(PART, 1)), code('ERR_S3CSE_UPLOAD_STATE'))
  await upload.part(2, plaintext.subarray(PART))
  await upload.part(1, plaintext.subarray(0, PART))
  await upload.complete()
  await holds(client, t.plain, at, plaintext)
})

check('multipart: ListParts, and abort, which leaves nothing', async (t) => {
  const client = t.client()
  const at = { Bucket: t.Bucket, Key: t.key() }
  const upload = await begin(client, at)
  await upload.part(1, bytesOf(PART))
  await upload.part(2, bytesOf(PART))
  const { Parts = [] } = await client.send(new ListPartsCommand({ ...at, UploadId: upload.UploadId }))
  assert.deepEqual(
    Parts.map(({ PartNumber }) => PartNumber),
    [1, 2],
  )
  await upload.abort()
  assert.equal(await exists(t.plain, at), false)
  await assert.rejects(upload.part(3, bytesOf(10)), code('ERR_S3CSE_UPLOAD_STATE'))
  const listing = t.plain.send(new ListPartsCommand({ ...at, UploadId: upload.UploadId }))
  await assert.rejects(listing, s3Error(404, 'NoSuchUpload'))
})

check('multipart: Upload.abort leaves nothing', async (t) => {
  const client = t.client()
  const at = { Bucket: t.Bucket, Key: t.key() }
  const upload = new Upload({ client, params: { ...at, Body: bytesOf(20 * MIB) } })
  upload.on('httpUploadProgress', () => void upload.abort())
  await assert.rejects(upload.done(), { name: 'AbortError' })
  assert.equal(await exists(t.plain, at), false)
})

check('multipart: a part that is missing is refused', async (t) => {
  const client = t.client()
  const at = { Bucket: t.Bucket, Key: t.key() }
  const upload = await begin(client, at, {}, { partSize: PART })
  await upload.part(1, bytesOf(PART))
  await upload.part(3, bytesOf(1000))
  await assert.rejects(upload.complete(), code('ERR_S3CSE_UPLOAD_STATE'))
  await upload.abort()
  assert.equal(await exists(t.plain, at), false)
})

check('multipart: an upload of somebody else is refused', async (t) => {
  const at = { Bucket: t.Bucket, Key: t.key() }
  const upload = await begin(t.client(), at)
  const other = existing(t.client(), { ...at, UploadId: upload.UploadId })
  await assert.rejects(other.part(1, 'text'), code('ERR_S3CSE_UPLOAD_STATE'))
  await upload.abort()
})

for (const ChecksumAlgorithm of ['CRC32C', 'SHA256'] as const) {
  check(`multipart: with checksums of parts, ${ChecksumAlgorithm}`, async (t) => {
    const client = t.client()
    const at = { Bucket: t.Bucket, Key: t.key() }
    const plaintext = bytesOf(PART + 1000)
    const upload = await begin(client, at, { ChecksumAlgorithm })
    for (const [index, piece] of [plaintext.subarray(0, PART), plaintext.subarray(PART)].entries()) {
      await upload.part(index + 1, piece, { [`Checksum${ChecksumAlgorithm}`]: digestOf(ChecksumAlgorithm, piece) })
    }
    await upload.complete()
    await holds(client, t.plain, at, plaintext)
    const head = await t.plain.send(new HeadObjectCommand({ ...at, ChecksumMode: 'ENABLED' }))
    assert.match(head[`Checksum${ChecksumAlgorithm}`] ?? '', /-2$/)
  })
}

check('multipart: with a checksum of the whole object', async (t) => {
  const client = t.client()
  const at = { Bucket: t.Bucket, Key: t.key() }
  const plaintext = bytesOf(PART + 1000)
  const upload = await begin(client, at, { ChecksumAlgorithm: 'CRC32C', ChecksumType: 'FULL_OBJECT' })
  await upload.part(1, plaintext.subarray(0, PART))
  await upload.part(2, plaintext.subarray(PART))
  await assert.rejects(upload.complete({ ChecksumCRC32C: 'AAAAAA==' }), code('ERR_S3CSE_CHECKSUM'))
  await upload.complete({ ChecksumCRC32C: digestOf('CRC32C', plaintext), ChecksumType: 'FULL_OBJECT' })
  await holds(client, t.plain, at, plaintext)
  const head = await t.plain.send(new HeadObjectCommand({ ...at, ChecksumMode: 'ENABLED' }))
  assert.equal(head.ChecksumCRC32C, digestOf('CRC32C', await read(t.plain, at)))
})

check('multipart: MpuObjectSize is the plaintext’s', async (t) => {
  const client = t.client()
  const at = { Bucket: t.Bucket, Key: t.key() }
  const upload = await begin(client, at)
  await upload.part(1, bytesOf(1000))
  await assert.rejects(upload.complete({ MpuObjectSize: 1016 }), code('ERR_S3CSE_BODY_LENGTH'))
  await upload.complete({ MpuObjectSize: 1000 })
  await holds(client, t.plain, at, bytesOf(1000))
})

check('multipart: CompleteMultipartUpload may be sent again', async (t) => {
  const client = t.client()
  const at = { Bucket: t.Bucket, Key: t.key() }
  const upload = await begin(client, at)
  await upload.part(1, bytesOf(1000))
  const first = (await upload.complete()) as { ETag?: string }
  const again = (await upload.complete()) as { ETag?: string }
  assert.equal(again.ETag, first.ETag)
  sameBytes(await read(client, at), bytesOf(1000))
})

check(
  'multipart: Upload under a KMS key',
  async (t) => {
    const client = t.client({ keyring: await t.kmsKeyring(), encryptionContext: { tenant: 'a' } })
    const at = { Bucket: t.Bucket, Key: t.key() }
    await new Upload({ client, params: { ...at, Body: bytesOf(6 * MIB) } }).done()
    await holds(client, t.plain, at, bytesOf(6 * MIB))
  },
  { uses: 'both' },
)
