import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import type { KMSClient } from '@aws-sdk/client-kms'
import { Upload } from '@aws-sdk/lib-storage'
import { aesKeyring, CseError, encryptedView, requestOptions, rsaKeyring, s3ec } from 's3-cse'
import type { EncryptionOptions, Keyring, LegacyOptions, RequestOptions } from 's3-cse'
import { kmsKeyring } from 's3-cse/kms'
import { Buffer } from 'node:buffer'
import { LARGE, PART_SIZE, plaintext } from './inputs.js'
import { isLegacyWrap } from './kinds.js'
import type { Kind } from './peer.js'
import type { Context, WrappingKey } from './protocol.js'

/** What the clients of this side are made of. */
export interface Ours {
  /** Without encryption. */
  readonly s3: S3Client
  /** The same for a server that knows conditions of deletes, which LocalStack does not. */
  readonly strict: S3Client
  readonly kms: KMSClient
}

export interface Place {
  readonly Bucket: string
  readonly Key: string
}

export interface Opening {
  readonly key: WrappingKey
  readonly context: Context
}

/** A context belongs to the keyring (raw keys) or to the client (KMS). */
export function keyringOf(ours: Ours, { key, context }: Opening): Keyring {
  if (key.kind === 'kms') return kmsKeyring({ client: ours.kms, keyId: key.arn })
  const description = Object.keys(context).length > 0 ? { materialsDescription: context } : {}
  if (key.kind === 'rsa') {
    return rsaKeyring({ publicKey: key.publicKey, privateKey: key.privateKey, ...description })
  }
  return aesKeyring({ wrappingKey: Buffer.from(key.hex, 'hex'), ...description })
}

export function view(ours: Ours, opening: Opening, options: Omit<EncryptionOptions, 'keyring'> = {}): S3Client {
  const context = opening.key.kind === 'kms' ? { encryptionContext: opening.context } : {}
  return encryptedView(ours.s3, { keyring: keyringOf(ours, opening), ...context, ...options })
}

export function writing(kind: Kind): Omit<EncryptionOptions, 'keyring'> {
  const instructionFile = kind.envelope === 'instruction-file' ? { instructionFile: { write: true } } : {}
  if (kind.format === 'V3') return instructionFile
  const commitmentPolicy = 'FORBID_ENCRYPT_ALLOW_DECRYPT'
  if (kind.format === 'V2' && kind.wrap !== 'kms') return { ...instructionFile, commitmentPolicy }
  const insecureLegacyWriting = kind.format === 'V1' ? 'V1-CBC' : kind.content === 'CBC' ? 'V2-KMS-CBC' : 'V2-KMS-GCM'
  return { ...instructionFile, commitmentPolicy, format: s3ec({ insecureLegacyWriting }) }
}

/** What reading a kind needs, and nothing more. */
export function needs(kind: Kind): {
  readonly commitmentPolicy?: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT'
  readonly legacy?: LegacyOptions
} {
  if (kind.format === 'V3') return {}
  const legacy = { wrapping: isLegacyWrap(kind), content: kind.content === 'CBC' }
  return { commitmentPolicy: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT', ...(legacy.wrapping || legacy.content ? { legacy } : {}) }
}

/** Writes an object as s3-cse does; large ones by Upload. */
export async function put(
  ours: Ours,
  kind: Kind,
  place: Place,
  opening: Opening,
  size: number,
  suffix?: string,
): Promise<void> {
  const client = view(ours, opening, writing(kind))
  const Body = plaintext(size, place)
  if (size >= LARGE) {
    await new Upload({ client, params: { ...place, Body }, partSize: PART_SIZE }).done()
    return
  }
  const options = suffix === undefined ? {} : { instructionFileSuffix: suffix }
  await client.send(new PutObjectCommand(requestOptions({ ...place, Body }, options)))
}

/** The whole plaintext, or what Range says of it. */
export async function get(
  client: S3Client,
  place: Place,
  { Range, ...options }: RequestOptions & { readonly Range?: string } = {},
): Promise<Uint8Array> {
  const input = Range === undefined ? { ...place } : { ...place, Range }
  const { Body } = await client.send(new GetObjectCommand(requestOptions(input, options)))
  return (await Body?.transformToByteArray()) ?? new Uint8Array()
}

export function expectSame(found: Uint8Array, wanted: Uint8Array): void {
  if (Buffer.compare(found, wanted) === 0) return
  throw new Error(`the plaintext differs: ${found.length} bytes instead of ${wanted.length}`)
}

/** Runs what must fail with an error of this library, or with one of KMS that it passes on. */
export async function expectRefusal(what: string, attempt: () => Promise<unknown>, ...codes: string[]): Promise<void> {
  const error: unknown = await attempt().then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error instanceof CseError && codes.includes(error.code)) return
  throw new Error(`${what}: ${error === undefined ? 'not refused' : textOf(error)}, instead of ${codes.join(' or ')}`)
}

export const textOf = (error: unknown): string =>
  error instanceof CseError ? `s3-cse: ${error.code}: ${error.message}` : String(error)
