/** Objects with instruction files, what is stored of them, and failures of the requests for them. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { Readable } from 'node:stream'
import { after, beforeEach } from 'node:test'

import { DecryptCommand, KMSClient } from '@aws-sdk/client-kms'
import { ListObjectVersionsCommand, PutBucketVersioningCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import type { GetObjectCommandInput, S3Client } from '@aws-sdk/client-s3'

import { rsaKeyring } from '../../src/index.js'
import type { Context, EncryptionOptions, Keyring } from '../../src/index.js'
import { kmsKeyring } from '../../src/kms.js'
import { startKms } from '../../src/testing/index.js'
import type { S3Fault, S3Operation, S3Options, S3Request } from '../../src/testing/index.js'
import { checkStored } from '../support/independent-check.js'
import { envelopeOf, readStored } from '../support/independent-reader.js'
import type { Keys } from '../support/independent-reader.js'
import { Bucket, get, keyring, put, world, type World } from '../support/world.js'
import { begin, PART, type Begun } from './multipart-support.js'

export const MARK = 'x-amz-crypto-instr-file'
export const file = (key: string, suffix = '.instruction'): string => `${key}${suffix}`

export const write: Partial<EncryptionOptions> = { instructionFile: { write: true } }
export const overwrite: Partial<EncryptionOptions> = { instructionFile: { write: true, overwrite: true } }
export const v2: Partial<EncryptionOptions> = { commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' }
export const versions: { readonly V3: Partial<EncryptionOptions>; readonly V2: Partial<EncryptionOptions> } = {
  V3: {},
  V2: v2,
}

/** S3 with a clock that tests set: seconds that pass for everything that is stored. */
export interface InstructionWorld extends World {
  clock: number
  /** An encrypting client without further tries of the SDK. */
  once(options?: Partial<EncryptionOptions>): S3Client
  fail(operation: S3Operation, key: string, fault: Omit<S3Fault, 'match'>, match?: (r: S3Request) => boolean): void
  /** Of one kind and one key, as they came. */
  sent(operation: S3Operation, key?: string): S3Request[]
  /** All that concern objects, as 'GetObject key'. */
  log(): string[]
}

/** The same for any S3. To be called once, at the top of a test file. Forgets faults and requests before each test. */
export async function clockedWorld(options: S3Options = {}): Promise<InstructionWorld> {
  const clock = { seconds: 1_800_000_000 }
  const w = await world({ now: () => new Date(clock.seconds * 1000), ...options })
  beforeEach(() => {
    w.s3.faults.length = 0
    w.s3.requests.length = 0
  })
  return {
    ...w,
    get clock() {
      return clock.seconds
    },
    set clock(seconds) {
      clock.seconds = seconds
    },
    once: (options = {}) => w.client(options, { maxAttempts: 1 }),
    fail(operation, key, fault, match = () => true) {
      w.s3.fail({ ...fault, match: (r) => r.operation === operation && r.key === key && match(r) })
    },
    sent: (operation, key) =>
      w.s3.requests.filter((r) => r.operation === operation && (key === undefined || r.key === key)),
    log: () => w.s3.requests.filter((r) => r.key !== undefined).map((r) => `${r.operation} ${r.key}`),
  }
}

export async function setVersioning(w: World, Status: 'Enabled' | 'Suspended', bucket: string = Bucket): Promise<void> {
  const VersioningConfiguration = { Status }
  await w.plain.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration }))
}

export async function instructionWorld(versioning: 'Enabled' | 'Suspended' | undefined): Promise<InstructionWorld> {
  const w = await clockedWorld()
  if (versioning !== undefined) await setVersioning(w, versioning)
  return w
}

const { privateKey, publicKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
})

export interface Wrapping {
  readonly name: string
  readonly keyring: Keyring
  readonly encryptionContext?: Context
}

