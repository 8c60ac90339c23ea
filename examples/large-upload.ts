/**
 * A large file with `Upload` of @aws-sdk/lib-storage: parts are encrypted as they are sent, four at a time, and each is
 * sent again by itself where a request fails. Progress counts bytes of the file. Nothing of it is written for
 * encryption: without `addEncryption` it is the same program.
 *
 * S3 runs inside this program here; it refuses two parts, as S3 does now and then.
 */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { addEncryption, aesKeyring } from 's3-cse'
import { startS3 } from 's3-cse/testing'

const MIB = 1024 * 1024
const directory = await mkdtemp(path.join(tmpdir(), 'large-upload-'))
const server = await startS3({ buckets: ['my-bucket'] })
const s3 = addEncryption(new S3Client(server.clientConfig), { keyring: aesKeyring({ wrappingKey: randomBytes(32) }) })

try {
  const file = path.join(directory, 'film.mp4')
  const hash = createHash('sha256')
  const output = await open(file, 'w')
  for (let written = 0; written < 41; written++) {
    const piece = randomBytes(MIB)
    hash.update(piece)
    await output.write(piece)
  }
  await output.close()
  const digest = hash.digest('hex')

  server.fail({ match: ({ operation }) => operation === 'UploadPart', times: 2, status: 503 })
  const object = { Bucket: 'my-bucket', Key: 'film.mp4' }
  const upload = new Upload({
    client: s3,
    params: { ...object, Body: createReadStream(file), ContentType: 'video/mp4' },
    partSize: 8 * MIB,
    queueSize: 4,
  })
  upload.on('httpUploadProgress', ({ loaded = 0, part }) => {
    console.log(`part ${part}: ${(loaded / MIB).toFixed(0)} MiB of the file are stored`)
  })
  await upload.done()

  const { Body, ContentLength } = await s3.send(new GetObjectCommand(object))
  const returned = createHash('sha256')
  for await (const chunk of Body as AsyncIterable<Uint8Array>) returned.update(chunk)
  assert.equal(ContentLength, 41 * MIB)
  assert.equal(returned.digest('hex'), digest)

  const sent = server.requests.filter(({ operation }) => operation === 'UploadPart')
  const refused = sent.filter(({ status }) => status === 503).length
  assert.equal(refused, 2)
  console.log(`${sent.length} parts sent, ${refused} of them refused and sent again; what came back is the file`)
} finally {
  s3.destroy()
  await server.close()
  await rm(directory, { recursive: true })
}
