/** Multipart uploads against the in-process S3, for its own tests. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
  type CompleteMultipartUploadCommandInput,
  type CompleteMultipartUploadCommandOutput,
  type CompletedPart,
  type CreateMultipartUploadCommandInput,
  type S3Client,
  type S3ServiceException,
  type UploadPartCommandInput,
  type UploadPartCommandOutput,
} from '@aws-sdk/client-s3'

export const Bucket = 'bucket'
export const PART: number = 5 * 1024 * 1024

/** Different at every place. */
export const data: Buffer = Buffer.alloc(2 * PART + 1000)
for (let i = 0; i + 4 <= data.length; i += 4) data.writeUInt32LE((i * 2654435761) >>> 0, i)
export const first: Buffer = data.subarray(0, PART)
export const second: Buffer = data.subarray(PART, 2 * PART)
export const last: Buffer = data.subarray(2 * PART)

export const md5 = (bytes: Uint8Array): Buffer => createHash('md5').update(bytes).digest()

/** S3's ETag of an object of these parts. */
export function etagOfParts(...parts: readonly Uint8Array[]): string {
  return `"${md5(Buffer.concat(parts.map(md5))).toString('hex')}-${parts.length}"`
}

export function rejects(promise: Promise<unknown>, name: string, status: number, more: object = {}): Promise<void> {
  return assert.rejects(promise, (error: S3ServiceException) => {
    assert.deepEqual([error.name, error.$metadata.httpStatusCode], [name, status], error.message)
    for (const [member, value] of Object.entries(more)) {
      assert.equal(String((error as unknown as Record<string, unknown>)[member]), String(value), member)
    }
    return true
  })
}

/** One upload, with the commands of it. */
export interface Begun {
  readonly id: string
  readonly key: string
  part(
    number: number,
    Body: Uint8Array | string | Readable,
    more?: Partial<UploadPartCommandInput>,
  ): Promise<UploadPartCommandOutput>
  complete(
    parts: readonly CompletedPart[],
    more?: Partial<CompleteMultipartUploadCommandInput>,
  ): Promise<CompleteMultipartUploadCommandOutput>
  abort(): Promise<unknown>
}

export async function begin(
  client: S3Client,
  key: string,
  more: Partial<CreateMultipartUploadCommandInput> = {},
): Promise<Begun> {
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: key, ...more }))
  assert.ok(UploadId !== undefined)
  const upload = { Bucket, Key: key, UploadId }
  return {
    id: UploadId,
    key,
    part: (PartNumber, Body, more = {}) => client.send(new UploadPartCommand({ ...upload, PartNumber, Body, ...more })),
    complete: (parts, more = {}) =>
      client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: [...parts] }, ...more })),
    abort: () => client.send(new AbortMultipartUploadCommand(upload)),
  }
}