/** One keyring of each kind; KMS with texts that files must not have as they are. */
export async function wrappings(): Promise<{ readonly all: readonly Wrapping[]; readonly kms: KMSClient }> {
  const server = await startKms({ keys: ['alias/key'] })
  const kms = new KMSClient({ ...server.clientConfig, maxAttempts: 1 })
  after(async () => {
    kms.destroy()
    await server.close()
  })
  const encryptionContext = { 'a tenant': 'with  blanks \t\n', ключ: 'значение \u{1f511}', quote: '"\\u0020 \\' }
  const all = [
    { name: 'AES', keyring },
    { name: 'RSA', keyring: rsaKeyring({ publicKey, privateKey }) },
    { name: 'KMS', keyring: kmsKeyring({ client: kms, keyId: 'alias/key' }), encryptionContext },
  ]
  return { all, kms }
}

/** What a reader of its own makes of object and file; it also judges how they are written. */
export async function judge(w: World, key: string, suffix?: string, kms?: KMSClient): Promise<Buffer> {
  const [object, stored] = [await w.stored(key), await w.stored(file(key, suffix))]
  const instructionFile = Buffer.from(stored.body).toString('latin1')
  const whole = { metadata: object.metadata, body: object.body, instructionFile }
  checkStored(whole)
  assert.deepEqual(stored.metadata, { [MARK]: '' })
  const { encryptedDataKey, map, wrap } = envelopeOf(whole)
  const keys: Keys = { aes: [new Uint8Array(32).fill(7)], rsa: [privateKey] }
  if (kms === undefined || wrap !== 'kms+context') return readStored(whole, keys)
  const decrypted = await kms.send(new DecryptCommand({ CiphertextBlob: encryptedDataKey, EncryptionContext: map }))
  return readStored(whole, { kms: () => decrypted.Plaintext })
}

/** What is stored under the names, to be compared with what is there later. */
export async function snapshot(w: World, ...keys: string[]): Promise<unknown[]> {
  const all = await Promise.all(keys.map((key) => w.s3.object(Bucket, key)))
  return all.map((one) => one && { body: Buffer.from(one.body).toString('hex'), metadata: one.metadata })
}

/** The answer is lost after the operation was carried out. */
export const LOST = { reset: { afterResponseBytes: 0 } } as const

/** Names that nothing is stored under yet, in a file of tests. */
export function names(): () => string {
  let count = 0
  return () => `object-${++count}`
}

export function stream(bytes: Uint8Array): Readable {
  return Readable.from([bytes.subarray(0, 1000), bytes.subarray(1000)])
}

export async function bytesOf(
  client: S3Client,
  key: string,
  more: Partial<GetObjectCommandInput> = {},
): Promise<Buffer> {
  const { Body } = await get(client, key, more)
  return Buffer.from(await Body!.transformToByteArray())
}

export function readVersion(client: S3Client, key: string, VersionId: string | undefined): Promise<Buffer> {
  return bytesOf(client, key, { VersionId })
}

/** A new object with its file; the requests for it are forgotten. */
export async function written(w: World, key: string, bytes: Uint8Array, options = {}): Promise<string> {
  await put(w.client({ ...write, ...options }), key, bytes)
  w.s3.requests.length = 0
  return key
}

/** A client with one socket: what is not given back is missing at once. */
export function narrowClient(w: World, options: Partial<EncryptionOptions>, maxAttempts: number): S3Client {
  return w.client(options, { maxAttempts, requestHandler: { httpAgent: { maxSockets: 1 } } })
}

/** From the newest to the oldest. */
export async function versionIds(w: World, key: string): Promise<string[]> {
  const { Versions = [] } = await w.plain.send(new ListObjectVersionsCommand({ Bucket, Prefix: key }))
  return Versions.filter(({ Key }) => Key === key).map(({ VersionId }) => VersionId!)
}

/** Puts the instruction file of some other object where that of `key` is, as a writer does before it dies. */
export async function crash(w: World, key: string, options = {}): Promise<void> {
  await put(w.client({ ...write, ...options }), 'another', 'another')
  const { body: Body, metadata: Metadata } = await w.stored(file('another'))
  await w.plain.send(new PutObjectCommand({ Bucket, Key: file(key), Body, Metadata }))
}

/** An upload in two parts of which only Complete is missing. */
export async function parts(client: S3Client, key: string, bytes: Uint8Array, more: object = {}): Promise<Begun> {
  const upload = await begin(client, key, more)
  await upload.part(1, bytes.subarray(0, PART))
  await upload.part(2, bytes.subarray(PART))
  return upload
}
