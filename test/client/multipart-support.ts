/** Multipart uploads through an encrypting client, and what they must have stored. */
import assert from 'node:assert/strict'

import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListPartsCommand,
  UploadPartCommand,
  type CompleteMultipartUploadCommandOutput,
  type CompletedPart,
  type S3Client,
  type UploadPartCommandOutput,
} from '@aws-sdk/client-s3'

import { aesKeyring, requestOptions } from '../../src/index.js'
import type { Keyring, RequestOptions } from '../../src/index.js'
import type { Format } from '../../src/formats/format.js'
import { framedFormat } from '../message/framed-format.js'
import { framedSealer } from '../message/framed.js'
import type { FramedSealer } from '../message/framed.js'
import { referenceSeal } from '../support/s3ec-reference.js'
import { Bucket, pattern, type World } from '../support/world.js'
import { summaryOfTests } from '../support/summary.js'

export const MIB: number = 1024 * 1024
/** S3's least length of a part that is not the last. */
export const PART: number = 5 * MIB

/** The bytes of all tests, so that they are made once. */
const bytes: Buffer = pattern(16 * MIB + 4096)
export const plaintext = (length: number): Buffer => bytes.subarray(0, length)

/** Remembers the data keys that it gave out. */
export function recordingKeyring(): Keyring & { readonly dataKeys: Uint8Array[] } {
  const keyring = aesKeyring({ wrappingKey: new Uint8Array(32).fill(7) })
  const dataKeys: Uint8Array[] = []
  return {
    dataKeys,
    async wrap(request) {
      const result = await keyring.wrap(request)
      dataKeys.push(Uint8Array.from(result.dataKey))
      return result
    },
    unwrap: (request) => keyring.unwrap(request),
  }
}

/** The stored bytes are those of the one-shot cipher. */
export async function assertStored(
  w: World,
  key: string,
  dataKey: Uint8Array | undefined,
  expected: Uint8Array,
): Promise<void> {
  assert.ok(dataKey !== undefined)
  const { body, metadata } = await w.stored(key)
  const version = 'x-amz-i' in metadata ? 'V3' : 'V2'
  const nonce = Buffer.from(metadata[version === 'V3' ? 'x-amz-i' : 'x-amz-iv']!, 'base64')
  const message = referenceSeal({ version, dataKey, nonce }, expected)
  assert.equal(body.length, message.length)
  assert.ok(Buffer.from(body).equals(message), 'other bytes than the one-shot cipher’s')
}

/** The framed test format, as a client writes it. */
export function writingFramed(): Format & { readonly sealers: FramedSealer[] } {
  const sealers: FramedSealer[] = []
  const format = framedFormat({
    async seal() {
      const sealer = framedSealer()
      sealers.push(sealer)
      return { sealer, metadata: { 'x-framed': '1' }, summary: summaryOfTests('framed') }
    },
  })
  return { ...format, sealers }
}

/** One upload, with the commands of it. */
export interface Begun {
  readonly id: string
  readonly key: string
  /** Sends a part, and keeps what names it. */
  part(number: number, Body: unknown, more?: object, options?: object): Promise<UploadPartCommandOutput>
  /** What names the parts that were sent, in the order of their numbers. */
  parts(): CompletedPart[]
  /** With the parts that were sent, if none are named. */
  complete(
    parts?: readonly CompletedPart[],
    more?: object,
    options?: object,
  ): Promise<CompleteMultipartUploadCommandOutput>
  /** What S3 says of the parts. */
  list(): Promise<CompletedPart[]>
  abort(): Promise<unknown>
}

/** An upload that was created, by whomever. Parts are named by the checksum that was announced, if one was. */
export function existing(client: S3Client, key: string, UploadId: string, algorithm?: string): Begun {
  const upload = { Bucket, Key: key, UploadId }
  const sent = new Map<number, CompletedPart>()
  const parts = (): CompletedPart[] => [...sent.values()].sort((a, b) => a.PartNumber! - b.PartNumber!)
  return {
    id: UploadId,
    key,
    async part(PartNumber, Body, more = {}, options = {}) {
      const input = { ...upload, PartNumber, Body: Body as Buffer, ...more }
      const output = await client.send(new UploadPartCommand(input), options)
      const named = Object.entries(output).filter(([name]) => name === 'ETag' || name === `Checksum${algorithm ?? ''}`)
      sent.set(PartNumber, { PartNumber, ...Object.fromEntries(named) })
      return output
    },
    parts,
    complete: (list = parts(), more = {}, options = {}) =>
      client.send(
        new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: [...list] }, ...more }),
        options,
      ),
    async list() {
      const { Parts = [] } = await client.send(new ListPartsCommand(upload))
      return Parts.map(({ PartNumber, ETag, ChecksumCRC32 }) =>
        algorithm === undefined ? { PartNumber, ETag } : { PartNumber, ETag, ChecksumCRC32 },
      )
    },
    abort: () => client.send(new AbortMultipartUploadCommand(upload)),
  }
}

/** A new upload. */
export async function begin(
  client: S3Client,
  key: string,
  more: object = {},
  options?: RequestOptions,
): Promise<Begun> {
  const input = { Bucket, Key: key, ...more }
  const command = new CreateMultipartUploadCommand(options === undefined ? input : requestOptions(input, options))
  const { UploadId = '' } = await client.send(command)
  return existing(client, key, UploadId, (more as { ChecksumAlgorithm?: string }).ChecksumAlgorithm)
}
