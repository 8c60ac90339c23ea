/** What the checks of the contract write, see from outside and change, with any server. */
export { code } from '../../test/support/errors.js'
import { CreateKeyCommand } from '@aws-sdk/client-kms'
import type { CreateKeyCommandInput } from '@aws-sdk/client-kms'
import {
  CopyObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import type {
  GetObjectCommandInput,
  HeadObjectCommandOutput,
  PutObjectCommandInput,
  PutObjectCommandOutput,
  S3Client,
} from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import type { Readable } from 'node:stream'
import { inspect } from 'node:util'

import { aesKeyring, CseError, rsaKeyring } from '../../src/index.js'
import type { Context, CseErrorCode, EncryptionOptions, Keyring } from '../../src/index.js'
import type { Place } from './support.js'

export const v2: Partial<EncryptionOptions> = { commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' }
/** Reads both. */
export const readsAll: Partial<EncryptionOptions> = { commitmentPolicy: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT' }
/** By what is written with these options. */
export const versions: readonly (readonly ['V3' | 'V2', Partial<EncryptionOptions>])[] = [
  ['V3', {}],
  ['V2', v2],
]

export function aesKey(byte: number, description?: string): Keyring {
  const wrappingKey = new Uint8Array(32).fill(byte)
  return aesKeyring({ wrappingKey, ...(description !== undefined && { materialsDescription: { description } }) })
}

const pairs = new Map<string, Parameters<typeof rsaKeyring>[0]>()

/** The same key pair for the same name, in one run. */
export function rsa(name = 'one', materialsDescription: Context = {}, modulusLength = 2048): Keyring {
  const id = `${name} ${modulusLength}`
  const pair = pairs.get(id) ?? generateKeyPairSync('rsa', { modulusLength })
  pairs.set(id, pair)
  return rsaKeyring({ ...pair, materialsDescription })
}

/** Texts that a header, JSON or a client of another language might change. */
export const oddContext: Context = {
  plain: 'a',
  'ключ ü 鍵': 'значение \u{1f511} \u0000\u007f\u0085\u2028',
  quotes: '"\'\\" \\u0020 \\\\',
  blanks: ' two  blanks\tand a tab\r\n ',
  word: '=?UTF-8?Q?abc?= =?UTF-8?B?YWJj?= =?',
  empty: '',
}

export interface Wrapping {
  readonly name: 'AES' | 'RSA' | 'KMS'
  /** Of this kind; for KMS with its own context. */
  readonly options: (t: Place) => Promise<Partial<EncryptionOptions> & { readonly keyring: Keyring }>
  readonly uses: 's3' | 'both'
}

/** One keyring of each kind, with a map that is hard to store. */
export const wrappings: readonly Wrapping[] = [
  {
    name: 'AES',
    uses: 's3',
    options: async () => ({
      keyring: aesKeyring({ wrappingKey: new Uint8Array(32).fill(7), materialsDescription: oddContext }),
    }),
  },
  { name: 'RSA', uses: 's3', options: async () => ({ keyring: rsa('one', oddContext) }) },
  {
    name: 'KMS',
    uses: 'both',
    options: async (t) => ({ keyring: await t.kmsKeyring(), encryptionContext: oddContext }),
  },
]

export function put(
  client: S3Client,
  Bucket: string,
  Key: string,
  Body: Uint8Array | string,
  more: Partial<PutObjectCommandInput> = {},
): Promise<PutObjectCommandOutput> {
  return client.send(new PutObjectCommand({ Bucket, Key, Body, ...more }))
}

export async function read(
  client: S3Client,
  Bucket: string,
  Key: string,
  more: Partial<GetObjectCommandInput> = {},
): Promise<Buffer> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key, ...more }))
  return Buffer.from(await Body!.transformToByteArray())
}

/** An object as the server has it. */
export interface Stored {
  readonly body: Uint8Array
  readonly metadata: Readonly<Record<string, string>>
}

