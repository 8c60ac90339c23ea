/** Copies, deletes and renames of encrypted objects: an S3 with several buckets, and what is stored afterwards. */
import assert from 'node:assert/strict'

import { CopyObjectCommand, GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import type {
  CopyObjectCommandInput,
  CopyObjectCommandOutput,
  HeadObjectCommandOutput,
  S3Client,
} from '@aws-sdk/client-s3'

import type { S3Operation, S3Options, S3Request } from '../../src/testing/index.js'
import { Bucket, put } from '../support/world.js'
import type { World } from '../support/world.js'
import { clockedWorld, file, setVersioning } from './instruction-support.js'
import type { InstructionWorld } from './instruction-support.js'

export const other = 'other'

export interface CopyWorld extends InstructionWorld {
  versioning(bucket?: string): Promise<void>
}

export async function copyWorld(options: S3Options = {}): Promise<CopyWorld> {
  const w = await clockedWorld({ buckets: [Bucket, other], ...options })
  // (As it is, and not spread, so that its clock stays one that can be set.)
  return Object.assign(w, { versioning: (bucket?: string) => setVersioning(w, 'Enabled', bucket) })
}

/** As a CopySource has to be written. */
export function sourceOf(key: string, more: { bucket?: string; versionId?: string } = {}): string {
  const { bucket = Bucket, versionId } = more
  const path = `${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`
  return versionId === undefined ? path : `${path}?versionId=${encodeURIComponent(versionId)}`
}

export function copy(
  client: S3Client,
  from: string,
  Key: string,
  more: Partial<CopyObjectCommandInput> = {},
): Promise<CopyObjectCommandOutput> {
  return client.send(new CopyObjectCommand({ Bucket, Key, CopySource: sourceOf(from), ...more }))
}

export const REPLACE = { MetadataDirective: 'REPLACE' } as const

export async function readFrom(client: S3Client, Key: string, more: object = {}): Promise<string> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key, ...more }))
  return Body!.transformToString()
}

export function head(client: S3Client, Key: string, more: object = {}): Promise<HeadObjectCommandOutput> {
  return client.send(new HeadObjectCommand({ Bucket, Key, ...more }))
}

/** Of an object that is there: its own metadata, and its envelope's keys. */
export async function storedMetadata(
  w: World,
  key: string,
  bucket: string = Bucket,
): Promise<Readonly<Record<string, string>>> {
  const object = await w.s3.object(bucket, key)
  assert.ok(object !== undefined, `${bucket}/${key}`)
  return object.metadata
}

/** Puts what is stored at another name as somebody does who has no key. */
export async function move(
  w: World,
  from: { key: string; bucket?: string },
  to: { key: string; bucket?: string },
): Promise<void> {
  const object = await w.s3.object(from.bucket ?? Bucket, from.key)
  assert.ok(object !== undefined)
  const { body: Body, metadata: Metadata } = object
  await w.plain.send(new PutObjectCommand({ Bucket: to.bucket ?? Bucket, Key: to.key, Body, Metadata }))
}

export async function exists(w: World, key: string, bucket: string = Bucket): Promise<boolean> {
  return (await w.s3.object(bucket, key)) !== undefined
}

/** An object with a file, and what is in it. */
export async function withFile(
  w: World,
  client: S3Client,
  key: string,
  text: string,
  suffix?: string,
): Promise<string> {
  await put(client, key, text)
  const stored = await w.s3.object(Bucket, file(key, suffix))
  assert.ok(stored !== undefined, `no file of ${key}`)
  w.s3.requests.length = 0
  return Buffer.from(stored.body).toString()
}

export async function fileText(
  w: World,
  key: string,
  bucket: string = Bucket,
  suffix?: string,
): Promise<string | undefined> {
  const stored = await w.s3.object(bucket, file(key, suffix))
  return stored && Buffer.from(stored.body).toString()
}

/** The error of the SDK for an answer of S3. */
export function answered(status: number, name?: string): (error: unknown) => true {
  return (error: unknown): true => {
    assert.ok(error instanceof Error)
    const { $metadata } = error as { $metadata?: { httpStatusCode?: number } }
    assert.equal($metadata?.httpStatusCode, status, error.stack)
    if (name !== undefined) assert.equal(error.name, name)
    return true
  }
}

/** Runs a step just before the first request of a kind is answered. */
export function before(
  w: World,
  operation: S3Operation,
  key: string,
  step: () => Promise<unknown>,
  match: (r: S3Request) => boolean = () => true,
): void {
  const unhook = w.s3.onRequest(async (r) => {
    if (r.operation !== operation || r.key !== key || !match(r)) return
    unhook()
    await step()
  })
}
