/**
 * A large object into a file, with four requests at a time, a progress callback and an AbortSignal. The file appears when
 * all of it has been verified. A download that broke off is resumed: ranges that are in its partial file are not
 * requested again, but verified with the others.
 *
 * S3 runs inside this program here; somebody who may write to the bucket changes the object in the end.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { addEncryption, aesKeyring, CseError, download } from 's3-cse'
import { startS3 } from 's3-cse/testing'

const MIB = 1024 * 1024
const directory = await mkdtemp(path.join(tmpdir(), 'parallel-download-'))
const server = await startS3({ buckets: ['my-bucket'] })
const s3 = addEncryption(new S3Client(server.clientConfig), { keyring: aesKeyring({ wrappingKey: randomBytes(32) }) })
const object = { Bucket: 'my-bucket', Key: 'genome.bam' }
const file = path.join(directory, 'genome.bam')

try {
  const genome = randomBytes(48 * MIB)
  await s3.send(new PutObjectCommand({ ...object, Body: genome }))

  const controller = new AbortController()
  const broken: unknown = await download(s3, object, file, {
    partSize: 4 * MIB,
    resume: true,
    signal: controller.signal,
    // As if the user had closed the lid.
    onProgress: ({ loaded }) => loaded > genome.length / 2 && controller.abort(),
  }).catch((error: unknown) => error)
  assert.ok(broken instanceof Error && broken.name === 'AbortError')
  assert.ok(!(await readdir(directory)).includes('genome.bam'))

  let percent = 0
  const { ContentLength, resumedBytes } = await download(s3, object, file, {
    resume: true,
    onProgress({ loaded, total = 0 }) {
      const now = Math.floor((loaded / total) * 10) * 10
      if (now > percent) console.log(`${(percent = now)} %`)
    },
  })
  assert.ok((await readFile(file)).equals(genome))
  console.log(`${ContentLength / MIB} MiB, of which ${resumedBytes / MIB} MiB were there already`)

  await server.tamper(object.Bucket, object.Key, ({ body }) => {
    body.fill(~(body[20 * MIB] ?? 0), 20 * MIB, 20 * MIB + 1)
  })
  const other = path.join(directory, 'changed.bam')
  const refused: unknown = await download(s3, object, other).catch((error: unknown) => error)
  assert.ok(refused instanceof CseError && refused.code === 'ERR_S3CSE_DECRYPTION_FAILED')
  assert.deepEqual(await readdir(directory), ['genome.bam'])
  console.log('A changed object leaves no file:', refused.message)
} finally {
  s3.destroy()
  await server.close()
  await rm(directory, { recursive: true })
}
