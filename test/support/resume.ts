import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
  type CompletedPart,
  type CompleteMultipartUploadCommandOutput,
  type S3Client,
  type UploadPartCommandOutput,
} from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { createCipheriv } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'

import { requestOptions } from '../../src/index.js'
import type { ImportedUpload, RequestOptions, SaveUpload } from '../../src/index.js'
import type { S3Request, S3Server } from '../../src/testing/index.js'
import { Bucket, read } from './world.js'

export const MiB: number = 1024 * 1024
/** The shortest part that others may follow. */
export const PART: number = 5 * MiB

/** One object, in parts of these lengths in bytes: always the same bytes, and others in each part. */
export function source(...lengths: readonly number[]): Buffer[] {
  const length = lengths.reduce((sum, one) => sum + one, 0)
  const all = createCipheriv('aes-128-ctr', new Uint8Array(16), new Uint8Array(16)).update(Buffer.alloc(length))
  let at = 0
  return lengths.map((length) => all.subarray(at, (at += length)))
}

/** Another source of the same lengths: one bit is different. */
export function changed(part: Buffer, at: number = part.length - 1): Buffer {
  const copy = Buffer.from(part)
  copy[at]! ^= 1
  return copy
}

/** An upload, by the names that every request of it has. */
export type Name = Pick<ImportedUpload, 'Bucket' | 'Key' | 'UploadId'>

export async function create(
  client: S3Client,
  Key: string,
  options: RequestOptions = {},
  more: object = {},
): Promise<Name> {
  const input = requestOptions({ Bucket, Key, ...more }, options)
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(input))
  return { Bucket, Key, UploadId: UploadId! }
}

export function send(
  client: S3Client,
  { Bucket, Key, UploadId }: Name,
  PartNumber: number,
  Body: unknown,
  more: object = {},
): Promise<UploadPartCommandOutput> {
  return client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body: Body as Buffer, ...more }))
}

export function complete(
  client: S3Client,
  { Bucket, Key, UploadId }: Name,
  Parts: readonly CompletedPart[],
  more: object = {},
): Promise<CompleteMultipartUploadCommandOutput> {
  const MultipartUpload = { Parts: [...Parts] }
  return client.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload, ...more }))
}

/** Of an upload that was created without a ChecksumAlgorithm. */
export function completed(PartNumber: number, { ETag }: UploadPartCommandOutput): CompletedPart {
  return { PartNumber, ETag }
}

/** Sends what is not stored yet, completes, and reads the object back. */
export async function finish(client: S3Client, upload: ImportedUpload, parts: readonly Buffer[]): Promise<void> {
  const stored = new Map(upload.Parts.map((part) => [part.PartNumber!, part]))
  for (const [index, part] of parts.entries()) {
    const number = index + 1
    if (!stored.has(number)) stored.set(number, completed(number, await send(client, upload, number, part)))
  }
  await complete(
    client,
    upload,
    [...stored.values()].sort((a, b) => a.PartNumber! - b.PartNumber!),
  )
  assert.ok((await read(client, upload.Key)).equals(Buffer.concat(parts)), 'another object was stored')
}

/** A state that is saved in memory. */
export interface Log {
  /** All of it. */
  readonly text: string
  readonly saves: readonly string[]
  readonly save: SaveUpload
}

/** Goes on with what was saved `before`. */
export function log(before: readonly string[] = []): Log {
  const saves = [...before]
  return {
    get text() {
      return saves.join('')
    },
    saves,
    save: (text) => void saves.push(text),
  }
}

/** The requests for parts that have arrived, by part number. */
export function partsSent({ requests }: Pick<S3Server, 'requests'>): number[] {
  return requests.filter(isPart).map(({ query }) => Number(query.partNumber))
}

export function isPart({ operation }: S3Request): boolean {
  return operation === 'UploadPart'
}

/** Bytes of the bodies of all parts that have arrived. */
export function bytesSent({ requests }: Pick<S3Server, 'requests'>): number {
  return requests.filter(isPart).reduce((sum, { bodyLength }) => sum + bodyLength, 0)
}

/** Waits for what another process or the server does. */
export async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 20_000
  while (!condition()) {
    assert.ok(Date.now() < end, 'what was waited for does not come')
    await setTimeout(2)
  }
}
