/** Small steps that many checks take. */
import assert from 'node:assert/strict'
import { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3'
import type { GetObjectCommandInput, PutObjectCommandOutput, S3Client } from '@aws-sdk/client-s3'
import { CseError, requestOptions } from '../../src/index.js'
import type { CseErrorCode } from '../../src/index.js'
import { checksumOf } from '../../src/testing/s3-checksums.js'
import type { S3ChecksumAlgorithm } from '../../src/testing/index.js'

/** Where an object is; more members of a request may stand beside it. */
export interface At {
  readonly Bucket: string
  readonly Key: string
}

export const MIB: number = 1024 * 1024

let made: Buffer<ArrayBuffer> = Buffer.alloc(0)

/** The first of always the same bytes, which do not repeat. */
export function bytesOf(length: number): Buffer<ArrayBuffer> {
  if (length > made.length) {
    made = Buffer.alloc(length)
    for (let i = 0, state = 1; i < length; i++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
      made[i] = state >>> 24
    }
  }
  return made.subarray(0, length)
}

export function put(client: S3Client, at: At, Body: unknown, more: object = {}): Promise<PutObjectCommandOutput> {
  return client.send(new PutObjectCommand(requestOptions({ ...at, Body: Body as string, ...more }, {})))
}

export async function read(client: S3Client, at: At, more: Partial<GetObjectCommandInput> = {}): Promise<Buffer> {
  const { Body } = await client.send(new GetObjectCommand({ ...at, ...more }))
  return Buffer.from(await Body!.transformToByteArray())
}

/** With little text where they differ, whatever their lengths. */
export function sameBytes(actual: Uint8Array, expected: Uint8Array): void {
  assert.equal(actual.length, expected.length)
  if (Buffer.compare(actual, expected) === 0) return
  const first = actual.findIndex((byte, index) => byte !== expected[index])
  assert.fail(`byte ${first} of ${expected.length} is another`)
}

/** The object is stored as ciphertext with a tag, and reads as `expected`. */
export async function holds(
  client: S3Client,
  plain: S3Client,
  at: At,
  expected: Uint8Array,
  more: Partial<GetObjectCommandInput> = {},
): Promise<void> {
  sameBytes(await read(client, at, more), expected)
  const stored = await read(plain, at, more)
  assert.equal(stored.length, expected.length + 16)
  if (expected.length >= 16) assert.ok(!stored.includes(Buffer.from(expected.subarray(0, 16))), 'plaintext is stored')
}

/** Whether anything is stored there. */
export async function exists(plain: S3Client, { Bucket, Key }: At): Promise<boolean> {
  const { Contents = [] } = await plain.send(new ListObjectsV2Command({ Bucket, Prefix: Key }))
  return Contents.some((object) => object.Key === Key)
}

/** What is stored, as far as HeadObject of a plain client says. */
export async function storedLength(plain: S3Client, at: At): Promise<number | undefined> {
  return (await plain.send(new HeadObjectCommand({ ...at }))).ContentLength
}

/** Base64 of a digest, by code that the library has no part in. */
export const digestOf = (algorithm: Uppercase<S3ChecksumAlgorithm>, bytes: Uint8Array): string =>
  checksumOf(algorithm.toLowerCase() as S3ChecksumAlgorithm, bytes)

/** For assert.rejects. */
export const code =
  (expected: CseErrorCode) =>
  (error: unknown): true => {
    if (!(error instanceof CseError)) throw error as Error
    assert.equal(error.code, expected, error.message)
    return true
  }

/** For assert.rejects: an error of S3, by status and one of the names that SDK and servers have for it. */
export const s3Error =
  (status: number, ...names: string[]) =>
  (error: unknown): true => {
    const { name, $metadata } = error as { name: string; $metadata?: { httpStatusCode?: number } }
    if ($metadata === undefined) throw error as Error
    assert.equal($metadata.httpStatusCode, status, name)
    if (names.length > 0) assert.ok(names.includes(name), `${name} is not ${names.join(' or ')}`)
    return true
  }
