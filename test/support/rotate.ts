/** An old key and a new one, objects under them, and what is checked of an object whose key was changed. */
import { KMSClient } from '@aws-sdk/client-kms'
import { CreateBucketCommand, HeadObjectCommand, PutBucketVersioningCommand } from '@aws-sdk/client-s3'
import type { HeadObjectCommandOutput, S3Client } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { after } from 'node:test'

import { aesKeyring, rotateKey } from '../../src/index.js'
import type { EncryptionOptions, Keyring, RotateKeyInput, RotateKeyResult } from '../../src/index.js'
import { startKms } from '../../src/testing/index.js'
import type { KmsServer, S3Request, S3StoredObject } from '../../src/testing/index.js'
import { code } from './errors.js'
import { Bucket, put, read, type World } from './world.js'

export function rawKeyring(byte: number, comment?: string): Keyring {
  const wrappingKey = new Uint8Array(32).fill(byte)
  return aesKeyring({ wrappingKey, ...(comment !== undefined && { materialsDescription: { comment } }) })
}

export const oldKey: Keyring = rawKeyring(1, 'old')
export const newKey: Keyring = rawKeyring(2, 'new')
/** Whose objects are nobody's here. */
export const otherKey: Keyring = rawKeyring(3)

export interface Counting extends Keyring {
  readonly calls: string[]
}

/** Says what was asked of it. */
export function counting(inner: Keyring): Counting {
  const calls: string[] = []
  return {
    ...inner,
    calls,
    wrap: (request) => (calls.push('wrap'), inner.wrap(request)),
    unwrap: (request) => (calls.push('unwrap'), inner.unwrap(request)),
    ...(inner.rewrap && { rewrap: (request) => (calls.push('rewrap'), inner.rewrap?.(request)) }),
  }
}

export type More = Partial<RotateKeyInput>

export function rotate(client: S3Client, Key: string, more: More = {}): Promise<RotateKeyResult> {
  return rotateKey(client, { Bucket, Key, to: newKey, ...more })
}

export interface KmsWorld {
  readonly kms: KmsServer
  readonly client: KMSClient
  /** Another client of the same place. */
  readonly clientOf: (region?: string) => KMSClient
}

export async function kmsWorld(): Promise<KmsWorld> {
  const kms = await startKms()
  const clients: KMSClient[] = []
  const clientOf = (region?: string): KMSClient => {
    const client = new KMSClient({ ...kms.clientConfig, ...(region !== undefined && { region }) })
    clients.push(client)
    return client
  }
  after(async () => {
    for (const client of clients) client.destroy()
    await kms.close()
  })
  return { kms, client: clientOf(), clientOf }
}

export async function versioned(w: World, bucket: string = Bucket): Promise<void> {
  const VersioningConfiguration = { Status: 'Enabled' as const }
  await w.plain.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration }))
}

export async function locked(w: World, bucket: string): Promise<void> {
  await w.plain.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: true }))
}

/** One key opens the object, and the other one does not. */
export async function opensOnly(
  w: World,
  key: string,
  body: Uint8Array | string,
  {
    by = newKey,
    not = oldKey,
    ...options
  }: Partial<EncryptionOptions> & { by?: Keyring | undefined; not?: Keyring | undefined } = {},
): Promise<void> {
  const bytes = await read(w.client({ ...options, keyring: by }), key)
  assert.ok(bytes.equals(Buffer.from(body as Uint8Array)), `${key} is something else`)
  await assert.rejects(read(w.client({ ...options, keyring: not }), key), code('ERR_S3CSE_DECRYPTION_FAILED'))
}

export async function putOld(w: World, key: string, body: unknown, more: object = {}): Promise<S3Client> {
  const client = w.client({ keyring: oldKey })
  await put(client, key, body, more)
  return client
}

/** What a person sees of an object, but for what a new envelope must change. */
export function properties(object: S3StoredObject): unknown {
  const { metadata, headers, tags, grants, lock, body, checksums } = object
  const own = Object.entries(metadata).filter(([name]) => !/^x-amz-(3|w|t|m|key-v2|matdesc|wrap-alg)$/.test(name))
  return { own: Object.fromEntries(own), headers, tags, grants, lock, checksums, body: Buffer.from(body) }
}

export function headed(w: World, Key: string, more: object = {}): Promise<HeadObjectCommandOutput> {
  return w.plain.send(new HeadObjectCommand({ Bucket, Key, ...more }))
}

/** The operations that a step needed, in order. */
export async function operations(w: World, step: () => Promise<unknown>): Promise<string[]> {
  w.s3.requests.length = 0
  await step()
  return w.s3.requests.map(({ operation }) => operation)
}

export const isProbe = ({ key }: Pick<S3Request, 'key'>): boolean => key?.includes('.s3-cse-probe-') === true

/** No name beside the objects', no upload that goes on. */
export function nothingLeft(w: World, bucket: string = Bucket): void {
  assert.deepEqual(
    w.s3.keys(bucket).filter((key) => isProbe({ key })),
    [],
  )
  assert.deepEqual(w.s3.uploads(bucket), [])
}
