/**
 * An upload that survives the end of its process. What is needed to go on is appended to a file, durably, before the
 * bytes leave that it is about; the next process sends the parts that are missing.
 *
 * This program starts itself twice, as the one that uploads, and kills the first one in the middle of a part. S3 runs
 * inside this program here.
 */
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  S3Client,
  UploadPartCommand,
  type CompletedPart,
} from '@aws-sdk/client-s3'
import { addEncryption, aesKeyring, importUpload, requestOptions } from 's3-cse'
import { startS3, type S3ClientConfig } from 's3-cse/testing'

const MIB = 1024 * 1024
const PART = 8 * MIB
const object = { Bucket: 'my-bucket', Key: 'film.mp4' }

interface Job {
  readonly config: S3ClientConfig
  readonly wrappingKey: string
  readonly directory: string
}

const client = ({ config, wrappingKey }: Omit<Job, 'directory'>): S3Client =>
  addEncryption(new S3Client(config), { keyring: aesKeyring({ wrappingKey: Buffer.from(wrappingKey, 'base64') }) })

/** Begins the upload, or goes on with it where there is a state. Returns how many parts it had to send. */
async function upload(job: Job): Promise<number> {
  const s3 = client(job)
  const source = await open(path.join(job.directory, 'film.mp4'))
  const statePath = path.join(job.directory, 'film.mp4.state')
  // Only for who uploads: an old copy of it together with a changed film would give both films away.
  const state = await open(statePath, 'a+', 0o600)
  const saveUpload = async (text: string): Promise<void> => {
    await state.appendFile(text)
    await state.datasync()
  }

  const saved = await state.readFile('utf8')
  let UploadId: string | undefined
  let done: CompletedPart[] = []
  if (saved === '') {
    const created = await s3.send(new CreateMultipartUploadCommand(requestOptions(object, { saveUpload })))
    UploadId = created.UploadId
  } else {
    const imported = await importUpload(s3, object, saved, { saveUpload })
    UploadId = imported.UploadId
    done = imported.Parts
  }

  const { size } = await source.stat()
  const Parts: CompletedPart[] = []
  for (let PartNumber = 1; (PartNumber - 1) * PART < size; PartNumber++) {
    const stored = done.find((part) => part.PartNumber === PartNumber)
    if (stored === undefined) {
      const buffer = new Uint8Array(PART)
      const { bytesRead } = await source.read(buffer, 0, PART, (PartNumber - 1) * PART)
      const Body = buffer.subarray(0, bytesRead)
      const { ETag } = await s3.send(new UploadPartCommand({ ...object, UploadId, PartNumber, Body }))
      Parts.push({ PartNumber, ETag })
    } else Parts.push(stored)
  }
  await s3.send(new CompleteMultipartUploadCommand({ ...object, UploadId, MultipartUpload: { Parts } }))
  await state.close()
  await rm(statePath)
  await source.close()
  s3.destroy()
  return Parts.length - done.length
}

if (process.argv[2] === 'upload') {
  const [job] = (await once(process, 'message')) as [Job]
  process.send?.(await upload(job))
  process.disconnect()
} else {
  const directory = await mkdtemp(path.join(tmpdir(), 'resume-upload-'))
  const server = await startS3({ buckets: [object.Bucket] })
  const job: Job = { config: server.clientConfig, wrappingKey: randomBytes(32).toString('base64'), directory }
  const film = randomBytes(41 * MIB)
  await writeFile(path.join(directory, 'film.mp4'), film)

  const first = fork(fileURLToPath(import.meta.url), ['upload'])
  first.send(job)
  const ended = once(first, 'exit')
  server.onRequest(({ query }) => {
    if (query.partNumber === '4') first.kill('SIGKILL')
  })
  const [, signal] = (await ended) as [number | null, string | null]
  assert.equal(signal, 'SIGKILL')
  assert.equal(await server.object(object.Bucket, object.Key), undefined)
  console.log(`process ${String(first.pid)} was killed while it sent part 4`)

  const second = fork(fileURLToPath(import.meta.url), ['upload'])
  second.send(job)
  const [sent] = (await Promise.race([
    once(second, 'message'),
    once(second, 'exit').then(([status]) => Promise.reject(new Error(`it ended with status ${String(status)}`))),
  ])) as [number]
  assert.equal(sent, 3)

  const s3 = client(job)
  const { Body } = await s3.send(new GetObjectCommand(object))
  const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
  assert.equal(digest((await Body?.transformToByteArray()) ?? new Uint8Array(0)), digest(film))
  console.log(`process ${String(second.pid)} sent the ${sent} parts that were missing; what came back is the film`)

  s3.destroy()
  await server.close()
  await rm(directory, { recursive: true })
}
