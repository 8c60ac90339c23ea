import { GetObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import type { GetObjectCommandInput } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'

import { rotateKey, RotationError } from '../../src/index.js'
import type { Context, EncryptionOptions, Keyring, RotateKeyInput, RotateKeyResult } from '../../src/index.js'
import { aesKey, put, read, readsAll } from './stored-objects.js'
import type { Place } from './support.js'

export const oldKey: Keyring = aesKey(1, 'old')
export const newKey: Keyring = aesKey(2, 'new')

export type Settings = Partial<EncryptionOptions> & {
  readonly keyring: Keyring
  readonly encryptionContext?: Context
}

const conditions = new Map<string, Promise<boolean>>()

/** Whether the server keeps the conditions of copies and of writes, as the library's own probe finds out. */
export function keepsConditions(t: Place): Promise<boolean> {
  const found = conditions.get(t.s3) ?? probe(t)
  conditions.set(t.s3, found)
  return found
}

async function probe(t: Place): Promise<boolean> {
  const key = t.key('probed')
  const client = t.client({ keyring: oldKey })
  await put(client, t.Bucket, key, 'probed')
  try {
    await rotateKey(client, { Bucket: t.Bucket, Key: key, to: newKey })
    return true
  } catch (error) {
    if (!(error instanceof RotationError)) throw error
    return false
  }
}

/** As a user has to on a server that keeps no conditions; whether it does is a check of its own. */
export async function rotate(
  t: Place,
  from: Settings,
  input: Omit<RotateKeyInput, 'Bucket'> & { readonly Bucket?: string },
): Promise<RotateKeyResult> {
  const allowUnconditional = !(await keepsConditions(t))
  return rotateKey(t.client({ ...readsAll, ...from }), { Bucket: t.Bucket, allowUnconditional, ...input })
}

/** One key opens the object, and the other one does not. */
export async function opensOnly(
  t: Place,
  key: string,
  body: Uint8Array | string,
  { by, not, Bucket = t.Bucket }: { by: Settings; not: Settings; Bucket?: string },
): Promise<void> {
  const bytes = await read(t.client({ ...readsAll, ...by }), Bucket, key)
  assert.ok(bytes.equals(Buffer.from(body as Uint8Array)), `${key} is something else`)
  // (By another kind of key or another context before a key is used.)
  const refusals = /^ERR_S3CSE_(DECRYPTION_FAILED|ENVELOPE_INVALID|CONTEXT_MISMATCH)$/
  await assert.rejects(read(t.client({ ...readsAll, ...not }), Bucket, key), { code: refusals })
}

export async function nothingLeft({ plain }: Place, Bucket: string, Prefix: string): Promise<void> {
  const { Contents = [] } = await plain.send(new ListObjectsV2Command({ Bucket, Prefix }))
  assert.deepEqual(
    Contents.map(({ Key }) => Key).filter((name) => name?.includes('.s3-cse-probe-')),
    [],
  )
}

export function readAs(
  t: Place,
  settings: Settings,
  Key: string,
  more: Partial<GetObjectCommandInput> = {},
): Promise<Buffer> {
  const client = t.client({ ...readsAll, ...settings })
  return client
    .send(new GetObjectCommand({ Bucket: t.Bucket, Key, ...more }))
    .then(async ({ Body }) => Buffer.from(await Body!.transformToByteArray()))
}

export const encryptedKeyOf = ({ metadata }: { readonly metadata: Readonly<Record<string, string>> }): string =>
  metadata['x-amz-3'] ?? metadata['x-amz-key-v2']!