export async function stored(
  { plain }: Place,
  Bucket: string,
  Key: string,
  more: Partial<GetObjectCommandInput> = {},
): Promise<Stored> {
  const { Body, Metadata = {} } = await plain.send(new GetObjectCommand({ Bucket, Key, ...more }))
  return { body: await Body!.transformToByteArray(), metadata: Metadata }
}

/** Stores it as it is, as somebody does who can write to the bucket. */
export async function store({ plain }: Place, Bucket: string, Key: string, object: Stored): Promise<void> {
  await plain.send(new PutObjectCommand({ Bucket, Key, Body: object.body, Metadata: { ...object.metadata } }))
}

export function headed(
  { plain }: Place,
  Bucket: string,
  Key: string,
  more: object = {},
): Promise<HeadObjectCommandOutput> {
  return plain.send(new HeadObjectCommand({ Bucket, Key, ...more }))
}

export async function exists(t: Place, Bucket: string, Key: string): Promise<boolean> {
  try {
    await headed(t, Bucket, Key)
    return true
  } catch (error) {
    if ((error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode === 404) return false
    throw error
  }
}

/** All names that begin so, in a bucket with versions: from the newest to the oldest of each. */
export async function versionIds({ plain }: Place, Bucket: string, key: string): Promise<string[]> {
  const { Versions = [] } = await plain.send(new ListObjectVersionsCommand({ Bucket, Prefix: key }))
  return Versions.filter(({ Key }) => Key === key).map(({ VersionId }) => VersionId!)
}

export async function copied({ plain }: Place, Bucket: string, from: string, Key: string): Promise<void> {
  await plain.send(new CopyObjectCommand({ Bucket, Key, CopySource: `${Bucket}/${encodeURIComponent(from)}` }))
}

/** What a reader got: all that was released, and the error that came from send() or from Body. */
export interface Outcome {
  readonly released: Buffer
  readonly error: unknown
}

/** Reads as a program would that uses every byte as soon as it has it. */
export async function outcomeOf(
  client: S3Client,
  Bucket: string,
  Key: string,
  more: Partial<GetObjectCommandInput> = {},
): Promise<Outcome> {
  const released: Buffer[] = []
  try {
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key, ...more }))
    for await (const chunk of Body as Readable) released.push(chunk as Buffer)
    return { released: Buffer.concat(released), error: undefined }
  } catch (error) {
    return { released: Buffer.concat(released), error }
  }
}

/** The read failed with one of these codes, and gave nothing out. */
export function refused(
  { released, error }: Outcome,
  codes: CseErrorCode | readonly CseErrorCode[],
  what: string,
): void {
  assert.ok(error !== undefined, `${what}: it was read`)
  assert.ok(error instanceof CseError, `${what}: ${inspect(error)}`)
  assert.ok([codes].flat().includes(error.code), `${what}: ${error.stack ?? error.message}`)
  assert.equal(released.length, 0, `${what}: plaintext was released`)
}

/** Bytes that differ at every place. */
export function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let i = 0; i < length; i++) bytes[i] = (i * 7 + (i >> 8) * 13 + (i >> 16)) & 255
  return bytes
}

/** Runs `act` once, before the client sends this command for this key. */
export function before(client: S3Client, commandName: string, key: string, act: () => Promise<unknown>): () => boolean {
  let done = false
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const isIt = context.commandName === commandName && (args.input as { Key?: string }).Key === key
      if (isIt && !done) {
        done = true
        await act()
      }
      return next(args)
    },
    { step: 'finalizeRequest', name: `before ${commandName}`, priority: 'high' },
  )
  return () => done
}

/** A new key of the same KMS; gives its ARN. */
export async function newKmsKey({ kms }: Place, more: CreateKeyCommandInput = {}): Promise<string> {
  const { KeyMetadata } = await kms.send(new CreateKeyCommand(more))
  return KeyMetadata!.Arn!
}
