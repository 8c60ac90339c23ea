import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import type {
  GetObjectCommandInput,
  GetObjectCommandOutput,
  PutObjectCommandOutput,
  S3ClientConfig,
} from '@aws-sdk/client-s3'
import type { Readable } from 'node:stream'
import { after } from 'node:test'

import { addEncryption, aesKeyring } from '../../src/index.js'
import type { EncryptionOptions, Keyring } from '../../src/index.js'
import { startS3 } from '../../src/testing/index.js'
import type { S3Options, S3Server, S3StoredObject } from '../../src/testing/index.js'

export const Bucket = 'bucket'

/** One wrapping key for all tests that do not ask which. */
export const keyring: Keyring = aesKeyring({ wrappingKey: new Uint8Array(32).fill(7) })

/** An S3 with clients; closed when the tests of the file are done. */
export interface World {
  readonly s3: S3Server
  /** A client without encryption. */
  readonly plain: S3Client
  client(options?: Partial<EncryptionOptions>, config?: S3ClientConfig): S3Client
  stored(key: string): Promise<S3StoredObject>
}

export async function world(options: S3Options = {}): Promise<World> {
  const s3 = await startS3({ buckets: [Bucket], ...options })
  const clients: S3Client[] = []
  const make = (config: S3ClientConfig = {}): S3Client => {
    const client = new S3Client({ ...s3.clientConfig, maxAttempts: 3, ...config })
    clients.push(client)
    return client
  }
  after(async () => {
    for (const client of clients) client.destroy()
    await s3.close()
  })
  return {
    s3,
    plain: make(),
    client: (encryption = {}, config = {}) => addEncryption(make(config), { keyring, ...encryption }),
    async stored(key) {
      const object = await s3.object(Bucket, key)
      if (object === undefined) throw new Error(`nothing is stored as ${key}`)
      return object
    },
  }
}

export function put(client: S3Client, Key: string, Body: unknown, more: object = {}): Promise<PutObjectCommandOutput> {
  return client.send(new PutObjectCommand({ Bucket, Key, Body: Body as string, ...more }))
}

export function get(
  client: S3Client,
  Key: string,
  more: Partial<GetObjectCommandInput> = {},
): Promise<GetObjectCommandOutput> {
  return client.send(new GetObjectCommand({ Bucket, Key, ...more }))
}

export function bodyOf(output: GetObjectCommandOutput): Readable {
  return output.Body as Readable
}

export async function read(client: S3Client, key: string): Promise<Buffer> {
  const { Body } = await get(client, key)
  if (Body === undefined) throw new Error('no Body')
  return Buffer.from(await Body.transformToByteArray())
}

/** Bytes that look like nothing else and differ at every place. */
export function pattern(length: number): Buffer<ArrayBuffer> {
  const bytes = Buffer.alloc(length)
  for (let i = 0; i < length; i++) bytes[i] = (i * 7 + (i >> 8) * 13 + (i >> 16)) & 255
  return bytes
}
