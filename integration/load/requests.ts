import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import type { Readable } from 'node:stream'
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  paginateListObjectsV2,
} from '@aws-sdk/client-s3'
import type { GetObjectCommandInput, S3Client } from '@aws-sdk/client-s3'
import { download } from '../../src/index.js'
import { compare } from './content.js'
import type { Content } from './content.js'
import { CorruptedError } from './tally.js'
import { BUCKET } from './world.js'
import type { Stage } from './world.js'

export interface Read {
  readonly client: S3Client
  readonly input: Omit<GetObjectCommandInput, 'Bucket'> & { readonly Key: string }
  /** Looked at when all has been read: what it may be. */
  readonly allowed: () => Iterable<Content>
  readonly start?: number
  readonly end?: number
  readonly signal?: AbortSignal
}

/** Throws CorruptedError unless it is one of those. */
export async function getAndCompare({ client, input, allowed, start, end, signal }: Read): Promise<void> {
  const { Body } = await client.send(
    new GetObjectCommand({ ...input, Bucket: BUCKET }),
    signal && { abortSignal: signal },
  )
  if (Body === undefined) throw new CorruptedError(`${input.Key} has no Body`)
  await compareStream(Body as Readable, { input, allowed, start, end }, signal)
}

export async function downloadAndCompare(stage: Stage, read: Read): Promise<void> {
  const { client, input, signal } = read
  const file = path.join(stage.directory, randomUUID())
  try {
    await download(client, { ...input, Bucket: BUCKET }, file, { partSize: 4 * 1024 * 1024, signal })
    await compareStream(createReadStream(file), read)
  } finally {
    await rm(file, { force: true })
  }
}

type Expected = Pick<Read, 'input' | 'allowed'> & {
  readonly start?: number | undefined
  readonly end?: number | undefined
}

async function compareStream(body: Readable, expected: Expected, signal?: AbortSignal): Promise<void> {
  const { input, allowed, start, end } = expected
  // What is written while this is read may be what is read.
  let comparison = compare(allowed(), start, end)
  let known = [...allowed()].length
  const abort = (): void => void body.destroy(new DOMException('by the caller', 'AbortError'))
  if (signal?.aborted === true) abort()
  signal?.addEventListener('abort', abort)
  let length = 0
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      if (length === 0 && [...allowed()].length !== known) {
        comparison = compare(allowed(), start, end)
        known = [...allowed()].length
      }
      length += chunk.length
      comparison.push(chunk)
    }
  } finally {
    signal?.removeEventListener('abort', abort)
  }
  if (length === 0) comparison = compare(allowed(), start, end)
  if (comparison.end() === undefined) throw new CorruptedError(`${input.Key} has other bytes than were written`)
}

/** All that is in the bucket goes; its keys. */
export async function emptyBucket(client: S3Client): Promise<string[]> {
  const keys: string[] = []
  for await (const { Contents = [] } of paginateListObjectsV2({ client }, { Bucket: BUCKET })) {
    for (const { Key } of Contents) if (Key !== undefined) keys.push(Key)
  }
  for (const Key of keys) await client.send(new DeleteObjectCommand({ Bucket: BUCKET, Key }))
  for (;;) {
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: BUCKET }))
    for (const { Key, UploadId } of Uploads) {
      await client.send(new AbortMultipartUploadCommand({ Bucket: BUCKET, Key, UploadId }))
    }
    if (Uploads.length === 0) break
  }
  return keys
}
